"""What fired before events told whom a limit binds is told by the limit's own scope now."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from core.trader.limits import RULES
from storage.database import migrations

SCOPES = 19
OF_BEFORE = frozenset(
    (
        *("day_loss_usdt", "day_loss_pct", "day_trades", "losses_in_row", "drawdown", "exposure", "open_positions"),
        *("feed_age", "order_notional", "leverage", "stop_distance", "unprotected", "connection", "contract"),
        *("stop_refused", "second_engine", "books", "invariant"),
    )
)


def test_events_of_before_get_the_scope_of_their_limit() -> None:
    steps = dict(migrations())
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(
            'CREATE TABLE limit_events ("limit" TEXT NOT NULL); CREATE TABLE operator_commands (verb TEXT NOT NULL);'
        )
        connection.executemany("INSERT INTO limit_events VALUES (?)", [(name,) for name in sorted(OF_BEFORE)])
        connection.executescript(steps[SCOPES])
        told = dict(connection.execute('SELECT "limit", scope FROM limit_events').fetchall())
    assert told == {name: RULES[name].scope.value for name in OF_BEFORE}
