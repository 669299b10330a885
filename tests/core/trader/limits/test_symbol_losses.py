from __future__ import annotations

from typing import Any

import pytest

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, Verb
from core.domain.records import SignalRecord
from core.settings.schema import LimitSettings
from core.trader.limits.symbol_losses import lock_after, losses_in_row
from core.trader.restore import restore
from tests.core.trader.desk import BTC, ETH, Desk, make_trader, records
from tests.core.trader.limits.kit import assert_cleared, assert_fired, entry_lots, make_desk

TWO: dict[str, Any] = {"max_symbol_losses_in_row": 2, "symbol_lock_minutes": 30}


def test_symbol_losses_blocks_the_symbol_that_lost_alone() -> None:
    desk = make_desk(**TWO)
    desk.round_trip(-10)
    desk.round_trip(-10, ETH)
    assert desk.limits("symbol_losses") == []
    desk.round_trip(-10)
    event = assert_fired(desk, "symbol_losses", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert (event.used, event.limit_value) == (2, 2)
    closed_ms = desk.book().closed[-1].exit_time_ms
    assert event.until_ms == closed_ms + 30 * MINUTE_MS
    reason = records(desk.predict(20), SignalRecord)[0].signal.reason
    assert reason.startswith("limit symbol_losses (2 in a row, until 2024-10-04T12:")
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_symbol_losses_blocks_though_the_operator_resumes_and_after_a_start() -> None:
    desk = make_desk(**TWO)
    for _ in range(2):
        desk.round_trip(-10)
    desk.operator(Verb.RESUME)
    again = Desk(make_trader(**TWO), desk.now_ms)
    restore(again.trader, desk.records)
    for one in (desk, again):
        one.minute()
        assert one.trader.guard.halts() == ("symbol_losses:BTCUSDT",)


def test_symbol_losses_clears_when_its_time_is_over_and_the_next_loss_locks_again() -> None:
    desk = make_desk(**TWO)
    for _ in range(2):
        desk.round_trip(-10)
    desk.to(desk.now_ms + 30 * MINUTE_MS)
    desk.minute()
    assert_cleared(desk, "symbol_losses", BTC)
    desk.round_trip(-10)
    assert assert_fired(desk, "symbol_losses", LimitEffect.NO_NEW_ENTRIES, BTC).used == 3


def test_symbol_losses_clears_when_the_operator_unlocks() -> None:
    desk = make_desk(**TWO)
    for _ in range(2):
        desk.round_trip(-10)
    desk.operator(Verb.UNLOCK, BTC)
    assert_cleared(desk, "symbol_losses", BTC)
    assert entry_lots(desk.predict(20)) > 0


def test_a_winner_and_what_is_long_ago_end_the_row() -> None:
    desk = make_desk(**TWO, symbol_losses_hours=0.25)
    for net in (-10, 10, -10):
        desk.round_trip(net)
    desk.to(desk.now_ms + 20 * MINUTE_MS)
    desk.round_trip(-10)
    assert desk.limits("symbol_losses") == []
    trades = tuple(desk.book().closed)
    assert [losses_in_row(trades[:n], 0) for n in range(1, 5)] == [1, 0, 1, 2]


def test_no_symbol_is_locked_where_it_was_not_asked_for() -> None:
    desk = make_desk()
    for _ in range(6):
        desk.round_trip(-10)
    assert desk.limits("symbol_losses") == []
    assert lock_after(tuple(desk.book().closed), LimitSettings()) is None


@pytest.mark.parametrize("count", [5, 16])
def test_as_many_losses_are_remembered_as_may_be_asked_for(count: int) -> None:
    desk = make_desk(max_symbol_losses_in_row=count, max_losses_in_row=99)
    for _ in range(count):
        assert desk.limits("symbol_losses") == []
        desk.round_trip(-1)
    assert assert_fired(desk, "symbol_losses", LimitEffect.NO_NEW_ENTRIES, BTC).used == count
