from __future__ import annotations

from core.domain.orders import OrderRole, OrderState
from core.domain.records import LimitRecord, SignalRecord
from tests.core.trader.desk import ETH, placed, records
from tests.core.trader.limits.kit import (
    assert_cleared,
    entry_lots,
    health,
    make_desk,
)


def test_connection_blocks_entries_while_anything_is_unwell() -> None:
    desk = make_desk()
    stop = desk.hold()
    commands = health(desk, "account stream: silent for 12 s")
    (event,) = (record.event for record in records(commands, LimitRecord))
    assert (event.limit, event.fired, event.note) == ("connection", True, "account stream: silent for 12 s")
    assert desk.trader.guard.halts() == ("connection",)
    desk.minute()
    (signal,) = (record.signal for record in records(desk.predict(20, ETH), SignalRecord))
    assert signal.reason == (
        "limit connection (account stream: silent for 12 s); "
        "clears when streams, requests and clock have been well for 20 s"
    )
    # What else goes wrong meanwhile is no event, and protection works as ever.
    assert health(desk, "account stream: silent for 13 s; clock: 700 ms off") == []
    assert len(placed(desk.update(stop, OrderState.CANCELED, "by the venue"), OrderRole.STOP)) == 1


def test_connection_clears_when_all_is_well_again() -> None:
    desk = make_desk()
    desk.minute()
    health(desk, "clock: 700 ms off")
    assert len(health(desk, "")) == 1
    assert_cleared(desk, "connection")
    assert desk.limits("connection")[-1].note == ""
    assert health(desk, "") == []
    assert entry_lots(desk.predict(20)) > 0
