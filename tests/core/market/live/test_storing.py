"""What comes of streams is stored beside the market: nobody waits, all of it is bounded, and a failure is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from core.domain.errors import DataError, StorageError
from core.domain.stream import Observation
from core.market.live import storing
from core.market.live.storing import AGAIN_S, BATCH_ROWS, BREATH_S, StoredBeside
from core.ports import ObservationColumns
from tests.simulation.loop import VirtualLoop, run_virtual


class Disk:
    """A store that takes `slow_s` for each transaction, and fails while it has an `error`."""

    def __init__(self) -> None:
        self.slow_s = 0.0
        self.error: Exception | None = None
        self.rows: list[Observation] = []
        self.transactions: list[int] = []

    async def append(self, observations: Sequence[Observation]) -> None:
        await asyncio.sleep(self.slow_s)
        if self.error is not None:
            raise self.error
        self.transactions.append(len(observations))
        self.rows += observations

    async def observations(self, symbol: str, stream: str, from_ms: int, to_ms: int) -> ObservationColumns:
        times = np.array([one.time_ms for one in self.rows], np.int64)
        values = np.array([one.values for one in self.rows])
        return ObservationColumns(symbol, stream, times, times, times, values)

    async def close(self) -> None: ...


def mark(n: int) -> Observation:
    return Observation("BTCUSDT", "mark", n, n, (float(n), 1.0), n)


Act = Callable[[StoredBeside, Disk], Coroutine[Any, Any, None]]


def play(act: Act) -> tuple[StoredBeside, Disk, list[str]]:
    async def main(_: VirtualLoop) -> tuple[StoredBeside, Disk, list[str]]:
        disk, told = Disk(), []
        stored = StoredBeside(disk, told.append)
        running = asyncio.ensure_future(stored.run())
        await asyncio.sleep(0)
        await act(stored, disk)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return stored, disk, told

    return run_virtual(main)


def test_all_of_it_is_written_in_order_and_in_small_transactions() -> None:
    async def act(stored: StoredBeside, disk: Disk) -> None:
        disk.slow_s = 1.0
        assert len(stored.put([mark(n) for n in range(2 * BATCH_ROWS + 7)])) == 2 * BATCH_ROWS + 7
        await asyncio.sleep(10)

    _, disk, told = play(act)
    assert disk.rows == [mark(n) for n in range(2 * BATCH_ROWS + 7)]
    assert disk.transactions == [BATCH_ROWS, BATCH_ROWS, 7]
    assert set(told) == {""}


def test_who_reads_is_told_all_that_was_put_before() -> None:
    async def act(stored: StoredBeside, disk: Disk) -> None:
        disk.slow_s = 3.0
        stored.put([mark(n) for n in range(BATCH_ROWS + 1)])
        found = await stored.observations("BTCUSDT", "mark", 0, 1_000)
        assert len(found.time_ms) == BATCH_ROWS + 1
        assert asyncio.get_running_loop().time() == pytest.approx(6.0 + BREATH_S)

    play(act)


def test_what_cannot_be_written_is_told_waits_and_is_written_later(caplog: pytest.LogCaptureFixture) -> None:
    async def act(stored: StoredBeside, disk: Disk) -> None:
        disk.error = StorageError("the disk is full")
        stored.put([mark(1)])
        await asyncio.sleep(3 * AGAIN_S)
        assert disk.rows == []
        disk.error = None
        await asyncio.sleep(2 * AGAIN_S)

    _, disk, told = play(act)
    assert disk.rows == [mark(1)]
    assert told[0] == "what comes of streams cannot be stored: the disk is full"
    assert told[-1] == ""
    assert "cannot be stored, 1 rows wait: the disk is full" in caplog.text


def test_a_row_that_no_store_takes_is_lost_and_told_and_the_next_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    async def act(stored: StoredBeside, disk: Disk) -> None:
        disk.error = DataError("mark has not 2 numbers")
        stored.put([mark(1)])
        await asyncio.sleep(1)
        disk.error = None
        stored.put([mark(2)])
        await stored.observations("BTCUSDT", "mark", 0, 9)

    stored, disk, _ = play(act)
    assert disk.rows == [mark(2)]
    assert stored.lost == {"mark": 1}
    assert "mark: 1 observations were lost so far: mark has not 2 numbers" in caplog.text


def test_beyond_its_room_the_newest_are_lost_counted_and_not_told_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storing, "ROOM", 5)

    async def act(stored: StoredBeside, disk: Disk) -> None:
        disk.slow_s = 1e6
        assert stored.put([mark(n) for n in range(4)]) == [mark(n) for n in range(4)]
        assert stored.put([mark(n) for n in range(4, 8)]) == [mark(4)]
        assert stored.put([mark(8)]) == []
        disk.slow_s = 0.0

    stored, disk, _ = play(act)
    assert stored.lost == {"mark": 4}
    assert "mark: 3 observations were lost so far: what comes waits for the disk" in caplog.text
    assert disk.rows == [mark(n) for n in range(5)]


def test_what_still_waits_at_an_orderly_end_is_written() -> None:
    async def act(stored: StoredBeside, disk: Disk) -> None:
        stored.put([mark(n) for n in range(BATCH_ROWS + 1)])

    _, disk, _ = play(act)
    assert len(disk.rows) == BATCH_ROWS + 1
