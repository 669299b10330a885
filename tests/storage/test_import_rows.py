"""An import beside an engine that writes its journal into the same database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from core.domain.errors import DataError, RefusedError, StorageError
from core.domain.progress import AT_ONCE, Manner, Progress
from storage import import_rows
from storage.data_admin import check_data, import_file, list_data
from storage.database import Database
from storage.history import load_history, stored_series
from storage.import_rows import UNFINISHED

MINUTE = 60_000
FUNDING = 480 * MINUTE
T0 = 1_748_995_200_000
NOW = 1_760_000_000_000
CHUNK = 4


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_rows, "CHUNK_ROWS", CHUNK)


@dataclass
class Watched:
    """What the import's own connection did, in order: statements by their first word, and `rest`."""

    done: list[str] = field(default_factory=list)

    def connect(self, database: Database, *, durable: bool) -> sqlite3.Connection:
        connection = CONNECT(database, durable=durable)
        connection.set_trace_callback(lambda sql: self.done.append(sql.split()[0]))
        return connection


CONNECT = Database.connect_sync


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr(Database, "connect_sync", lambda database, durable: watched.connect(database, durable=durable))
    return watched


@pytest.fixture
def engine(database: Database) -> Iterator[sqlite3.Connection]:
    """Another program's connection that never waits for a lock."""
    with closing(CONNECT(database, durable=True)) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        yield connection


def candle_file(folder: Path, count: int, first: int = 0, name: str = "a") -> Path:
    path = folder / f"AUSDT-1m-{name}.csv"
    lines = [f"{T0 + n * MINUTE},10,11,9,10.5,{n + 1}" for n in range(first, first + count)]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines))
    return path


def funding_file(folder: Path, count: int) -> Path:
    path = folder / "AUSDT-8h.csv"
    path.write_text("funding_time,funding_rate\n" + "\n".join(f"{T0 + n * FUNDING},0.1" for n in range(count)))
    return path


def stored_minutes(connection: sqlite3.Connection) -> list[int]:
    rows = connection.execute("SELECT open_time_ms FROM candles ORDER BY 1").fetchall()
    return [(time_ms - T0) // MINUTE for (time_ms,) in rows]


def after(rests: int, act: Callable[[], None]) -> Manner:
    """`act` happens to the import once it has rested so often."""
    count = iter(range(1, 1_000))

    def rest() -> None:
        if next(count) == rests:
            act()

    return replace(AT_ONCE, rest=rest)


@pytest.mark.parametrize("make", [candle_file, funding_file])
def test_a_journal_commits_between_any_two_chunks_and_waits_for_one_at_most(
    database: Database, engine: sqlite3.Connection, watched: Watched, tmp_path: Path, make: Callable[..., Path]
) -> None:
    def commit_journal() -> None:
        engine.execute("INSERT INTO meta VALUES ('live', ?, '')", (str(len(watched.done)),))
        watched.done.append("rest")

    import_file(database, make(tmp_path, 10), now_ms=NOW, manner=replace(AT_ONCE, rest=commit_journal))

    writes = " ".join(word for word in watched.done if word in ("BEGIN", "INSERT", "COMMIT", "rest"))
    before, *transactions = [turn.split() for turn in writes.split("rest")]
    assert before == []
    # Each row of the file, beside the row of `sources`.
    assert [turn.count("INSERT") - 1 for turn in transactions] == [4, 4, 2]
    assert {(turn[0], turn[-1]) for turn in transactions} == {("BEGIN", "COMMIT")}
    assert engine.execute("SELECT count(*) FROM meta WHERE account = 'live'").fetchone() == (3,)


def test_an_import_that_was_interrupted_says_so_and_goes_on(
    database: Database, engine: sqlite3.Connection, tmp_path: Path
) -> None:
    path = candle_file(tmp_path, 10)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(database, path, now_ms=NOW, manner=after(3, die))
    assert stored_minutes(engine) == list(range(8))
    (row,) = list_data(database)
    assert (row.rows, row.note) == (8, UNFINISHED)
    found = [(p.kind, p.to_ms, p.count, p.text) for p in check_data(database)]
    assert found == [("unfinished", T0 + 7 * MINUTE, 8, f"{path.name}: {UNFINISHED}")]
    history = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 8 * MINUTE, 0)
    assert history.source == "AUSDT-1m-a.csv (not all of it)"

    again = import_file(database, path, now_ms=NOW + 1)
    assert (again.rows, again.added) == (10, 2)
    assert stored_minutes(engine) == list(range(10))
    (row,) = list_data(database)
    assert (row.rows, row.note) == (10, "")
    assert check_data(database) == []
    assert load_history(database, ["AUSDT"], MINUTE, T0, T0 + 10 * MINUTE, 0).source == "AUSDT-1m-a.csv"
    assert import_file(database, path, now_ms=NOW + 2).added == 0


