"""The exchange by itself: conditional orders, refusals, partial fills, funding, and the record of protection."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.domain.market import Bar
from tests.venue.orders import Row
from tests.venue.refusals import RefusalError
from tests.venue.streams import Connection
from tests.venue.venue import API_KEY, BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    venue = BinanceVenue([BTC, "ETHUSDT"])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    return venue


def listen(venue: BinanceVenue) -> Connection:
    answer = venue.rest("POST", "/fapi/v1/listenKey", {}, {"X-MBX-APIKEY": API_KEY}, T0)
    return venue.connect(f"/private/ws?listenKey={answer.json()['listenKey']}", T0)


def events(connection: Connection) -> list[Row]:
    texts = list(connection.outbox)
    connection.outbox.clear()
    return [json.loads(text) for text in texts]


def buy(venue: BinanceVenue, qty: str = "0.010", now_ms: int = T0) -> None:
    venue.place_external(now_ms, symbol=BTC, side="BUY", quantity=qty)


def stop(venue: BinanceVenue, trigger: str = "49000.0", qty: str = "0.010", **more: str) -> str:
    algo = venue.place_external_algo(
        T0,
        **{"symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "quantity": qty, "triggerPrice": trigger}
        | {"reduceOnly": "true"}
        | more,
    )
    return algo.client_id


def test_a_triggered_stop_passes_through_all_its_states(venue: BinanceVenue) -> None:
    buy(venue)
    stop(venue)
    connection = listen(venue)
    venue.set_book(BTC, "48999.9", "49000.0", T0 + 1)
    heard = events(connection)
    told = [(event["e"], event["o"]["X"] if "o" in event else "") for event in heard]
    assert told == [
        ("ALGO_UPDATE", "TRIGGERING"),
        ("TRADE_LITE", ""),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ACCOUNT_UPDATE", ""),
        ("ORDER_TRADE_UPDATE", "FILLED"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ALGO_UPDATE", "FINISHED"),
    ]
    child = heard[2]["o"]["i"]
    assert heard[0]["o"]["ai"] == ""
    assert (heard[6]["o"]["ai"], heard[6]["o"]["aq"]) == (str(child), "0.010")
    assert child != venue.algos[0].algo_id


def test_a_stop_without_a_position_is_refused_only_when_it_triggers(venue: BinanceVenue) -> None:
    stop(venue)
    connection = listen(venue)
    venue.set_book(BTC, "48999.9", "49000.0", T0 + 1)
    assert [event["o"]["X"] for event in events(connection)] == ["TRIGGERING", "REJECTED"]
    assert venue.algos[0].reject_reason == "Reduce Only reject"
    assert venue.ledger.trades == []


def test_a_reduce_only_stop_larger_than_the_position_closes_it_and_no_more(venue: BinanceVenue) -> None:
    buy(venue)
    stop(venue, qty="0.500")
    venue.set_book(BTC, "48999.9", "49000.0", T0 + 1)
    child = venue.algos[0].child
    assert child is not None
    assert (child.status, child.filled_lots, venue.position_lots(BTC)) == ("EXPIRED", 10, 0)
    assert venue.algos[0].status == "FINISHED"


def test_a_stuck_trigger_leaves_the_position_unprotected(venue: BinanceVenue) -> None:
    buy(venue)
    client_id = stop(venue)
    assert venue.protection.is_covered(BTC)
    venue.stick_triggers(BTC)
    venue.set_book(BTC, "48999.9", "49000.0", T0 + 5_000)
    assert (venue.algos[0].status, venue.position_lots(BTC)) == ("TRIGGERING", 10)
    with pytest.raises(RefusalError, match="-2011"):
        venue.exchange.cancel_algo(venue.exchange.find_algo({"clientAlgoId": client_id}), T0 + 6_000)
    (span,) = venue.protection.current()
    assert (span.since_ms, span.duration_ms(T0 + 9_000)) == (T0 + 5_000, 4_000)


def test_protection_is_measured_from_the_fill_to_the_stop(venue: BinanceVenue) -> None:
    buy(venue)
    venue.place_external_algo(
        T0 + 800, symbol=BTC, side="SELL", type="STOP_MARKET", closePosition="true", triggerPrice="49000.0"
    )
    assert [(span.since_ms, span.until_ms) for span in venue.protection.ended] == [(T0, T0 + 800)]


def test_a_gte_stop_goes_with_its_position_and_a_gtc_one_stays(venue: BinanceVenue) -> None:
    buy(venue)
    stop(venue, timeInForce="GTE_GTC")
    stop(venue, trigger="48000.0")
    venue.place_external(T0, symbol=BTC, side="SELL", quantity="0.010", reduceOnly="true")
    assert [algo.status for algo in venue.algos] == ["EXPIRED", "NEW"]


def test_a_market_order_takes_level_by_level_and_expires_where_the_book_ends(venue: BinanceVenue) -> None:
    venue.set_book(BTC, "50000.0", "50000.1", T0, ask_qty="0.002")
    buy(venue, "0.100")
    (order,) = venue.orders
    assert (order.status, order.filled_lots, len(venue.ledger.trades)) == ("EXPIRED", 40, 20)
    assert [trade.price_ticks for trade in venue.ledger.trades[:3]] == [500_001, 500_002, 500_003]


def test_a_scripted_order_fills_in_part_and_expires(venue: BinanceVenue) -> None:
    venue.expire_after(BTC, "0.004")
    buy(venue)
    buy(venue)
    assert [(order.status, order.filled_lots) for order in venue.orders] == [("EXPIRED", 4), ("FILLED", 10)]


def test_a_resting_order_fills_at_its_own_price_as_far_as_the_book_goes(venue: BinanceVenue) -> None:
    order = venue.place_external(
        T0, symbol=BTC, side="BUY", type="LIMIT", quantity="0.050", price="49990.0", timeInForce="GTC"
    )
    venue.set_book(BTC, "49980.0", "49989.9", T0 + 1, ask_qty="0.010")
    assert (order.status, order.filled_lots) == ("PARTIALLY_FILLED", 20)
    venue.trade(BTC, "49989.0", "1", T0 + 2)
    assert (order.status, {trade.price_ticks for trade in venue.ledger.trades}) == ("FILLED", {499_900})
    assert venue.ledger.fees_usdt == Decimal("0.49990000")


def test_funding_is_paid_by_longs_and_recorded(venue: BinanceVenue) -> None:
    buy(venue)
    connection = listen(venue)
    assert venue.fund(BTC, "0.0001", "50001.23456789", T0 + 9) == Decimal("-0.05000123")
    (event,) = events(connection)
    assert (event["a"]["m"], event["a"]["B"][0]["bc"], event["a"]["P"]) == ("FUNDING_FEE", "-0.05000123", [])
    row = venue.ledger.income[-1]
    assert (row["incomeType"], row["income"], row["time"]) == ("FUNDING_FEE", "-0.05000123", T0 + 9)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"side": "UP"}, -1117),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "ICEBERG"}, -1116),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0005"}, -1111),
        ({"quantity": "130"}, -4005),
        ({"quantity": "x"}, -1102),
        ({"type": "LIMIT", "price": "50000.05", "timeInForce": "GTC"}, -4014),
        ({"type": "LIMIT", "price": "50000.123", "timeInForce": "GTC"}, -1111),
        ({"type": "LIMIT", "price": "60000.0", "timeInForce": "GTC"}, -4016),
        ({"type": "LIMIT", "price": "50000.0"}, -1115),
        ({"type": "LIMIT", "price": "50000.1", "timeInForce": "GTX"}, -5022),
        ({"type": "LIMIT", "price": "4000.0", "timeInForce": "GTC", "quantity": "0.001"}, -4164),
        ({"quantity": "5"}, -2019),
        ({"side": "SELL", "reduceOnly": "true"}, -2022),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "x" * 37}, -4015),
    ],
)
def test_refused_orders_change_nothing(venue: BinanceVenue, params: dict[str, str], code: int) -> None:
    with pytest.raises(RefusalError) as caught:
        venue.place_external(T0, **{"symbol": BTC, "side": "BUY", "quantity": "0.010"} | params)
    assert caught.value.code == code
    assert (venue.orders, venue.ledger.trades) == ([], [])


def test_a_fill_or_kill_order_that_cannot_fill_leaves_no_trace(venue: BinanceVenue) -> None:
    venue.set_book(BTC, "50000.0", "50000.1", T0, ask_qty="0.001")
    with pytest.raises(RefusalError, match="-5021"):
        venue.place_external(
            T0, symbol=BTC, side="BUY", type="LIMIT", quantity="0.010", price="50000.1", timeInForce="FOK"
        )
    assert (venue.orders, venue.ledger.trades) == ([], [])


def test_a_client_id_is_unique_among_open_orders_only(venue: BinanceVenue) -> None:
    named = {"symbol": BTC, "side": "BUY", "quantity": "0.010", "newClientOrderId": "qd1"}
    venue.place_external(T0, **named)
    resting = venue.place_external(T0, **named, type="LIMIT", price="49000.0", timeInForce="GTC")
    with pytest.raises(RefusalError, match="-4116"):
        venue.place_external(T0, **named)
    found = venue.exchange.find_order({"symbol": BTC, "origClientOrderId": "qd1"})
    assert found is resting


def test_a_stop_on_the_wrong_side_would_trigger_at_once(venue: BinanceVenue) -> None:
    with pytest.raises(RefusalError, match="-2021"):
        stop(venue, trigger="50000.0")


def test_leverage_bounds_the_position(venue: BinanceVenue) -> None:
    venue.transfer("100000000", T0)
    venue.exchange.set_leverage(BTC, 125, T0)
    with pytest.raises(RefusalError, match="-2027"):
        buy(venue, "1.100")
    venue.exchange.set_leverage(BTC, 100, T0)
    buy(venue, "1.100")


def test_hedge_mode_keeps_both_sides_apart(venue: BinanceVenue) -> None:
    venue.exchange.set_dual_side(True)
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.020", positionSide="LONG")
    venue.place_external(T0, symbol=BTC, side="SELL", quantity="0.010", positionSide="SHORT")
    lots = [venue.ledger.position(BTC, side).lots for side in ("LONG", "SHORT", "BOTH")]
    assert lots == [20, -10, 0]
    with pytest.raises(RefusalError, match="-4068"):
        venue.exchange.set_dual_side(False)


def test_a_liquidation_is_told_as_one(venue: BinanceVenue) -> None:
    buy(venue)
    connection = listen(venue)
    venue.liquidate(BTC, T0 + 1)
    told = [event["o"] for event in events(connection) if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [(order["x"], order["c"].partition("-")[0]) for order in told] == [
        ("NEW", "autoclose"),
        ("CALCULATED", "autoclose"),
    ]
    assert venue.position_lots(BTC) == 0


def test_candles_join_history_and_the_present_without_a_hole(venue: BinanceVenue) -> None:
    minute = T0 - T0 % 60_000
    bars = [Bar(BTC, minute - 60_000 * (5 - n), 60_000, 49990.0, 50010.0, 49980.0, 50000.0, 1.5) for n in range(5)]
    venue.load_history(BTC, bars)
    venue.set_book(BTC, "50100.0", "50100.1", T0 + 1_000)
    venue.advance(minute + 190_000)
    query = {"symbol": BTC, "interval": "1m", "startTime": str(minute - 300_000), "limit": "100"}
    rows = venue.rest("GET", "/fapi/v1/klines", query, {}, minute + 190_000).json()
    assert [row[0] for row in rows] == [minute + 60_000 * n for n in range(-5, 4)]
    assert rows[5][1:5] == ["50000.00", "50100.00", "50000.00", "50100.00"]
    assert rows[6][1:6] == ["50100.00", "50100.00", "50100.00", "50100.00", "0.000"]
    five = venue.rest("GET", "/fapi/v1/klines", query | {"interval": "5m"}, {}, minute + 190_000).json()
    assert all(row[0] % 300_000 == 0 for row in five)


def test_forgetting_keeps_positions_and_open_orders(venue: BinanceVenue) -> None:
    buy(venue)
    stop(venue)
    venue.forget(T0 + 1)
    assert (venue.orders, venue.ledger.trades, len(venue.algos)) == ([], [], 1)
    assert venue.position_lots(BTC) == 10
    venue.ledger.check()
