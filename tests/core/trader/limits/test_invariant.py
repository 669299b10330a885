from __future__ import annotations

from core.domain.operator import LimitEffect
from core.domain.records import SignalRecord
from tests.core.trader.desk import records
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    make_desk,
)


def test_invariant_blocks_while_the_books_contradict_each_other_and_names_the_fault() -> None:
    desk = make_desk()
    desk.minute()
    desk.trader.state.wallet_usdt += 1.0
    desk.minute()
    note = assert_fired(desk, "invariant", LimitEffect.NO_NEW_ENTRIES).note
    assert note == "wallet 10001.0 differs from the 10000 of the books"
    assert "limit invariant (wallet 10001.0" in str(records(desk.predict(20), SignalRecord)[0].signal.reason)


def test_invariant_clears_when_every_check_passes_again() -> None:
    desk = make_desk()
    desk.minute()
    desk.trader.state.wallet_usdt += 1.0
    desk.minute()
    desk.trader.state.wallet_usdt -= 1.0
    desk.minute()
    assert_cleared(desk, "invariant")
