from __future__ import annotations

from core.domain.operator import LimitEffect
from core.domain.orders import OrderRole
from tests.core.trader.desk import ETH, XRP
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    make_desk,
)


def test_open_positions_blocks() -> None:
    desk = make_desk(max_open_positions=2)
    desk.hold()
    desk.minute()
    assert entry_lots(desk.predict(20, ETH)) > 0
    # The entry of ETH is pending and counts.
    assert_vetoed(desk.predict(20, XRP), "open_positions")
    assert assert_fired(desk, "open_positions", LimitEffect.NO_NEW_ENTRIES).used == 2


def test_open_positions_clears_when_a_position_closes() -> None:
    desk = make_desk(max_open_positions=1)
    desk.hold()
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "open_positions")
    desk.fill(desk.order(OrderRole.TARGET), lots=41)
    desk.minute()
    assert_cleared(desk, "open_positions")
    assert entry_lots(desk.predict(20, ETH)) > 0
