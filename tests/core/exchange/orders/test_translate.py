"""ccxt rows of orders, trades and balances in ticks and lots: exactly, or with a clear refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import DataError
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, Side
from core.domain.origin import champion
from core.exchange.binanceusdm.words import WORDS
from core.exchange.orders.translate import Seen, fill_in, fill_of, lots_of, protects, seen_in, ticks_of, wallet_usdt
from tests.core.trader.desk import make_instrument

BTC = make_instrument("BTCUSDT", "0.1", "0.001")
ORDER = Order("qd1", "BTCUSDT", Side.SELL, OrderType.MARKET, OrderRole.EXIT, 53, 0, "t", champion("s"))
STOP = Order(
    "qd2",
    "BTCUSDT",
    Side.SELL,
    OrderType.STOP_MARKET,
    OrderRole.STOP,
    53,
    0,
    "t",
    champion("s"),
    trigger_ticks=690_802,
    reduce_only=True,
)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_every_price_and_amount_on_the_grid_is_exact_as_float_and_as_text(ticks: int, lots: int) -> None:
    price, amount = BTC.price(ticks), BTC.lot_size * lots
    assert ticks_of(float(price), BTC) == ticks_of(str(price), BTC) == ticks
    assert lots_of(float(amount), BTC) == lots_of(str(amount), BTC) == lots


@pytest.mark.parametrize("value", ["60000.15", 60000.05, None, "NaN", "", "inf"])
def test_a_price_off_the_grid_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="the exchange told a price of BTCUSDT"):
        ticks_of(value, BTC)


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("open", 0.0, OrderState.ACCEPTED),
        ("open", 0.01, OrderState.PARTIALLY_FILLED),
        (None, None, OrderState.ACCEPTED),
        ("closed", 0.053, OrderState.FILLED),
        ("closed", 0.05, OrderState.EXPIRED),
        ("canceled", 0.01, OrderState.CANCELED),
        ("expired", 0.0, OrderState.EXPIRED),
        ("rejected", 0.0, OrderState.REJECTED),
    ],
)
def test_states_of_a_plain_order(status: str | None, filled: float | None, state: OrderState) -> None:
    seen = seen_in({"id": "7", "status": status, "filled": filled, "info": {"orderId": 7}}, ORDER, BTC, WORDS)
    assert (seen.state, seen.filled_lots) == (state, None if filled is None else round(filled * 1000))
    assert seen.venue_order_id == "7"


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(DataError, match="'pending'"):
        seen_in({"id": "7", "status": "pending", "info": {}}, ORDER, BTC, WORDS)


@pytest.mark.parametrize(
    ("status", "told", "seen"),
    [
        ("open", {"algoStatus": "NEW", "actualOrderId": ""}, Seen(OrderState.ACCEPTED, None, "9")),
        ("open", {"X": "TRIGGERING", "ai": "5"}, Seen(OrderState.ACCEPTED, None, "9", "5")),
        ("closed", {"X": "TRIGGERED", "ai": "5"}, Seen(OrderState.ACCEPTED, None, "9", "5")),
        (
            "closed",
            {"algoStatus": "FINISHED", "actualOrderId": "5"},
            Seen(OrderState.ACCEPTED, None, "9", "5", ended_in_child=True),
        ),
        ("canceled", {"X": "CANCELED", "ai": ""}, Seen(OrderState.CANCELED, 0, "9", reason="canceled at the exchange")),
        ("expired", {"X": "EXPIRED", "ai": "", "rm": "no"}, Seen(OrderState.EXPIRED, 0, "9", reason="no")),
        (
            "rejected",
            {"X": "REJECTED", "ai": "", "rm": "Reduce Only reject"},
            Seen(OrderState.REJECTED, 0, "9", reason="Reduce Only reject"),
        ),
    ],
)
def test_states_of_a_conditional_order(status: str, told: dict[str, str], seen: Seen) -> None:
    assert seen_in({"id": "9", "status": status, "info": {"aid": 9, **told}}, STOP, BTC, WORDS) == seen


def trade(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "148502631",
        "order": "3026735289",
        "side": "sell",
        "amount": 0.053,
        "price": 69080.2,
        "timestamp": 1709228306018,
        "takerOrMaker": "taker",
        "fee": {"cost": 0.022525, "currency": "USDT"},
        "info": {},
    }
    return row | changes


def test_a_fill_is_exact() -> None:
    fill, finding = fill_in(trade(), "qd1", BTC)
    paid = Decimal("0.022525")
    assert fill == Fill(
        "BTCUSDT-148502631", "qd1", "BTCUSDT", Side.SELL, 53, 690_802, paid, is_maker=False, time_ms=1709228306018
    )
    assert finding == ""


def test_a_rebate_is_a_negative_fee_and_no_fee_is_none() -> None:
    assert fill_in(trade(fee={"cost": -0.01, "currency": "USDT"}), "qd1", BTC)[0].fee_usdt == Decimal("-0.01")
    assert fill_in(trade(fee=None), "qd1", BTC)[0].fee_usdt == 0


def test_a_fee_in_another_coin_is_told() -> None:
    fill, finding = fill_in(trade(fee={"cost": 0.00001, "currency": "BNB"}), "qd1", BTC)
    assert fill.fee_usdt == 0
    assert finding == "fee of 0.00001 BNB on trade 148502631 is not in USDT: booked as 0"


def test_the_wallet_is_without_unrealised_profit() -> None:
    assets = [{"asset": "BUSD", "walletBalance": "1"}, {"asset": "USDT", "walletBalance": "23.72469206"}]
    assert wallet_usdt({"info": {"assets": assets}, "total": {"USDT": 99.0}}, WORDS) == Decimal("23.72469206")
    assert wallet_usdt({"info": {}, "total": {"USDT": 99.5}}, WORDS) == Decimal("99.5")
    with pytest.raises(DataError, match="the wallet"):
        wallet_usdt({"info": {"assets": [{"asset": "USDT", "walletBalance": "x"}]}}, WORDS)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"amount": 0.1}, ""),
        ({"side": "buy"}, "it is a buy"),
        ({"triggerPrice": 69080.3}, "its trigger is 69080.3"),
        ({"reduceOnly": False}, "it is not reduce-only"),
        ({"amount": 0.05}, "it is for 0.05"),
    ],
)
def test_whether_a_resting_stop_protects(change: dict[str, Any], problem: str) -> None:
    row = {"side": "sell", "triggerPrice": 69080.2, "reduceOnly": True, "amount": 0.053}
    assert protects(row | change, STOP, BTC, 53) == problem


def test_an_id_that_no_journal_can_write_is_kept_as_its_escape() -> None:
    seen = seen_in({"id": "\ud800\x1b", "status": "open", "filled": 0.0, "info": {}}, ORDER, BTC, WORDS)
    assert seen.venue_order_id == r"\ud800\x1b"


def test_a_trade_the_other_way_is_none_of_the_order() -> None:
    assert fill_of(trade(), ORDER, BTC) == fill_in(trade(), "qd1", BTC)
    with pytest.raises(DataError, match=r"the trade BTCUSDT-148502631 as a 'buy' of an order to sell \(qd1\)"):
        fill_of(trade(side="buy"), ORDER, BTC)
