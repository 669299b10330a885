"""What holds of the loss of a day, in USDT and in percent."""

from __future__ import annotations

from core.domain.operator import LimitEffect, Verb
from core.domain.orders import OrderRole
from core.domain.trading import ExitReason
from core.trader.state import DAY_MS
from tests.core.trader.desk import DAY0_MS, ETH, XRP, Desk, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    lose,
    to_midnight,
)


def assert_day_loss_blocks(limit: str, desk: Desk) -> None:
    lose(desk, 199)
    assert desk.limits(limit)[-1].effect is LimitEffect.WARN
    desk.minute(BTCUSDT=desk.book().mark - 100)
    assert_fired(desk, limit, LimitEffect.NO_NEW_ENTRIES)
    assert placed(desk.said, OrderRole.EXIT) == []
    assert_vetoed(desk.predict(20, ETH), limit)
    desk.minute(BTCUSDT=desk.book().entry_price)
    assert_vetoed(desk.predict(20, XRP), limit)


def assert_day_loss_flattens(limit: str, desk: Desk) -> None:
    lose(desk, 199)
    desk.minute()
    assert placed(desk.said, OrderRole.EXIT) == []
    (out,) = placed(desk.minute(BTCUSDT=desk.book().mark - 100), OrderRole.EXIT)
    assert (out.reason, out.qty_lots, out.reduce_only) == (ExitReason.LIMIT, 41, True)
    assert_fired(desk, limit, LimitEffect.FLATTEN)
    assert_vetoed(desk.predict(20, ETH), limit)


def assert_day_loss_clears_at_midnight(limit: str, desk: Desk) -> None:
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
