from __future__ import annotations

import pytest

from core.domain.operator import LimitEffect
from core.domain.orders import OrderState
from tests.core.trader.desk import ETH, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    make_desk,
)


def test_exposure_blocks_by_cutting_the_order_to_the_room_left() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute()
    assert assert_fired(desk, "exposure", LimitEffect.WARN).used == pytest.approx(24.6)
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(3_000 - 41 * 60, abs=2.5)


def test_exposure_blocks_when_prices_carry_it_over_the_limit() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute(BTCUSDT=79_000)
    assert_fired(desk, "exposure", LimitEffect.REDUCE)
    assert_vetoed(desk.predict(20, ETH), "exposure")


def test_exposure_clears_when_notional_falls_below_the_limit() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.hold()
    desk.minute(BTCUSDT=79_000)
    desk.minute(BTCUSDT=55_000)
    assert_cleared(desk, "exposure")
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_an_unknown_order_counts_as_exposure() -> None:
    desk = make_desk(max_exposure_pct=30)
    desk.minute()
    (order,) = placed(desk.predict(20))
    desk.update(order, OrderState.SENT)
    desk.update(order, OrderState.UNKNOWN, "timed out")
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(3_000 - 41 * 60, abs=2.5)
