"""What a fetch finds in the store and puts there."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from typing import Any

import numpy as np

from core.domain.progress import Manner
from core.market.fetch.plan import Candles, Times
from core.market.importing import CandleFile, FundingFile
from storage.candles import UNFINISHED
from storage.database import Database, connect_read_only, storage_errors
from storage.file_rows import SERIES, key_of, rows_of
from storage.import_rows import Wish, store


class FetchedData:
    """Implements `core.market.fetch.fetching.FetchStore`."""

    def __init__(self, database: Database, now_ms: int, manner: Manner) -> None:
        self._database = database
        self._now_ms = now_ms
        self._manner = manner

    def candle_times(self, wanted: Candles) -> Times:
        series = SERIES[wanted.kind]
        sql = f"SELECT {series.time} FROM {series.where} >= ? AND {series.time} < ? ORDER BY {series.time}"  # noqa: S608
        key = (*key_of(wanted.kind, wanted.symbol, wanted.interval_ms), wanted.from_ms, wanted.to_ms)
        with storage_errors(self._database.path), closing(connect_read_only(self._database.path)) as connection:
            return np.fromiter((row[0] for row in connection.execute(sql, key)), dtype=np.int64)

    def unfinished(self, wanted: Candles) -> Collection[str]:
        sql = "SELECT name FROM sources WHERE kind = ? AND symbol = ? AND interval_ms = ? AND note = ?"
        return self._names(sql, wanted.kind, wanted.symbol, wanted.interval_ms, UNFINISHED)

    def sources(self, symbol: str) -> Collection[str]:
        return self._names("SELECT name FROM sources WHERE symbol = ? AND rows > 0", symbol)

    def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[tuple[int, str]]:
        sql = "SELECT time_ms, rate FROM funding_rates WHERE symbol = ? AND time_ms >= ? AND time_ms < ?"
        with storage_errors(self._database.path), closing(connect_read_only(self._database.path)) as connection:
            return connection.execute(sql, (symbol, from_ms, to_ms)).fetchall()

    def put(self, file: CandleFile | FundingFile) -> int:
        path = self._database.path
        with storage_errors(path), closing(self._database.connect_sync(durable=False)) as connection:
            done = store(connection, path, rows_of(file), Wish(), now_ms=self._now_ms, manner=self._manner)
        return done.added

    def _names(self, sql: str, *told: Any) -> Collection[str]:
        with storage_errors(self._database.path), closing(connect_read_only(self._database.path)) as connection:
            return frozenset(name for (name,) in connection.execute(sql, told))
