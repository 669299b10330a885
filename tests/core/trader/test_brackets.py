"""Stops, targets and sizes that a strategy gives each signal: decided with it, kept with its trade."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.domain.forecast import Output
from core.domain.orders import OrderRole, OrderState
from core.domain.records import SignalRecord
from core.domain.trading import Signal, SignalAction
from core.trader.messages import Command
from core.trader.restore import restore
from core.trader.trader import Trader
from tests.core.trader.desk import BTC, Desk, make_trader, placed, records
from tests.declared import ONE, Vector, beyond, said

OUTPUTS = (*ONE, Output("width", "pct"))


def two_widths(values: Vector, volatility_pct: float, parameters: Vector) -> tuple[float, float]:
    """The stop at two widths, the target at three; none where the width is above one percent."""
    return 2.0 * volatility_pct, 3.0 * volatility_pct if volatility_pct <= 1.0 else math.nan


def make(**changes: Any) -> Trader:
    fields = {"outputs": OUTPUTS, "decide": beyond, "bracket": two_widths, "volatility": "width", "exits": ()}
    return make_trader(strategy={**fields, **changes})


def say(desk: Desk, value_bps: float, width_pct: float | None) -> list[Command]:
    return desk.handle(said(BTC, desk.now_ms, desk.now_ms + 100, (value_bps, width_pct), "plain"))


def signal_of(commands: list[Command]) -> Signal:
    (record,) = records(commands, SignalRecord)
    return record.signal


def entered(width_pct: float, value_bps: float = 20.0, **changes: Any) -> Desk:
    desk = Desk(make(**changes))
    desk.minute()
    (order,) = placed(say(desk, value_bps, width_pct), OrderRole.ENTRY)
    desk.accept(order)
    desk.fill(order, price=60_000.0)
    return desk


@pytest.mark.parametrize(
    ("width_pct", "value_bps", "stop", "target"),
    [(0.5, 20.0, 594_000, 609_000), (1.0, 20.0, 588_000, 618_000), (0.5, -20.0, 606_000, 591_000)],
)
def test_each_signal_has_a_stop_and_a_target_of_its_own(
    width_pct: float, value_bps: float, stop: int, target: int
) -> None:
    desk = entered(width_pct, value_bps)
    assert desk.order(OrderRole.STOP).trigger_ticks == stop
    assert desk.order(OrderRole.TARGET).trigger_ticks == target


def test_a_target_that_is_no_number_is_none() -> None:
    desk = entered(1.5)
    assert desk.order(OrderRole.STOP).trigger_ticks == 582_000
    assert desk.book().open_order(OrderRole.TARGET) is None


def test_what_was_decided_is_told_again_by_the_journal() -> None:
    """A start between the fill and its stop puts the stop where it was decided, and not where the strategy's is."""
    desk = Desk(make())
    desk.minute()
    (order,) = placed(say(desk, 20.0, 0.25), OrderRole.ENTRY)
    desk.accept(order)
    told = [*desk.records]
    again = make()
    restore(again, told)
    after = Desk(again, desk.now_ms)
    after.bar()
    after.fill(order, price=60_000.0)
    assert after.order(OrderRole.STOP).trigger_ticks == 597_000
    assert after.order(OrderRole.TARGET).trigger_ticks == 604_500


def test_a_stop_that_was_lost_is_placed_where_it_was_decided() -> None:
    desk = entered(0.5)
    stop = desk.order(OrderRole.STOP)
    desk.accept(stop)
    (again,) = placed(desk.update(stop, OrderState.CANCELED), OrderRole.STOP)
    assert again.trigger_ticks == stop.trigger_ticks == 594_000


def test_without_a_stop_nothing_is_entered() -> None:
    desk = Desk(make())
    desk.minute()
    signal = signal_of(say(desk, 20.0, None))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "the strategy's bracket gives no stop")


def test_a_stop_outside_the_limits_is_vetoed_until_one_is_within_them() -> None:
    desk = Desk(make())
    desk.minute()
    vetoed = signal_of(say(desk, 20.0, 9.0))
    assert vetoed.action is SignalAction.VETOED
    assert vetoed.reason.startswith("limit stop_distance")
    desk.minute()
    assert len(placed(say(desk, 20.0, 0.5), OrderRole.ENTRY)) == 1


def test_the_size_that_the_settings_give_goes_by_the_stop_of_the_signal() -> None:
    """Half the distance to lose the same on: up to the share of equity that one position may have."""
    wide, narrow = (entered(width).book().notional_usdt for width in (2.0, 1.0))
    assert narrow == pytest.approx(2.0 * wide, rel=0.03)


def test_a_strategy_sizes_by_how_sure_it_is_what_moves_and_what_is_open() -> None:
    asked: list[tuple[float, ...]] = []

    def sizing(*given: Any) -> float:
        asked.append(given[:6])
        return 0.05

    desk = entered(0.5, sizing=sizing, parameters=(10.0, 7.0))
    assert asked == [(10_000.0, 60_000.0, 1.0, 0.5, 0.5, 0)]
    assert desk.book().notional_usdt == pytest.approx(500.0, rel=0.15)


@pytest.mark.parametrize("share", [0.0, -1.0, math.nan])
def test_a_size_of_nothing_is_a_veto(share: float) -> None:
    desk = Desk(make(sizing=lambda *given: share))
    desk.minute()
    signal = signal_of(say(desk, 20.0, 0.5))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "the strategy's sizing wants nothing")


def test_the_limits_cut_a_size_of_its_own() -> None:
    desk = Desk(make(sizing=lambda *given: 50.0))
    desk.minute()
    signal = signal_of(say(desk, 20.0, 0.5))
    assert signal.action is SignalAction.ENTER
    assert signal.reason == "forecast above what is needed; size cut by exposure"
