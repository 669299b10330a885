from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from core.domain.errors import RefusedError, StorageError
from core.domain.forecast import Because
from core.domain.instrument import Instrument
from core.domain.records import ForecastRecord, SignalRecord
from storage import database as module
from storage.database import Database, connect_read_only, migrations, open_database, storage_errors, transaction
from storage.journal import SqliteJournal
from storage.journal_records import PLAIN, SHAPES
from storage.rows import RowShape


def scalar(connection: sqlite3.Connection, sql: str) -> object:
    return connection.execute(sql).fetchone()[0]


def test_a_new_database_is_private_and_has_the_newest_schema(tmp_path: Path) -> None:
    database = open_database(tmp_path / "home" / "quarterdeck.db")
    with closing(database.connect_sync(durable=True)) as connection:
        assert scalar(connection, "PRAGMA user_version") == migrations()[-1][0]
        connection.execute("INSERT INTO meta VALUES ('demo', 'a', 'b')")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in database.path.parent.iterdir()}
    assert modes == {f"quarterdeck.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm")}


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_connection_is_set_up(database: Database, durable: bool, synchronous: int) -> None:
    with closing(database.connect_sync(durable=durable)) as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [scalar(connection, f"PRAGMA {name}") for name in pragmas] == ["wal", synchronous, 1, 5_000]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [version for version, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_an_older_database_is_migrated_and_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quarterdeck.db"
    steps = migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:1])
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        connection.execute("INSERT INTO meta VALUES ('demo', 'seed', '7')")
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        assert scalar(connection, "SELECT value FROM meta") == "7"
        assert scalar(connection, "PRAGMA user_version") == len(steps)


def test_a_failing_migration_leaves_the_version_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quarterdeck.db"
    bad = "CREATE TABLE half (a INTEGER);\nCREATE TABLE meta (a INTEGER);\n"
    first = migrations()[0]
    monkeypatch.setattr(module, "migrations", lambda _: [first, (2, bad)])
    with pytest.raises(StorageError, match="table meta already exists"):
        open_database(path)
    with closing(connect_read_only(path)) as connection:
        assert scalar(connection, "PRAGMA user_version") == 1
        assert scalar(connection, "SELECT count(*) FROM sqlite_master WHERE name = 'half'") == 0


def test_a_newer_database_is_refused_and_not_changed(database: Database) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = database.path.read_bytes()
    known = migrations()[-1][0]
    with pytest.raises(
        StorageError, match=rf"quarterdeck.db: .*schema 99, this program knows {known}.*update quarterdeck"
    ):
        open_database(database.path)
    assert database.path.read_bytes() == before


def filled(database: Database) -> bytes:
    with closing(database.connect_sync(durable=True)) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO meta VALUES ('demo', ?, ?)", [(str(n), "x" * 200) for n in range(2_000)])
        connection.execute("COMMIT")
    return database.path.read_bytes()


@pytest.mark.parametrize("how", ["text", "truncated", "overwritten", "empty page"])
def test_a_damaged_database_is_refused_and_not_changed(database: Database, how: str) -> None:
    whole = filled(database)
    damaged = {
        "text": b"This is no database.\n" * 400,
        "truncated": whole[: len(whole) // 2],
        "overwritten": whole[:8192] + b"\xa5" * (len(whole) - 8192),
        "empty page": whole[:-4096] + bytes(4096),
    }[how]
    database.path.write_bytes(damaged)
    with pytest.raises(StorageError) as caught:
        open_database(database.path)
    text = str(caught.value)
    assert str(database.path) in text
    assert "is damaged" in text
    assert "restore a backup" in text
    assert "\n" not in text
    assert database.path.read_bytes() == damaged


@pytest.mark.parametrize("how", ["whole", "overwritten", "empty page"])
async def test_what_is_looked_at_later_is_looked_at_whole(database: Database, how: str) -> None:
    whole = filled(database)
    found = {
        "whole": whole,
        "overwritten": whole[:8192] + b"\xa5" * (len(whole) - 8192),
        "empty page": whole[:-4096] + bytes(4096),
    }[how]
    database.path.write_bytes(found)
    opened = open_database(database.path, thorough=False)
    if how == "whole":
        await opened.check()
    else:
        with pytest.raises(StorageError, match=r"is damaged .*restore a backup"):
            await opened.check()
    assert database.path.read_bytes() == found


def test_a_damaged_database_is_never_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quarterdeck.db"
    steps = migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:1])
    damaged = filled(open_database(path))[:-4096] + bytes(4096)
    path.write_bytes(damaged)
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    with pytest.raises(StorageError, match="is damaged"):
        open_database(path, thorough=False)
    assert path.read_bytes() == damaged


