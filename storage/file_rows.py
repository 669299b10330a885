"""What a file holds as rows of the store's tables."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.market.importing import CandleFile, FundingFile, ObservedFile
from core.market.importing.table import Origin
from core.market.kinds import CANDLES, FUNDING, PRICE_KINDS
from core.market.streams import OBSERVED_KINDS, kind_of, stream_name
from storage.observations import PACKED

Row = tuple[Any, ...]
"""Its time in milliseconds (of a bar, its open), then the values as they are stored; of a stored row, its source."""

_NO_MARK = "no mark price in the file: the bar's own price is used"


@dataclass(frozen=True, slots=True)
class Series:
    """Where rows of one kind are: `time` names their column of time, and `key` columns tell whose they are. The time,
    with as many of the values behind it as `also` says, names a row."""

    table: str
    time: str
    values: tuple[str, ...]
    key: tuple[str, ...]
    also: int = 0

    @property
    def where(self) -> str:
        """Up to the column of time; a comparison comes behind it."""
        return f"{self.table} WHERE {' AND '.join(f'{name} = ?' for name in self.key)} AND {self.time}"

    @property
    def select(self) -> str:
        return f"SELECT {', '.join((self.time, *self.values, 'source_id'))} FROM {self.where} >= ? AND {self.time} < ?"  # noqa: S608

    def insert(self, verb: str) -> str:
        names = (*self.key, self.time, *self.values, "source_id")
        return f"{verb} INTO {self.table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


_OHLC = ("open", "high", "low", "close")
SERIES = {
    CANDLES: Series("candles", "open_time_ms", (*_OHLC, "volume"), ("symbol", "interval_ms")),
    FUNDING: Series("funding_rates", "time_ms", ("rate", "mark_price"), ("symbol",)),
    **dict.fromkeys(
        PRICE_KINDS,
        Series("price_candles", "open_time_ms", (*_OHLC, "volume"), ("kind", "symbol", "interval_ms")),
    ),
    **dict.fromkeys(
        OBSERVED_KINDS,
        Series("observations", "time_ms", ("number", "known_ms", "packed"), ("stream", "symbol"), also=1),
    ),
}
"""By kind."""


def key_of(kind: str, symbol: str, interval_ms: int) -> tuple[Any, ...]:
    stream = stream_name(kind, interval_ms) if kind in OBSERVED_KINDS else ""
    told = {"kind": kind, "symbol": symbol, "interval_ms": interval_ms, "stream": stream}
    return tuple(told[name] for name in SERIES[kind].key)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds for one table: `cut(start, stop)` has its rows of these places, oldest first. `goes_on` tells
    whether the second values can be what became of the first, which were not finished, and `is_told` whether a row that
    came live says what a file's row says: when it was known is a fact there, and a file's guess."""

    origin: Origin
    kind: str
    symbol: str
    interval_ms: int
    times: NDArray[np.int64]
    cut: Callable[[int, int], list[Row]]
    goes_on: Callable[[Row, Row], bool]
    note: str
    is_told: Callable[[Row, Row], bool] = operator.eq

    @property
    def key(self) -> tuple[Any, ...]:
        return key_of(self.kind, self.symbol, self.interval_ms)

    def name_of(self, row: Row) -> Row:
        """What no other row of the series has."""
        return row[: 1 + SERIES[self.kind].also]

    @property
    def where(self) -> str:
        return SERIES[self.kind].where

    @property
    def select(self) -> str:
        return SERIES[self.kind].select

    @property
    def insert(self) -> str:
        return SERIES[self.kind].insert("INSERT")

    @property
    def put(self) -> str:
        return SERIES[self.kind].insert("INSERT OR REPLACE")


def rows_of(file: CandleFile | FundingFile | ObservedFile) -> Rows:
    if isinstance(file, ObservedFile):
        return _observed_rows(file)
    return _candle_rows(file) if isinstance(file, CandleFile) else _funding_rows(file)


def _candle_rows(file: CandleFile) -> Rows:
    bars = file.bars
    columns = [bars.open_time_ms, bars.open, bars.high, bars.low, bars.close]
    has_volume = file.kind in (CANDLES, "spot")

    def cut(start: int, stop: int) -> list[Row]:
        volume = bars.volume[start:stop].tolist() if has_volume else [None] * (stop - start)
        return list(zip(*(column[start:stop].tolist() for column in columns), volume, strict=True))

    return Rows(
        origin=file.origin,
        kind=file.kind,
        symbol=bars.symbol,
        interval_ms=bars.interval_ms,
        times=bars.open_time_ms,
        cut=cut,
        goes_on=_candle_goes_on,
        note="; ".join(file.notes),
    )


def _candle_goes_on(first: Row, then: Row) -> bool:
    """A candle that was told before its end has the same open, and what it reached only grows, by more trades."""
    is_within = first[0] == then[0] and first[1] <= then[1] and first[2] >= then[2]
    return is_within and (first[4] is None or first[4] < then[4])


def _funding_rows(file: FundingFile) -> Rows:
    # repr is the shortest decimal that is this float: the figure as it was published.
    rates = [repr(rate) for rate in file.rates.tolist()]
    marks = [None] * len(rates) if file.marks_usdt is None else [repr(mark) for mark in file.marks_usdt.tolist()]
    rows: list[Row] = list(zip(file.time_ms.tolist(), rates, marks, strict=True))
    return Rows(
        origin=file.origin,
        kind=FUNDING,
        symbol=file.symbol,
        interval_ms=file.interval_ms,
        times=file.time_ms,
        cut=lambda start, stop: rows[start:stop],
        goes_on=lambda _, __: False,
        note=_NO_MARK if file.marks_usdt is None else "",
    )


def _observed_rows(file: ObservedFile) -> Rows:
    found = file.observations
    columns = (found.time_ms, found.number, found.known_ms)

    def cut(start: int, stop: int) -> list[Row]:
        blobs = [row.tobytes() for row in found.values[start:stop].astype(PACKED)]
        return list(zip(*(column[start:stop].tolist() for column in columns), blobs, strict=True))

    return Rows(
        origin=file.origin,
        kind=kind_of(found.stream)[0],
        symbol=found.symbol,
        interval_ms=file.period_ms,
        times=found.time_ms,
        cut=cut,
        goes_on=_total_goes_on if file.only_grows else lambda _, __: False,
        note="; ".join(file.notes),
        is_told=_has_equal_values,
    )


def _has_equal_values(first: Row, then: Row) -> bool:
    return bool(first[:2] == then[:2] and first[-1] == then[-1])


def _total_goes_on(first: Row, then: Row) -> bool:
    """A total that was told before its end only grows."""
    before, after = (np.frombuffer(row[-1], PACKED) for row in (first, then))
    return first[:2] == then[:2] and len(before) == len(after) and bool((before <= after).all())
