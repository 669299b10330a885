"""Every limit through the trader: that it blocks (reduces, flattens), and that it clears the way its text says."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from core.domain.errors import RejectKind
from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitEvent, Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import AdjustmentRecord, LimitRecord, SignalRecord
from core.domain.trading import ExitReason, SignalAction
from core.settings.schema import LimitSettings, Settings
from core.trader.limits import RULES, drawdown_pct, level, loss_pct
from core.trader.messages import Alarm, Command, VenueHealth, WalletAdjustment
from core.trader.restore import restore
from core.trader.state import DAY_MS
from tests.core.trader.desk import BTC, DAY0_MS, ETH, NOON_MS, XRP, Desk, canceled, make_trader, placed, records

OFF: dict[str, Any] = {"day_loss_usdt": 1e9, "day_loss_pct": 100.0, "max_drawdown_pct": 100.0}


def make_desk(start_ms: int = NOON_MS, **limits: Any) -> Desk:
    """Limits named here, with those of losses out of the way unless named."""
    return Desk(make_trader(**{**OFF, **limits}), start_ms)


def entry_lots(commands: list[Command]) -> int:
    return sum(order.qty_lots for order in placed(commands, OrderRole.ENTRY))


def assert_vetoed(commands: list[Command], limit: str) -> None:
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert signal.action is SignalAction.VETOED
    assert signal.reason == f"limit {limit}; clears {RULES[limit].clears}"
    assert placed(commands) == []


def assert_fired(desk: Desk, limit: str, effect: LimitEffect, symbol: str = "") -> LimitEvent:
    event = desk.limits(limit)[-1]
    assert (event.fired, event.effect, event.symbol, event.clears) == (True, effect, symbol, RULES[limit].clears)
    assert event.unit == RULES[limit].unit
    return event


def assert_cleared(desk: Desk, limit: str, symbol: str = "") -> None:
    event = desk.limits(limit)[-1]
    assert (event.fired, event.symbol) == (False, symbol)
    assert not any(name.startswith(limit) for name in desk.trader.guard.halts())


def lose(desk: Desk, usdt: float) -> None:
    """Hold BTC and let its price fall by so much, without closing it."""
    desk.hold()
    s = desk.book()
    desk.minute(BTCUSDT=s.entry_price - usdt / (s.lots * s.lot_qty))


def to_midnight(desk: Desk) -> None:
    """The next bars close at 00:00 UTC."""
    desk.to(DAY0_MS + DAY_MS - MINUTE_MS)
    desk.minute()


def test_every_rule_has_a_pair_of_tests() -> None:
    names = [name for name in globals() if name.startswith("test_")]
    for rule in RULES:
        for what in ("blocks", "clears"):
            assert any(name.startswith(f"test_{rule}_{what}") for name in names), f"{rule}: no test that it {what}"


# Per order


def test_order_notional_blocks_what_exceeds_it_by_cutting() -> None:
    desk = make_desk(max_order_notional_usdt=1_000)
    desk.minute()
    lots = entry_lots(desk.predict(20))
    assert lots == 16
    event = assert_fired(desk, "order_notional", LimitEffect.REDUCE, BTC)
    assert (event.used, event.limit_value) == (2_500, 1_000)


def test_order_notional_clears_with_the_next_order_that_fits() -> None:
    desk = make_desk(max_order_notional_usdt=2_450)
    desk.round_trip(-300)
    assert_fired(desk, "order_notional", LimitEffect.REDUCE, BTC)
    assert entry_lots(desk.predict(20)) == 40
    assert_cleared(desk, "order_notional", BTC)


def test_leverage_blocks_what_exceeds_it_by_cutting() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.hold()
    desk.minute()
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(4_000 - 41 * 60, abs=2.5)
    assert assert_fired(desk, "leverage", LimitEffect.REDUCE, ETH).used == pytest.approx(0.496)


def test_leverage_clears_with_the_next_order_that_fits() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.hold()
    desk.minute()
    (order,) = placed(desk.predict(20, ETH))
    desk.reject(order)
    desk.fill(desk.order(OrderRole.TARGET), lots=41)
    desk.minute()
    assert entry_lots(desk.predict(20, ETH)) == 1_000
    assert_cleared(desk, "leverage", ETH)


def test_leverage_blocks_an_order_for_which_no_room_is_left() -> None:
    desk = make_desk(max_leverage=0.1983)
    desk.hold()
    desk.minute()
    commands = desk.predict(20, ETH)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "limits leave less than the smallest order")
    assert placed(commands) == []


def test_exposure_blocks_by_cutting_the_order_to_the_room_left() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute()
    assert assert_fired(desk, "exposure", LimitEffect.WARN).used == pytest.approx(24.6)
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(3_000 - 41 * 60, abs=2.5)


def test_exposure_blocks_when_prices_carry_it_over_the_limit() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute(BTCUSDT=79_000)
    assert_fired(desk, "exposure", LimitEffect.REDUCE)
    assert_vetoed(desk.predict(20, ETH), "exposure")


def test_exposure_clears_when_notional_falls_below_the_limit() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute(BTCUSDT=79_000)
    desk.minute(BTCUSDT=55_000)
    assert_cleared(desk, "exposure")
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_stop_distance_blocks_a_stop_outside_the_limits() -> None:
    for stop_pct in (0.05, 6.0):
        desk = Desk(make_trader(strategy={"stop_pct": stop_pct}))
        desk.minute()
        assert_vetoed(desk.predict(20), "stop_distance")
        assert assert_fired(desk, "stop_distance", LimitEffect.NO_NEW_ENTRIES, BTC).used == stop_pct
        desk.minute()
        assert_vetoed(desk.predict(20), "stop_distance")


def test_stop_distance_clears_with_the_next_signal_within_the_limits() -> None:
    before = Desk(make_trader(strategy={"stop_pct": 6.0}))
    before.minute()
    before.predict(20)
    after = Desk(make_trader(strategy={"stop_pct": 1.0}), before.now_ms)
    restore(after.trader, before.records)
    after.minute()
    assert entry_lots(after.predict(20)) > 0
    assert_cleared(after, "stop_distance", BTC)


# Of the day


@pytest.mark.parametrize("limit", ["day_loss_usdt", "day_loss_pct"])
def test_day_loss_warns_before_it_blocks(limit: str) -> None:
    desk = make_desk(**{limit: {"day_loss_usdt": 200, "day_loss_pct": 2}[limit]})
    lose(desk, 170)
    assert_fired(desk, limit, LimitEffect.WARN)
    assert entry_lots(desk.predict(20, ETH)) > 0


def _assert_day_loss_blocks(limit: str, desk: Desk) -> None:
    lose(desk, 199)
    assert desk.limits(limit)[-1].effect is LimitEffect.WARN
    desk.minute(BTCUSDT=desk.book().mark - 100)
    assert_fired(desk, limit, LimitEffect.NO_NEW_ENTRIES)
    assert placed(desk.said, OrderRole.EXIT) == []
    assert_vetoed(desk.predict(20, ETH), limit)
    desk.minute(BTCUSDT=desk.book().entry_price)
    assert_vetoed(desk.predict(20, XRP), limit)


def _assert_day_loss_flattens(limit: str, desk: Desk) -> None:
    lose(desk, 199)
    desk.minute()
    assert placed(desk.said, OrderRole.EXIT) == []
    (out,) = placed(desk.minute(BTCUSDT=desk.book().mark - 100), OrderRole.EXIT)
    assert (out.reason, out.qty_lots, out.reduce_only) == (ExitReason.LIMIT, 41, True)
    assert_fired(desk, limit, LimitEffect.FLATTEN)
    assert_vetoed(desk.predict(20, ETH), limit)


def _assert_day_loss_clears_at_midnight(limit: str, desk: Desk) -> None:
    lose(desk, 250)
    assert_fired(desk, limit, LimitEffect.NO_NEW_ENTRIES)
    desk.operator(Verb.RESUME)
    assert_vetoed(desk.predict(20, ETH), limit)
    to_midnight(desk)
    assert_cleared(desk, limit)
    # The open loss of yesterday is not one of today.
    assert entry_lots(desk.predict(20, ETH)) > 0
    # The last half hour before midnight is the same day: in no other zone of a whole hour does this hold.
    assert desk.limits(limit)[-1].time_ms == DAY0_MS + DAY_MS


def test_day_loss_usdt_blocks() -> None:
    _assert_day_loss_blocks("day_loss_usdt", make_desk(day_loss_usdt=200))


def test_day_loss_usdt_blocks_and_flattens_when_told_to() -> None:
    _assert_day_loss_flattens("day_loss_usdt", make_desk(day_loss_usdt=200, day_loss_effect="flatten"))


def test_day_loss_usdt_clears_at_midnight_utc() -> None:
    _assert_day_loss_clears_at_midnight("day_loss_usdt", make_desk(day_loss_usdt=200))


def test_day_loss_pct_blocks() -> None:
    _assert_day_loss_blocks("day_loss_pct", make_desk(day_loss_pct=2))


def test_day_loss_pct_blocks_and_flattens_when_told_to() -> None:
    _assert_day_loss_flattens("day_loss_pct", make_desk(day_loss_pct=2, day_loss_effect="flatten"))


def test_day_loss_pct_clears_at_midnight_utc() -> None:
    _assert_day_loss_clears_at_midnight("day_loss_pct", make_desk(day_loss_pct=2))


def test_day_loss_clears_though_the_operator_resumes_first_on_the_new_day() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    desk.to(DAY0_MS + DAY_MS + 10_000)
    desk.operator(Verb.RESUME)
    desk.to(DAY0_MS + DAY_MS)
    desk.minute()
    assert_cleared(desk, "day_loss_usdt")
    assert desk.trader.state.day_start_equity_usdt == pytest.approx(9_750)
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_day_loss_is_not_cleared_before_midnight_utc() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    desk.to(DAY0_MS + DAY_MS - 2 * MINUTE_MS)
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "day_loss_usdt")


@pytest.mark.parametrize("effect", [LimitEffect.WARN, LimitEffect.REDUCE])
def test_day_loss_effect_must_stop_entries(effect: LimitEffect) -> None:
    with pytest.raises(ValidationError, match="day_loss_effect"):
        LimitSettings(day_loss_effect=effect)


def test_day_loss_counts_from_the_equity_at_midnight() -> None:
    desk = make_desk(DAY0_MS + DAY_MS - 10 * MINUTE_MS, day_loss_usdt=200)
    lose(desk, 150)
    to_midnight(desk)
    desk.minute(BTCUSDT=desk.book().mark - 150 / 0.041)
    assert desk.limits("day_loss_usdt") == []
    desk.minute(BTCUSDT=desk.book().mark - 60 / 0.041)
    assert assert_fired(desk, "day_loss_usdt", LimitEffect.NO_NEW_ENTRIES).used == pytest.approx(210)


def test_day_trades_blocks() -> None:
    desk = make_desk(max_trades_per_day=2)
    desk.hold()
    desk.minute()
    (order,) = placed(desk.predict(20, ETH))
    desk.reject(order)
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "day_trades")
    assert assert_fired(desk, "day_trades", LimitEffect.NO_NEW_ENTRIES).used == 2
    assert placed(desk.said, OrderRole.EXIT) == []


def test_day_trades_clears_at_midnight_utc() -> None:
    desk = make_desk(max_trades_per_day=1)
    desk.hold()
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "day_trades")
    desk.operator(Verb.RESUME)
    assert_vetoed(desk.predict(21, XRP), "day_trades")
    to_midnight(desk)
    assert_cleared(desk, "day_trades")
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_day_trades_of_yesterday_do_not_count_today() -> None:
    desk = make_desk(max_trades_per_day=2)
    desk.hold()
    desk.hold(symbol=ETH)
    to_midnight(desk)
    assert entry_lots(desk.predict(20, XRP)) > 0
    desk.minute()
    assert desk.trader.state.entries_on(desk.now_ms) == 1


def test_losses_in_row_blocks() -> None:
    desk = make_desk(max_losses_in_row=2)
    for net in (-10, 10, -10):
        desk.round_trip(net)
    assert entry_lots(desk.predict(20)) > 0
    desk = make_desk(max_losses_in_row=2)
    for net in (-10, 10, -10, -10):
        desk.round_trip(net)
    assert_fired(desk, "losses_in_row", LimitEffect.NO_NEW_ENTRIES)
    assert_vetoed(desk.predict(20), "losses_in_row")


def test_losses_in_row_clears_at_midnight_utc() -> None:
    desk = make_desk(max_losses_in_row=2)
    for net in (-10, -10):
        desk.round_trip(net)
    to_midnight(desk)
    assert_cleared(desk, "losses_in_row")
    assert entry_lots(desk.predict(20)) > 0


def test_losses_in_row_clears_when_the_operator_resumes() -> None:
    desk = make_desk(max_losses_in_row=2)
    for net in (-10, -10):
        desk.round_trip(net)
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "losses_in_row")
    desk.round_trip(-10)
    assert entry_lots(desk.predict(20)) > 0


def test_losses_of_yesterday_do_not_count_today() -> None:
    desk = make_desk(DAY0_MS + DAY_MS - 20 * MINUTE_MS, max_losses_in_row=2)
    desk.round_trip(-10)
    to_midnight(desk)
    desk.round_trip(-10)
    assert entry_lots(desk.predict(20)) > 0


# Of the account


def test_drawdown_blocks_and_flattens() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold(symbol=ETH)
    lose(desk, 450)
    assert_fired(desk, "drawdown", LimitEffect.WARN)
    commands = desk.minute(BTCUSDT=desk.book().mark - 2_000)
    event = assert_fired(desk, "drawdown", LimitEffect.FLATTEN)
    assert event.used == pytest.approx(5.32)
    outs = placed(commands, OrderRole.EXIT)
    assert [(out.symbol, out.reason, out.reduce_only) for out in outs] == [
        (BTC, ExitReason.LIMIT, True),
        (ETH, ExitReason.LIMIT, True),
    ]
    assert_vetoed(desk.predict(20, XRP), "drawdown")


def test_drawdown_blocks_for_good_until_it_clears() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    to_midnight(desk)
    assert_vetoed(desk.predict(20, ETH), "drawdown")
    desk.minute(BTCUSDT=desk.book().entry_price)
    assert_vetoed(desk.predict(20, ETH), "drawdown")


def test_drawdown_clears_when_the_operator_resumes_and_the_peak_starts_anew() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    desk.accept(desk.order(OrderRole.EXIT))
    desk.fill(desk.order(OrderRole.EXIT))
    desk.minute()
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "drawdown")
    assert desk.trader.state.peak_equity_usdt == pytest.approx(9_400)
    for _ in range(4):
        desk.minute()
    assert entry_lots(desk.predict(20, ETH)) > 0
    assert not desk.limits("drawdown")[-1].fired


def test_resuming_without_a_drawdown_keeps_the_peak() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 100)
    desk.operator(Verb.RESUME)
    assert desk.trader.state.peak_equity_usdt == 10_000


def test_drawdown_blocks_and_flattens_when_a_prediction_finds_it_first() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold()
    desk.minute()
    desk.first_price(desk.book().entry_price - 600 / 0.041)
    commands = desk.predict(20, ETH)
    assert_fired(desk, "drawdown", LimitEffect.FLATTEN)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert signal.action is SignalAction.VETOED
    assert [(order.symbol, order.role) for order in placed(commands)] == [(BTC, OrderRole.EXIT)]


def test_a_flattening_limit_asks_again_until_nothing_is_open() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    first = desk.order(OrderRole.EXIT)
    assert placed(desk.minute(), OrderRole.EXIT) == []
    desk.reject(first)
    (second,) = placed(desk.minute(), OrderRole.EXIT)
    assert (second.qty_lots, second.reason) == (41, ExitReason.LIMIT)
    assert second.client_order_id != first.client_order_id


def test_a_flattening_limit_cancels_pending_entries() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold()
    desk.minute()
    (entry,) = placed(desk.predict(20, ETH))
    desk.accept(entry)
    commands = desk.minute(BTCUSDT=desk.book().entry_price - 600 / 0.041)
    assert [order.client_order_id for order in canceled(commands)] == [entry.client_order_id]


def test_open_positions_blocks() -> None:
    desk = make_desk(max_open_positions=2)
    desk.hold()
    desk.minute()
    assert entry_lots(desk.predict(20, ETH)) > 0
    # The entry of ETH is pending and counts.
    assert_vetoed(desk.predict(20, XRP), "open_positions")
    assert assert_fired(desk, "open_positions", LimitEffect.NO_NEW_ENTRIES).used == 2


def test_open_positions_clears_when_a_position_closes() -> None:
    desk = make_desk(max_open_positions=1)
    desk.hold()
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "open_positions")
    desk.fill(desk.order(OrderRole.TARGET), lots=41)
    desk.minute()
    assert_cleared(desk, "open_positions")
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_feed_age_blocks_the_symbol_whose_bars_stay_away() -> None:
    desk = make_desk(max_feed_age_seconds=120)
    desk.minute()
    for _ in range(2):
        desk.to(desk.now_ms + MINUTE_MS)
        desk.bar(BTC)
    desk.timer()
    assert_vetoed(desk.predict(20, ETH), "feed_age")
    assert_fired(desk, "feed_age", LimitEffect.NO_NEW_ENTRIES, XRP)
    assert {event.symbol for event in desk.limits("feed_age")} == {ETH, XRP}
    assert entry_lots(desk.predict(20, BTC)) > 0


def test_feed_age_clears_with_the_next_bar() -> None:
    desk = make_desk(max_feed_age_seconds=120)
    desk.minute()
    desk.to(desk.now_ms + 10 * MINUTE_MS)
    desk.timer()
    assert {event.symbol for event in desk.limits("feed_age")} == {BTC, ETH, XRP}
    desk.bar(ETH)
    assert entry_lots(desk.predict(20, ETH)) > 0
    assert [event.fired for event in desk.limits("feed_age") if event.symbol == ETH] == [True, False]
    assert "feed_age:BTCUSDT" in desk.trader.guard.halts()
    assert "feed_age:ETHUSDT" not in desk.trader.guard.halts()


def test_a_symbol_without_a_price_is_vetoed() -> None:
    desk = make_desk()
    commands = desk.predict(20)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "no bar of this symbol was seen yet")
    assert placed(commands) == []


def test_equal_readings_are_journalled_once() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    for _ in range(5):
        desk.minute()
        desk.predict(20, ETH)
    assert [event.fired for event in desk.limits("day_loss_usdt")] == [True]


@pytest.mark.parametrize(
    ("used", "expected"),
    [(0.0, "ok"), (79.99, "ok"), (80.0, "warn"), (99.9, "warn"), (100.0, "blocked"), (1e9, "blocked")],
)
def test_level(used: float, expected: str) -> None:
    assert level(used, 100.0, 80.0) == expected


def test_default_limits_are_wired_to_their_settings() -> None:
    """Each reading measures against the setting of its own name."""
    values = {
        "day_loss_usdt": 111.0,
        "day_loss_pct": 11.0,
        "max_trades_per_day": 12,
        "max_losses_in_row": 13,
        "max_drawdown_pct": 14.0,
        "max_exposure_pct": 140.0,
        "max_open_positions": 3,
        "max_feed_age_seconds": 99.0,
    }
    desk = Desk(make_trader(settings=Settings(limits=LimitSettings(**values))))
    desk.minute()
    found = {reading.rule.name: reading.limit for reading in desk.trader.readings}
    assert found == {
        "day_loss_usdt": 111.0,
        "day_loss_pct": 11.0,
        "day_trades": 12.0,
        "losses_in_row": 13.0,
        "drawdown": 14.0,
        "exposure": 140.0,
        "open_positions": 3.0,
        "feed_age": 99.0,
    }


def test_an_unknown_order_counts_as_exposure() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.minute()
    (order,) = placed(desk.predict(20))
    desk.update(order, OrderState.SENT)
    desk.update(order, OrderState.UNKNOWN, "timed out")
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(3_000 - 41 * 60, abs=2.5)


# The venue


def health(desk: Desk, problem: str) -> list[Command]:
    return desk.handle(VenueHealth(desk.now_ms, problem))


def test_connection_blocks_entries_while_anything_is_unwell() -> None:
    desk = make_desk()
    stop = desk.hold()
    commands = health(desk, "account stream: silent for 12 s")
    (event,) = (record.event for record in records(commands, LimitRecord))
    assert (event.limit, event.fired, event.note) == ("connection", True, "account stream: silent for 12 s")
    assert desk.trader.guard.halts() == ("connection",)
    desk.minute()
    (signal,) = (record.signal for record in records(desk.predict(20, ETH), SignalRecord))
    assert signal.reason == (
        "limit connection (account stream: silent for 12 s); "
        "clears when streams, requests and clock have been well for 20 s"
    )
    # What else goes wrong meanwhile is no event, and protection works as ever.
    assert health(desk, "account stream: silent for 13 s; clock: 700 ms off") == []
    assert len(placed(desk.update(stop, OrderState.CANCELED, "by the venue"), OrderRole.STOP)) == 1


def test_connection_clears_when_all_is_well_again() -> None:
    desk = make_desk()
    desk.minute()
    health(desk, "clock: 700 ms off")
    assert len(health(desk, "")) == 1
    assert_cleared(desk, "connection")
    assert desk.limits("connection")[-1].note == ""
    assert health(desk, "") == []
    assert entry_lots(desk.predict(20)) > 0


def test_unprotected_blocks_its_symbol_while_it_is_closed() -> None:
    desk = make_desk()
    desk.enter()
    desk.watch(60_000)
    event = assert_fired(desk, "unprotected", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert (event.used, event.limit_value) == (59, 6)
    assert desk.trader.guard.halts() == ("unprotected:BTCUSDT",)


def test_unprotected_clears_when_the_position_is_closed_or_has_its_stop() -> None:
    desk = make_desk()
    stop, _ = placed(desk.enter())
    (out,) = placed(desk.watch(60_000))
    desk.accept(stop)
    desk.watch(500)
    assert_cleared(desk, "unprotected", BTC)
    desk.update(stop, OrderState.UNKNOWN)
    desk.watch(60_000)
    assert_fired(desk, "unprotected", LimitEffect.NO_NEW_ENTRIES, BTC)
    desk.accept(out)
    desk.fill(out)
    desk.watch(500)
    assert_cleared(desk, "unprotected", BTC)


def odd_fill(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    desk.fill(entry, lots=1_000)


def test_books_blocks_after_a_fill_that_was_not_booked() -> None:
    desk = make_desk()
    odd_fill(desk)
    assert "is not booked" in assert_fired(desk, "books", LimitEffect.NO_NEW_ENTRIES).note
    assert desk.trader.guard.halts() == ("books",)


def test_books_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    odd_fill(desk)
    desk.minute()
    assert desk.trader.guard.halts() == ("books",)
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "books")


def test_invariant_blocks_while_the_books_contradict_each_other_and_names_the_fault() -> None:
    desk = make_desk()
    desk.minute()
    desk.trader.state.wallet_usdt += 1.0
    desk.minute()
    note = assert_fired(desk, "invariant", LimitEffect.NO_NEW_ENTRIES).note
    assert note == "wallet 10001.0 differs from the 10000 of the books"
    assert "limit invariant (wallet 10001.0" in str(records(desk.predict(20), SignalRecord)[0].signal.reason)


def test_invariant_clears_when_every_check_passes_again() -> None:
    desk = make_desk()
    desk.minute()
    desk.trader.state.wallet_usdt += 1.0
    desk.minute()
    desk.trader.state.wallet_usdt -= 1.0
    desk.minute()
    assert_cleared(desk, "invariant")


# Transfers


def drawdown(desk: Desk) -> float:
    state = desk.trader.state
    return drawdown_pct(state.peak_equity_usdt, state.equity_usdt())


@pytest.mark.parametrize("amount", [-7_500, -9_000, -1, 1, 50_000])
def test_what_is_taken_out_or_paid_in_is_neither_loss_nor_profit(amount: int) -> None:
    """As far below the peak and the day's start as before, in percent, also with a position open."""
    desk = make_desk(day_loss_pct=2, max_drawdown_pct=5)
    lose(desk, 190)
    before, state = drawdown(desk), desk.trader.state
    assert before == pytest.approx(1.9, abs=0.01)
    moved = desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(amount), "transfer"))
    (record,) = records(moved, AdjustmentRecord)
    assert (record.ours, record.theirs, record.amount_usdt) == ("10000", str(10_000 + amount), Decimal(amount))
    desk.minute()
    assert drawdown(desk) == pytest.approx(before)
    assert loss_pct(state.day_start_equity_usdt, state.equity_usdt()) == pytest.approx(before)
    assert placed(desk.said, OrderRole.EXIT) == []
    assert [name for name in desk.trader.guard.halts() if name != "exposure"] == []


