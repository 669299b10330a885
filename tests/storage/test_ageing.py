"""What a start reads of the trainings, and what the journal forgets of them, however old the account is."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS
from core.domain.origin import ONLY_PART, Origin, VersionRole
from core.domain.records import AgedRecord, IntentRecord, Record, TrainingRecord, TrainingStatus
from core.engine.models import ModelDesk
from storage import database as module
from storage.database import Database, migrations, open_database
from storage.journal import SqliteJournal
from storage.journal_reader import JournalReader
from tests.engine.scripted import STRATEGY, ScriptedForecaster
from tests.storage.examples import entry

ROOT = Path(__file__).parents[2]
SYMBOLS = ("BTCUSDT", "ETHUSDT")
_accounts = count()


def training(
    minute: int, status: TrainingStatus = TrainingStatus.REQUESTED, symbol: str = SYMBOLS[0]
) -> TrainingRecord:
    asked_ms = minute * MINUTE_MS
    version = "" if status is TrainingStatus.REQUESTED else f"{symbol}-{minute}"
    role = VersionRole.CHAMPION if status is TrainingStatus.SWAPPED else VersionRole.CANDIDATE
    origin = Origin("scripted", ONLY_PART, role, version)
    return TrainingRecord(symbol, origin, asked_ms, asked_ms + 1, status, f"{status} at {minute}")


def quarters(many: int) -> list[Record]:
    """So many trainings of one symbol, each asked for and swapped in, a quarter of an hour apart."""
    stages = (TrainingStatus.REQUESTED, TrainingStatus.SWAPPED)
    return [training(15 * n, status) for n in range(many) for status in stages]


def knows(records: list[Record]) -> tuple[object, ...]:
    """What the desk of models makes of them."""
    desk = ModelDesk(STRATEGY, ScriptedForecaster(), SYMBOLS, 0, lambda symbol, until_ms: pytest.fail("asked"))
    desk.take_in(records)
    pending = {symbol: record.due_ms for symbol, (record, _) in desk._pending.items()}
    return desk.champions, desk.answering(2**60), desk.note(), pending, desk._asked


@pytest_asyncio.fixture
async def journal(database: Database) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(database, "live")
    yield journal
    await journal.close()


async def test_a_start_is_told_as_many_trainings_however_many_there_were(journal: SqliteJournal) -> None:
    await journal.commit(quarters(3))
    few = await journal.load()
    await journal.commit(quarters(400))
    many = await journal.load()
    assert len(many) == len(few) == 2
    assert [record.requested_ms for record in many if isinstance(record, TrainingRecord)] == [399 * 15 * MINUTE_MS] * 2


outcomes = st.sampled_from([status for status in TrainingStatus if status is not TrainingStatus.REQUESTED])


@st.composite
def told(draw: st.DrawFn) -> list[Record]:
    """Trainings as a desk of models asks for them: none of a symbol while one is pending."""
    found: list[Record] = []
    pending: dict[str, int] = {}
    for minute in range(draw(st.integers(0, 30))):
        symbol = draw(st.sampled_from(SYMBOLS))
        if symbol in pending:
            found.append(training(pending.pop(symbol), draw(outcomes), symbol))
        else:
            pending[symbol] = minute
            found.append(training(minute, symbol=symbol))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=told(), before=st.integers(0, 30), at_most=st.integers(1, 9))
def test_the_models_know_the_same_of_what_is_kept(
    database: Database, records: list[Record], before: int, at_most: int
) -> None:
    async def kept() -> tuple[list[Record], list[Record]]:
        journal = await SqliteJournal.open(database, f"account{next(_accounts)}")
        try:
            await journal.commit(records)
            young = await journal.load()
            while await journal.age_out(before * MINUTE_MS, at_most):
                pass
            return young, await journal.load()
        finally:
            await journal.close()

    young, aged = asyncio.run(kept())
    assert knows(young) == knows(records)
    assert aged == young


async def test_places_of_what_was_aged_out_are_told(journal: SqliteJournal, database: Database) -> None:
    records: list[Record] = [*quarters(3), IntentRecord(entry(1)), *quarters(2)]
    await journal.commit(records)
    assert await journal.age_out(15 * MINUTE_MS, 1) == 1
    assert await journal.age_out(15 * MINUTE_MS, 9) == 3
    assert await journal.age_out(15 * MINUTE_MS, 9) == 0
    with JournalReader(database) as reader:
        found = list(reader.records(1, reader.last_seq))
        part = list(reader.records(2, 8))
    gone = {1, 2, 8, 9}
    assert found == [(n, AgedRecord() if n in gone else record) for n, record in enumerate(records, 1)]
    assert part == found[1:8]
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("SELECT first_seq, last_seq FROM aged").fetchall() == [(1, 2), (8, 9)]


async def test_the_newest_of_each_stage_stays_whatever_its_age(journal: SqliteJournal) -> None:
    await journal.commit([training(0), training(0, TrainingStatus.SWAPPED), training(1)])
    await journal.commit([training(1, TrainingStatus.REFUSED), training(2), training(2, TrainingStatus.FAILED)])
    before = await journal.load()
    assert await journal.age_out(2**60, 9) == 2  # Two requests that a newer one followed.
    assert await journal.load() == before
    await journal.commit([training(3)])


async def test_a_home_of_before_tells_its_newest_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quarterdeck.db"
    steps = migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:7])
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        connection.execute("INSERT INTO journals VALUES ('live', 4, 1)")
        for seq, record in enumerate(quarters(2), 1):
            assert isinstance(record, TrainingRecord)
            row = (record.symbol, record.origin.strategy, record.requested_ms, record.due_ms, record.status.value)
            values = ("live", seq, *row, record.origin.version, record.note, "[]")
            connection.execute(f"INSERT INTO training VALUES ({', '.join('?' * len(values))})", values)
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    journal = await SqliteJournal.open(open_database(path), "live")
    try:
        assert await journal.load() == quarters(2)[2:]
    finally:
        await journal.close()


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.storage.test_ageing import quarters

def hook(number):
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    journal = await SqliteJournal.open(open_database(Path(sys.argv[1])), "live", on_write=hook)
    await journal.commit(quarters(6))
    while await journal.age_out(2**60, 3):
        pass

asyncio.run(main())
"""


@pytest.mark.parametrize("killed_at", [3, 4, 5, 6])
def test_a_kill_while_it_ages_loses_no_place(tmp_path: Path, killed_at: int) -> None:
    path = tmp_path / "quarterdeck.db"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(killed_at)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    gone = 3 * (killed_at // 2 - 1)
    with JournalReader(open_database(path)) as reader:
        found = list(reader.records(1, reader.last_seq))
    assert found == [(n, AgedRecord() if n <= gone else record) for n, record in enumerate(quarters(6), 1)]
