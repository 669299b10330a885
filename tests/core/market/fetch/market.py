"""A market with two months of past: an exchange on loopback, and its archive, which has what is whole and past."""

from __future__ import annotations

import random
from functools import cache
from itertools import groupby
from typing import Any

from core.domain.market import MINUTE_MS, Bar
from core.home.logbook import iso_utc
from tests.venue.archive import LoopbackArchive
from tests.venue.market import SymbolMarket, merge
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue
from tui.text.moments import parse_moment

DAY_MS = 1440 * MINUTE_MS
HOUR_MS, EIGHT_HOURS_MS = 60 * MINUTE_MS, 480 * MINUTE_MS
FUNDING_HEADER = "calc_time,funding_interval_hours,last_funding_rate"


def at(text: str) -> int:
    moment = parse_moment(text)
    assert moment is not None
    return moment


BEGIN_MS = at("2025-05-30")
NOW_MS = at("2025-07-02T05:00:30")
MARK_ABOVE_TICKS = 7
"""So far above the prices of trades the mark price stands."""


class Past:
    """The exchange's time stands at NOW_MS. `bars` are all that ever were, by symbol."""

    def __init__(self, symbols: tuple[str, ...] = ("BTCUSDT",)) -> None:
        self.archive = LoopbackArchive()
        self.bars: dict[str, tuple[Bar, ...]] = {}
        self.venue = BinanceVenue(list(symbols), start_ms=BEGIN_MS)
        self.server = VenueServer(self.venue, lambda: NOW_MS)
        for symbol in symbols:
            self.bars[symbol] = _walk(symbol)
            market, known = self.market(symbol), _known(symbol)
            market.candles_kept = 100_000
            market.candles, market.candle_times = list(known.candles), list(known.candle_times)
            market.last_ticks, market.mark_above_ticks = known.last_ticks, known.mark_above_ticks
            market.fundings = [dict(row) for row in known.fundings]

    def market(self, symbol: str) -> SymbolMarket:
        return self.venue.exchange.markets[symbol]

    def publish(self, symbol: str, interval: str = "1m", interval_ms: int = MINUTE_MS) -> None:
        """Files of whole past days and months, as the exchange would publish them now."""
        known = _published(symbol, interval, interval_ms)
        self.archive.files.update(known.files)
        self.archive.checksums.update(known.checksums)


@cache
def _known(symbol: str) -> SymbolMarket:
    venue = BinanceVenue([symbol], start_ms=BEGIN_MS)
    market = venue.exchange.markets[symbol]
    market.candles_kept, market.mark_above_ticks = 100_000, MARK_ABOVE_TICKS
    venue.load_history(symbol, _walk(symbol))
    # Three settlements a day, some milliseconds late.
    for index, time_ms in enumerate(range(BEGIN_MS, NOW_MS, EIGHT_HOURS_MS)):
        row = {
            "symbol": symbol,
            "fundingTime": time_ms + index % 3,
            "fundingRate": f"{(index % 7 - 2) / 10_000:.8f}",
            "markPrice": f"{50_000 + index}.10000000",
        }
        market.fundings.append(row)
    return market


@cache
def _published(symbol: str, interval: str, interval_ms: int) -> LoopbackArchive:
    market, archive = _known(symbol), LoopbackArchive()
    candles = [candle for candle in merge(market.candles, interval_ms) if candle.open_ms < NOW_MS // DAY_MS * DAY_MS]
    _publish(archive, "klines", symbol, interval, [market.kline_row(candle, interval_ms) for candle in candles])
    marked = [market.mark_kline_row(candle, interval_ms) for candle in candles]
    _publish(archive, "markPriceKlines", symbol, interval, marked)
    rates = [(row["fundingTime"], 8, row["fundingRate"]) for row in market.fundings]
    for month, settled in groupby(rates, key=lambda row: _date(row[0])[:7]):
        archive.publish(f"monthly/fundingRate/{symbol}", f"{symbol}-fundingRate-{month}", settled, FUNDING_HEADER)
    archive.publish(f"monthly/markPriceKlines/{symbol}/1h", f"{symbol}-1h-2025-06", marks())
    return archive


def _publish(archive: LoopbackArchive, folder: str, symbol: str, interval: str, rows: list[list[Any]]) -> None:
    for day, told in groupby(rows, key=lambda row: _date(row[0])):
        archive.publish(f"daily/{folder}/{symbol}/{interval}", f"{symbol}-{interval}-{day}", told)
    june = [row for row in rows if _date(row[0]).startswith("2025-06")]
    archive.publish(f"monthly/{folder}/{symbol}/{interval}", f"{symbol}-{interval}-2025-06", june)


def marks() -> list[list[object]]:
    """Of the hours of June, as the archive tells them."""
    hours = range(at("2025-06-01"), at("2025-07-01"), HOUR_MS)
    return [
        [open_ms, f"{50_100 + index}.5", 60_000, 40_000, 50_000, 0, open_ms + HOUR_MS - 1, 0, 60, 0, 0, 0]
        for index, open_ms in enumerate(hours)
    ]


@cache
def _walk(symbol: str) -> tuple[Bar, ...]:
    randomness, ticks, bars = random.Random(symbol), 500_000, []
    for open_ms in range(BEGIN_MS, NOW_MS // MINUTE_MS * MINUTE_MS, MINUTE_MS):
        close = ticks + randomness.randint(-30, 30)
        high, low = max(ticks, close) + randomness.randint(0, 9), min(ticks, close) - randomness.randint(0, 9)
        prices = [price / 10 for price in (ticks, high, low, close)]
        bars.append(Bar(symbol, open_ms, MINUTE_MS, *prices, volume=randomness.randint(1, 90_000) / 1000))
        ticks = close
    return tuple(bars)


def _date(time_ms: int) -> str:
    return iso_utc(time_ms)[:10]
