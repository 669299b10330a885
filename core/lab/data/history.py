"""The recorded market of a run as columns on one time grid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.domain.market import MINUTE_MS, FundingRate
from core.market.streams import stream
from core.ports import BarColumns, ObservationColumns

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume")

MAX_HOLE_MS = 10 * MINUTE_MS
"""Missing bars for as long as this are traded through where nothing else is said."""


@dataclass(frozen=True, slots=True)
class MissingFunding:
    """A settlement that falls into the candles of `symbol` and is not stored. `interval_ms` is how long it settles for,
    `mark_price` the price of the candles then."""

    symbol: str
    time_ms: int
    interval_ms: int
    mark_price: Decimal


@dataclass(frozen=True, slots=True)
class History:
    """Bars of `symbols` on one grid of `n` slots: `open_time_ms` int64 (n,), the prices and volumes float64 (k, n).

    A bar that a symbol lacks is NaN in all five columns. Slots before `first` are warm-up: they are seen, not traded.
    `funding` is in order of time, then symbol, each at or after the open of slot `first`. `data_hash` is that of all of
    this; `source` and `is_synthetic` say where it comes from. Before bars that are missing for longer than
    `max_hole_ms` everything ends (`core.lab.data.holes`). `missing_funding` is in order of time, then symbol.
    `observations` are of the streams that the run asks for, by symbol, then stream: what `seen` says of them.
    """

    symbols: tuple[str, ...]
    interval_ms: int
    open_time_ms: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    first: int
    funding: tuple[FundingRate, ...]
    source: str
    is_synthetic: bool
    data_hash: str
    max_hole_ms: int = MAX_HOLE_MS
    missing_funding: tuple[MissingFunding, ...] = ()
    observations: tuple[ObservationColumns, ...] = ()

    def __len__(self) -> int:
        return len(self.open_time_ms)

    @property
    def from_ms(self) -> int:
        return int(self.open_time_ms[self.first])

    @property
    def to_ms(self) -> int:
        """The close of the last bar."""
        return int(self.open_time_ms[-1]) + self.interval_ms

    def columns(self, symbol: str) -> BarColumns:
        """The bars of one symbol, warm-up included, missing ones left out."""
        row = self.symbols.index(symbol)
        there = ~np.isnan(self.close[row])
        values = (getattr(self, name)[row] for name in COLUMNS)
        if there.all():
            return BarColumns(symbol, self.interval_ms, self.open_time_ms, *values)
        return BarColumns(symbol, self.interval_ms, self.open_time_ms[there], *(v[there] for v in values))

    def between(self, from_ms: int, to_ms: int, warm_up_bars: int) -> History:
        """The slots that open in [from_ms, to_ms) with up to `warm_up_bars` before them; hashed anew.

        Raises DataError where no slot is left.
        """
        start, stop = (int(i) for i in np.searchsorted(self.open_time_ms, (from_ms, to_ms)))
        if start >= stop:
            raise DataError("the period holds no bar of this history")
        begin = max(0, start - warm_up_bars)
        kept = tuple(rate for rate in self.funding if from_ms <= rate.time_ms < to_ms)
        return make_history(
            self.symbols,
            self.interval_ms,
            self.open_time_ms[begin:stop],
            [getattr(self, name)[:, begin:stop] for name in COLUMNS],
            start - begin,
            kept,
            self.source,
            self.is_synthetic,
            self.max_hole_ms,
            tuple(missing for missing in self.missing_funding if from_ms <= missing.time_ms < to_ms),
            self.observations,
        )

    def observed(self, symbol: str, name: str) -> ObservationColumns:
        """Raises KeyError where the run has not asked for it."""
        for columns in self.observations:
            if (columns.symbol, columns.stream) == (symbol, name):
                return columns
        raise KeyError(f"{symbol}: {name}")


def seen(columns: ObservationColumns, from_ms: int, to_ms: int) -> ObservationColumns:
    """Those that count at a close in (from_ms, to_ms]: known by its end, and not too old for its beginning. Whatever
    was left out changes no value and no age that is not too old."""
    oldest_ms = from_ms - stream(columns.stream).max_age_ms
    return columns.at((columns.time_ms > oldest_ms) & (columns.known_ms <= to_ms))


def make_history(
    symbols: Sequence[str],
    interval_ms: int,
    open_time_ms: Times,
    columns: Sequence[Floats],
    first: int,
    funding: Sequence[FundingRate],
    source: str,
    is_synthetic: bool,
    max_hole_ms: int = MAX_HOLE_MS,
    missing_funding: Sequence[MissingFunding] = (),
    observations: Sequence[ObservationColumns] = (),
) -> History:
    """A history of `columns` (open, high, low, close, volume, each (k, n)) with its hash. What counts of
    `observations` is told by its times."""
    kept = tuple(seen(one, int(open_time_ms[0]), int(open_time_ms[-1]) + interval_ms) for one in observations)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((tuple(symbols), interval_ms, first)).encode())
    digest.update(np.ascontiguousarray(open_time_ms).data)
    for column in columns:
        digest.update(np.ascontiguousarray(column).data)
    for rate in funding:
        digest.update(repr((rate.symbol, rate.time_ms, str(rate.rate), str(rate.mark_price))).encode())
    for missing in missing_funding:
        digest.update(repr((missing.symbol, missing.time_ms, missing.interval_ms, str(missing.mark_price))).encode())
    for one in kept:
        digest.update(repr((one.symbol, one.stream, one.values.shape)).encode())
        for part in (one.time_ms, one.known_ms, one.number, one.values):
            digest.update(np.ascontiguousarray(part).data)
    opens, highs, lows, closes, volumes = columns
    return History(
        tuple(symbols),
        interval_ms,
        open_time_ms,
        opens,
        highs,
        lows,
        closes,
        volumes,
        first=first,
        funding=tuple(funding),
        source=source,
        is_synthetic=is_synthetic,
        data_hash=digest.hexdigest(),
        max_hole_ms=max_hole_ms,
        missing_funding=tuple(missing_funding),
        observations=kept,
    )


def align(
    bars: Sequence[BarColumns],
    from_ms: int,
    funding: Sequence[FundingRate],
    source: str,
    is_synthetic: bool,
    max_hole_ms: int = MAX_HOLE_MS,
    unsettled: Sequence[tuple[str, int, int]] = (),
    observations: Sequence[ObservationColumns] = (),
) -> History:
    """One history of several symbols' bars of one interval. BarIndices run from the earliest bar to the latest.

    `unsettled` are symbol, time and interval of the settlements at or after `from_ms` that are missing; one before the
    first bar of its symbol is left out, as nobody can have held a position.

    Raises DataError where there is no bar at or after `from_ms`, or where a time is off the grid.
    """
    interval_ms = bars[0].interval_ms
    filled = [item for item in bars if len(item.open_time_ms)]
    if not filled or max(int(item.open_time_ms[-1]) for item in filled) < from_ms:
        raise DataError("no bar is stored in the period; see quarterdeck data list")
    begin = min(int(item.open_time_ms[0]) for item in filled)
    end = max(int(item.open_time_ms[-1]) for item in filled)
    times = np.arange(begin, end + 1, interval_ms, dtype=np.int64)
    columns = _whole(bars[0], times) if len(bars) == 1 else None
    if columns is None:
        columns = [np.full((len(bars), len(times)), np.nan) for _ in COLUMNS]
        for row, item in enumerate(bars):
            index, off = np.divmod(item.open_time_ms - begin, interval_ms)
            if off.any():
                raise DataError(f"{item.symbol}: a bar does not open on the grid of {interval_ms} ms; see data check")
            for column, name in zip(columns, COLUMNS, strict=True):
                column[row, index] = getattr(item, name)
    first = int(np.searchsorted(times, from_ms))
    kept = [rate for rate in funding if rate.time_ms >= times[first]]
    symbols = [item.symbol for item in bars]
    kept.sort(key=lambda rate: (rate.time_ms, symbols.index(rate.symbol)))
    missing = _priced(unsettled, symbols, times, interval_ms, columns)
    told = (source, is_synthetic, max_hole_ms, missing, observations)
    return make_history(symbols, interval_ms, times, columns, first, kept, *told)


def _whole(bars: BarColumns, times: Times) -> list[Floats] | None:
    """The columns (1, n) of a symbol that has a bar in every slot, not copied: a year of minutes is 20 MiB."""
    if not np.array_equal(bars.open_time_ms, times):
        return None
    # Compiled code takes arrays of this kind only.
    return [np.require(getattr(bars, name), np.float64, ("C", "W"))[np.newaxis] for name in COLUMNS]


def _priced(
    unsettled: Sequence[tuple[str, int, int]],
    symbols: Sequence[str],
    times: Times,
    interval_ms: int,
    columns: Sequence[Floats],
) -> list[MissingFunding]:
    """Each at the open of the bar at its time, else at the last close before, as stored rates without a price are."""
    opens, closes = columns[0], columns[3]
    known = {symbol: np.flatnonzero(~np.isnan(closes[row])) for row, symbol in enumerate(symbols)}
    found = []
    for symbol, time_ms, every_ms in unsettled:
        row, slot = symbols.index(symbol), (time_ms - int(times[0])) // interval_ms
        price = opens[row, slot] if 0 <= slot < len(times) else np.nan
        before = int(np.searchsorted(known[symbol], slot)) - 1
        if np.isnan(price) and before >= 0:
            price = closes[row, known[symbol][before]]
        if not np.isnan(price):
            found.append(MissingFunding(symbol, time_ms, every_ms, Decimal(repr(float(price)))))
    return sorted(found, key=lambda missing: (missing.time_ms, symbols.index(missing.symbol)))
