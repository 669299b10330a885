"""What the trader does, told as short scenes: events in, commands out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import RejectKind
from core.domain.market import MINUTE_MS, FirstPrice
from core.domain.operator import Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, OrderUpdate, Side
from core.domain.origin import champion
from core.domain.records import (
    AdjustmentRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    SignalRecord,
    TradeRecord,
)
from core.domain.trading import ExitReason, SignalAction
from core.position.stops import MAX_LOST_STOPS
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder, TraderEvent
from tests.core.trader.desk import BTC, ETH, NOON_MS, PRICES, XRP, Desk, canceled, make_trader, placed, records


def reason_of(commands: list[Command]) -> str:
    (record,) = records(commands, SignalRecord)
    assert record.signal.action is SignalAction.VETOED
    assert placed(commands) == []
    return record.signal.reason


def result_of(commands: list[Command]) -> str:
    (record,) = records(commands, OperatorRecord)
    return record.result


# Entry


@pytest.mark.parametrize(
    ("value_bps", "side", "stop", "target"), [(20, Side.BUY, 594_000, 618_000), (-20, Side.SELL, 606_000, 582_000)]
)
def test_a_prediction_becomes_a_protected_position(value_bps: float, side: Side, stop: int, target: int) -> None:
    desk = Desk(make_trader())
    desk.minute()
    commands = desk.predict(value_bps)
    (entry,) = placed(commands)
    assert (entry.role, entry.type, entry.side, entry.qty_lots, entry.reduce_only) == (
        OrderRole.ENTRY,
        OrderType.MARKET,
        side,
        41,
        False,
    )
    assert (entry.trade_id, entry.origin) == (f"plain-BTCUSDT-{desk.now_ms}", champion("plain", "v1"))
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.direction, signal.because[0].value) == (SignalAction.ENTER, side.sign, value_bps)
    assert records(commands, IntentRecord) == [IntentRecord(entry)]
    assert len(records(commands, ForecastRecord)) == 1

    desk.accept(entry)
    commands = desk.fill(entry, price=60_000, fee="1.23")
    (filled,) = records(commands, FillRecord)
    assert (filled.order.state, filled.order.filled_lots) == (OrderState.FILLED, 41)
    (position,) = records(commands, PositionRecord)
    assert (position.position.lots, position.position.cost_usdt) == (side.sign * 41, side.sign * Decimal("2460"))
    legs = placed(commands)
    assert [(leg.role, leg.type, leg.trigger_ticks) for leg in legs] == [
        (OrderRole.STOP, OrderType.STOP_MARKET, stop),
        (OrderRole.TARGET, OrderType.TAKE_PROFIT_MARKET, target),
    ]
    for leg in legs:
        assert (leg.reduce_only, leg.qty_lots, leg.side, leg.trade_id) == (True, 41, side.opposite, entry.trade_id)
    assert records(commands, IntentRecord) == [IntentRecord(leg) for leg in legs]


def test_intents_precede_the_orders_that_they_make_durable() -> None:
    desk = Desk(make_trader())
    for commands in (desk.hold() and desk.said, desk.operator(Verb.FLATTEN)):
        seen: set[str] = set()
        for command in commands:
            if isinstance(command, Journal) and isinstance(command.record, IntentRecord):
                seen.add(command.record.order.client_order_id)
            if isinstance(command, PlaceOrder):
                assert command.order.client_order_id in seen


def test_a_prediction_below_the_threshold_is_only_journalled(desk: Desk) -> None:
    desk.minute()
    commands = desk.predict(9.99)
    assert [type(c.record) for c in commands if isinstance(c, Journal)] == [ForecastRecord]
    assert len(commands) == 1


def test_each_bar_is_decided_on_once(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.reject(entry)
    assert desk.predict(20) == []
    desk.to(desk.now_ms - MINUTE_MS)
    assert desk.predict(25) == []
    desk.to(desk.now_ms + 2 * MINUTE_MS)
    desk.bar()
    (second,) = placed(desk.predict(20))
    assert second.client_order_id != entry.client_order_id


def test_a_pending_entry_vetoes_another(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    desk.minute()
    assert reason_of(desk.predict(20)) == "an entry of this symbol is pending"


def test_a_rejected_entry_frees_the_symbol(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    (update,) = records(desk.reject(entry, "margin is short"), OrderUpdateRecord)
    assert (update.order.state, update.order.reason) == (OrderState.REJECTED, "margin is short")
    assert (desk.book().trade, desk.book().orders) == (None, {})
    desk.minute()
    assert len(placed(desk.predict(20), OrderRole.ENTRY)) == 1


def test_a_size_below_the_smallest_order_is_vetoed() -> None:
    desk = Desk(make_trader())
    desk.minute(BTCUSDT=3_000_000)
    assert reason_of(desk.predict(20)) == "size is below the smallest order"


def test_an_entry_goes_by_the_rules_that_were_adopted_last() -> None:
    desk = Desk(make_trader())
    desk.minute()
    (order,) = placed(desk.predict(20), OrderRole.ENTRY)
    desk.reject(order)
    desk.minute()
    rules = desk.book().instrument
    desk.trader.adopt(replace(rules, lot_step=7))
    (stepped,) = placed(desk.predict(20), OrderRole.ENTRY)
    assert stepped.qty_lots == order.qty_lots // 7 * 7 < order.qty_lots

    desk.reject(stepped)
    desk.minute()
    desk.trader.adopt(replace(rules, min_notional_usdt=Decimal(1_000_000)))
    assert reason_of(desk.predict(20)) == "size is below the smallest order"


# Partial fills


def test_the_bracket_comes_with_the_first_part_and_covers_the_whole_order(desk: Desk) -> None:
    commands = desk.enter(lots=10)
    assert [(leg.role, leg.qty_lots) for leg in placed(commands)] == [(OrderRole.STOP, 41), (OrderRole.TARGET, 41)]
    desk.accept(*placed(commands))
    entry = desk.order(OrderRole.ENTRY)
    assert (entry.state, entry.filled_lots) == (OrderState.PARTIALLY_FILLED, 10)
    commands = desk.fill(entry, lots=31)
    assert placed(commands) == []
    assert desk.book().lots == 41
    assert desk.book().open_order(OrderRole.ENTRY) is None


def test_a_stop_placed_again_covers_what_is_still_being_entered(desk: Desk) -> None:
    stop, _ = placed(desk.enter(lots=10))
    (again,) = placed(desk.update(stop, OrderState.CANCELED, "by the venue"))
    assert (again.role, again.qty_lots) == (OrderRole.STOP, 41)


def test_closing_withdraws_what_is_still_being_entered(desk: Desk) -> None:
    desk.accept(*placed(desk.enter(lots=10)))
    entry = desk.order(OrderRole.ENTRY)
    commands = desk.fill(desk.order(OrderRole.STOP), lots=4)
    assert canceled(commands) == [entry]
    desk.minute()
    commands = desk.predict(-20)
    (out,) = placed(commands, OrderRole.EXIT)
    assert (out.qty_lots, out.side, out.reduce_only) == (6, Side.SELL, True)
    assert canceled(commands) == [], "the wish is on its way already"


def test_the_trade_adds_up_over_parts(desk: Desk) -> None:
    desk.accept(*placed(desk.enter(lots=10)))
    desk.fill(desk.order(OrderRole.ENTRY), price=60_100, fee="0.5")
    desk.funding("-0.25")
    target = desk.order(OrderRole.TARGET)
    desk.fill(target, lots=20, price=61_800, fee="0.4")
    commands = desk.fill(desk.order(OrderRole.TARGET), lots=21, price=61_900, fee="0.4")
    (record,) = records(commands, TradeRecord)
    trade = record.trade
    bought = Decimal("0.010") * 60_000 + Decimal("0.031") * 60_100
    sold = Decimal("0.020") * 61_800 + Decimal("0.021") * 61_900
    assert trade.qty == Decimal("0.041")
    assert (trade.gross_pnl_usdt, trade.fees_usdt, trade.funding_usdt) == (
        sold - bought,
        Decimal("1.3"),
        Decimal("-0.25"),
    )
    assert trade.net_pnl_usdt == sold - bought - Decimal("1.55")
    assert (trade.entry_price, trade.exit_price) == (bought / Decimal("0.041"), sold / Decimal("0.041"))
    assert (trade.exit_reason, trade.side) == (ExitReason.TARGET, Side.BUY)
    assert desk.trader.state.ledger.wallet_usdt == 10_000 + trade.net_pnl_usdt


# Closing


@pytest.mark.parametrize(("leg", "other"), [(OrderRole.STOP, OrderRole.TARGET), (OrderRole.TARGET, OrderRole.STOP)])
def test_a_closed_position_cancels_the_other_leg(desk: Desk, leg: OrderRole, other: OrderRole) -> None:
    desk.hold()
    left = desk.order(other)
    commands = desk.fill(desk.order(leg), lots=41)
    assert canceled(commands) == [left]
    (record,) = records(commands, TradeRecord)
    assert record.trade.exit_reason == leg
    (position,) = records(commands, PositionRecord)
    assert position.position.lots == 0


def test_reversal_leaves_at_market_and_keeps_the_stop(desk: Desk) -> None:
    desk.hold()
    desk.minute()
    assert placed(desk.predict(-4.9)) == []
    desk.minute()
    commands = desk.predict(-5)
    (out,) = placed(commands)
    assert (out.role, out.type, out.side, out.qty_lots, out.reduce_only) == (
        OrderRole.EXIT,
        OrderType.MARKET,
        Side.SELL,
        41,
        True,
    )
    assert out.reason == ExitReason.REVERSAL
    assert canceled(commands) == []
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.direction, signal.because[0].needed) == (SignalAction.EXIT, -1, -5.0)
    desk.accept(out)
    desk.minute()
    assert placed(desk.predict(-9)) == []
    commands = desk.fill(out)
    assert {order.role for order in canceled(commands)} == {OrderRole.STOP, OrderRole.TARGET}
    (record,) = records(commands, TradeRecord)
    assert record.trade.exit_reason == ExitReason.REVERSAL


def test_cooldown_after_a_trade(desk: Desk) -> None:
    desk.hold()
    for order in canceled(desk.fill(desk.order(OrderRole.TARGET), lots=41)):
        desk.update(order, OrderState.CANCELED)
    closed_ms = desk.now_ms + 1_000
    while desk.now_ms + MINUTE_MS + 100 < closed_ms + 3 * MINUTE_MS:
        desk.minute()
        assert reason_of(desk.predict(20)) == "cooldown after the last trade"
    desk.minute()
    assert len(placed(desk.predict(20), OrderRole.ENTRY)) == 1


def test_an_entry_waits_for_the_last_trades_orders_to_end() -> None:
    desk = Desk(make_trader(strategy={"cooldown_ms": 0}))
    desk.hold()
    (stop,) = canceled(desk.fill(desk.order(OrderRole.TARGET), lots=41))
    desk.minute()
    assert reason_of(desk.predict(20)) == "orders of the last trade are still open"
    desk.update(stop, OrderState.CANCELED)
    desk.minute()
    assert len(placed(desk.predict(20), OrderRole.ENTRY)) == 1


# Protection


def test_a_refused_stop_means_leaving_for_another_would_be_refused_too(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(target)
    (out,) = placed(desk.reject(stop))
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.UNPROTECTED, 41)
    # The next try waits for the next bar, so that a venue that refuses everything cannot keep the engine in a loop.
    assert placed(desk.reject(out)) == []
    (again,) = placed(desk.minute())
    assert (again.role, again.reason) == (OrderRole.EXIT, ExitReason.UNPROTECTED)
    assert again.client_order_id != out.client_order_id


def test_a_stop_refused_because_the_price_is_beyond_it_means_leaving(desk: Desk) -> None:
    stop, _ = placed(desk.enter())
    desk.first_price(593_999 / 10)
    (out,) = placed(desk.reject(stop, "would fire at once"))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.STOP)


def test_a_stop_that_is_lost_again_and_again_means_leaving(desk: Desk) -> None:
    stop = desk.hold()
    for _ in range(MAX_LOST_STOPS - 1):
        (stop,) = placed(desk.update(stop, OrderState.CANCELED, "by hand"))
        assert (stop.role, stop.trigger_ticks) == (OrderRole.STOP, 594_000)
        desk.accept(stop)
    (out,) = placed(desk.update(stop, OrderState.CANCELED, "by hand"))
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.UNPROTECTED, 41)


@pytest.mark.parametrize("state", [OrderState.CANCELED, OrderState.EXPIRED])
def test_a_stop_that_ends_under_a_position_is_placed_again(desk: Desk, state: OrderState) -> None:
    stop = desk.hold()
    (again,) = placed(desk.update(stop, state, "by the venue"))
    assert (again.role, again.trigger_ticks, again.qty_lots) == (OrderRole.STOP, stop.trigger_ticks, 41)


def test_a_target_refused_as_past_its_price_means_leaving(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(stop)
    desk.update(target, OrderState.SENT)
    (out,) = placed(desk.update(target, OrderState.REJECTED, "would fire at once", RejectKind.WOULD_TRIGGER))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.TARGET)


def test_no_second_stop_while_one_is_unknown(desk: Desk) -> None:
    stop = desk.hold()
    assert placed(desk.update(stop, OrderState.UNKNOWN, "timed out")) == []
    assert placed(desk.minute()) == []
    assert placed(desk.update(stop, OrderState.ACCEPTED)) == []
    assert desk.order(OrderRole.STOP).client_order_id == stop.client_order_id


# The venue's messages, doubled, late and odd


def test_doubled_messages_change_nothing(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    assert desk.update(entry, OrderState.ACCEPTED) == []
    assert desk.fill(entry, lots=10, fill_id="a")
    before = repr(desk.trader.state.symbols), desk.trader.state.ledger.wallet_usdt
    assert desk.fill(entry, lots=10, fill_id="a") == []
    assert desk.update(entry, OrderState.ACCEPTED) == []
    assert desk.update(entry, OrderState.PARTIALLY_FILLED) == []
    assert (repr(desk.trader.state.symbols), desk.trader.state.ledger.wallet_usdt) == before


def test_a_doubled_funding_payment_changes_nothing(desk: Desk) -> None:
    desk.hold()
    (record,) = records(desk.funding("-1.5", funding_id="x"), FundingRecord)
    assert record.payment.amount_usdt == Decimal("-1.5")
    assert desk.funding("-1.5", funding_id="x") == []
    assert desk.trader.state.ledger.wallet_usdt == Decimal("9998.5")


def test_news_of_an_unknown_order_is_ignored(desk: Desk) -> None:
    assert desk.handle(OrderUpdate("nobody", BTC, OrderState.ACCEPTED, NOON_MS)) == []


def test_news_after_the_end_of_an_order_is_ignored(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    desk.update(entry, OrderState.CANCELED)
    for state in OrderState:
        assert desk.update(entry, state) == []


def test_a_refusal_after_a_fill_is_an_end(desk: Desk) -> None:
    desk.enter(lots=10)
    (record,) = records(
        desk.update(desk.order(OrderRole.ENTRY), OrderState.REJECTED, "by the venue"), OrderUpdateRecord
    )
    assert (record.update.state, record.order.state) == (OrderState.REJECTED, OrderState.EXPIRED)
    assert (record.order.filled_lots, record.order.reason) == (10, "by the venue")
    assert desk.book().open_order(OrderRole.ENTRY) is None


def test_a_fill_that_overtakes_the_cancel_of_its_entry(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    desk.update(entry, OrderState.CANCELED, "by the operator")
    commands = desk.fill(entry, lots=10)
    (filled,) = records(commands, FillRecord)
    assert (filled.order.client_order_id, filled.order.role) == (entry.client_order_id, OrderRole.ENTRY)
    # Its rest is not worked on any more: the order has ended again.
    (update,) = records(commands, OrderUpdateRecord)
    assert (update.order.state, update.order.filled_lots) == (OrderState.CANCELED, 10)
    assert desk.book().open_order(OrderRole.ENTRY) is None
    assert [order.role for order in placed(commands)] == [OrderRole.STOP, OrderRole.TARGET]
    assert not [r for r in records(commands, IntentRecord) if r.order.client_order_id == entry.client_order_id]
    desk.fill(entry, lots=31)
    assert desk.book().lots == 41


def test_a_stop_that_fills_after_its_cancel_tells_why_the_trade_closed(desk: Desk) -> None:
    stop = desk.hold()
    (again,) = placed(desk.update(stop, OrderState.CANCELED, "moved"))
    desk.accept(again)
    (record,) = records(desk.fill(stop, lots=41), TradeRecord)
    assert record.trade.exit_reason == ExitReason.STOP


def test_more_fills_than_ordered_are_told_and_halt_entries(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    commands = desk.fill(entry, lots=42, fill_id="odd")
    (told,) = records(commands, AdjustmentRecord)
    assert (told.what, told.ours) == (
        "fill odd is more than its order has left; it is not booked",
        f"41 lots left of {entry.client_order_id}",
    )
    assert (desk.book().lots, placed(commands)) == (0, [])
    assert desk.fill(entry, lots=42, fill_id="odd") == []
    desk.accept(*placed(desk.fill(entry, lots=41)))
    assert len(records(desk.fill(entry, lots=1), AdjustmentRecord)) == 1, "whole already"
    assert desk.book().lots == 41
    desk.minute()
    assert reason_of(desk.predict(20, ETH)) == (
        "limit books (BTCUSDT: fill odd is more than its order has left; it is not booked); "
        "clears when the operator resumes"
    )
    desk.operator(Verb.RESUME)
    desk.minute()
    assert len(placed(desk.predict(20, ETH), OrderRole.ENTRY)) == 1


def test_a_liquidation_comes_from_an_order_that_only_the_venue_knows(desk: Desk) -> None:
    desk.hold()
    commands = desk.liquidate(lots=15, price=50_000)
    (intent,) = records(commands, IntentRecord)
    assert (intent.order.role, intent.order.reduce_only, intent.order.qty_lots) == (OrderRole.LIQUIDATION, True, 41)
    assert desk.book().lots == 26
    commands = desk.handle(
        Fill("liq2", intent.order.client_order_id, BTC, Side.SELL, 26, 500_000, Decimal(1), False, desk.now_ms)
    )
    (record,) = records(commands, TradeRecord)
    assert (record.trade.exit_reason, record.trade.qty) == (ExitReason.LIQUIDATION, Decimal("0.041"))
    assert {order.role for order in canceled(commands)} == {OrderRole.STOP, OrderRole.TARGET}
    assert desk.book().orders.keys() == {order.client_order_id for order in canceled(commands)}


def test_an_unknown_order_blocks_entries_of_its_symbol_only(desk: Desk) -> None:
    desk.hold()
    for order in canceled(desk.fill(desk.order(OrderRole.TARGET), lots=41)):
        desk.update(order, OrderState.UNKNOWN, "timed out")
    for _ in range(5):
        desk.minute()
    assert reason_of(desk.predict(20)) == "an order of this symbol has an unknown outcome"
    assert len(placed(desk.predict(20, ETH), OrderRole.ENTRY)) == 1


# The operator


def test_pause_stops_entries_and_nothing_else(desk: Desk) -> None:
    desk.hold()
    desk.minute()
    assert result_of(desk.operator(Verb.PAUSE)) == "entries paused; stops, targets and exits go on"
    assert reason_of(desk.predict(20, ETH)) == "entries paused by the operator"
    assert len(placed(desk.predict(-20), OrderRole.EXIT)) == 1
    desk.minute()
    desk.operator(Verb.RESUME)
    assert len(placed(desk.predict(20, ETH), OrderRole.ENTRY)) == 1


def test_halt_cancels_pending_entries_and_keeps_stops(desk: Desk) -> None:
    desk.hold()
    desk.minute()
    (entry,) = placed(desk.predict(20, ETH))
    desk.accept(entry)
    commands = desk.operator(Verb.HALT)
    assert canceled(commands) == [desk.order(OrderRole.ENTRY, ETH)]
    assert placed(commands) == []
    desk.minute()
    assert reason_of(desk.predict(20, XRP)) == "halted by the operator"
    desk.operator(Verb.RESUME)
    desk.minute()
    assert len(placed(desk.predict(20, XRP), OrderRole.ENTRY)) == 1


def test_flatten_closes_everything_and_pauses(desk: Desk) -> None:
    desk.hold()
    desk.hold(-20, ETH)
    desk.minute()
    (entry,) = placed(desk.predict(20, XRP))
    desk.accept(entry)
    commands = desk.operator(Verb.FLATTEN)
    assert [(o.symbol, o.side, o.role, o.reason) for o in placed(commands)] == [
        (BTC, Side.SELL, OrderRole.EXIT, ExitReason.FLATTEN),
        (ETH, Side.BUY, OrderRole.EXIT, ExitReason.FLATTEN),
    ]
    assert [order.client_order_id for order in canceled(commands)] == [entry.client_order_id]
    assert result_of(commands) == (
        "closing 2 positions at market, withdrawing 1 entry under way and closing what fills of it; "
        "entries paused until resumed"
    )
    assert desk.trader.state.paused
    # Asked again while the exits work, it sends no second ones.
    assert placed(desk.operator(Verb.FLATTEN)) == []


def test_flatten_of_one_symbol_leaves_the_others_alone(desk: Desk) -> None:
    desk.hold()
    desk.hold(-20, ETH)
    commands = desk.operator(Verb.FLATTEN, ETH)
    assert [order.symbol for order in placed(commands)] == [ETH]
    assert result_of(commands) == "closing 1 position at market"
    assert not desk.trader.state.paused
    assert result_of(desk.operator(Verb.FLATTEN, XRP)) == "flat, nothing open"


def test_flatten_of_a_symbol_that_is_not_traded_is_refused(desk: Desk) -> None:
    desk.hold()
    commands = desk.operator(Verb.FLATTEN, "DOGEUSDT")
    assert result_of(commands) == "refused: DOGEUSDT is not traded here"
    assert len(commands) == 1
    assert not desk.trader.state.paused


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.RESUME, Verb.HALT])
def test_what_is_for_the_whole_account_is_refused_for_one_symbol(desk: Desk, verb: Verb) -> None:
    commands = desk.operator(verb, BTC)
    assert result_of(commands) == f"refused: {verb} is for the whole account; flatten, lock, unlock take a symbol"
    assert len(commands) == 1
    assert (desk.trader.state.paused, desk.trader.state.halted) == (False, False)


# Bars, timers, samples


def test_bars_move_the_cursor_and_timers_sample_the_account(desk: Desk) -> None:
    desk.hold()
    commands = desk.minute(BTCUSDT=60_100)
    cursors = [(r.symbol, r.open_time_ms) for r in records(commands, CursorRecord)]
    assert cursors == [(symbol, desk.now_ms - MINUTE_MS) for symbol in (BTC, ETH, XRP)]
    (sample,) = (r.sample for r in records(commands, EquityRecord))
    assert (sample.time_ms, sample.wallet_usdt, sample.unrealised_usdt) == (desk.now_ms, 10_000, Decimal("4.1"))
    assert (sample.peak_equity_usdt, sample.day_start_equity_usdt) == (Decimal("10004.1"), 10_000)


def test_first_prices_move_the_mark_and_say_nothing(desk: Desk) -> None:
    assert desk.handle(FirstPrice(BTC, NOON_MS, NOON_MS, 61_000.0)) == []
    assert desk.book().mark == 61_000


def test_a_symbol_that_is_not_traded_is_an_error(desk: Desk) -> None:
    with pytest.raises(KeyError):
        desk.bar("DOGEUSDT", 1.0)


# Properties over random sessions

SYMBOLS = (BTC, ETH, XRP)
minutes = st.tuples(st.just("minute"), st.lists(st.integers(-150, 150), min_size=3, max_size=3))
predictions = st.tuples(st.just("predict"), st.sampled_from(SYMBOLS), st.sampled_from([-25.0, -6.0, 0.0, 6.0, 25.0]))
answers = st.tuples(
    st.just("answer"),
    st.integers(0, 9),
    st.sampled_from(["accept", "reject", "unknown", "cancel", "fill", "part", "again"]),
)
oddities = st.tuples(st.just("odd"), st.sampled_from(["liquidate", "funding", "first_price"]), st.sampled_from(SYMBOLS))
commands_of_operator = st.tuples(st.just("operator"), st.sampled_from(Verb), st.sampled_from(["", BTC, "DOGEUSDT"]))
steps = st.one_of(minutes, predictions, predictions, answers, answers, answers, oddities)
sessions = st.lists(st.one_of(steps, steps, steps, commands_of_operator), max_size=60)


def play(desk: Desk, step: tuple) -> list[Command]:
    """One step of a session; steps that do not apply do nothing."""
    match step:
        case ("minute", moves):
            state = desk.trader.state
            marks = {
                symbol: round((s.mark or PRICES[symbol]) * (1 + move / 10_000), 4)
                for (symbol, s), move in zip(state.symbols.items(), moves, strict=True)
            }
            return desk.minute(**marks)
        case ("predict", symbol, value_bps):
            return desk.predict(value_bps, symbol)
        case ("operator", verb, symbol):
            return desk.operator(verb, symbol)
        case ("answer", n, what):
            orders = [order for s in desk.trader.state.books() for order in s.orders.values()]
            return answer(desk, orders[n % len(orders)], what) if orders else []
        case ("odd", "funding", symbol):
            return desk.funding("-0.125", symbol)
        case ("odd", "first_price", symbol) if desk.book(symbol).mark:
            return desk.first_price(desk.book(symbol).mark * 1.001, symbol)
        case ("odd", "liquidate", symbol) if desk.book(symbol).lots:
            return desk.liquidate(symbol)
        case _:
            return []


def answer(desk: Desk, order: Order, what: str) -> list[Command]:
    s = desk.book(order.symbol)
    if order.state is OrderState.INTENT:
        desk.update(order, OrderState.SENT)
        order = s.orders[order.client_order_id]
    if what in ("fill", "part"):
        most = order.remaining_lots
        if order.reduce_only:
            most = min(most, max(0, -s.lots * order.side.sign))
        lots = most if what == "fill" else most // 2
        return desk.fill(order, lots) if lots and s.mark else []
    states = {
        "accept": OrderState.ACCEPTED,
        "reject": OrderState.CANCELED if order.filled_lots else OrderState.REJECTED,
        "unknown": OrderState.UNKNOWN,
        "cancel": OrderState.CANCELED,
        "again": order.state,
    }
    return desk.update(order, states[what], "by the script")


@settings(max_examples=120, deadline=None)
@given(sessions, sessions)
def test_halt_wins(before: list[tuple], after: list[tuple]) -> None:
    desk = Desk(make_trader())
    desk.minute()
    for step in before:
        play(desk, step)
    desk.operator(Verb.HALT)
    for step in after:
        if step[0] == "operator" and step[1] is Verb.RESUME:
            continue
        for command in play(desk, step):
            assert isinstance(command, CancelOrder | Journal) or command.order.reduce_only


@settings(max_examples=120, deadline=None)
@given(sessions)
def test_invariants_of_every_session(session: list[tuple]) -> None:
    desk = Desk(make_trader())
    desk.minute()
    fills: dict[str, int] = dict.fromkeys(SYMBOLS, 0)
    entries: set[str] = set()
    ids: set[str] = set()
    for step in session:
        commands = play(desk, step)
        for record in records(commands, FillRecord):
            fills[record.fill.symbol] += record.fill.side.sign * record.fill.qty_lots
            assert 0 < record.order.filled_lots <= record.order.qty_lots
        for record in records(commands, IntentRecord):
            # One intent per id, at most one entry per symbol and decision bar.
            assert record.order.client_order_id not in ids
            ids.add(record.order.client_order_id)
            if record.order.role is OrderRole.ENTRY:
                assert record.order.trade_id not in entries
                entries.add(record.order.trade_id)
        for order in placed(commands):
            assert order.qty_lots > 0
            s = desk.book(order.symbol)
            if order.role is OrderRole.ENTRY:
                assert order.qty_lots * s.lot_qty * s.mark <= 20_000 * (1 + 1e-9)
            else:
                assert order.reduce_only
        for s in desk.trader.state.books():
            symbol = s.instrument.symbol
            ledger_position = desk.trader.state.ledger.positions.get(symbol)
            assert s.lots == fills[symbol] == (ledger_position.lots if ledger_position else 0)
            assert (s.trade is not None) or s.lots == 0
            assert sum(1 for o in s.orders.values() if o.role is OrderRole.ENTRY) <= 1
            # A second one is smaller, and takes the place of the first once it is known to rest.
            stops = [o for o in s.orders.values() if o.role is OrderRole.STOP and not o.is_ahead]
            assert len(stops) <= 2
            sizes = [o.remaining_lots for o in stops if o.client_order_id not in s.canceling]
            assert sizes == sorted(set(sizes), reverse=True)
        if step[0] == "minute":
            # After a bar a position has a stop that covers it, or is being left.
            for s in desk.trader.state.books():
                stop, out = s.open_order(OrderRole.STOP), s.open_order(OrderRole.EXIT)
                assert s.lots == 0 or out is not None or (stop is not None and stop.remaining_lots >= abs(s.lots))
    state = desk.trader.state
    booked = sum((record.trade.net_pnl_usdt for record in records(desk.said, TradeRecord)), Decimal(0))
    if not any(s.lots for s in state.books()) and not any(step[1] == "funding" for step in session):
        assert state.ledger.wallet_usdt == 10_000 + booked


@settings(max_examples=40, deadline=None)
@given(sessions)
def test_same_events_same_commands(session: list[tuple]) -> None:
    one = Desk(make_trader())
    events: list[TraderEvent] = []
    handle = one.trader.handle
    one.trader.handle = lambda event: events.append(event) or handle(event)  # type: ignore[method-assign,func-returns-value]
    one.minute()
    for step in session:
        play(one, step)
    other = make_trader()
    said = [command for event in events for command in other.handle(event)]
    assert said == one.said
    assert repr(said) == repr(one.said)