def test_an_emptied_file_beside_a_live_log_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "quarterdeck.db"
    path.touch()
    open_database(path)
    path.write_bytes(b"")
    path.with_name("quarterdeck.db-wal").write_bytes(b"left over")
    with pytest.raises(StorageError, match="is damaged"):
        open_database(path)


def test_a_database_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be created"):
        open_database(tmp_path / "file" / "quarterdeck.db")


def test_a_folder_in_place_of_the_database_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        open_database(tmp_path)


def test_a_locked_database_is_told_at_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "quarterdeck.db"
    steps = migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:1])
    open_database(path)
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another program"):
            open_database(path)
    open_database(path)


def test_a_backup_holds_everything_committed(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with closing(database.connect_sync(durable=True)) as writer:
        writer.execute("INSERT INTO meta VALUES ('demo', 'seed', '7')")
        database.backup(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(open_database(target).connect_sync(durable=True)) as connection:
        assert connection.execute("SELECT * FROM meta").fetchall() == [("demo", "seed", "7")]


def test_a_backup_overwrites_nothing(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(RefusedError, match=r"copy.db: exists already"):
        database.backup(target)
    assert target.read_text() == "precious"


def test_a_failed_backup_leaves_no_file(database: Database, tmp_path: Path) -> None:
    whole = filled(database)
    database.path.write_bytes(whole[:-4096] + bytes(4096))
    with pytest.raises(StorageError, match="is damaged"):
        database.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_every_field_has_its_column(database: Database) -> None:
    wanted = {table: {"account", "seq", *SHAPES[kind].columns} for kind, (table, _) in PLAIN.items()}
    wanted["instruments"] = {"account", *RowShape(Instrument).columns}
    with closing(connect_read_only(database.path)) as connection:
        have = {table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} for table in wanted}
    assert have == wanted


def test_a_database_behind_a_link_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "real.db")
    (tmp_path / "quarterdeck.db").symlink_to(tmp_path / "real.db")
    with pytest.raises(StorageError, match="is a link"):
        open_database(tmp_path / "quarterdeck.db")


@pytest.mark.parametrize("beside", ["-wal", "-shm"])
def test_what_lies_beside_a_database_is_never_followed(tmp_path: Path, beside: str) -> None:
    path, elsewhere = tmp_path / "quarterdeck.db", tmp_path / "elsewhere"
    open_database(path)
    elsewhere.write_text("kept")
    path.with_name(path.name + beside).symlink_to(elsewhere)
    with pytest.raises(StorageError, match=r"quarterdeck\.db: cannot be opened or written"):
        open_database(path).connect_sync(durable=True)
    assert elsewhere.read_text() == "kept"


def test_a_pipe_in_place_of_the_database_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "quarterdeck.db")
    with pytest.raises(StorageError, match=r"quarterdeck\.db: is no plain file; move it away"):
        open_database(tmp_path / "quarterdeck.db")


@pytest.mark.parametrize("schema", ["migrations", "lab_migrations"])
def test_steps_of_a_schema_are_numbered_one_after_another(schema: str) -> None:
    """Of two with one number the second would be left out without a word."""
    assert [number for number, _ in migrations(schema)] == list(range(1, len(migrations(schema)) + 1))


