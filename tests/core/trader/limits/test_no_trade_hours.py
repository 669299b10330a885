from __future__ import annotations

import pytest

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope
from core.domain.orders import OrderRole, OrderState
from core.domain.records import SignalRecord
from core.trader.restore import restore
from tests.core.trader.desk import BTC, DAY0_MS, ETH, Desk, make_trader, placed, records
from tests.core.trader.limits.kit import assert_cleared, assert_fired, entry_lots, make_desk

HOUR_MS = 60 * MINUTE_MS
LATE = {"no_trade_hours": ("22:00-23:30",)}


def at(desk: Desk, hours: float) -> None:
    """A minute whose bars close so long after the midnight before."""
    desk.to(DAY0_MS + int(hours * HOUR_MS) - MINUTE_MS)
    desk.minute()


def test_no_trade_hours_blocks_from_the_first_bar_in_the_window() -> None:
    desk = make_desk(**LATE)
    at(desk, 22)
    event = assert_fired(desk, "no_trade_hours", LimitEffect.NO_NEW_ENTRIES)
    assert (event.scope, event.until_ms) == (LimitScope.ACCOUNT, DAY0_MS + int(23.5 * HOUR_MS))
    (signal,) = (record.signal for record in records(desk.predict(20), SignalRecord))
    assert signal.reason == (
        "limit no_trade_hours (22:00-23:30 UTC, until 2024-10-04T23:30Z); clears when the window ends"
    )
    assert desk.trader.guard.halts() == ("no_trade_hours",)


def test_no_trade_hours_blocks_entries_and_nothing_else() -> None:
    desk = make_desk(**LATE)
    desk.to(DAY0_MS + 21 * HOUR_MS)
    stop = desk.hold()
    at(desk, 22.5)
    assert len(placed(desk.update(stop, OrderState.CANCELED, "by the venue"), OrderRole.STOP)) == 1
    assert len(placed(desk.predict(-20), OrderRole.EXIT)) == 1


def test_no_trade_hours_blocks_what_is_decided_between_two_bars() -> None:
    desk = make_desk(**LATE)
    at(desk, 21.99)
    desk.to(DAY0_MS + 22 * HOUR_MS)
    assert entry_lots(desk.predict(20)) == 0
    assert_fired(desk, "no_trade_hours", LimitEffect.NO_NEW_ENTRIES)


def test_no_trade_hours_clears_when_the_window_ends() -> None:
    desk = make_desk(**LATE)
    at(desk, 22)
    at(desk, 23.5 - 1 / 60)
    assert_fired(desk, "no_trade_hours", LimitEffect.NO_NEW_ENTRIES)
    at(desk, 23.5)
    assert_cleared(desk, "no_trade_hours")
    assert entry_lots(desk.predict(20)) > 0


def test_a_window_outlives_a_start_and_ends_though_it_is_taken_out_of_the_settings() -> None:
    desk = make_desk(**LATE)
    at(desk, 22)
    again = Desk(make_trader(**LATE), desk.now_ms)
    restore(again.trader, desk.records)
    again.minute()
    assert again.limits("no_trade_hours") == []
    assert again.trader.guard.halts() == ("no_trade_hours",)
    without = Desk(make_trader(), desk.now_ms)
    restore(without.trader, desk.records)
    without.minute()
    assert_cleared(without, "no_trade_hours")
    assert entry_lots(without.predict(20, ETH)) > 0


def test_nothing_is_measured_where_no_window_is_set() -> None:
    desk = make_desk()
    at(desk, 22)
    assert "no_trade_hours" not in {reading.rule.name for reading in desk.readings()}


@pytest.mark.parametrize("symbol", [BTC, ETH])
def test_a_window_is_of_the_whole_account(symbol: str) -> None:
    desk = make_desk(**LATE)
    at(desk, 23)
    assert entry_lots(desk.predict(20, symbol)) == 0
