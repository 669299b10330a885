from __future__ import annotations

from typing import Any

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope
from core.domain.orders import OrderRole
from core.domain.records import SignalRecord
from core.trader.messages import FundingDue
from core.trader.restore import restore
from tests.core.trader.desk import BTC, DAY0_MS, ETH, Desk, make_trader, placed, records
from tests.core.trader.limits.kit import assert_cleared, assert_fired, entry_lots, make_desk

FOUR_MS = DAY0_MS + 16 * 60 * MINUTE_MS
TEN: dict[str, Any] = {"funding_quiet_minutes": 10}


def at(desk: Desk, minutes: int) -> None:
    """A minute whose bars close so long before (below 0) or after 16:00."""
    desk.to(FOUR_MS + (minutes - 1) * MINUTE_MS)
    desk.minute()


def know(desk: Desk, due_ms: int, symbol: str = BTC) -> None:
    desk.handle(FundingDue(symbol, desk.now_ms, due_ms))


def test_funding_quiet_blocks_the_contract_that_settles_alone() -> None:
    desk = make_desk(**TEN)
    at(desk, -60)
    know(desk, FOUR_MS)
    at(desk, -11)
    assert desk.limits("funding_quiet") == []
    at(desk, -10)
    event = assert_fired(desk, "funding_quiet", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert (event.scope, event.until_ms) == (LimitScope.SYMBOL, FOUR_MS)
    (signal,) = (record.signal for record in records(desk.predict(20), SignalRecord))
    assert signal.reason == (
        "limit funding_quiet (funding is settled at 2024-10-04T16:00Z); clears when funding is settled"
    )
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_funding_quiet_blocks_entries_and_nothing_else() -> None:
    desk = make_desk(**TEN)
    at(desk, -60)
    desk.hold()
    know(desk, FOUR_MS)
    at(desk, -5)
    assert len(placed(desk.predict(-20), OrderRole.EXIT)) == 1


def test_funding_quiet_blocks_nothing_where_nobody_tells_when_it_is_and_that_is_shown() -> None:
    desk = make_desk(**TEN)
    at(desk, -5)
    levels = {r.symbol: r.level for r in desk.readings() if r.rule.name == "funding_quiet"}
    assert set(levels.values()) == {"unknown"}
    assert desk.limits("funding_quiet") == []
    assert entry_lots(desk.predict(20)) > 0


def test_funding_quiet_clears_when_it_is_settled() -> None:
    desk = make_desk(**TEN)
    at(desk, -60)
    know(desk, FOUR_MS)
    at(desk, -1)
    assert_fired(desk, "funding_quiet", LimitEffect.NO_NEW_ENTRIES, BTC)
    at(desk, 0)
    assert_cleared(desk, "funding_quiet", BTC)
    assert entry_lots(desk.predict(20)) > 0


def test_funding_quiet_clears_with_the_news_of_the_next_settlement_and_goes_by_a_new_time() -> None:
    desk = make_desk(**TEN)
    at(desk, -5)
    know(desk, FOUR_MS)
    assert_fired(desk, "funding_quiet", LimitEffect.NO_NEW_ENTRIES, BTC)
    know(desk, FOUR_MS + MINUTE_MS)
    assert [event.until_ms for event in desk.limits("funding_quiet")] == [FOUR_MS, FOUR_MS + MINUTE_MS]
    know(desk, FOUR_MS + 480 * MINUTE_MS)
    assert_cleared(desk, "funding_quiet", BTC)


def test_after_a_start_it_clears_though_nobody_has_told_anew() -> None:
    desk = make_desk(**TEN)
    at(desk, -5)
    know(desk, FOUR_MS)
    again = Desk(make_trader(**TEN), desk.now_ms)
    restore(again.trader, desk.records)
    assert again.trader.guard.halts() == ("funding_quiet:BTCUSDT",)
    know(again, FOUR_MS)
    assert again.limits("funding_quiet") == []
    at(again, 0)
    assert_cleared(again, "funding_quiet", BTC)
