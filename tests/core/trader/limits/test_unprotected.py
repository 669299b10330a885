from __future__ import annotations

from core.domain.operator import LimitEffect
from core.domain.orders import OrderState
from tests.core.trader.desk import BTC, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    make_desk,
)


def test_unprotected_blocks_its_symbol_while_it_is_closed() -> None:
    desk = make_desk()
    desk.enter()
    desk.watch(60_000)
    event = assert_fired(desk, "unprotected", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert (event.used, event.limit_value) == (59, 6)
    assert desk.trader.guard.halts() == ("unprotected:BTCUSDT",)


def test_unprotected_clears_when_the_position_is_closed_or_has_its_stop() -> None:
    desk = make_desk()
    stop, _ = placed(desk.enter())
    (out,) = placed(desk.watch(60_000))
    desk.accept(stop)
    desk.watch(500)
    assert_cleared(desk, "unprotected", BTC)
    desk.update(stop, OrderState.UNKNOWN)
    desk.watch(60_000)
    assert_fired(desk, "unprotected", LimitEffect.NO_NEW_ENTRIES, BTC)
    desk.accept(out)
    desk.fill(out)
    desk.watch(500)
    assert_cleared(desk, "unprotected", BTC)