def test_a_withdrawal_lifts_no_limit_that_has_fired() -> None:
    desk = make_desk(day_loss_usdt=100, max_drawdown_pct=2)
    lose(desk, 150)
    assert desk.trader.guard.halts() == ("day_loss_usdt",)
    desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(-7_000), "transfer"))
    desk.minute()
    assert "day_loss_usdt" in desk.trader.guard.halts()


def test_a_start_knows_where_a_withdrawal_moved_the_marks_to() -> None:
    desk = make_desk()
    lose(desk, 190)
    desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(-7_500), "transfer"))
    again = make_desk()
    restore(again.trader, desk.records)
    state, told = desk.trader.state, again.trader.state
    assert (told.peak_equity_usdt, told.day_start_equity_usdt, told.sampled_ms) == (
        state.peak_equity_usdt,
        state.day_start_equity_usdt,
        state.sampled_ms,
    )


@pytest.mark.parametrize("lost_usdt", [0, 190])
@pytest.mark.parametrize("steps", [(-1,), (Decimal("-0.99999"), -1), (Decimal("-0.5"), Decimal("-0.5"), -1)])
def test_where_all_is_taken_out_no_limit_fires_and_what_is_paid_in_begins_anew(
    lost_usdt: int, steps: tuple[Decimal | int, ...]
) -> None:
    """Each step is a share of what is left."""
    desk = make_desk(day_loss_pct=2, max_drawdown_pct=5)
    state = desk.trader.state
    desk.minute()
    if lost_usdt:
        lose(desk, lost_usdt)
        desk.fill(desk.order(OrderRole.STOP))
        desk.minute()
    for n, share in enumerate(steps):
        amount = (state.ledger.wallet_usdt * share).quantize(Decimal("0.00000001"))
        desk.handle(WalletAdjustment(f"w{n}", desk.now_ms, amount, "transfer"))
        desk.minute()
        assert set(desk.trader.guard.halts()) <= {"exposure"}
    assert (state.equity_usdt(), state.peak_equity_usdt, state.day_start_equity_usdt) == (0, 0, 0)
    assert (drawdown(desk), loss_pct(0.0, 0.0)) == (0.0, 0.0)
    desk.handle(WalletAdjustment("d1", desk.now_ms, Decimal(500), "transfer"))
    desk.minute()
    assert (state.peak_equity_usdt, state.day_start_equity_usdt) == (500, 500)
    assert desk.trader.guard.halts() == ()


