from __future__ import annotations

from core.domain.operator import LimitEffect
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, make_trader
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
)


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
