"""The market that comes with the program, apart from the operator's own candles: in new homes and in old ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.domain.errors import RefusedError
from storage import database as module
from storage.data_admin import check_data, import_file, import_recorded_market, list_data
from storage.database import Database, migrations, open_database
from storage.history import all_series, load_history
from storage.recorded import open_recorded
from tests.storage.test_data_admin import DATA, MINUTE, NOW, T0, candle_file
from tests.strategies.recorded import recorded

PARTED = next(version for version, sql in migrations() if "the program has a store of its own" in sql)
"""The step that parts the two."""


def old_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database of a home of before, with the recorded market among the operator's candles."""
    steps = migrations()
    with monkeypatch.context() as patch:
        patch.setattr(module, "migrations", lambda _: steps[: PARTED - 1])
        database = open_database(path)
        import_recorded_market(database, DATA, NOW)
    return database


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    return old_database(tmp_path / "home" / "quarterdeck.db", monkeypatch)


def own_file(path: Path, minutes: range) -> Path:
    """A file of the operator's with these minutes of the recorded BTCUSDT."""
    bars = recorded("BTCUSDT")
    columns = (bars.open_time_ms, bars.open, bars.high, bars.low, bars.close, bars.volume)
    lines = [",".join(repr(column[n].item()) for column in columns) for n in minutes]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *lines]))
    return path


def test_the_store_is_made_once_and_completed(tmp_path: Path) -> None:
    path = tmp_path / "recorded" / "candles.db"
    database = open_recorded(path, DATA, NOW)
    assert [(series.symbol, series.interval_ms) for series in all_series(database)] == [
        (symbol, MINUTE) for symbol in ("BNBUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    ]
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE sources SET note = 'import not finished: import the file again', rows = 100")
        connection.execute("DELETE FROM candles WHERE open_time_ms > ?", (T0 + 100 * MINUTE,))
        connection.commit()
    open_recorded(path, DATA, NOW)
    assert {series.last_ms for series in all_series(database)} == {T0 + 14_400 * MINUTE}
    assert check_data(database) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "recorded").write_text("in the way")
    with pytest.raises(RefusedError, match="recorded: cannot be written"):
        open_recorded(tmp_path / "recorded" / "candles.db", DATA, NOW)


def test_an_old_home_gives_up_what_was_never_its_own(old: Database) -> None:
    with old.connect_sync(durable=False) as connection:
        assert connection.execute("SELECT count(*) FROM sources WHERE rows > 0").fetchone() == (10,)
    database = open_database(old.path)
    assert all_series(database) == []
    assert list_data(database) == []
    assert check_data(database) == []


def test_an_old_home_keeps_candles_beside_the_recorded_ones(old: Database, tmp_path: Path) -> None:
    import_file(old, candle_file(tmp_path / "BTCUSDT-1m-later.csv", [20_001, 20_002, 20_003]), now_ms=NOW)
    import_file(old, candle_file(tmp_path / "AUSDT-1m.csv", [1, 2]), now_ms=NOW)
    database = open_database(old.path)
    assert [(row.symbol, row.source, row.rows) for row in list_data(database)] == [
        ("AUSDT", "AUSDT-1m.csv", 2),
        ("BTCUSDT", "BTCUSDT-1m-later.csv", 3),
    ]
    history = load_history(database, ["BTCUSDT"], MINUTE, T0, T0 + 30_000 * MINUTE, 0)
    assert (len(history), history.source) == (3, "BTCUSDT-1m-later.csv")


def test_an_old_home_keeps_what_a_file_of_its_own_holds_too(old: Database, tmp_path: Path) -> None:
    """Of a file that overlaps the recorded market only the rest was stored as its own."""
    report = import_file(old, own_file(tmp_path / "BTCUSDT-1m-mine.csv", range(100, 300)), now_ms=NOW)
    assert (report.rows, report.added) == (200, 0)
    database = open_database(old.path)
    assert [(row.symbol, row.source, row.rows) for row in list_data(database)] == [
        ("BTCUSDT", "BTCUSDT-1m-mine.csv", 200)
    ]
    history = load_history(database, ["BTCUSDT"], MINUTE, T0, T0 + 14_400 * MINUTE, 0)
    assert (history.from_ms, history.to_ms) == (T0 + 100 * MINUTE, T0 + 300 * MINUTE)
    assert (history.close[0] == recorded("BTCUSDT").close[100:300]).all()


def test_what_the_operator_imports_of_the_program_s_files_afterwards_is_his(old: Database) -> None:
    database = open_database(old.path)
    for number in range(2):
        report = import_file(database, DATA / "candles" / "BTCUSDT-1m.parquet", now_ms=NOW + number)
        assert report.added == (0 if number else 14_400)
        assert len(all_series(open_database(old.path))) == 1
    import_file(database, DATA / "funding" / "BTCUSDT-8h.parquet", now_ms=NOW)
    assert [row.kind for row in list_data(open_database(old.path))] == ["candles", "funding"]
