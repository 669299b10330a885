"""What must hold, put together: a planted breach of each is told in words, and what is allowed is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.operator import LimitEffect, LimitEvent, OperatorCommand, Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType, OrderUpdate, Side
from core.domain.origin import champion
from core.domain.records import (
    EquityRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
)
from core.domain.trading import EquitySample, Position
from core.trader.state import FLAT_ID
from tests.simulation.invariants import Invariants, unattended
from tests.simulation.loop import VirtualLoop
from tests.simulation.telling import START_MS
from tests.simulation.world import OTHER_SYMBOL, START_PRICES, World
from tests.venue.person import Person

BTC = "BTCUSDT"
PRICES = {symbol: START_PRICES[symbol] for symbol in (BTC, OTHER_SYMBOL)}


class Hour:
    """A world whose time the test moves, with an engine that is there or not."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.world = World(loop, 1, (BTC,), START_MS, PRICES)
        self.is_there = True
        self.traded = {BTC}
        self.invariants = Invariants(self.world, 900.0, lambda: self.is_there, lambda symbol: symbol in self.traded)
        self.person = Person(self.world.venue)
        self.now_ms = START_MS

    def pass_ms(self, span_ms: int) -> None:
        self.now_ms += span_ms
        self.invariants.look(self.now_ms)

    def we_trade(self, lots: int) -> None:
        quantity = self.world.exchange.contracts[BTC].qty_text(abs(lots))
        self.world.venue.place_external(
            self.now_ms,
            symbol=BTC,
            side="BUY" if lots > 0 else "SELL",
            quantity=quantity,
            newClientOrderId=f"qd{self.world.exchange.next_order_id()}",
        )

    def we_stop(self, quantity: str) -> None:
        self.world.venue.place_external_algo(
            self.now_ms,
            symbol=BTC,
            side="SELL",
            type="STOP_MARKET",
            triggerPrice="50000.0",
            quantity=quantity,
            reduceOnly="true",
            clientAlgoId="qdstop",
        )

    def book(self, lots: int) -> None:
        """What the engine writes down, at this time: the invariants ask the world's own clock for it."""
        self.world.claims.take([PositionRecord(Position(BTC, lots, Decimal(0), START_MS, "trade"), START_MS)], START_MS)
        self.invariants.look(self.now_ms)

    def end(self) -> list[str]:
        return self.invariants.end(self.now_ms)


@pytest.fixture
def hour() -> Iterator[Hour]:
    loop = VirtualLoop("invariants")
    try:
        yield Hour(loop)
    finally:
        loop.close()


def held_and_stopped(hour: Hour) -> None:
    hour.we_trade(15)
    hour.we_stop("0.015")
    hour.book(15)


