"""What the journal tells about the accounts of a home in real time."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import pairwise

from core.control.arming import ACCOUNT
from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS
from core.trader.account import Opening
from storage.database import Database, connect_read_only, storage_errors
from storage.journal_records import read_forecasts

DEMO = "demo"
"""The account that is in no real time."""

_ACCOUNTS = "SELECT account FROM journals WHERE account <> ? ORDER BY account"
_STARTS = "SELECT value FROM meta WHERE account = ? AND key GLOB 'start-*' ORDER BY key"
_OPENING = "SELECT value FROM meta WHERE account = ? AND key = 'opening'"
_BARS = """SELECT count(DISTINCT time_ms / ?) FROM equity
WHERE account = ? AND seq > ? AND seq <= ? AND time_ms >= ?"""
_END = 2**62
_LAST_SEQ = "SELECT last_seq FROM journals WHERE account = ?"


def told_in_real_time(database: Database, strategy: str) -> list[Forecast]:
    """What champions of a strategy said in paper and live, in the order of their commit. Raises StorageError."""
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        accounts = [str(name) for (name,) in connection.execute(_ACCOUNTS, (DEMO,))]
        told = (read_forecasts(connection, account, strategy, 0) for account in accounts)
        return [forecast for its in told for forecast in its]


def paper_hours(database: Database) -> float:
    """Hours of market time that the paper account of this home has traded, over all its starts.

    A bar's length is counted where there is a sample of the account: the bar was taken in then. Samples from before a
    start are of bars that were only walked through to catch up with the market, and do not count; nor do hours without
    bars.
    Raises StorageError.
    """
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        starts = [json.loads(value) for (value,) in connection.execute(_STARTS, (ACCOUNT,))]
        opening = connection.execute(_OPENING, (ACCOUNT,)).fetchone()
        interval_minutes = 1 if opening is None else Opening.from_json(opening[0]).interval_minutes
        bars = 0
        for start, following in pairwise([*starts, {"seq": _END}]):
            bounds = (interval_minutes * MINUTE_MS, ACCOUNT, start["seq"], following["seq"], start["time_ms"])
            bars += connection.execute(_BARS, bounds).fetchone()[0]
    return bars * interval_minutes / 60


def has_traded(database: Database, account: str) -> bool:
    """Whether an account of this home has any record. Raises StorageError."""
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        row = connection.execute(_LAST_SEQ, (account,)).fetchone()
    return row is not None and row[0] > 0
