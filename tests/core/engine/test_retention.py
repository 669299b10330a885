"""A journal is kept short in pieces, and what is young stays."""

from __future__ import annotations

import asyncio

import pytest

from core.domain.errors import StorageError
from core.domain.market import MINUTE_MS
from core.engine.retention import KEEP_MS, STREAM_ROWS, keep_short, keep_streams, streams_kept_ms
from core.engine.session import history_bars
from core.market.forgetting import EVERY_S
from core.market.streams import stream
from core.settings.schema import parse_settings
from tests.declared import declared
from tests.simulation.loop import VirtualLoop, run_virtual

NOW_MS = 2 * KEEP_MS


class Old:
    """So many records to age; notes what it was asked."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.asked: list[tuple[int, int]] = []
        self.is_done = asyncio.Event()

    async def age_out(self, before_ms: int, at_most: int) -> int:
        self.asked.append((before_ms, at_most))
        gone = min(self.records, at_most)
        self.records -= gone
        if not gone:
            self.is_done.set()
        return gone


class StillClock:
    def now_ms(self) -> int:
        return NOW_MS

    def steady_ms(self) -> int:
        return NOW_MS


async def test_it_forgets_piece_by_piece_what_is_older_than_it_keeps() -> None:
    journal = Old(450)
    keeping = asyncio.ensure_future(keep_short(journal, StillClock(), pause_s=0.0))
    await journal.is_done.wait()
    keeping.cancel()
    assert journal.records == 0
    assert {before_ms for before_ms, _ in journal.asked} == {NOW_MS - KEEP_MS}
    assert len(journal.asked) > 2  # A commit gets its turn between two pieces.


class Rows:
    """So many old rows of each symbol and stream; notes what it was asked."""

    def __init__(self, rows: dict[tuple[str, str], int], errors: int = 0) -> None:
        self.rows, self.errors = rows, errors
        self.asked: list[tuple[str, str, int, int]] = []

    async def forget(self, symbol: str, stream: str, before_ms: int, at_most: int) -> int:
        self.asked.append((symbol, stream, before_ms, at_most))
        if self.errors:
            self.errors -= 1
            raise StorageError("the disk is full")
        gone = min(self.rows[symbol, stream], at_most)
        self.rows[symbol, stream] -= gone
        return gone


def kept_for(store: Rows, seconds: float) -> None:
    async def main(_: VirtualLoop) -> None:
        symbols = sorted({symbol for symbol, _ in store.rows})
        keeping = asyncio.ensure_future(keep_streams(store, symbols, {"mark": 5, "trades": 7}, StillClock()))
        await asyncio.sleep(seconds)
        keeping.cancel()

    run_virtual(main)


def test_streams_go_in_pieces_each_by_its_own_time() -> None:
    store = Rows({("A", "mark"): 1_200, ("A", "trades"): 0, ("B", "mark"): 3, ("B", "trades"): 700})
    kept_for(store, 60.0)
    assert set(store.rows.values()) == {0}
    assert {(name, before_ms) for _, name, before_ms, _ in store.asked} == {
        ("mark", NOW_MS - 5),
        ("trades", NOW_MS - 7),
    }
    assert {at_most for *_, at_most in store.asked} == {STREAM_ROWS}


def test_a_store_that_fails_ends_nothing_and_is_asked_again_an_hour_later(caplog: pytest.LogCaptureFixture) -> None:
    store = Rows({("A", "mark"): 10, ("A", "trades"): 10}, errors=2)
    kept_for(store, 60.0)
    assert store.rows == {("A", "mark"): 10, ("A", "trades"): 10}
    assert "A: old rows of mark stay for now: the disk is full" in caplog.text
    store = Rows({("A", "mark"): 10, ("A", "trades"): 10}, errors=2)
    kept_for(store, EVERY_S + 60.0)
    assert set(store.rows.values()) == {0}


def test_what_a_start_reads_is_kept_however_short_the_settings_are() -> None:
    strategy = declared("plain")
    settings = parse_settings({"collect": {"keep_mark_days": 1, "keep_trades_days": 90}}, "the test")
    kept_ms = streams_kept_ms(settings, strategy, ("mark", "trades", "open_interest.5m"))
    read_ms = history_bars(strategy, settings) * MINUTE_MS
    assert read_ms > 86_400_000
    assert kept_ms == {"mark": read_ms + stream("mark").max_age_ms, "trades": 90 * 86_400_000}
    assert streams_kept_ms(parse_settings({}, "the test"), strategy, ("mark", "trades")) == {}
