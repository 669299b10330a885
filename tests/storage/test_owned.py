"""What a journal owns, read in every state in which the day for it may find the home."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import StorageError, UnavailableError
from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order, OrderState, OrderUpdate, Side, advance, apply_fill
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord, Record
from core.engine.starts import Rules, start_meta
from core.exchange.orders.panic_plan import Owned
from core.settings.schema import Settings
from storage.candles import SqliteCandles
from storage.database import Database, open_database
from storage.journal import SqliteJournal
from storage.owned import read_owned
from storage.reader import Reader
from tests.core.trader.desk import make_instrument
from tests.storage.examples import entry

BTC = "BTCUSDT"
COARSE = replace(make_instrument(BTC, "0.1", "0.001"), symbol=BTC)
FINE = replace(COARSE, lot_size=Decimal("0.0001"))


def fill(order: Order, number: int, lots: int) -> tuple[Order, FillRecord]:
    made = Fill(f"{BTC}-{number}", order.client_order_id, BTC, order.side, lots, 600_000, Decimal(0), False, number)
    filled = apply_fill(order, made)
    return filled, FillRecord(made, filled)


def sent(order: Order) -> tuple[Order, list[Record]]:
    moved = advance(order, OrderState.SENT, 1)
    return moved, [
        IntentRecord(order),
        OrderUpdateRecord(OrderUpdate(order.client_order_id, BTC, OrderState.SENT, 1), moved),
    ]


def bought(number: int, lots: int, side: Side = Side.BUY) -> list[Record]:
    order, records = sent(replace(entry(number, BTC), side=side, qty_lots=lots))
    return [*records, fill(order, number, lots)[1]]


def write(path: Path, *stretches: tuple[list[Record], Instrument]) -> None:
    async def commit() -> None:
        journal = await SqliteJournal.open(open_database(path), "live")
        for records, instrument in stretches:
            await journal.put_instruments([instrument])
            rules = Rules(Settings(), {BTC: instrument})
            await journal.set_meta({"exchange": "binanceusdm"} | start_meta(journal.last_seq, 1, rules))
            await journal.commit(records)
        await journal.close()

    asyncio.run(commit())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quarterdeck.db"


def owned(path: Path) -> Owned:
    return read_owned(path, "live", "exchange")


def test_the_net_of_all_fills_and_every_id(path: Path) -> None:
    waiting, records = sent(replace(entry(9, BTC), qty_lots=5))
    write(path, ([*bought(1, 30), *bought(2, 7, Side.SELL), *records], COARSE))
    found = owned(path)
    assert found.amounts == {BTC: Decimal("0.023")}
    assert found.ids == {entry(number, BTC).client_order_id for number in (1, 2, 9)}
    assert found.open_orders == ((waiting, Decimal("0.001")),)
    assert (found.exchange, found.unread, found.note) == ("binanceusdm", None, "")


def test_each_fill_counts_by_the_lots_of_its_own_start(path: Path) -> None:
    write(path, (bought(1, 41), COARSE), (bought(2, 100, Side.SELL), FINE))
    assert owned(path).amounts == {BTC: Decimal("0.031")}


def test_what_is_flat_is_not_owned(path: Path) -> None:
    write(path, ([*bought(1, 30), *bought(2, 30, Side.SELL)], COARSE))
    assert owned(path).amounts == {}


def test_no_journal_and_no_live_account_are_unknown_and_make_nothing(path: Path) -> None:
    assert isinstance(owned(path).unread, UnavailableError)
    assert str(owned(path).unread) == f"{path}: there is no journal"
    assert not path.exists()
    open_database(path)
    assert str(owned(path).unread) == f"{path}: holds no live account"


def test_a_damaged_journal_is_unknown(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    assert isinstance(owned(path).unread, StorageError)
    assert "is damaged" in str(owned(path).unread)


def test_a_page_that_is_damaged_is_unknown_and_not_less(path: Path) -> None:
    write(path, ([record for number in range(400) for record in bought(number + 1, 1)], COARSE))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 16_384))
    assert isinstance(owned(path).unread, StorageError)


def test_a_locked_journal_is_read_from_a_copy(path: Path) -> None:
    write(path, (bought(1, 30), COARSE))
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        holder.execute("UPDATE meta SET value = value")
        found = owned(path)
        assert found.amounts == {BTC: Decimal("0.03")}
        assert found.note == f"{path} is locked by another program: a copy of it is read"
        holder.execute("ROLLBACK")


@pytest.mark.parametrize("left_in_log", [True, False])
def test_a_home_that_cannot_be_written_is_read(path: Path, left_in_log: bool) -> None:
    write(path, (bought(1, 30), COARSE))
    if left_in_log:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE fills SET qty_lots = 31")
            connection.commit()
            log = path.with_name(path.name + "-wal").read_bytes()
            whole = path.read_bytes()
        path.write_bytes(whole)
        path.with_name(path.name + "-wal").write_bytes(log)
    # Nothing can be made where a folder stands, whoever asks for it.
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    path.with_name(path.name + "-shm").mkdir()
    before = path.read_bytes()
    assert owned(path).amounts == {BTC: Decimal("0.031" if left_in_log else "0.03")}
    assert path.read_bytes() == before


def test_readers_read_it_there_too(database: Database) -> None:
    write(database.path, (bought(1, 30), COARSE))
    database.path.with_name("quarterdeck.db-shm").mkdir()
    with Reader(database.path) as reader:
        assert [row["qty"] for row in reader.orders()] == [0.03]


async def test_candles_are_read_there_and_not_written(database: Database) -> None:
    database.path.with_name("quarterdeck.db-shm").mkdir()
    candles = await SqliteCandles.open(database, read_only=True)
    assert len((await candles.bars(BTC, 0, 60_000)).open) == 0
    await candles.close()


async def test_a_connection_that_cannot_be_opened_leaves_no_thread_behind(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened or written"):
        await Database(tmp_path).connect(durable=False)
    assert [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name] == []


def test_a_home_that_no_newer_program_has_opened_is_read_all_the_same(tmp_path: Path) -> None:
    """Who closes everything in an emergency has no time to start the engine first."""
    path = tmp_path / "quarterdeck.db"
    _, waiting = sent(replace(entry(9, BTC), qty_lots=4))
    write(path, ([*bought(1, 12), *waiting], COARSE))
    before = read_owned(path, "live", "exchange")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for name in ("ladder", "place", "stop_pct", "target_pct"):
            connection.execute(f"ALTER TABLE orders DROP COLUMN {name}")
    assert before.unread is None
    assert len(before.open_orders) == 1
    assert read_owned(path, "live", "exchange") == before
