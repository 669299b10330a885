from __future__ import annotations

from core.domain.operator import LimitEffect
from tests.core.trader.desk import BTC
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    entry_lots,
    make_desk,
)


def test_order_notional_blocks_what_exceeds_it_by_cutting() -> None:
    desk = make_desk(max_order_notional_usdt=1_000)
    desk.minute()
    lots = entry_lots(desk.predict(20))
    assert lots == 16
    event = assert_fired(desk, "order_notional", LimitEffect.REDUCE, BTC)
    assert (event.used, event.limit_value) == (2_500, 1_000)


def test_order_notional_clears_with_the_next_order_that_fits() -> None:
    desk = make_desk(max_order_notional_usdt=2_450)
    desk.round_trip(-300)
    assert_fired(desk, "order_notional", LimitEffect.REDUCE, BTC)
    assert entry_lots(desk.predict(20)) == 40
    assert_cleared(desk, "order_notional", BTC)