def test_records_of_before_are_told_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "quarterdeck.db", migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:13])
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        _insert_zeros(connection, "predictions", strategy="scalper", model_version="v1")
        _insert_zeros(connection, "orders", client_order_id="a", strategy="scalper", model_version="v1")
        _insert_zeros(connection, "orders", client_order_id="liquidation")
        _insert_zeros(connection, "limit_events")
        for seq, status, version in ((1, "requested", ""), (2, "swapped", "v1"), (3, "refused", "v2")):
            _insert_zeros(connection, "training", seq=seq, strategy="scalper", status=status, version=version)
        connection.commit()
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    whose = "strategy, part, version_role, version"
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        assert connection.execute(f"SELECT {whose} FROM forecasts").fetchall() == [
            ("scalper", "main", "champion", "v1")
        ]
        assert connection.execute(f"SELECT {whose} FROM orders ORDER BY client_order_id").fetchall() == [
            ("scalper", "main", "champion", "v1"),
            ("", "", "", ""),
        ]
        assert connection.execute(f"SELECT {whose} FROM limit_events").fetchall() == [("", "", "", "")]
        assert connection.execute(f"SELECT {whose} FROM training ORDER BY seq").fetchall() == [
            ("scalper", "main", "candidate", ""),
            ("scalper", "main", "champion", "v1"),
            ("scalper", "main", "candidate", "v2"),
        ]
        assert connection.execute("SELECT strategy, status, seq FROM trainings_now ORDER BY seq").fetchall() == [
            ("scalper", "requested", 1),
            ("scalper", "swapped", 2),
            ("scalper", "refused", 3),
        ]


THIRD, TENTH = 1.0 / 3.0, 0.1 + 0.2


async def test_figures_of_before_are_values_of_outputs_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "quarterdeck.db", migrations()
    monkeypatch.setattr(module, "migrations", lambda _: steps[:15])
    model = {"strategy": "scalper", "part": "main", "version_role": "champion", "version": "v1", "contributions": "[]"}
    rule = {**model, "strategy": "ema_cross", "version": ""}
    left = {**model, "action": "exit", "direction": -1, "signal_id": "s"}
    with closing(open_database(path).connect_sync(durable=True)) as connection:
        connection.execute("INSERT INTO journals VALUES ('demo', 6, 1)")
        for seq, whose in ((1, model), (2, rule)):
            said = {"account": "demo", "seq": seq, "value_bps": -THIRD, "confidence": TENTH, **whose}
            _insert_zeros(connection, "predictions", **said)
        told = {"account": "demo", "value_bps": -THIRD, "threshold_bps": 12.1, "confidence": TENTH, **left}
        _insert_zeros(connection, "signals", seq=3, **told, compared="forecast -0.3 bps while long, limit 12.1 bps")
        _insert_zeros(connection, "signals", seq=4, **told | rule | {"threshold_bps": 0.0})
        bare = {"value_bps": None, "threshold_bps": None, "confidence": None, "compared": 'held "30" min, limit 30 min'}
        _insert_zeros(connection, "signals", seq=5, **told | bare)
        connection.commit()
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    journal = await SqliteJournal.open(open_database(path), "demo")
    records = await journal.load()
    await journal.close()
    forecasts = [record.forecast.values for record in records if isinstance(record, ForecastRecord)]
    assert forecasts == [(-THIRD, TENTH), (-THIRD,)]
    signals = [record.signal for record in records if isinstance(record, SignalRecord)]
    assert [signal.because for signal in signals] == [
        (Because("forecast", -THIRD, -12.1, "bps"),),
        (Because("value", -THIRD, 0.0, "bps"),),
        (Because('held "30" min, limit 30 min', None, None),),
    ]
    assert [signal.confidence for signal in signals] == [TENTH, TENTH, None]
    with closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT strategy, name, unit, value FROM outputs ORDER BY seq, place").fetchall()
    assert named == [
        ("scalper", "forecast", "bps", -THIRD),
        ("scalper", "p_sign", "probability", TENTH),
        ("ema_cross", "value", "bps", -THIRD),
    ]


def _insert_zeros(connection: sqlite3.Connection, table: str, **values: object) -> None:
    """A row of which nothing else matters."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    row = {name: values.get(name, "" if kind == "TEXT" else 0) for _, name, kind, *_ in columns}
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} VALUES ({marks})", list(row.values()))


def test_a_full_disk_is_one_line_with_its_mend(database: Database) -> None:
    with closing(database.connect_sync(durable=True)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        told = pytest.raises(StorageError, match=r"the disk is full .*, free or mend it; nothing was written$")
        with told, storage_errors(database.path), transaction(connection):
            connection.execute("CREATE TABLE more AS SELECT zeroblob(1000000) AS content")
