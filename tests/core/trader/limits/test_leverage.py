from __future__ import annotations

import pytest

from core.domain.operator import LimitEffect
from core.domain.orders import OrderRole
from core.domain.records import SignalRecord
from core.domain.trading import SignalAction
from tests.core.trader.desk import ETH, placed, records
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    entry_lots,
    make_desk,
)


def test_leverage_blocks_what_exceeds_it_by_cutting() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.hold()
    desk.minute()
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(4_000 - 41 * 60, abs=2.5)
    assert assert_fired(desk, "leverage", LimitEffect.REDUCE, ETH).used == pytest.approx(0.496)


def test_leverage_clears_with_the_next_order_that_fits() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.hold()
    desk.minute()
    (order,) = placed(desk.predict(20, ETH))
    desk.reject(order)
    desk.fill(desk.order(OrderRole.TARGET), lots=41)
    desk.minute()
    assert entry_lots(desk.predict(20, ETH)) == 1_000
    assert_cleared(desk, "leverage", ETH)


def test_leverage_blocks_an_order_for_which_no_room_is_left() -> None:
    desk = make_desk(max_leverage=0.1983)
    desk.hold()
    desk.minute()
    commands = desk.predict(20, ETH)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "limits leave less than the smallest order")
    assert placed(commands) == []
