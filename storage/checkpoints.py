"""A checkpoint of an account: made by folding its journal in pieces, kept as one row, and read with what lies near it.

What is read at a start does not grow with the account then, but for ids: each fill, payment and adjustment is taken in
once for ever, and their ids take 15 ms a year.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from core.domain.records import IntentRecord, Record
from core.domain.regrid import carried
from core.engine.recovery import Remembered
from core.trader.memory import Seen, TraderMemory, is_counted_alike, recall, remember
from core.trader.restore import restore
from core.trader.trader import Trader
from storage.database import connect_read_only, storage_errors
from storage.journal_records import read_earlier, read_records
from storage.units import eras_of, order_units

log = logging.getLogger("quarterdeck")

FORM = "7"
"""Which memory this program keeps; changes with what `core.trader.memory` holds or means. A checkpoint of another form
is not read."""

PIECE = 50_000
"""How many places of the journal are folded at once."""

PUT = "INSERT OR REPLACE INTO checkpoints (account, seq, form, digest, memory) VALUES (?, ?, ?, ?, ?)"
_GET = "SELECT seq, form, digest, memory FROM checkpoints WHERE account = ?"
_LAST = "SELECT last_seq FROM journals WHERE account = ?"
_FILL_IDS = "SELECT symbol, fill_id FROM fills WHERE account = ? AND seq <= ?"
_PAYMENT_IDS = "SELECT funding_id FROM funding_payments WHERE account = ? AND seq <= ?"
_ADJUSTMENT_IDS = "SELECT adjustment_id, amount_usdt FROM adjustments WHERE account = ? AND seq <= ?"
_ORDER_IDS = "SELECT client_order_id FROM orders WHERE account = ?"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    seq: int
    memory: TraderMemory


def row_of(account: str, checkpoint: Checkpoint) -> tuple[object, ...]:
    """For PUT. Raises ValueError where the memory cannot be kept as it is."""
    adapter = TypeAdapter(TraderMemory)
    memory = adapter.dump_json(checkpoint.memory)
    if adapter.validate_json(memory) != checkpoint.memory:
        raise ValueError("a checkpoint that is read back is another")
    return account, checkpoint.seq, FORM, _digest(memory), memory


def read_checkpoint(connection: sqlite3.Connection, account: str) -> Checkpoint | None:
    """None where there is none that this program can read; what is wrong with one is logged."""
    row = connection.execute(_GET, (account,)).fetchone()
    if row is None:
        return None
    seq, form, digest, memory = row
    problem = ""
    if form != FORM:
        problem = "is of another version"
    elif not isinstance(memory, bytes) or not isinstance(seq, int) or digest != _digest(memory):
        problem = "is damaged"
    elif not 0 < seq <= connection.execute(_LAST, (account,)).fetchone()[0]:
        problem = "lies behind the journal's end"
    if not problem:
        try:
            return Checkpoint(seq, TypeAdapter(TraderMemory).validate_json(memory))
        except ValidationError as error:
            problem = f"cannot be read ({error.error_count()} errors)"
    log.warning("the journal's checkpoint %s: the whole journal is told again", problem)
    return None


def remembered(connection: sqlite3.Connection, account: str, checkpoint: Checkpoint) -> Remembered:
    """A checkpoint with the ids of what it stands for, and the newest records of that."""
    bounds = (account, checkpoint.seq)
    adjustments = connection.execute(_ADJUSTMENT_IDS, bounds).fetchall()
    seen = Seen(
        fills=connection.execute(_FILL_IDS, bounds).fetchall(),
        payments=[str(row[0]) for row in connection.execute(_PAYMENT_IDS, bounds)],
        adjustments=[str(row[0]) for row in adjustments],
        moving=[str(row[0]) for row in adjustments if float(row[1])],
    )
    units = order_units(connection, account, eras_of(connection, account))
    # An order that rests for long has no news among the newest.
    known = (order for _, book in checkpoint.memory.books() for order in (*book.ended, *book.orders))
    earlier: list[Record] = [IntentRecord(order) for order in known]
    earlier += [record for _, record in read_earlier(connection, account, units, checkpoint.seq)]
    return Remembered(checkpoint.seq, checkpoint.memory, seen, earlier)


def order_ids(connection: sqlite3.Connection, account: str) -> list[str]:
    """The client ids of all that was ever ordered."""
    return [str(row[0]) for row in connection.execute(_ORDER_IDS, (account,))]


def fold(path: Path, account: str, build: Callable[[], Trader]) -> Checkpoint | None:
    """The checkpoint of the journal as it is now, told piece by piece, from the last one on where there is one.

    None, which is logged, where the journal contradicts itself: each start is to find that. `build` makes a new trader
    that counts as the engine does. Raises StorageError.
    """
    trader = build()
    instruments = {symbol: s.instrument for symbol, s in trader.state.symbols.items()}
    with storage_errors(path), closing(connect_read_only(path)) as connection:
        connection.execute("BEGIN")
        last_seq = int(connection.execute(_LAST, (account,)).fetchone()[0])
        done = 0
        before = read_checkpoint(connection, account)
        if before is not None and is_counted_alike(instruments, before.memory):
            recall(trader, before.memory, remembered(connection, account, before).seen)
            done = before.seq
        eras = eras_of(connection, account)
        units = order_units(connection, account, eras)
        pieces = (
            read_records(connection, account, units, (first, min(first + PIECE - 1, last_seq)), newest_only=True)
            for first in range(done + 1, last_seq + 1, PIECE)
        )
        if restore(trader, (record for piece in pieces for record in carried(piece, eras, instruments))):
            log.warning("no checkpoint is made: trades of the journal differ from their fills")
            return None
    return Checkpoint(last_seq, remember(trader))


def renewed(path: Path, account: str, build: Callable[[], Trader]) -> tuple[object, ...] | None:
    """For PUT: see `fold`. Raises what `row_of` and the trader raise, too."""
    made = fold(path, account, build)
    return None if made is None else row_of(account, made)


def _digest(memory: bytes) -> str:
    return hashlib.blake2b(memory, digest_size=16).hexdigest()
