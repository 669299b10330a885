from __future__ import annotations

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope, Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import LimitRecord, OperatorRecord, SignalRecord, WatchRecord
from core.domain.trading import SignalAction
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Command
from core.trader.restore import restore
from tests.core.trader.desk import BTC, ETH, NOON_MS, Desk, make_trader, placed, records
from tests.core.trader.limits.kit import assert_cleared, assert_fired, entry_lots, make_desk

HOUR_MS = 60 * MINUTE_MS


def reason(commands: list[Command]) -> str:
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert signal.action is SignalAction.VETOED
    return signal.reason


def result(commands: list[Command]) -> str:
    (record,) = records(commands, OperatorRecord)
    return record.result


def restarted(desk: Desk) -> Desk:
    again = Desk(make_trader(), desk.now_ms)
    assert restore(again.trader, desk.records) == []
    return again


def test_lock_blocks_its_symbol_alone_with_the_operators_words() -> None:
    desk = make_desk()
    desk.minute()
    commands = desk.operator(Verb.LOCK, BTC, desk.now_ms + 2 * HOUR_MS, "listing of a rival")
    assert result(commands) == (
        "BTCUSDT is locked until 2024-10-04T14:01Z: no new entries there; stops, targets and exits go on"
    )
    event = assert_fired(desk, "lock", LimitEffect.NO_NEW_ENTRIES, BTC)
    assert (event.scope, event.until_ms) == (LimitScope.SYMBOL, NOON_MS + MINUTE_MS + 2 * HOUR_MS)
    assert reason(desk.predict(20)) == (
        "limit lock (until 2024-10-04T14:01Z; listing of a rival); "
        "clears when the operator unlocks the symbol, or its time is over"
    )
    assert desk.trader.guard.halts() == ("lock:BTCUSDT",)
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_lock_blocks_entries_and_nothing_else() -> None:
    desk = make_desk()
    stop = desk.hold()
    desk.operator(Verb.LOCK, BTC)
    desk.minute()
    assert len(placed(desk.update(stop, OrderState.CANCELED, "by the venue"), OrderRole.STOP)) == 1
    assert len(placed(desk.predict(-20), OrderRole.EXIT)) == 1


def test_lock_blocks_until_it_is_unlocked_whatever_day_it_is_and_though_the_operator_resumes() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC)
    desk.operator(Verb.PAUSE)
    desk.operator(Verb.RESUME)
    desk.to(desk.now_ms + 3 * 24 * HOUR_MS)
    desk.minute()
    assert reason(desk.predict(20)).startswith("limit lock (until it is unlocked); clears when the operator unlocks")


def test_lock_clears_when_the_operator_unlocks() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC)
    assert result(desk.operator(Verb.UNLOCK, BTC)) == "BTCUSDT is unlocked: lock ended"
    assert_cleared(desk, "lock", BTC)
    assert desk.limits("lock")[-1].note == "unlocked by the operator"
    assert result(desk.operator(Verb.UNLOCK, BTC)) == "refused: nothing locks BTCUSDT"
    assert entry_lots(desk.predict(20)) > 0


def test_lock_clears_when_its_time_is_over_and_says_so() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC, desk.now_ms + 90_000)
    desk.minute()
    assert_fired(desk, "lock", LimitEffect.NO_NEW_ENTRIES, BTC)
    desk.minute()
    assert_cleared(desk, "lock", BTC)
    assert desk.limits("lock")[-1].note == "its time is over"
    assert entry_lots(desk.predict(20)) > 0


def test_lock_clears_between_two_bars_where_time_is_watched() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC, desk.now_ms + 10_000)
    assert desk.watch(9_999) == []
    ended = desk.watch(1)
    assert [type(c.record) for c in ended if not isinstance(c, str)] == [WatchRecord, LimitRecord]  # type: ignore[union-attr]
    assert_cleared(desk, "lock", BTC)
    assert desk.watch(1) == []


def test_a_lock_takes_the_place_of_one_of_before() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC, desk.now_ms + 90_000, "first")
    desk.operator(Verb.LOCK, BTC, None, "second")
    desk.minute()
    desk.minute()
    assert "second" in reason(desk.predict(20))


def test_a_lock_outlives_a_start() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC, desk.now_ms + 90_000, "news")
    desk.operator(Verb.LOCK, ETH)
    folded = restarted(desk)
    recalled = Desk(make_trader(), desk.now_ms)
    recall(recalled.trader, remember(folded.trader), Seen())
    for again in (folded, recalled):
        assert again.trader.guard.halts() == desk.trader.guard.halts() == ("lock:BTCUSDT", "lock:ETHUSDT")
        again.minute()
        again.minute()
        assert again.trader.guard.halts() == ("lock:ETHUSDT",)


def test_a_lock_outlives_a_start_in_which_its_symbol_is_not_traded() -> None:
    desk = make_desk()
    desk.minute()
    desk.operator(Verb.LOCK, BTC)
    without = Desk(make_trader(), desk.now_ms)
    without.trader.state.traded = (ETH,)
    restore(without.trader, desk.records)
    assert without.trader.guard.halts() == ("lock:BTCUSDT",)


def test_a_lock_is_of_one_symbol_that_is_known() -> None:
    desk = make_desk()
    assert result(desk.operator(Verb.LOCK)) == "refused: lock is for one symbol; name it"
    assert result(desk.operator(Verb.UNLOCK)) == "refused: unlock is for one symbol; name it"
    assert result(desk.operator(Verb.LOCK, "NOPE")) == "refused: NOPE is not traded here"
    assert desk.limits("lock") == []
