"""UTC days: each is opened once, in its order, with what the account was worth at its beginning."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.domain.market import MINUTE_MS, Bar
from core.domain.operator import Verb
from core.domain.orders import Fill, OrderRole, OrderState
from core.domain.records import EquityRecord
from core.domain.trading import FundingPayment
from core.trader.messages import Timer
from core.trader.restore import restore, set_marks
from core.trader.state import DAY_MS
from tests.core.trader.desk import BTC, DAY0_MS, ETH, PRICES, Desk, canceled, make_trader, placed, records
from tests.core.trader.session import as_loaded

OFF: dict[str, Any] = {"day_loss_usdt": 1e9, "day_loss_pct": 100.0, "max_drawdown_pct": 100.0}
MIDNIGHT_MS = DAY0_MS + DAY_MS


def make_desk(start_ms: int, **limits: Any) -> Desk:
    return Desk(make_trader(**{**OFF, **limits}), start_ms)


def late_minute(desk: Desk, close_ms: int, symbol: str = ETH) -> None:
    """A bar of a symbol that is behind, in a batch of its own."""
    desk.handle(Bar(symbol, close_ms - MINUTE_MS, MINUTE_MS, *[PRICES[symbol]] * 4, 1.0))
    desk.handle(Timer(close_ms))


def stop_out(desk: Desk, loss_usdt: float, time_ms: int | None = None) -> None:
    """The stop of BTC fills so far from the entry, at `time_ms` at the exchange where it is told later."""
    s, stop = desk.book(), desk.order(OrderRole.STOP)
    price = s.entry_price - loss_usdt / (s.lots * s.lot_qty)
    if time_ms is None:
        told = desk.fill(stop, price=price)
    else:
        ticks = s.instrument.ticks_nearest(price)
        told = desk.handle(
            Fill(f"n{time_ms}", stop.client_order_id, BTC, stop.side, s.lots, ticks, Decimal(0), False, time_ms)
        )
    for order in canceled(told):
        desk.update(order, OrderState.CANCELED, "position closed")


def restarted(desk: Desk, **limits: Any) -> Desk:
    """Another process that was told the journal, with the marks of the newest bars."""
    again = Desk(make_trader(**{**OFF, **limits}), desk.now_ms)
    assert restore(again.trader, as_loaded(desk.records)) == []
    marks = {symbol: s for symbol, s in desk.trader.state.symbols.items() if s.bar_close_ms}
    set_marks(
        again.trader,
        [Bar(symbol, s.bar_close_ms - MINUTE_MS, MINUTE_MS, *[s.mark] * 4, 1.0) for symbol, s in marks.items()],
    )
    return again


def day_loss(desk: Desk) -> float:
    state = desk.trader.state
    return state.day_start_equity_usdt - state.equity_usdt()


@pytest.mark.parametrize("limit", ["day_loss_usdt", "day_loss_pct"])
def test_late_bars_of_yesterday_lift_no_loss_of_today(limit: str) -> None:
    desk = make_desk(MIDNIGHT_MS - 4 * MINUTE_MS, **{limit: {"day_loss_usdt": 50.0, "day_loss_pct": 0.5}[limit]})
    while desk.now_ms < MIDNIGHT_MS:
        desk.minute()
    desk.hold()
    stop_out(desk, 60.0)
    desk.minute()
    assert desk.trader.guard.halts() == (limit,)
    started, samples = desk.trader.state.day_start_equity_usdt, len([r for r in desk.records if _is_sample(r)])
    for close_ms in range(MIDNIGHT_MS - 2 * MINUTE_MS, desk.now_ms, MINUTE_MS):
        late_minute(desk, close_ms)
        assert desk.trader.guard.halts() == (limit,)
    assert len([r for r in desk.records if _is_sample(r)]) == samples, "what is measured is measured of the newest"
    desk.minute()
    assert desk.trader.guard.halts() == (limit,)
    assert desk.trader.state.day_start_equity_usdt == started
    assert day_loss(desk) == pytest.approx(60.0, abs=0.01)
    assert placed(desk.predict(20, ETH)) == []
    again = restarted(desk, **{limit: {"day_loss_usdt": 50.0, "day_loss_pct": 0.5}[limit]})
    again.minute()
    assert again.trader.guard.halts() == (limit,)


def _is_sample(record: object) -> bool:
    return isinstance(record, EquityRecord)


def test_late_bars_lift_no_count_of_entries() -> None:
    desk = make_desk(MIDNIGHT_MS, max_trades_per_day=1)
    desk.hold()
    desk.minute()
    assert desk.trader.guard.halts() == ("day_trades",)
    late_minute(desk, MIDNIGHT_MS - MINUTE_MS)
    assert desk.trader.guard.halts() == ("day_trades",)
    assert placed(desk.predict(20, ETH)) == []


def test_a_clock_that_was_set_back_opens_no_day_again() -> None:
    desk = make_desk(MIDNIGHT_MS, day_loss_usdt=50.0)
    desk.hold()
    stop_out(desk, 60.0)
    desk.minute()
    desk.to(MIDNIGHT_MS - 10_000)
    desk.operator(Verb.RESUME)
    (sample,) = records(desk.operator(Verb.RESUME), EquityRecord)
    assert sample.sample.time_ms >= MIDNIGHT_MS, "of the samples a start is told the last"
    desk.to(MIDNIGHT_MS + 10 * MINUTE_MS)
    desk.minute()
    assert desk.trader.guard.halts() == ("day_loss_usdt",)
    assert day_loss(desk) == pytest.approx(60.0, abs=0.01)


@pytest.mark.parametrize("ahead_ms", [MINUTE_MS, DAY_MS, 40 * DAY_MS])
def test_a_clock_that_was_ahead_when_the_operator_resumed_keeps_no_limit_from_being_measured(ahead_ms: int) -> None:
    desk = make_desk(DAY0_MS + 12 * 60 * MINUTE_MS, max_drawdown_pct=1.0, day_loss_usdt=50.0)
    desk.hold()
    noon_ms, started = desk.now_ms, desk.trader.state.day_start_equity_usdt
    desk.to(noon_ms + ahead_ms)
    desk.operator(Verb.RESUME)
    desk.to(noon_ms)
    assert desk.trader.state.day_start_equity_usdt == started, "a day begins with its market"
    told = desk.minute(BTCUSDT=57_000.0)
    assert desk.trader.guard.halts() == ("day_loss_usdt", "drawdown")
    assert placed(told, OrderRole.EXIT), "this drawdown closes everything"
    desk.to(MIDNIGHT_MS)
    desk.minute()
    assert desk.trader.guard.halts() == ("drawdown",)
    assert desk.trader.state.day_start_equity_usdt < started


def test_a_resume_ahead_of_the_first_bars_of_a_day_opens_none() -> None:
    desk = make_desk(MIDNIGHT_MS - 10 * MINUTE_MS, day_loss_usdt=50.0)
    desk.hold()
    stop_out(desk, 60.0)
    desk.minute()
    assert desk.trader.guard.halts() == ("day_loss_usdt",)
    started = desk.trader.state.day_start_equity_usdt
    desk.to(MIDNIGHT_MS + 1_000)
    desk.operator(Verb.RESUME)
    desk.to(MIDNIGHT_MS - 2 * MINUTE_MS)
    desk.minute()
    assert (desk.trader.guard.halts(), desk.trader.state.day_start_equity_usdt) == (("day_loss_usdt",), started)
    desk.minute()
    assert desk.trader.guard.halts() == ()
    assert day_loss(desk) == 0.0


def test_a_loss_of_yesterday_that_is_told_today_leaves_the_losses_of_today() -> None:
    desk = make_desk(MIDNIGHT_MS - 10 * MINUTE_MS, max_losses_in_row=3)
    desk.hold()
    desk.to(MIDNIGHT_MS)
    for _ in range(2):
        desk.minute()
        (entry,) = placed(desk.predict(20, ETH), OrderRole.ENTRY)
        desk.accept(entry)
        desk.accept(*placed(desk.fill(entry)))
        stop = desk.order(OrderRole.STOP, ETH)
        for order in canceled(desk.fill(stop, price=desk.book(ETH).entry_price - 10)):
            desk.update(order, OrderState.CANCELED)
        for _ in range(4):
            desk.minute()
    assert desk.trader.state.losses_on(desk.now_ms) == 2
    stop_out(desk, 5.0, MIDNIGHT_MS - 2 * MINUTE_MS)
    assert desk.trader.state.losses_on(desk.now_ms) == 2
    assert desk.trader.state.losses_on(desk.now_ms + DAY_MS) == 0


def through_midnight(desk: Desk, mark: float) -> None:
    """Three minutes around midnight at one price."""
    desk.to(MIDNIGHT_MS - 2 * MINUTE_MS)
    for _ in range(3):
        desk.minute(BTCUSDT=mark)


@pytest.mark.parametrize("mark", [60_000.0, 59_800.0, 60_500.0])
def test_a_start_over_midnight_counts_what_the_night_lost(mark: float) -> None:
    """As an engine that was there all night does, also where the position had moved by midnight."""
    there = make_desk(MIDNIGHT_MS - 20 * MINUTE_MS, day_loss_usdt=50.0)
    there.hold()
    away = restarted(there, day_loss_usdt=50.0)
    through_midnight(there, mark)
    stop_out(there, 100.0, MIDNIGHT_MS + MINUTE_MS)
    there.minute()
    stop_out(away, 100.0, MIDNIGHT_MS + MINUTE_MS)
    through_midnight(away, mark)
    away.minute()
    assert away.trader.state.day_start_equity_usdt == pytest.approx(there.trader.state.day_start_equity_usdt)
    lost = 100.0 + (mark - 60_000.0) * 0.041
    assert day_loss(away) == pytest.approx(lost, abs=0.01)
    assert away.trader.guard.halts() == there.trader.guard.halts() == ("day_loss_usdt",)
    assert placed(away.predict(20, ETH)) == []


def test_a_start_after_several_days_opens_each_with_what_it_began_with() -> None:
    desk = make_desk(DAY0_MS + DAY_MS // 2)
    desk.hold()
    away = restarted(desk)
    at_ms = MIDNIGHT_MS + DAY_MS + MINUTE_MS
    away.handle(funding(MIDNIGHT_MS, "-7"))
    stop_out(away, 100.0, at_ms)
    away.to(MIDNIGHT_MS - MINUTE_MS)
    away.minute()
    assert (away.trader.state.day_start_equity_usdt, day_loss(away)) == (10_000.0, pytest.approx(107.0, abs=0.01))
    away.to(MIDNIGHT_MS + DAY_MS - MINUTE_MS)
    away.minute()
    assert away.trader.state.day_start_equity_usdt == pytest.approx(9_993.0, abs=0.01)
    assert day_loss(away) == pytest.approx(100.0, abs=0.01)
    away.to(MIDNIGHT_MS + 2 * DAY_MS)
    away.minute()
    assert day_loss(away) == pytest.approx(0.0)


def funding(time_ms: int, amount: str) -> FundingPayment:
    return FundingPayment(f"f{time_ms}", BTC, time_ms, Decimal("0.0001"), Decimal(60_000), 41, Decimal(amount))


def test_what_a_bar_filled_at_the_stroke_of_midnight_is_of_the_day_that_ends() -> None:
    desk = make_desk(MIDNIGHT_MS - 20 * MINUTE_MS)
    desk.hold()
    desk.to(MIDNIGHT_MS)
    stop_out(desk, 100.0, MIDNIGHT_MS)
    desk.timer()
    assert day_loss(desk) == pytest.approx(0.0)
    assert desk.trader.state.day_start_equity_usdt == pytest.approx(9_900.0, abs=0.01)


def test_a_restart_before_the_day_is_opened_remembers_what_was_booked_of_it() -> None:
    desk = make_desk(MIDNIGHT_MS - 20 * MINUTE_MS)
    desk.hold()
    stop_out(desk, 100.0, MIDNIGHT_MS + MINUTE_MS)
    again = restarted(desk)
    assert repr(again.trader.state.unopened) == repr(desk.trader.state.unopened)
    through_midnight(again, 60_000.0)
    assert day_loss(again) == pytest.approx(100.0, abs=0.01)


def test_rules_that_are_finer_since_leave_the_booking_as_it_was() -> None:
    desk = make_desk(MIDNIGHT_MS - 20 * MINUTE_MS)
    desk.hold()
    stop_out(desk, 100.0, MIDNIGHT_MS + MINUTE_MS)
    old = desk.book().instrument
    desk.trader.adopt(replace(old, lot_size=old.lot_size / 10, tick_size=old.tick_size / 10))
    through_midnight(desk, 60_000.0)
    assert day_loss(desk) == pytest.approx(100.0, abs=0.01)
