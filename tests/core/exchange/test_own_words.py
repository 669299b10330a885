"""What an exchange says in rows of its own is known in its folder alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.domain.errors import DataError
from core.exchange.apex.words import WORDS as APEX
from core.exchange.binanceusdm.words import WORDS as BINANCE
from core.exchange.connection.own_words import Conditional, ContractTold, IncomeTold, OwnWords
from core.exchange.mexc.words import WORDS as MEXC

CORE = Path(__file__).parents[3] / "core"
COMMON = (
    "exchange/connection",
    "exchange/orders",
    "exchange/account",
    "exchange/markets",
    "market/live",
    "market/collecting",
)
OWN_NAMES = re.compile(
    r'"(aid|algoId|algoStatus|actualOrderId|incomeType|walletBalance|liquidationFee|closePosition|orderType'
    r"|maintenanceMarginRate|baselineMaintenanceMarginRate|markPrice|positionSide|markPriceUpdate|k|topic|id2|confirm"
    r'|fundingRate)"'
)
UNIFIED = {
    "contracts.py": {"maintenanceMarginRate"},
    "own_words.py": {"fundingRate"},
    "income.py": {"fundingRate"},
    "quotes.py": {"markPrice"},
    "plans.py": {"markPrice"},
}
"""Of ccxt's own leverage tiers, rates and tickers, and of the names that it gives to subscriptions."""


def test_the_common_code_reads_no_field_of_one_exchange() -> None:
    found = {
        path.name: names
        for room in COMMON
        for path in (CORE / room).glob("*.py")
        if (names := set(OWN_NAMES.findall(path.read_text())) - UNIFIED.get(path.name, set()))
    }
    assert found == {}


@pytest.mark.parametrize("words", [MEXC, APEX, OwnWords()], ids=["mexc", "apex", "nothing of its own"])
def test_without_words_of_its_own_ccxt_s_fields_count(words: OwnWords) -> None:
    row = {"type": "limit", "amount": 1.5, "info": {"aid": 7, "closePosition": "true", "incomeType": "TRANSFER"}}
    assert words.conditional(row) is None
    assert words.kind(row) == "limit"
    assert not words.closes_position(row)
    assert words.wallet({"info": {"assets": []}}) is None
    assert words.income(row) == IncomeTold("", 1.5)
    assert words.mark_price({"info": {"markPrice": "7"}}) is None
    assert words.funding_rate({"fundingRate": 0.5, "info": {"fundingRate": "0.50"}}) == 0.5
    assert words.next_funding_ms({"info": {"e": "markPriceUpdate", "T": 7}}) is None


def test_each_names_its_rates_of_a_contract() -> None:
    info = {"maintenanceMarginRate": 0.004, "liquidationFee": "0.0125"}
    told = [words.contract({"info": info}) for words in (MEXC, APEX, BINANCE)]
    assert told == [ContractTold(0.004), ContractTold(0.004), ContractTold(liquidation_fee_rate="0.0125")]
    assert APEX.contract({"info": {"baselineMaintenanceMarginRate": "0.005"}}) == ContractTold("0.005")


def test_binance_tells_income_by_kind_and_what_comes_of_trades() -> None:
    def told(kind: str) -> IncomeTold:
        return BINANCE.income({"amount": 1.0, "info": {"incomeType": kind, "income": "-0.5", "asset": "USDT"}})

    assert told("TRANSFER") == IncomeTold("TRANSFER", "-0.5", "USDT")
    assert [told(kind).of_trades for kind in ("REALIZED_PNL", "COMMISSION", "FUNDING_FEE")] == [True] * 3


def test_binance_tells_of_an_order_that_waits_by_two_sets_of_names() -> None:
    assert BINANCE.conditional({"info": {"orderId": 7}}) is None
    by_rest = {"info": {"algoId": 9, "algoStatus": "FINISHED", "actualOrderId": "5"}}
    by_stream = {"info": {"aid": 9, "X": "TRIGGERED", "ai": "0", "rm": "no\x1b"}}
    assert BINANCE.conditional(by_rest) == Conditional("finished", "5")
    told = BINANCE.conditional(by_stream)
    assert told is not None
    assert (told.stage, told.child_id) == ("passed on", "")
    assert told.reason.isprintable()
    assert BINANCE.closes_position({"info": {"closePosition": True}})
    assert BINANCE.kind({"type": "market", "info": {"orderType": "STOP_MARKET"}}) == "STOP_MARKET"


@pytest.mark.parametrize("assets", [{}, "x", [None], [{"asset": "USDT"}]])
def test_a_wallet_of_binance_that_is_not_told_is_not_one_of_nothing(assets: object) -> None:
    with pytest.raises(DataError):
        BINANCE.wallet({"info": {"assets": assets}})


def test_binance_tells_funding_in_its_own_digits_and_when_it_is_settled_next() -> None:
    assert BINANCE.funding_rate({"fundingRate": 0.0001, "info": {"fundingRate": "0.00010000"}}) == "0.00010000"
    assert BINANCE.funding_rate({"fundingRate": 0.0001, "info": {}}) == 0.0001
    assert BINANCE.next_funding_ms({"info": {"e": "markPriceUpdate", "T": 7}}) == 7
    assert BINANCE.next_funding_ms({"info": {"e": "24hrTicker", "T": 7}}) is None
    assert BINANCE.next_funding_ms({"info": None}) is None


def test_each_knows_a_contract_in_frames_by_its_name_there() -> None:
    market = {"id": "BTC-USDT", "id2": "BTCUSDT"}
    assert [words.stream_id(market) for words in (MEXC, BINANCE, APEX)] == ["BTC-USDT", "BTC-USDT", "BTCUSDT"]
    assert APEX.stream_id({"id": "BTC-USDT"}) == "BTC-USDT"