def test_who_asks_it_to_stop_is_told_what_is_stored(
    database: Database, engine: sqlite3.Connection, tmp_path: Path
) -> None:
    stop = iter([False, False, True])
    manner = replace(AT_ONCE, should_stop=lambda: next(stop))
    with pytest.raises(RefusedError) as told:
        import_file(database, candle_file(tmp_path, 10), now_ms=NOW, manner=manner)
    assert str(told.value) == "stopped: 8 of 10 rows of AUSDT-1m-a.csv are stored; import it again to go on"
    assert stored_minutes(engine) == list(range(8))


def test_a_full_disk_says_what_is_stored(
    database: Database, engine: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[sqlite3.Connection] = []

    def connect(database: Database, *, durable: bool) -> sqlite3.Connection:
        made.append(CONNECT(database, durable=durable))
        return made[0]

    def fill() -> None:
        (pages,) = made[0].execute("PRAGMA page_count").fetchone()
        made[0].execute(f"PRAGMA max_page_count = {pages}")

    monkeypatch.setattr(Database, "connect_sync", connect)
    monkeypatch.setattr(import_rows, "CHUNK_ROWS", 1_000)
    with pytest.raises(StorageError, match=r"disk is full .*; 1,000 of 2,500 rows of AUSDT-1m-a.csv are stored; imp"):
        import_file(database, candle_file(tmp_path, 2_500), now_ms=NOW, manner=after(2, fill))
    assert stored_minutes(engine) == list(range(1_000))


def test_how_far_it_is_is_told(database: Database, tmp_path: Path) -> None:
    told: list[Progress] = []
    import_file(database, candle_file(tmp_path, 10), now_ms=NOW, manner=replace(AT_ONCE, progress=told.append))
    assert [progress.done for progress in told] == [0, 4, 8, 10]
    assert {(progress.total, progress.unit, progress.note) for progress in told} == {(10, "rows", "AUSDT-1m-a.csv")}


def test_what_contradicts_the_store_is_found_before_anything_is_written(
    database: Database, engine: sqlite3.Connection, tmp_path: Path
) -> None:
    import_file(database, candle_file(tmp_path, 2, first=9), now_ms=NOW)
    other = candle_file(tmp_path, 10, name="b")
    other.write_text(other.read_text().replace("10.5,10", "10.6,10"))
    with pytest.raises(
        DataError, match=r"b.csv: line 11: .* other values from AUSDT-1m-a.csv; .* nothing was imported"
    ):
        import_file(database, other, now_ms=NOW, manner=after(1, lambda: pytest.fail("a transaction began")))
    assert stored_minutes(engine) == [9, 10]


def test_what_contradicts_it_meanwhile_takes_all_of_it_out_again(
    database: Database, engine: sqlite3.Connection, tmp_path: Path
) -> None:
    """A bar of the file that another program tells while the file goes in, with another volume."""
    import_file(database, candle_file(tmp_path, 2, name="before"), now_ms=NOW)
    other = candle_file(tmp_path, 1, first=9, name="other")
    other.write_text(other.read_text().replace("10.5,10", "10.6,10"))
    path = candle_file(tmp_path, 10)

    def tell() -> None:
        import_file(database, other, now_ms=NOW)

    manner = after(3, tell)
    with pytest.raises(DataError, match=r"a.csv: line 11: .* AUSDT-1m-other.csv; .* nothing was imported"):
        import_file(database, path, synthetic=True, now_ms=NOW, manner=manner)
    assert stored_minutes(engine) == [0, 1, 9]
    assert [row.source for row in list_data(database)] == ["AUSDT-1m-before.csv", "AUSDT-1m-other.csv"]
    assert "unfinished" not in {problem.kind for problem in check_data(database)}
    assert not stored_series(database, MINUTE)["AUSDT"].is_synthetic

    path.write_text(path.read_text().replace("10.5,10", "10.6,10"))
    report = import_file(database, path, now_ms=NOW)
    assert (report.added, report.is_synthetic) == (7, False)


def test_made_up_rows_stay_marked_whoever_goes_on(database: Database, tmp_path: Path) -> None:
    path = candle_file(tmp_path, 10)
    stop = iter([False, False, True])
    with pytest.raises(RefusedError):
        import_file(database, path, synthetic=True, now_ms=NOW, manner=replace(AT_ONCE, should_stop=lambda: next(stop)))
    assert import_file(database, path, now_ms=NOW).is_synthetic
    assert stored_series(database, MINUTE)["AUSDT"].is_synthetic
