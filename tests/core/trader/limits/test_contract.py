from __future__ import annotations

from core.domain.records import LimitRecord, SignalRecord
from core.trader.messages import VenueHealth
from tests.core.trader.desk import BTC, ETH, records
from tests.core.trader.limits.kit import (
    assert_cleared,
    entry_lots,
    make_desk,
)


def test_contract_blocks_its_symbol_alone() -> None:
    desk = make_desk()
    desk.minute()
    commands = desk.handle(VenueHealth(desk.now_ms, "others hold 0.010 here", BTC))
    (event,) = (record.event for record in records(commands, LimitRecord))
    assert (event.limit, event.symbol, event.fired, event.note) == ("contract", BTC, True, "others hold 0.010 here")
    assert desk.trader.guard.halts() == ("contract:BTCUSDT",)
    assert entry_lots(desk.predict(20)) == 0
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_contract_blocks_with_the_words_of_what_is_wrong_now() -> None:
    desk = make_desk()
    desk.minute()
    desk.handle(VenueHealth(desk.now_ms, "trades: nobody knows yet", BTC))
    assert desk.handle(VenueHealth(desk.now_ms, "trades: nobody knows yet", BTC)) == []
    commands = desk.handle(VenueHealth(desk.now_ms, "others: long 0.005 BTC", BTC))
    assert [record.event.note for record in records(commands, LimitRecord)] == ["others: long 0.005 BTC"]
    (signal,) = (record.signal for record in records(desk.predict(20), SignalRecord))
    assert signal.reason.startswith("limit contract (others: long 0.005 BTC); clears")


def test_contract_clears_when_its_problem_has_passed() -> None:
    desk = make_desk()
    desk.handle(VenueHealth(desk.now_ms, "others hold 0.010 here", BTC))
    assert len(desk.handle(VenueHealth(desk.now_ms, "", BTC))) == 1
    assert_cleared(desk, "contract", BTC)
    desk.minute()
    assert entry_lots(desk.predict(20)) > 0
