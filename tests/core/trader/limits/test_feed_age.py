from __future__ import annotations

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect
from tests.core.trader.desk import BTC, ETH, XRP
from tests.core.trader.limits.kit import (
    assert_fired,
    assert_vetoed,
    entry_lots,
    make_desk,
)


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
