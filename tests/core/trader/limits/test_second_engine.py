from __future__ import annotations

from core.domain.operator import LimitEffect, Verb
from core.trader.messages import Alarm
from tests.core.trader.desk import ETH
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    entry_lots,
    make_desk,
)


def test_second_engine_blocks_all_entries() -> None:
    desk = make_desk()
    desk.minute()
    assert len(desk.handle(Alarm(desk.now_ms, "second_engine", "qd12 of BTCUSDT is not of this journal"))) == 1
    assert_fired(desk, "second_engine", LimitEffect.NO_NEW_ENTRIES)
    assert desk.handle(Alarm(desk.now_ms, "second_engine", "another")) == []
    assert entry_lots(desk.predict(20)) == entry_lots(desk.predict(20, ETH)) == 0


def test_second_engine_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    desk.handle(Alarm(desk.now_ms, "second_engine", "qd12 of BTCUSDT is not of this journal"))
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "second_engine")
    desk.minute()
    assert entry_lots(desk.predict(20)) > 0
