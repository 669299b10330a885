"""An import that holds the journal is told, and one in short transactions is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import champion
from core.domain.records import CursorRecord, IntentRecord
from storage.database import Database, transaction
from tests.simulation import importing
from tests.simulation.importing import MOST_ROWS, ROWS, STEP_ROWS, Import

BTC = "BTCUSDT"
SQL = "INSERT INTO candles VALUES ('XUSDT', 60000, ?, 1, 1, 1, 1, 1, 1)"


class Report:
    added = ROWS


def importer(rows_at_once: int) -> Callable[..., Any]:
    """In place of the product's: as many rows in a transaction."""

    def import_file(database: Database, path: Path, *, now_ms: int) -> Report:
        connection = database.connect_sync(durable=False)
        connection.execute("PRAGMA foreign_keys = OFF")
        for start in range(0, ROWS, rows_at_once):
            with transaction(connection):
                connection.executemany(SQL, ((n,) for n in range(start, min(start + rows_at_once, ROWS))))
        connection.close()
        return Report()

    return import_file


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, rows_at_once: int) -> list[str]:
    """What is told where the engine writes something down three steps after the import began."""
    monkeypatch.setattr(importing, "import_file", importer(rows_at_once))
    running = Import(folder, "XUSDT", [])
    for _ in range(3):
        running.step()
    running.committed([CursorRecord("XUSDT", 60_000)])
    running.close()
    return running.problems


def test_short_transactions_let_the_journal_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert told(monkeypatch, tmp_path, MOST_ROWS) == []


def test_one_transaction_for_all_of_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert told(monkeypatch, tmp_path, ROWS) == [
        f"the journal waited for {ROWS - 3 * STEP_ROWS} rows of an import",
    ]


def test_rows_that_are_missing_in_the_end_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Report, "added", 1)
    assert told(monkeypatch, tmp_path, MOST_ROWS) == [f"1 of {ROWS} rows were imported"]


def test_an_order_that_is_written_down_during_an_import_is_counted() -> None:
    loop, crossed = asyncio.new_event_loop(), []
    order = Order("qd1", BTC, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 1, 0, "trade", champion("plain"))
    imports = importing.Imports(loop, [], lambda: crossed.append(1))
    for records in ([CursorRecord(BTC, 60_000)], [IntentRecord(order)]):
        imports.begin(BTC)
        imports.committed(records)
        imports.end()
    loop.close()
    assert len(crossed) == 1