def test_an_account_that_lost_all_it_had_has_no_room_left() -> None:
    assert loss_pct(0.0, -1.0) == drawdown_pct(0.0, -1.0) == drawdown_pct(-1.0, -1.0) == math.inf
    assert (drawdown_pct(100.0, 0.0), loss_pct(100.0, 0.0)) == (100.0, 100.0)


def test_a_wallet_adjustment_is_applied_once() -> None:
    desk = make_desk()
    desk.minute()
    moved = WalletAdjustment("x", desk.now_ms, Decimal("-0.00000001"), "rounding")
    assert len(records(desk.handle(moved), AdjustmentRecord)) == 1
    assert desk.handle(moved) == []
    assert desk.handle(WalletAdjustment("y", desk.now_ms, Decimal(0), "nothing")) == []
    account = desk.trader.state.ledger.account({})
    assert (account.wallet_usdt, account.adjustments_usdt) == (Decimal("9999.99999999"), Decimal("-0.00000001"))


# Worst case


def test_an_entry_whose_outcome_is_unknown_counts_in_full_against_the_others() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.SENT)
    desk.update(entry, OrderState.UNKNOWN, "timed out")
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(4_000 - 41 * 60, abs=2.5)


def test_contract_blocks_its_symbol_alone() -> None:
    desk = make_desk()
    desk.minute()
    commands = desk.handle(VenueHealth(desk.now_ms, "others hold 0.010 here", BTC))
    (event,) = (record.event for record in records(commands, LimitRecord))
    assert (event.limit, event.symbol, event.fired, event.note) == ("contract", BTC, True, "others hold 0.010 here")
    assert desk.trader.guard.halts() == ("contract:BTCUSDT",)
    assert entry_lots(desk.predict(20)) == 0
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_contract_blocks_with_the_words_of_what_is_wrong_now() -> None:
    desk = make_desk()
    desk.minute()
    desk.handle(VenueHealth(desk.now_ms, "trades: nobody knows yet", BTC))
    assert desk.handle(VenueHealth(desk.now_ms, "trades: nobody knows yet", BTC)) == []
    commands = desk.handle(VenueHealth(desk.now_ms, "others: long 0.005 BTC", BTC))
    assert [record.event.note for record in records(commands, LimitRecord)] == ["others: long 0.005 BTC"]
    (signal,) = (record.signal for record in records(desk.predict(20), SignalRecord))
    assert signal.reason.startswith("limit contract (others: long 0.005 BTC); clears")


