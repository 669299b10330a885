import logging
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from core.domain.errors import UnavailableError
from core.domain.instrument import Instrument
from core.exchange.binanceusdm.words import WORDS as BINANCE
from core.exchange.connection.own_words import OwnWords
from core.exchange.markets.contracts import Terms, instrument_of, load_instruments, terms_of
from core.exchange.mexc.words import WORDS as MEXC
from core.settings.schema import Settings
from tests.core.exchange.wire_kit import Answer, Asked, Exchange, error, run, symbol_row, wire_to

SETTINGS = Settings()
TERMS = Terms(Decimal(2), Decimal(5), 125, Decimal("0.4"))


def made(symbol: str, market: dict[str, Any], terms: Terms, words: OwnWords = BINANCE) -> Instrument:
    return instrument_of(symbol, market, terms, SETTINGS, words.contract(market))


def told(market: dict[str, Any], fee: dict[str, Any], tiers: Any, words: OwnWords = BINANCE) -> Terms:
    return terms_of(market, fee, tiers, SETTINGS, words.contract(market))


def binance_market(**changes: Any) -> dict[str, Any]:
    market: dict[str, Any] = ccxt.binanceusdm().parse_market({**symbol_row("BTC"), **changes})
    return market


def test_sizes_are_those_of_the_filters_to_the_last_digit() -> None:
    instrument = made("BTCUSDT", binance_market(liquidationFee="0.012500"), TERMS)
    assert (instrument.symbol, instrument.base) == ("BTCUSDT", "BTC")
    assert (instrument.tick_size, instrument.lot_size, instrument.contract_size) == (
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal(1),
    )
    # Market orders have the smaller limit, and every order of ours may be one.
    assert (instrument.min_lots, instrument.max_lots) == (1, 120_000)
    assert instrument.min_notional_usdt == 100
    assert instrument.liquidation_fee_bps == Decimal("125")


@pytest.mark.parametrize(
    ("tick", "lot", "smallest"), [("0.0000001", "1", "3"), ("0.00001000", "10", "15"), ("0.05", "0.001", "0.0015")]
)
def test_small_and_odd_sizes_stay_exact(tick: str, lot: str, smallest: str) -> None:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": smallest, "maxQty": "90000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": lot},
    ]
    instrument = made("X", binance_market(filters=filters), TERMS)
    assert instrument.tick_size == Decimal(tick)
    assert instrument.lot_size == Decimal(lot)
    assert (instrument.min_lots - 1) * instrument.lot_size < Decimal(smallest) <= instrument.min_lots * Decimal(lot)
    assert instrument.max_lots == Decimal(90_000) / Decimal(lot)
    assert instrument.min_notional_usdt == 0
    assert instrument.liquidation_fee_bps == SETTINGS.costs.liquidation_fee_bps


def generic_market(**changes: Any) -> dict[str, Any]:
    return {
        "base": "BTC",
        "contractSize": 0.0001,
        "precision": {"amount": 1.0, "price": 0.5},
        "limits": {"amount": {"min": 1.0, "max": 1e6}, "cost": {"min": None, "max": None}, "leverage": {"max": 125.0}},
        "info": {"maintenanceMarginRate": 0.004},
        **changes,
    }


def test_a_mexc_contract_is_a_fraction_of_the_base() -> None:
    terms = told(generic_market(), {}, (), MEXC)
    instrument = made("BTCUSDT", generic_market(), terms, MEXC)
    assert instrument.qty(10) == Decimal("0.001")
    assert (instrument.max_leverage, instrument.maintenance_margin_pct) == (125, Decimal("0.4"))


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": {"amount": None, "price": 0.5}},
        {"precision": {"amount": 1.0, "price": None}},
        {"contractSize": None},
        {"limits": {"amount": {"min": 1.0, "max": None}}},
    ],
)
def test_a_contract_without_its_sizes_is_not_guessed(changes: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match="BTCUSDT: the exchange does not tell"):
        made("BTCUSDT", generic_market(**changes), TERMS)


def test_the_tier_of_the_largest_order_counts() -> None:
    tiers = [
        {"maxNotional": 10_000.0, "maxLeverage": 125.0, "maintenanceMarginRate": 0.004},
        {"maxNotional": 50_000.0, "maxLeverage": 100.0, "maintenanceMarginRate": 0.005},
        {"maxNotional": None, "maxLeverage": 50.0, "maintenanceMarginRate": 0.01},
    ]
    assert SETTINGS.limits.max_order_notional_usdt == 20_000
    terms = told(binance_market(), {"maker": 0.00016, "taker": 0.0004}, tiers)
    assert terms == Terms(Decimal("1.6"), Decimal("4"), 100, Decimal("0.5"))


def test_what_nobody_tells_is_assumed_and_named() -> None:
    terms = told(binance_market(), {}, ())
    assert (terms.maker_fee_bps, terms.taker_fee_bps) == (SETTINGS.costs.maker_fee_bps, SETTINGS.costs.taker_fee_bps)
    assert (terms.max_leverage, terms.maintenance_margin_pct) == (20, Decimal("2.5"))
    assert len(terms.assumed) == 2


async def account(asked: Asked) -> Answer | None:
    if asked.path == "/fapi/v1/leverageBracket":
        bracket = {
            "bracket": 1,
            "initialLeverage": 75,
            "notionalCap": 50_000,
            "notionalFloor": 0,
            "maintMarginRatio": 0.0065,
            "cum": 0.0,
        }
        return Answer([{"symbol": f"{base}USDT", "brackets": [bracket]} for base in ("BTC", "ETH")])
    if asked.path == "/fapi/v1/commissionRate":
        if asked.params["symbol"] == "ETHUSDT":
            return error(-1000, "try later")
        return Answer({"symbol": "BTCUSDT", "makerCommissionRate": "0.00018", "takerCommissionRate": "0.00045"})
    return None


def test_the_account_s_terms_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        wire = await wire_to(Exchange(account))  # type: ignore[arg-type]
        found = await load_instruments(wire, SETTINGS, ["BTCUSDT", "ETHUSDT"], with_account=True)
        btc, eth = found["BTCUSDT"], found["ETHUSDT"]
        assert (btc.maker_fee_bps, btc.taker_fee_bps) == (Decimal("1.8"), Decimal("4.5"))
        assert (btc.max_leverage, btc.maintenance_margin_pct) == (75, Decimal("0.65"))
        assert eth.taker_fee_bps == SETTINGS.costs.taker_fee_bps
        assert eth.max_leverage == 75

    run(work())
    assert "fetch_trading_fee: try later (-1000)" in caplog.text


def test_without_an_account_nothing_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        exchange = Exchange()
        wire = await wire_to(exchange, keys=None)
        found = await load_instruments(wire, SETTINGS, ["BTCUSDT"], with_account=False)
        assert found["BTCUSDT"].max_leverage == 20
        assert exchange.asked == []

    with caplog.at_level(logging.INFO):
        run(work())
    assert "BTCUSDT: the exchange does not tell its largest leverage (20x) and its maintenance margin" in caplog.text