def test_an_hour_in_which_books_and_exchange_agree_breaks_nothing(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.pass_ms(600_000)
    assert hour.end() == []


def test_a_position_that_somebody_closed_may_stay_in_the_books_for_ten_seconds(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.person.close(BTC, hour.now_ms)
    hour.pass_ms(10_000)
    hour.book(0)
    assert hour.end() == []


def test_and_for_as_long_as_the_exchange_said_to_wait_even_where_it_soon_takes_requests_again(hour: Hour) -> None:
    held_and_stopped(hour)
    storm = hour.world.storm
    storm.limited_until_ms = storm.clock.now_ms() + 14_000
    storm.request("GET", "/fapi/v1/openOrders", "")
    storm.calm()
    assert storm.is_limiting
    hour.person.close(BTC, hour.now_ms)
    hour.pass_ms(20_000)
    assert hour.end() == []


def test_and_not_longer(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.person.close(BTC, hour.now_ms)
    hour.pass_ms(10_001)
    hour.book(0)
    assert hour.end() == ["books hold what the net does not have: BTCUSDT for 10001 ms from 00:00.000"]


def test_time_without_an_engine_or_with_requests_forbidden_does_not_count(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.person.close(BTC, hour.now_ms)
    hour.is_there = False
    hour.pass_ms(20_000)
    hour.pass_ms(0)
    hour.is_there = True
    hour.world.storm.is_down = True
    hour.pass_ms(20_000)
    hour.pass_ms(0)
    hour.world.storm.is_down = False
    hour.pass_ms(5_000)
    hour.book(0)
    assert hour.end() == []
    assert hour.invariants.longest_ms()["phantom"] == 0


def test_lots_of_others_that_nobody_notices_are_told(hour: Hour) -> None:
    hour.person.trade(BTC, 20, hour.now_ms)
    hour.pass_ms(60_001)
    assert hour.end() == ["net beyond the books and what is known of others: BTCUSDT for 60001 ms from 00:00.000"]


def test_a_stop_of_ours_that_would_close_lots_of_others_is_told(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.person.trade(BTC, -10, hour.now_ms)
    hour.book(5)
    hour.person.trade(BTC, 20, hour.now_ms)
    hour.pass_ms(60_001)
    found = [text for text in hour.end() if "close" in text]
    assert found == ["our order would close what others hold: BTCUSDT for 60001 ms from 00:00.000"]


def test_a_stop_for_what_the_books_hold_stays_right_where_somebody_went_out_and_in_again(hour: Hour) -> None:
    held_and_stopped(hour)
    hour.person.trade(BTC, -15, hour.now_ms)
    hour.person.trade(BTC, 15, hour.now_ms)
    hour.pass_ms(600_000)
    assert hour.end() == []


def test_a_position_of_ours_without_a_stop_is_told(hour: Hour) -> None:
    hour.we_trade(15)
    hour.book(15)
    hour.pass_ms(10_001)
    assert hour.end() == ["unprotected: BTCUSDT for 10001 ms from 00:00.000"]


def intent(hour: Hour, lots: int, trade_id: str = "trade", side: Side = Side.BUY) -> Order:
    kind, role = OrderType.MARKET, OrderRole.ENTRY
    return Order(f"qd{trade_id}", BTC, side, kind, role, lots, hour.now_ms, trade_id, champion("plain"))


def we_intend(hour: Hour, lots: int) -> None:
    hour.invariants.wishes.take([IntentRecord(intent(hour, lots))])


def entries(hour: Hour, *orders: Order) -> list[str]:
    """What is told of fifteen lots that are held on for longer than they may be, by these entries."""
    hour.invariants.wishes.take([IntentRecord(replace(order, state=OrderState.INTENT)) for order in orders])
    hour.invariants.wishes.take([OrderUpdateRecord(_news(order), order) for order in orders])
    held_and_stopped(hour)
    hour.pass_ms(10_001)
    return [line.partition(" for ")[0] for line in hour.end()]


def _news(order: Order) -> OrderUpdate:
    return OrderUpdate(order.client_order_id, order.symbol, order.state, order.created_ms)


TOO_MUCH = ["more held on a side than intended: BTCUSDT"]


def test_an_entry_that_was_given_up_intends_nothing(hour: Hour) -> None:
    assert entries(hour, replace(intent(hour, 15), state=OrderState.REJECTED)) == TOO_MUCH


def test_one_of_another_trade_or_of_the_other_side_intends_nothing_either(hour: Hour) -> None:
    hour.invariants.wishes.take([PositionRecord(Position(BTC, 5, Decimal(0), START_MS, "small"), START_MS)])
    large = replace(intent(hour, 15), state=OrderState.FILLED)
    small = replace(intent(hour, 5, "small"), state=OrderState.FILLED)
    turned = intent(hour, 15, "turned", Side.SELL)
    assert entries(hour, large, small, turned) == TOO_MUCH


@pytest.mark.parametrize("trade_id", ["trade", "trade+2"])
def test_the_open_trades_own_entry_intends_what_it_was_for(hour: Hour, trade_id: str) -> None:
    hour.invariants.wishes.take([PositionRecord(Position(BTC, 15, Decimal(0), START_MS, trade_id), START_MS)])
    assert entries(hour, replace(intent(hour, 15), state=OrderState.FILLED)) == []


def test_a_latched_limit_that_is_lifted_and_a_mark_that_moves_are_told(hour: Hour) -> None:
    latched = LimitEvent("drawdown", "", START_MS, True, LimitEffect.FLATTEN, 1.0, 1.0, "%", "on resume")
    sample = EquitySample(START_MS, Decimal(9), Decimal(0), Decimal(9), Decimal(10), Decimal(10))
    hour.invariants.committed([LimitRecord(latched), EquityRecord(sample)])
    hour.invariants.committed([LimitRecord(replace(latched, fired=False))])
    hour.invariants.committed([EquityRecord(replace(sample, day_start_equity_usdt=Decimal(9)))])
    assert hour.end() == [
        "drawdown was lifted though neither resumed nor a new day",
        "the day start is 9.0000 USDT, and would be 10.0000 by what was booked",
    ]


@pytest.mark.parametrize(("lots", "told"), [(15, []), (14, ["more held on a side than intended: BTCUSDT"])])
def test_more_on_a_side_than_an_entry_was_for_is_told(hour: Hour, lots: int, told: list[str]) -> None:
    we_intend(hour, lots)
    held_and_stopped(hour)
    hour.pass_ms(10_001)
    assert [line.partition(" for ")[0] for line in hour.end()] == told


@pytest.mark.parametrize(
    ("verb", "later_ms", "is_told"),
    [(Verb.FLATTEN, 10_001, True), (Verb.FLATTEN, 10_000, False), (Verb.RESUME, 60_000, False)],
)
def test_a_position_that_stays_after_a_flatten_is_told(hour: Hour, verb: Verb, later_ms: int, is_told: bool) -> None:
    held_and_stopped(hour)
    command = OperatorCommand("op", verb, "", "test", hour.now_ms)
    hour.invariants.wishes.take([OperatorRecord(command, "closing 1 position at market")])
    hour.invariants.look(hour.now_ms)
    hour.pass_ms(later_ms)
    told = ["not flat after a flatten: BTCUSDT for 10001 ms from 00:00.000"]
    assert hour.end() == (told if is_told else [])


@pytest.mark.parametrize(("effect", "is_told"), [(LimitEffect.FLATTEN, True), (LimitEffect.WARN, False)])
def test_a_position_that_stays_after_a_limit_that_closes_all_is_told(
    hour: Hour, effect: LimitEffect, is_told: bool
) -> None:
    held_and_stopped(hour)
    fired = LimitEvent("drawdown", "", hour.now_ms, True, effect, 1.0, 1.0, "%", "on resume")
    hour.invariants.wishes.take([LimitRecord(fired)])
    hour.invariants.look(hour.now_ms)
    hour.pass_ms(10_001)
    assert bool(hour.end()) == is_told


def test_an_hour_without_lots_of_ours_is_flat(hour: Hour) -> None:
    command = OperatorCommand("op", Verb.FLATTEN, "", "test", hour.now_ms)
    hour.invariants.wishes.take([OperatorRecord(command, "flat, nothing open")])
    hour.person.trade(BTC, 15, hour.now_ms)
    hour.pass_ms(30_000)
    assert not any("flatten" in line for line in hour.end())


def test_what_others_hold_in_a_contract_that_the_engine_was_not_given_need_not_be_known(hour: Hour) -> None:
    hour.traded.clear()
    hour.person.trade(BTC, 15, hour.now_ms)
    hour.pass_ms(90_000)
    hour.traded.add(BTC)
    hour.pass_ms(50_000)
    assert hour.end() == []


def test_what_others_hold_in_a_contract_that_is_traded_becomes_known(hour: Hour) -> None:
    hour.person.trade(BTC, 15, hour.now_ms)
    hour.pass_ms(61_000)
    assert [line.partition(":")[0] for line in hour.end()] == ["net beyond the books and what is known of others"]


def test_an_engine_without_a_contract_that_is_held_is_told() -> None:
    ours = {BTC: 15, OTHER_SYMBOL: 0}
    assert unattended([BTC], ours) == []
    assert unattended([OTHER_SYMBOL], ours) == [f"the engine runs without {BTC}, of which 15 lots are held"]


def test_the_news_that_a_flatten_is_done_asks_for_no_other(hour: Hour) -> None:
    held_and_stopped(hour)
    flatten = OperatorCommand("op", Verb.FLATTEN, "", "test", hour.now_ms)
    resume = OperatorCommand("op2", Verb.RESUME, "", "test", hour.now_ms)
    done = OperatorCommand(f"op{FLAT_ID}", Verb.FLATTEN, "", "test", hour.now_ms)
    hour.invariants.wishes.take(
        [OperatorRecord(flatten, "closing 1 position at market"), OperatorRecord(resume, ""), OperatorRecord(done, "")]
    )
    hour.pass_ms(60_000)
    assert hour.end() == []
