"""A process that is killed at any durable write loses nothing that was acknowledged, and keeps no half commit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.records import CursorRecord, IntentRecord, Record
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.storage.examples import entry

ROOT = Path(__file__).parents[2]

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.storage.test_kill import batch

def hook(number):
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    journal = await SqliteJournal.open(open_database(Path(sys.argv[1])), "demo", on_write=hook)
    for number in range(100):
        await journal.commit(batch(number))
        os.write(1, b"%d\\n" % number)

asyncio.run(main())
"""


def batch(number: int) -> list[Record]:
    return [IntentRecord(entry(number)), CursorRecord("BTCUSDT", number * 60_000)]


@pytest.mark.parametrize("killed_at", [1, 2, 7, 8])
def test_kill_at_a_write(tmp_path: Path, killed_at: int) -> None:
    path = tmp_path / "quarterdeck.db"
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(killed_at)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    acknowledged = len(child.stdout.split())
    durable = killed_at // 2

    async def load() -> list[Record]:
        journal = await SqliteJournal.open(open_database(path), "demo")
        found = await journal.load()
        await journal.commit(batch(durable))
        await journal.close()
        return found

    intents: list[Record] = [IntentRecord(entry(number)) for number in range(durable)]
    last: list[Record] = [CursorRecord("BTCUSDT", (durable - 1) * 60_000)] if durable else []
    assert acknowledged in (durable - 1, durable)
    assert asyncio.run(load()) == intents + last
