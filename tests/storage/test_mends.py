"""What an operator mends: a candle that was not finished, other values, data that shall go, a forgotten mark."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain.errors import DataError, RefusedError
from core.domain.progress import AT_ONCE
from core.market.stored import ImportReport
from storage import deleting, import_rows
from storage.data_admin import check_data, import_file, list_data
from storage.database import Database
from storage.deleting import delete_data
from storage.history import CACHE_FOLDER, load_history, stored_series
from storage.import_rows import CHANGED

MINUTE = 60_000
T0 = 1_748_995_200_000
NOW = 1_760_000_000_000

Candles = dict[int, tuple[float, ...]]
"""Open, high, low, close and volume by minute."""
WHOLE: Candles = {n: (10, 11, 9, 10.5, n + 1) for n in range(10)}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_rows, "CHUNK_ROWS", 4)
    monkeypatch.setattr(deleting, "CHUNK_ROWS", 4)


@pytest.fixture
def connection(database: Database) -> Iterator[sqlite3.Connection]:
    with closing(database.connect_sync(durable=False)) as connection:
        yield connection


def candle_file(folder: Path, name: str, told: Candles) -> Path:
    path = folder / f"AUSDT-1m-{name}.csv"
    rows = [",".join(map(str, (T0 + n * MINUTE, *values))) for n, values in told.items()]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


def stored(connection: sqlite3.Connection) -> Candles:
    rows = connection.execute("SELECT open_time_ms, open, high, low, close, volume FROM candles ORDER BY 1")
    return {(time_ms - T0) // MINUTE: tuple(values) for time_ms, *values in rows}


def take(database: Database, path: Path, **wish: bool) -> ImportReport:
    return import_file(database, path, now_ms=NOW, **wish)  # type: ignore[arg-type]


def part(first: int, stop: int, **changed: tuple[float, ...]) -> Candles:
    return {n: changed.get(f"at{n}", WHOLE[n]) for n in range(first, stop)}


OPEN = (10, 10.8, 9.5, 10.1, 2)
"""Of the minute 4, before its end."""


def test_an_unfinished_last_candle_is_corrected_by_the_next_file(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    take(database, candle_file(tmp_path, "a", part(0, 5, at4=OPEN)))
    before = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 5 * MINUTE, 0)
    report = take(database, candle_file(tmp_path, "b", part(4, 10)))
    assert (report.added, report.corrected) == (5, 1)
    assert report.notes == ("the last candle of the file before was not finished there; corrected from this one",)
    assert stored(connection) == WHOLE
    after = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 5 * MINUTE, 0)
    assert before.data_hash != after.data_hash
    assert take(database, tmp_path / "AUSDT-1m-a.csv").added == 0
    assert stored(connection) == WHOLE


def test_a_file_whose_own_last_candle_is_unfinished_leaves_the_finished_one(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    take(database, candle_file(tmp_path, "b", part(4, 10)))
    report = take(database, candle_file(tmp_path, "a", part(0, 5, at4=OPEN)))
    assert (report.added, report.corrected) == (4, 0)
    assert report.notes == ("its last candle is not finished; the stored one, which is, stays",)
    assert stored(connection) == WHOLE


@pytest.mark.parametrize(
    "other", [(10.1, 11, 9, 10.5, 9), (10, 10.7, 9, 10.5, 9), (10, 11, 9.6, 10.5, 9), (10, 11, 9, 10.5, 2)]
)
def test_what_an_unfinished_candle_cannot_become_is_a_contradiction(
    database: Database, connection: sqlite3.Connection, tmp_path: Path, other: tuple[float, ...]
) -> None:
    """Another open, a lower high, a higher low, another close though nothing more was traded."""
    take(database, candle_file(tmp_path, "a", part(0, 5, at4=OPEN)))
    with pytest.raises(DataError, match=r"line 2: .* other values from AUSDT-1m-a.csv; .*--replace"):
        take(database, candle_file(tmp_path, "b", part(4, 10, at4=other)))
    assert stored(connection) == part(0, 5, at4=OPEN)


def test_a_candle_within_a_file_was_finished(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    take(database, candle_file(tmp_path, "a", part(0, 6, at4=OPEN)))
    with pytest.raises(DataError, match=r"other values"):
        take(database, candle_file(tmp_path, "b", part(4, 10)))
    assert stored(connection) == part(0, 6, at4=OPEN)


def test_a_correction_is_taken_back_with_the_file_that_brought_it(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    take(database, candle_file(tmp_path, "a", part(0, 5, at4=OPEN)))
    rests = iter(range(10))

    def meanwhile() -> None:
        if next(rests) == 1:
            take(database, candle_file(tmp_path, "c", {9: (20, 20, 20, 20, 20)}))

    with pytest.raises(DataError, match=r"other values from AUSDT-1m-c.csv"):
        import_file(
            database,
            candle_file(tmp_path, "b", part(4, 10)),
            now_ms=NOW,
            manner=replace(AT_ONCE, rest=meanwhile),
        )
    assert stored(connection) == {**part(0, 5, at4=OPEN), 9: (20, 20, 20, 20, 20)}
    owner = connection.execute("SELECT name FROM candles JOIN sources USING (source_id) WHERE close = 10.1").fetchone()
    assert owner == ("AUSDT-1m-a.csv",)


def test_a_file_can_stand_in_place_of_what_is_stored(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    first, wrong = candle_file(tmp_path, "a", WHOLE), dict.fromkeys((3, 7), (20, 20, 20, 20, 20))
    take(database, first)
    history = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0)
    second = candle_file(tmp_path, "b", wrong)
    report = take(database, second, replace=True)
    assert (report.added, report.replaced) == (0, 2)
    assert stored(connection) == {**WHOLE, **wrong}
    assert load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0).data_hash != history.data_hash
    assert [(row.source[8:], row.rows, row.note) for row in list_data(database)] == [
        ("-a.csv", 8, CHANGED),
        ("-b.csv", 2, ""),
    ]

    with pytest.raises(DataError, match=r"line 5: .* other values from AUSDT-1m-b.csv"):
        take(database, first)
    assert take(database, first, replace=True).replaced == 2
    assert stored(connection) == WHOLE
    again = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0)
    assert again.data_hash == history.data_hash
    assert take(database, second, replace=True).replaced == 2


def test_funding_can_be_replaced(database: Database, connection: sqlite3.Connection, tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-8h-a.csv"
    path.write_text(f"funding_time,funding_rate\n{T0},0.1")
    take(database, path)
    path.write_text(f"funding_time,funding_rate\n{T0},0.2\n{T0 + 1},0.3")
    assert take(database, path, replace=True).replaced == 1
    assert connection.execute("SELECT rate FROM funding_rates ORDER BY time_ms").fetchall() == [("0.2",), ("0.3",)]


def test_the_mark_of_made_up_data_is_set_later_too(database: Database, tmp_path: Path) -> None:
    path = candle_file(tmp_path, "a", WHOLE)
    assert not take(database, path).is_synthetic
    report = take(database, path, synthetic=True)
    assert (report.is_synthetic, report.notes) == (True, ("is marked as synthetic now",))
    assert stored_series(database, MINUTE)["AUSDT"].is_synthetic
    assert load_history(database, ["AUSDT"], MINUTE, T0, T0 + MINUTE, 0).is_synthetic
    stays = take(database, path)
    assert stays.is_synthetic
    assert "stays marked so; to have it otherwise, `data delete` it first" in stays.notes[0]
    delete_data(database, "AUSDT")
    assert not take(database, path).is_synthetic
    assert not stored_series(database, MINUTE)["AUSDT"].is_synthetic


def test_rows_that_are_said_to_be_made_up_mark_the_file_that_told_them_first(
    database: Database, tmp_path: Path
) -> None:
    take(database, candle_file(tmp_path, "a", WHOLE))
    report = take(database, candle_file(tmp_path, "b", part(3, 6)), synthetic=True)
    assert report.notes == ("AUSDT-1m-a.csv has the same rows, so it is marked as synthetic, too",)
    assert load_history(database, ["AUSDT"], MINUTE, T0, T0 + MINUTE, 0).is_synthetic


def test_a_symbol_is_deleted_and_can_be_imported_again(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    path = candle_file(tmp_path, "a", WHOLE)
    take(database, path)
    load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0)
    cache = database.path.parent / CACHE_FOLDER
    assert len(list(cache.iterdir())) == 1
    funding = tmp_path / "AUSDT-8h.csv"
    funding.write_text(f"funding_time,funding_rate\n{T0},0.1")
    other = tmp_path / "BUSDT-1m.csv"
    other.write_text(path.read_text())
    take(database, funding)
    take(database, other)

    gone = [row.as_dict() for row in delete_data(database, "AUSDT")]
    assert [(row["kind"], row["interval"], row["first_ms"], row["last_ms"], row["rows"]) for row in gone] == [
        ("candles", "1m", T0, T0 + 9 * MINUTE, 10),
        ("funding", "8h", T0, T0, 1),
    ]
    assert [row.symbol for row in list_data(database)] == ["BUSDT"]
    assert check_data(database) == []
    assert list(stored_series(database, MINUTE)) == ["BUSDT"]
    assert list(cache.iterdir()) == []
    with pytest.raises(DataError, match="no 1m candles of AUSDT are stored"):
        load_history(database, ["AUSDT"], MINUTE, T0, T0 + MINUTE, 0)
    with pytest.raises(DataError, match="AUSDT: nothing is stored of it of that period"):
        delete_data(database, "AUSDT")
    assert (take(database, path).added, take(database, funding).added) == (10, 1)
    assert check_data(database) == []


def test_a_period_is_deleted(database: Database, connection: sqlite3.Connection, tmp_path: Path) -> None:
    """Also what several files told: each of them can bring its rows again."""
    first, second = candle_file(tmp_path, "a", part(0, 7)), candle_file(tmp_path, "b", part(5, 10))
    take(database, first)
    take(database, second)
    history = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0)
    (gone,) = delete_data(database, "AUSDT", from_ms=T0 + 2 * MINUTE, to_ms=T0 + 7 * MINUTE)
    assert (gone.first_ms, gone.last_ms, gone.rows) == (T0 + 2 * MINUTE, T0 + 6 * MINUTE, 5)
    assert sorted(stored(connection)) == [0, 1, 7, 8, 9]
    shorter = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0)
    assert shorter.data_hash != history.data_hash
    assert {row.note for row in list_data(database)} == {CHANGED}
    assert take(database, second).added == 2
    assert take(database, first).added == 3
    assert stored(connection) == WHOLE
    assert {row.note for row in list_data(database)} == {""}


def test_one_interval_or_kind_is_deleted(database: Database, tmp_path: Path) -> None:
    take(database, candle_file(tmp_path, "a", WHOLE))
    (tmp_path / "AUSDT-5m.csv").write_text(f"ts,open,high,low,close,volume\n{T0},1,1,1,1,1")
    (tmp_path / "AUSDT-1m-mark.csv").write_text(f"ts,open,high,low,close\n{T0},1,1,1,1")
    (tmp_path / "AUSDT-8h.csv").write_text(f"funding_time,funding_rate\n{T0},0.1")
    for path in tmp_path.glob("AUSDT-*[mhk].csv"):
        take(database, path)

    def left() -> list[tuple[str, str]]:
        return [(row.kind, row.interval) for row in list_data(database)]

    assert left() == [("candles", "1m"), ("candles", "5m"), ("funding", "8h"), ("mark", "1m")]
    delete_data(database, "AUSDT", interval_ms=5 * MINUTE)
    assert left() == [("candles", "1m"), ("funding", "8h"), ("mark", "1m")]
    delete_data(database, "AUSDT", kind="mark")
    assert left() == [("candles", "1m"), ("funding", "8h")]
    delete_data(database, "AUSDT", kind="funding")
    assert left() == [("candles", "1m")]


def test_what_is_not_there_is_told(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="BUSDT: nothing is stored of it; quarterdeck data list shows what is"):
        delete_data(database, "BUSDT")
    take(database, candle_file(tmp_path, "a", WHOLE))
    with pytest.raises(DataError, match="AUSDT: nothing is stored of it of that period, interval or kind"):
        delete_data(database, "AUSDT", kind="mark")
    with pytest.raises(DataError, match="AUSDT: nothing is stored of it of that period, interval or kind"):
        delete_data(database, "AUSDT", from_ms=T0 + 10 * MINUTE)


def test_a_deletion_that_was_stopped_says_so_and_goes_on(
    database: Database, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    path = candle_file(tmp_path, "a", WHOLE)
    take(database, path)
    stop = iter([False, True])
    with pytest.raises(RefusedError, match="stopped: 4 rows of AUSDT candles are deleted; ask again"):
        delete_data(database, "AUSDT", manner=replace(AT_ONCE, should_stop=lambda: next(stop)))
    assert sorted(stored(connection)) == list(range(4, 10))
    assert delete_data(database, "AUSDT")[0].rows == 6
    assert take(database, path).added == 10
