"""What a screen is told of a position's protection."""

from __future__ import annotations

from core.domain.orders import OrderRole, OrderState
from core.engine.views import position_view
from tests.core.trader.desk import Desk, make_trader


def test_a_position_is_unprotected_until_its_stop_is_known_to_rest_and_says_since_when() -> None:
    desk = Desk(make_trader())
    desk.enter()
    stop = desk.order(OrderRole.STOP)
    opened_ms = desk.now_ms + 1_000  # when the entry was filled
    view = position_view(desk.book(), opened_ms + 700)
    assert (view.protected, view.unprotected_ms) == (False, 700)
    desk.accept(stop)
    view = position_view(desk.book(), opened_ms + 900)
    assert (view.protected, view.unprotected_ms) == (True, None)
    desk.to(opened_ms + 5_000)
    desk.update(stop, OrderState.UNKNOWN, "no answer")
    view = position_view(desk.book(), opened_ms + 7_500)
    assert (view.protected, view.unprotected_ms) == (False, 2_500)