def test_contract_clears_when_its_problem_has_passed() -> None:
    desk = make_desk()
    desk.handle(VenueHealth(desk.now_ms, "others hold 0.010 here", BTC))
    assert len(desk.handle(VenueHealth(desk.now_ms, "", BTC))) == 1
    assert_cleared(desk, "contract", BTC)
    desk.minute()
    assert entry_lots(desk.predict(20)) > 0


def refuse_the_stop(desk: Desk, kind: RejectKind) -> None:
    """A position whose stop is refused for good, until it is closed."""
    stop, target = placed(desk.enter())
    desk.accept(target)
    desk.update(stop, OrderState.SENT)
    orders = placed(desk.update(stop, OrderState.REJECTED, "no more stops (-4045)", kind))
    assert desk.limits("stop_refused") == [], "a simulated venue refuses truly: only an exchange's refusal is alarming"
    desk.handle(Alarm(desk.now_ms, "stop_refused", "no more stops (-4045)", BTC))
    while orders[-1].role is OrderRole.STOP:
        orders = placed(desk.reject(orders[-1]))
    desk.accept(orders[-1])
    desk.fill(orders[-1])
    desk.update(target, OrderState.CANCELED)


@pytest.mark.parametrize("kind", list(RejectKind))
def test_stop_refused_blocks_its_symbol_by_whatever_code(kind: RejectKind) -> None:
    desk = make_desk()
    refuse_the_stop(desk, kind)
    event = assert_fired(desk, "stop_refused", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert event.note == "no more stops (-4045)"
    for _ in range(10):
        desk.minute()
        assert entry_lots(desk.predict(20)) == 0
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_stop_refused_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    refuse_the_stop(desk, RejectKind.OTHER)
    for _ in range(10):
        desk.minute()
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "stop_refused", BTC)
    assert entry_lots(desk.predict(20)) > 0


def test_second_engine_blocks_all_entries() -> None:
    desk = make_desk()
    desk.minute()
    assert len(desk.handle(Alarm(desk.now_ms, "second_engine", "qd12 of BTCUSDT is not of this journal"))) == 1
    assert_fired(desk, "second_engine", LimitEffect.NO_NEW_ENTRIES)
    assert desk.handle(Alarm(desk.now_ms, "second_engine", "another")) == []
    assert entry_lots(desk.predict(20)) == entry_lots(desk.predict(20, ETH)) == 0


def test_second_engine_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    desk.handle(Alarm(desk.now_ms, "second_engine", "qd12 of BTCUSDT is not of this journal"))
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "second_engine")
    desk.minute()
    assert entry_lots(desk.predict(20)) > 0
