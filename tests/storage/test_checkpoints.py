"""A start from a checkpoint is a start from the whole journal, wherever it was made; and where it cannot be read, the
whole journal is told."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from core.domain.operator import LimitEffect, LimitEvent
from core.domain.records import (
    CancelRecord,
    CursorRecord,
    EquityRecord,
    FirstPriceRecord,
    IntentRecord,
    LimitRecord,
    Record,
    SignalRecord,
    TradeRecord,
)
from core.engine.recovery import Remembered
from core.trader.memory import TraderMemory, recall
from core.trader.trader import Trader
from storage import checkpoints, journal_records
from storage.checkpoints import FORM
from storage.database import Database, open_database
from storage.journal import SqliteJournal
from tests.core.trader.session import Session, TinyVenue, knowledge, recovered
from tests.core.trader.test_restore import Step, chance, make, script, sessions
from tests.storage.examples import entry

ROOT = Path(__file__).parents[2]
_accounts = count()


def build() -> Trader:
    return make(flatten=False, reverses=True)


def instruments(trader: Trader) -> dict:
    return {symbol: s.instrument for symbol, s in trader.state.symbols.items()}


def play(session: list[dict], salt: int) -> tuple[list[Step], Session]:
    steps, trader = script(session), build()
    played = Session(trader, TinyVenue(trader, salt))
    played.run(steps)
    return steps, played


def again(before: Remembered | None, records: list[Record], steps: list[Step]) -> Trader:
    trader = build()
    if before is not None:
        recall(trader, before.memory, before.seen)
    return recovered(trader, records, steps)


async def told(database: Database, session: Session, at: Callable[[int], tuple[int, ...]]) -> list:
    """The journal of a session, with checkpoints made behind the cuts that `at` names of so many: what a start is told
    at the end, first from the checkpoint and then from the whole."""
    journal = await SqliteJournal.open(database, f"account{next(_accounts)}")
    try:
        done = 0
        for n, cut in enumerate(session.cuts):
            await journal.commit(session.journal[done : cut.records])
            done = cut.records
            if n in at(len(session.cuts)):
                await journal.renew_checkpoint(build)
        known = instruments(build())
        return [await journal.recall(known), (None, await journal.load(known)), await journal.checkpoint_seq()]
    finally:
        await journal.close()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(session=sessions, salt=st.integers(0, 1_000), places=st.lists(st.floats(0, 0.999), min_size=1, max_size=3))
def test_a_start_from_a_checkpoint_is_one_from_the_whole_journal(
    database: Database, session: list[dict], salt: int, places: list[float]
) -> None:
    steps, played = play(session, salt)
    at = lambda cuts: tuple(int(place * cuts) for place in places)  # noqa: E731
    (before, records), whole, seq = asyncio.run(told(database, played, at))
    made = max(at(len(played.cuts)))
    if (before is None) != (played.cuts[made].records == 0):
        raise AssertionError("a checkpoint was made and is not told")
    one, other = again(before, records, steps), again(*whole, steps)
    assert knowledge(one) == knowledge(other) == played.cuts[-1].knew
    assert seq == played.cuts[made].records


@pytest.mark.parametrize("seed", range(3))
def test_a_long_session_goes_on_from_a_checkpoint_as_if_nothing_had_happened(database: Database, seed: int) -> None:
    steps, played = play(chance(seed), seed)
    assert sum(isinstance(record, TradeRecord) for record in played.journal) > 3
    last = len(played.cuts) * 3 // 4
    cut = played.cuts[last]

    async def start() -> tuple[Remembered | None, list[Record]]:
        journal = await SqliteJournal.open(database, f"account{next(_accounts)}")
        try:
            done = 0
            for n, each in enumerate(played.cuts[: last + 1]):
                await journal.commit(played.journal[done : each.records])
                done = each.records
                if n == last // 2:
                    await journal.renew_checkpoint(build)
            return await journal.recall(instruments(build()))
        finally:
            await journal.close()

    before, records = asyncio.run(start())
    assert before is not None
    assert 0 < len(records) < before.seq + len(records)
    trader = again(before, records, steps)
    assert knowledge(trader) == cut.knew
    rest = Session(trader, copy.deepcopy(cut.venue), cutting=False)
    rest.run(steps, cut.step + 1, cut.pending)
    assert rest.commands == played.commands[cut.commands :]


async def stored(database: Database, checkpoint: bool = True) -> tuple[SqliteJournal, Session, list[Step]]:
    """An account "live" with a session and, made in its middle, a checkpoint."""
    steps, played = play(chance(1), 1)
    journal = await SqliteJournal.open(database, "live")
    middle = played.cuts[len(played.cuts) // 2].records
    await journal.commit(played.journal[:middle])
    if checkpoint:
        await journal.renew_checkpoint(build)
    await journal.commit(played.journal[middle:])
    return journal, played, steps


def change(database: Database, sql: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute(sql).rowcount == 1
        connection.commit()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM checkpoints", ""),
        ("UPDATE checkpoints SET memory = replace(memory, '\"paused\":', '\"pausid\":')", "is damaged"),
        ("UPDATE checkpoints SET memory = x'00'", "is damaged"),
        ("UPDATE checkpoints SET digest = ''", "is damaged"),
        ("UPDATE checkpoints SET form = 'another'", "is of another version"),
        ("UPDATE checkpoints SET seq = 1000000", "lies behind the journal's end"),
        ("UPDATE checkpoints SET seq = 0", "lies behind the journal's end"),
    ],
)
async def test_without_a_checkpoint_that_can_be_read_the_whole_journal_is_told(
    database: Database, caplog: pytest.LogCaptureFixture, sql: str, said: str
) -> None:
    journal, played, steps = await stored(database)
    try:
        change(database, sql)
        with caplog.at_level(logging.WARNING, "quarterdeck"):
            before, records = await journal.recall(instruments(build()))
        assert before is None
        assert records == await journal.load(instruments(build()))
        assert knowledge(again(None, records, steps)) == played.cuts[-1].knew
        told = [record.message for record in caplog.records]
        wanted = [f"the journal's checkpoint {said}: the whole journal is told again"] if said else []
        assert told == wanted
        # The next one is made from the beginning.
        await journal.renew_checkpoint(build)
        before, _ = await journal.recall(instruments(build()))
        assert before is not None
        assert before.seq == journal.last_seq
    finally:
        await journal.close()


async def test_of_other_ticks_or_a_symbol_that_is_gone_the_whole_journal_is_told(database: Database) -> None:
    journal, played, _ = await stored(database)
    try:
        known = instruments(build())
        fewer = dict(list(known.items())[:1])
        before, records = await journal.recall(fewer)
        assert before is None
        assert len(records) == len(await journal.load(known))
        assert played.journal
    finally:
        await journal.close()


async def test_one_made_from_the_last_is_one_made_from_the_beginning(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PIECE", 7)
    journal, _, _ = await stored(database)
    try:
        from_the_last = checkpoints.fold(database.path, "live", build)
        change(database, "DELETE FROM checkpoints")
        from_the_beginning = checkpoints.fold(database.path, "live", build)
        assert from_the_last == from_the_beginning
        assert from_the_last is not None
        assert from_the_last.seq == journal.last_seq
    finally:
        await journal.close()


async def test_a_journal_that_contradicts_itself_gets_none(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    journal, _, _ = await stored(database, checkpoint=False)
    try:
        with closing(sqlite3.connect(database.path)) as connection:
            connection.execute("UPDATE trades SET net_pnl_usdt = '1' WHERE seq = (SELECT min(seq) FROM trades)")
            connection.commit()
        await journal.renew_checkpoint(build)
        assert await journal.checkpoint_seq() == 0
        assert "trades of the journal differ from their fills" in caplog.text
    finally:
        await journal.close()


@pytest.mark.parametrize(
    "record",
    [
        LimitRecord(LimitEvent("x", "", 1, True, LimitEffect.WARN, float("inf"), 1.0, "x", "x")),
        CancelRecord("qd1", "GONEUSDT", 1, "of a contract that is not traded here"),
    ],
)
async def test_what_cannot_be_kept_leaves_the_last_one(
    database: Database, caplog: pytest.LogCaptureFixture, record: Record
) -> None:
    journal, _, _ = await stored(database)
    try:
        before = await journal.checkpoint_seq()
        if isinstance(record, CancelRecord):
            await journal.commit([IntentRecord(entry(1, "GONEUSDT"))])
        await journal.commit([record])
        await journal.renew_checkpoint(build)
        assert await journal.checkpoint_seq() == before > 0
        assert "no checkpoint is made" in caplog.text
    finally:
        await journal.close()


async def test_what_is_read_of_before_a_checkpoint_does_not_grow_with_the_account(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_records, "EARLIER_ORDERS", 5)
    monkeypatch.setattr(journal_records, "EARLIER", {TradeRecord: 2, SignalRecord: 3, EquityRecord: 1})
    _, played = play(chance(1), 1)
    journal = await SqliteJournal.open(database, "live")
    read, cursors = [], []
    try:
        done = 0
        for cut in (played.cuts[len(played.cuts) // 2], played.cuts[-1]):
            await journal.commit(played.journal[done : cut.records])
            done = cut.records
            await journal.renew_checkpoint(build)
            before, records = await journal.recall(instruments(build()))
            assert before is not None
            orders = sum(len(kept.orders) + len(kept.ended) for _, kept in before.memory.books())
            read.append(len(before.earlier) - orders)
            cursors.append([type(record) for record in records])
    finally:
        await journal.close()
    assert read == [5 + 5 + 2 + 3 + 1] * 2
    assert all(set(kinds) <= {CursorRecord, FirstPriceRecord} for kinds in cursors)
    assert len(cursors[0]) == len(cursors[1])


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from storage.database import open_database
from tests.storage.test_checkpoints import stored
from storage.journal import SqliteJournal
from tests.storage import test_checkpoints

opened = SqliteJournal.open

def hook(number):
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

async def watched(database, account):
    return await opened(database, account, hook)

SqliteJournal.open = watched
asyncio.run(stored(open_database(Path(sys.argv[1]))))
"""


