from __future__ import annotations

from core.domain.operator import LimitEffect, Verb
from core.domain.orders import OrderRole
from tests.core.trader.desk import ETH, XRP, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    make_desk,
    to_midnight,
)


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
