"""A store on disk, and fetches into it from the loopback exchange and its archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.domain.errors import QuarterdeckError
from core.domain.market import MINUTE_MS, Bar
from core.domain.progress import AT_ONCE, Progress
from core.exchange.connection.requests import Requests
from core.market.fetch.archive import Archive
from core.market.fetch.fetching import Fetch
from storage.candles import SELECT_CANDLES
from storage.database import Database, connect_read_only
from storage.fetched import FetchedData
from tests.core.market.fetch.market import MARK_ABOVE_TICKS, NOW_MS, Past, at

BTC = "BTCUSDT"
JUNE = (at("2025-06-01"), at("2025-07-01"))
JUNE_BARS = 30 * 1440


class Desk:
    """A store, and fetches into it."""

    def __init__(self, past: Past, wire: Requests, archive: Archive, database: Database) -> None:
        self.past, self.wire, self.archive, self.database = past, wire, archive, database
        self.told: list[str] = []
        self.progress: list[Progress] = []

    async def fetch(
        self,
        span: tuple[int, int],
        interval_ms: int = MINUTE_MS,
        symbols: Sequence[str] = (BTC,),
        unlisted: dict[str, QuarterdeckError] | None = None,
        with_mark: bool = False,
        **parts: Any,
    ) -> dict[tuple[str, str], tuple[int, int]]:
        """Files and rows by kind and source."""
        store = FetchedData(self.database, NOW_MS, AT_ONCE)
        given = {"store": store, "exchange": "binanceusdm", "wire": self.wire, "archive": self.archive, **parts}
        fetch = Fetch(
            given["exchange"],
            given["wire"],
            unlisted or {},
            given["archive"],
            given["store"],
            NOW_MS,
            self.told.append,
            self.progress.append,
        )
        await fetch.run(symbols, interval_ms, *span, with_mark=with_mark)
        return {(taken.kind, taken.source): (taken.files, taken.rows) for taken in fetch.taken}

    def bars(self, symbol: str = BTC, interval_ms: int = MINUTE_MS) -> list[Bar]:
        connection = connect_read_only(self.database.path)
        rows = connection.execute(SELECT_CANDLES, (symbol, interval_ms, 0, 2**62)).fetchall()
        connection.close()
        return [Bar(symbol, row[0], interval_ms, *row[1:]) for row in rows]

    def funding(self) -> list[tuple[Any, ...]]:
        connection = connect_read_only(self.database.path)
        rows = connection.execute("SELECT time_ms, rate, mark_price FROM funding_rates ORDER BY time_ms").fetchall()
        connection.close()
        return rows

    def expected(self, from_ms: int, to_ms: int) -> list[Bar]:
        """What the exchange had."""
        return [bar for bar in self.past.bars[BTC] if from_ms <= bar.open_time_ms < to_ms]

    def calls(self, path: str) -> int:
        return sum(call.path.endswith(path) for call in self.past.server.calls)

    def marks(self, interval_ms: int = MINUTE_MS) -> list[tuple[Any, ...]]:
        """Open time, prices and volume of the candles of the mark price."""
        connection = connect_read_only(self.database.path)
        rows = connection.execute(
            "SELECT open_time_ms, open, high, low, close, volume FROM price_candles "
            "WHERE kind = 'mark' AND symbol = ? AND interval_ms = ? ORDER BY 1",
            (BTC, interval_ms),
        ).fetchall()
        connection.close()
        return rows

    def expected_marks(self, from_ms: int, to_ms: int) -> list[tuple[Any, ...]]:
        """Those that the exchange had, of minutes."""
        found = []
        for bar in self.expected(from_ms, to_ms):
            ticks = [round(price * 10) + MARK_ABOVE_TICKS for price in (bar.open, bar.high, bar.low, bar.close)]
            found.append((bar.open_time_ms, *(price / 10 for price in ticks), None))
        return found
