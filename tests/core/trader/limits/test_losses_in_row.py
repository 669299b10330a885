from __future__ import annotations

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, Verb
from core.trader.state import DAY_MS
from tests.core.trader.desk import DAY0_MS
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    make_desk,
    to_midnight,
)


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
