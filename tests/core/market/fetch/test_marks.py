"""Candles of the mark price come as those of the trades do, and are stored as what they are."""

from __future__ import annotations

import pytest

from core.domain.errors import DataError, UnavailableError
from core.domain.market import MINUTE_MS
from core.domain.progress import AT_ONCE
from core.market.fetch.fetching import NOWHERE, STORED
from core.market.fetch.plan import Candles
from storage.data_admin import check_data, list_data
from storage.fetched import FetchedData
from storage.import_rows import UNFINISHED
from tests.core.market.fetch.desk import BTC, JUNE, JUNE_BARS, Desk
from tests.core.market.fetch.market import DAY_MS, NOW_MS, at
from tests.venue.server import Call, Fault

SPAN = (at("2025-05-31T23:00"), NOW_MS)
MARKS = "/markPriceKlines"


async def test_they_come_from_the_archive_and_the_exchange_and_are_kept_apart(desk: Desk) -> None:
    found = await desk.fetch(SPAN, with_mark=True)
    assert found["mark", "monthly archive"] == (1, JUNE_BARS)
    assert found["mark", "daily archive"] == (1, 1440)
    assert found["mark", "binanceusdm"] == (0, 60 + 300)
    assert ("mark", NOWHERE) not in found
    assert desk.marks() == desk.expected_marks(*SPAN)
    assert desk.bars() == desk.expected(*SPAN)
    assert {(row.kind, row.interval) for row in list_data(desk.database)} == {
        ("candles", "1m"),
        ("funding", "8h"),
        ("mark", "1m"),
    }
    assert check_data(desk.database) == []


async def test_longer_ones(desk: Desk) -> None:
    desk.past.publish(BTC, "5m", 5 * MINUTE_MS)
    await desk.fetch(JUNE, 5 * MINUTE_MS, with_mark=True)
    minutes = desk.expected_marks(*JUNE)
    assert [row[:2] for row in desk.marks(5 * MINUTE_MS)] == [row[:2] for row in minutes[::5]]
    assert [row[4] for row in desk.marks(5 * MINUTE_MS)] == [row[4] for row in minutes[4::5]]


async def test_a_home_that_has_the_rest_is_asked_for_them_alone(desk: Desk) -> None:
    await desk.fetch(SPAN)
    assert desk.marks() == []
    assert desk.calls(MARKS) == 0
    desk.past.archive.asked.clear()
    found = await desk.fetch(SPAN, with_mark=True)
    assert found["candles", STORED] == (0, len(desk.expected(*SPAN)))
    assert ("candles", "binanceusdm") not in found
    assert len(desk.past.archive.asked) == 2
    assert desk.marks() == desk.expected_marks(*SPAN)


async def test_what_is_stored_is_not_asked_for_again(desk: Desk) -> None:
    await desk.fetch(SPAN, with_mark=True)
    desk.past.archive.asked.clear()
    before = desk.calls(MARKS)
    found = await desk.fetch(SPAN, with_mark=True)
    assert found["mark", STORED] == (0, len(desk.expected(*SPAN)))
    assert not desk.past.archive.asked
    assert desk.calls(MARKS) == before


async def test_the_archive_alone_says_what_it_lacks(desk: Desk) -> None:
    away = UnavailableError("the exchange is away")
    found = await desk.fetch((JUNE[0], NOW_MS), wire=None, unlisted={BTC: away}, with_mark=True)
    assert found["mark", "monthly archive"] == (1, JUNE_BARS)
    assert found["mark", NOWHERE] == (0, 300)


async def test_mark_prices_that_begin_after_the_candles_are_not_looked_for_before(desk: Desk) -> None:
    desk.past.market(BTC).mark_candles_since_ms = at("2025-06-20")
    found = await desk.fetch(JUNE, archive=None, with_mark=True)
    assert found["mark", "binanceusdm"] == (0, 11 * 1440)
    assert found["mark", NOWHERE] == (0, 19 * 1440)
    assert desk.calls(MARKS) < 20


async def test_mark_prices_that_nobody_has_keep_nothing_else_from_coming(desk: Desk) -> None:
    desk.past.market(BTC).mark_candles_since_ms = NOW_MS
    found = await desk.fetch(JUNE, archive=None, with_mark=True)
    assert found["mark", NOWHERE] == (0, JUNE_BARS)
    assert desk.bars() == desk.expected(*JUNE)


async def test_a_file_that_does_not_match_its_checksum_leaves_none(desk: Desk) -> None:
    desk.past.archive.checksums["monthly/markPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2025-06.zip"] = "ab" * 32
    with pytest.raises(DataError, match="does not match its checksum"):
        await desk.fetch(JUNE, with_mark=True)
    assert desk.marks() == []
    assert desk.bars() == desk.expected(*JUNE)


async def test_what_the_exchange_told_before_it_fell_silent_is_kept(desk: Desk) -> None:
    def fault(call: Call) -> Fault:
        return Fault(drop_before=call.path.endswith(MARKS) and desk.calls(MARKS) > 3)

    desk.past.server.fault = fault
    with pytest.raises(UnavailableError):
        await desk.fetch(JUNE, archive=None, with_mark=True)
    kept = desk.marks()
    assert kept == desk.expected_marks(JUNE[0], JUNE[0] + 2_000 * MINUTE_MS)
    desk.past.server.fault = lambda _: Fault()
    found = await desk.fetch(JUNE, archive=None, with_mark=True)
    assert found["mark", "binanceusdm"] == (0, JUNE_BARS - len(kept))
    assert desk.marks() == desk.expected_marks(*JUNE)


async def test_progress_counts_them(desk: Desk) -> None:
    await desk.fetch(SPAN, with_mark=True)
    done = [told.done for told in desk.progress]
    assert done == sorted(done)
    assert {told.total for told in desk.progress} == {2 * len(desk.expected(*SPAN))}
    assert done[-1] == desk.progress[-1].total


async def test_a_file_that_was_not_stored_to_its_end_is_named_and_asked_again(desk: Desk) -> None:
    await desk.fetch(JUNE, with_mark=True)
    with desk.database.connect_sync(durable=False) as connection:
        connection.execute("UPDATE sources SET note = ? WHERE kind = 'mark'", (UNFINISHED,))
        connection.execute("DELETE FROM price_candles WHERE open_time_ms >= ?", (JUNE[1] - DAY_MS,))
    connection.close()
    (problem,) = [one for one in check_data(desk.database) if one.kind == "unfinished"]
    assert (problem.symbol, problem.interval) == ("BTCUSDT mark", "1m")
    store = FetchedData(desk.database, NOW_MS, AT_ONCE)
    assert store.unfinished(Candles(BTC, MINUTE_MS, *JUNE)) == frozenset()
    found = await desk.fetch(JUNE, with_mark=True)
    assert found["mark", "monthly archive"] == (1, 1440)
    assert check_data(desk.database) == []