@pytest.mark.parametrize("killed_at", [2, 3, 4, 5])
def test_a_kill_while_it_is_written_leaves_a_home_that_starts(tmp_path: Path, killed_at: int) -> None:
    """Write 1 is the first half of the session, 2 the checkpoint of it, 3 the second half."""
    path = tmp_path / "quarterdeck.db"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(killed_at)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()

    async def start() -> tuple[Remembered | None, list[Record], list[Record]]:
        journal = await SqliteJournal.open(open_database(path), "live")
        try:
            known = instruments(build())
            return *await journal.recall(known), await journal.load(known)
        finally:
            await journal.close()

    before, records, whole = asyncio.run(start())
    assert (before is not None) == (killed_at >= 4)
    steps, _ = play(chance(1), 1)
    assert knowledge(again(before, records, steps)) == knowledge(again(None, whole, steps))


def test_another_memory_is_another_form() -> None:
    """Where this fails, what a checkpoint holds has changed: give FORM the next number, and its digest here."""
    shape = json.dumps(_without_words(TypeAdapter(TraderMemory).json_schema()), sort_keys=True)
    assert (FORM, hashlib.blake2b(shape.encode(), digest_size=8).hexdigest()) == ("7", "8d96c2ab57f9b907")


def _without_words(schema: Any) -> Any:
    """What a docstring says of a memory changes nothing in it."""
    if isinstance(schema, list):
        return [_without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_words(part) for key, part in schema.items() if key != "description" or isinstance(part, dict)}
