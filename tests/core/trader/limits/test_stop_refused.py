from __future__ import annotations

import pytest

from core.domain.errors import RejectKind
from core.domain.operator import LimitEffect, Verb
from core.domain.orders import OrderRole, OrderState
from core.trader.messages import Alarm
from tests.core.trader.desk import BTC, ETH, Desk, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    entry_lots,
    make_desk,
)


def refuse_the_stop(desk: Desk, kind: RejectKind) -> None:
    """A position whose stop is refused for good, until it is closed."""
    stop, target = placed(desk.enter())
    desk.accept(target)
    desk.update(stop, OrderState.SENT)
    orders = placed(desk.update(stop, OrderState.REJECTED, "no more stops (-4045)", kind))
    assert desk.limits("stop_refused") == [], "a simulated venue refuses truly: only an exchange's refusal is alarming"
    desk.handle(Alarm(desk.now_ms, "stop_refused", "no more stops (-4045)", BTC))
    while orders[-1].role is OrderRole.STOP:
        orders = placed(desk.reject(orders[-1]))
    desk.accept(orders[-1])
    desk.fill(orders[-1])
    desk.update(target, OrderState.CANCELED)


@pytest.mark.parametrize("kind", list(RejectKind))
def test_stop_refused_blocks_its_symbol_by_whatever_code(kind: RejectKind) -> None:
    desk = make_desk()
    refuse_the_stop(desk, kind)
    event = assert_fired(desk, "stop_refused", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert event.note == "no more stops (-4045)"
    for _ in range(10):
        desk.minute()
        assert entry_lots(desk.predict(20)) == 0
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_stop_refused_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    refuse_the_stop(desk, RejectKind.OTHER)
    for _ in range(10):
        desk.minute()
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "stop_refused", BTC)
    assert entry_lots(desk.predict(20)) > 0
