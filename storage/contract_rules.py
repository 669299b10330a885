"""The contract rules of a home that do not come with the program: of files, of an exchange, or inferred."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

from core.market.contracts.rules import ContractRules
from storage.database import Database, connect_read_only, storage_errors

_COLUMNS = (
    "symbol, as_of_ms, kind, source, base, quote, tick_size, lot_size, contract_size, min_qty, max_qty, "
    "min_notional_usdt, max_leverage, maintenance_margin_pct, liquidation_fee_bps"
)
_TEXTS = ("symbol", "kind", "source", "base", "quote")
_WHOLE = ("as_of_ms", "max_leverage")


def put_rules(database: Database, rules: Sequence[ContractRules]) -> None:
    """Store rules with their day and source, all of them or none. Those of the same contract, day and kind go.

    Raises StorageError.
    """
    names = _COLUMNS.split(", ")
    rows = [
        tuple(
            value if name in (*_TEXTS, *_WHOLE) else f"{value:f}" for name in names for value in [getattr(item, name)]
        )
        for item in rules
    ]
    sql = f"INSERT OR REPLACE INTO contract_rules ({_COLUMNS}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    with storage_errors(database.path), closing(database.connect_sync(durable=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, rows)
        connection.execute("COMMIT")


def stored_rules(database: Database) -> list[ContractRules]:
    """By symbol, day and kind. Raises StorageError."""
    names = _COLUMNS.split(", ")
    sql = f"SELECT {_COLUMNS} FROM contract_rules ORDER BY symbol, as_of_ms, kind"  # noqa: S608
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        rows = [dict(zip(names, row, strict=True)) for row in connection.execute(sql)]
    found = []
    for row in rows:
        told: dict[str, Any] = {
            key: value if key in (*_TEXTS, *_WHOLE) else Decimal(value) for key, value in row.items()
        }
        found.append(ContractRules(**told))
    return found


def drop_rules(database: Database, symbol: str, as_of_ms: int | None) -> int:
    """Delete those of a contract, of one day or of all; how many there were. Raises StorageError."""
    sql = "DELETE FROM contract_rules WHERE symbol = ? AND (?2 IS NULL OR as_of_ms = ?2)"
    with storage_errors(database.path), closing(database.connect_sync(durable=True)) as connection:
        return connection.execute(sql, (symbol, as_of_ms)).rowcount
