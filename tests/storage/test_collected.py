"""What is gathered, in the store: rows of a source, when events were heard, what is forgotten and was passed over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import DataError
from core.domain.stream import Observation
from core.market.collecting.holes import MissedNumbers
from core.market.collecting.store import Listened
from core.ports import SettledFunding
from storage.collected import FORGET_ROWS, SqliteCollected, unlisten
from storage.data_admin import check_data, import_file, list_data
from storage.database import Database, transaction
from storage.deleting import delete_data

SYMBOL = "AUSDT"
T0 = 1_749_081_600_000
MINUTE = 60_000
NOW = 1_760_000_000_000


@asynccontextmanager
async def gathered(database: Database) -> AsyncIterator[SqliteCollected]:
    store = await SqliteCollected.open(database, "binanceusdm")
    try:
        yield store
    finally:
        await store.close()


def trade(number: int, time_ms: int | None = None) -> Observation:
    at_ms = T0 + 10 * number if time_ms is None else time_ms
    return Observation(SYMBOL, "trades", at_ms, at_ms + 40, (1.0, 100.0, float(number)), number)


def heard(from_ms: int, to_ms: int) -> Listened:
    return Listened(SYMBOL, "liquidations", from_ms, to_ms)


async def test_rows_have_their_exchange_as_source_and_what_was_there_is_not_counted(database: Database) -> None:
    async with gathered(database) as store:
        assert await store.append([trade(1), trade(2)]) == {(SYMBOL, "trades"): 2}
        assert await store.append([trade(2), trade(3)]) == {(SYMBOL, "trades"): 1}
        assert await store.append([]) == {}
        assert await store.rows(SYMBOL, "trades") == 3
        assert await store.last(SYMBOL, "trades") == (T0 + 30, 3)
        assert await store.last(SYMBOL, "book10") is None
        assert await store.sources(SYMBOL) == {"binanceusdm live"}
        assert (await store.times(SYMBOL, "trades", T0 + 20)).tolist() == [T0 + 20, T0 + 30]
    (row,) = list_data(database)
    assert (row.source, row.kind, row.rows, row.note) == ("binanceusdm live", "trades", 3, "arrived live")


async def test_a_row_that_cannot_be_leaves_nothing_of_its_batch(database: Database) -> None:
    bad = Observation(SYMBOL, "trades", T0, T0, (1.0, float("nan"), 1.0), 9)
    async with gathered(database) as store:
        with pytest.raises(DataError):
            await store.append([trade(1), bad], [heard(T0, T0 + 1)])
        assert await store.rows(SYMBOL, "trades") == 0
        assert await store.listened(SYMBOL, "liquidations", 0) == []


async def test_numbers_that_were_passed_over_are_found_from_the_last_row_before(database: Database) -> None:
    async with gathered(database) as store:
        await store.append([trade(n) for n in (1, 2, 5, 6, 20, 21)])
        all_of_it = [MissedNumbers(3, 4, T0 + 20, T0 + 50), MissedNumbers(7, 19, T0 + 60, T0 + 200)]
        assert await store.missed_numbers(SYMBOL, "trades", 0) == all_of_it
        assert await store.missed_numbers(SYMBOL, "trades", T0 + 100) == all_of_it[1:]
        assert await store.missed_numbers(SYMBOL, "trades", T0 + 205) == []
        assert await store.missed_numbers("BUSDT", "trades", 0) == []
    assert [(p.symbol, p.kind, p.count) for p in check_data(database)] == [
        (f"{SYMBOL} trades", "gap", 2),
        (f"{SYMBOL} trades", "gap", 13),
    ]


async def test_numbers_of_files_are_of_another_kind_and_no_holes(database: Database, tmp_path: Path) -> None:
    path = tmp_path / f"{SYMBOL}-trades.csv"
    rows = [f"{T0 + n},{n * 100},5,{n + 1},true" for n in range(1, 20)]
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", *rows]))
    import_file(database, path, now_ms=NOW)
    async with gathered(database) as store:
        await store.append([trade(1), trade(2)])
        assert await store.missed_numbers(SYMBOL, "trades", 0) == []
        assert await store.rows(SYMBOL, "trades") == 2
    assert check_data(database) == []


async def test_spans_grow_and_what_lies_between_them_is_told(database: Database) -> None:
    async with gathered(database) as store:
        await store.append([], [heard(T0, T0 + MINUTE)])
        await store.append([], [heard(T0, T0 + 2 * MINUTE)])
        await store.append([], [heard(T0, T0 + MINUTE)])
        await store.append([], [heard(T0 + 5 * MINUTE, T0 + 6 * MINUTE)])
        spans = [(T0, T0 + 2 * MINUTE), (T0 + 5 * MINUTE, T0 + 6 * MINUTE)]
        assert await store.listened(SYMBOL, "liquidations", 0) == spans
        assert await store.listened(SYMBOL, "liquidations", T0 + 2 * MINUTE) == spans[1:]
    (problem,) = check_data(database)
    assert (problem.symbol, problem.from_ms, problem.to_ms) == (f"{SYMBOL} liquidations", spans[0][1], spans[1][0])
    assert problem.text == "nobody listened for 3.0 minutes: what was told then is not known"


async def test_rows_that_came_live_are_forgotten_and_those_of_files_stay(database: Database, tmp_path: Path) -> None:
    path = tmp_path / f"{SYMBOL}-trades.csv"
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", f"{T0},7,5,1,true", f"{T0 + 10},1,100,1,false"]))
    count = FORGET_ROWS + 100
    async with gathered(database) as store:
        await store.append([trade(n) for n in range(1, count + 1)], [heard(T0, T0 + 10 * count)])
        assert import_file(database, path, now_ms=NOW).added == 1
        assert await store.forget(SYMBOL, "trades", T0 + 10 * count) == FORGET_ROWS
        assert await store.forget(SYMBOL, "trades", T0 + 10 * count) == 99
        assert await store.forget(SYMBOL, "trades", T0 + 10 * count) == 0
        assert await store.rows(SYMBOL, "trades") == 1
        # The row of the file that had come live before can be imported again.
        assert import_file(database, path, now_ms=NOW).added == 1
        assert (await store.times(SYMBOL, "trades", 0)).tolist() == [T0, T0 + 10, T0 + 10 * count]
        assert await store.forget(SYMBOL, "liquidations", T0 + 100) == 0
        assert await store.listened(SYMBOL, "liquidations", 0) == [(T0 + 100, T0 + 10 * count)]


async def test_a_file_of_what_came_live_changes_nothing_and_one_that_tells_it_otherwise_is_refused(
    database: Database, tmp_path: Path
) -> None:
    path, other = (tmp_path / f"{SYMBOL}-{name}.csv" for name in ("trades", "others"))
    path.write_text(f"time,id,price,qty,isBuyerMaker\n{T0 + 10},1,100,1,false\n{T0 + 20},2,100,2,false")
    other.write_text(f"time,id,price,qty,isBuyerMaker\n{T0 + 10},1,101,1,false")
    async with gathered(database) as store:
        await store.append([trade(1)])
        assert import_file(database, path, now_ms=NOW).added == 1
        with pytest.raises(DataError, match="stored with other values from binanceusdm live"):
            import_file(database, other, now_ms=NOW)
    with closing(database.connect_sync(durable=False)) as connection:
        found = connection.execute("SELECT time_ms, known_ms FROM observations ORDER BY time_ms").fetchall()
    assert found == [(T0 + 10, T0 + 50), (T0 + 20, T0 + 20)]


async def test_what_is_deleted_was_not_heard(database: Database) -> None:
    forced = [Observation(SYMBOL, "liquidations", T0 + n * MINUTE, T0 + n * MINUTE, (1.0, 5.0, 1.0)) for n in range(10)]
    async with gathered(database) as store:
        await store.append(forced, [heard(T0 - MINUTE, T0 + 20 * MINUTE)])
        delete_data(database, SYMBOL, kind="liquidations", from_ms=T0 + 2 * MINUTE, to_ms=T0 + 5 * MINUTE)
        assert await store.listened(SYMBOL, "liquidations", 0) == [
            (T0 - MINUTE, T0 + 2 * MINUTE),
            (T0 + 4 * MINUTE + 1, T0 + 20 * MINUTE),
        ]


def test_a_span_is_cut_out_of_others(database: Database) -> None:
    with closing(database.connect_sync(durable=False)) as connection, transaction(connection):
        spans = [(0, 10), (20, 30), (40, 50)]
        connection.executemany("INSERT INTO listened VALUES ('liquidations', 'AUSDT', ?, ?)", spans)
        unlisten(connection, SYMBOL, "liquidations", 5, 45)
        found = connection.execute("SELECT from_ms, to_ms FROM listened ORDER BY from_ms").fetchall()
    assert found == [(0, 5), (45, 50)]


async def test_funding_has_its_exchange_as_source_too(database: Database) -> None:
    rates = [SettledFunding(SYMBOL, T0 + n * 8 * 60 * MINUTE, Decimal("0.0001"), Decimal("100.5")) for n in range(3)]
    async with gathered(database) as store:
        assert await store.funding_until(SYMBOL) is None
        assert await store.append_funding(rates[:2]) == 2
        assert await store.append_funding(rates) == 1
        assert await store.funding_until(SYMBOL) == rates[-1].time_ms
        assert await store.rows(SYMBOL, "funding") == 3
        assert await store.sources(SYMBOL) == {"binanceusdm live"}
