"""Which files of an archive hold what is missing. The rest is asked of the exchange."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.kinds import CANDLES, MARK

DAY_MS = 1440 * MINUTE_MS
LEAST_BARS = 100
"""A file with fewer is not worth asking for where the exchange answers: there a page holds more."""

LATE_MONTH_MS = 31 * DAY_MS
"""So long after its end a month's file may not be published yet; its days are then asked for one by one."""

_FOLDERS = {CANDLES: "klines", MARK: "markPriceKlines"}

Times = NDArray[np.int64]


class Period(StrEnum):
    """What one file of the archive holds; the values are its folders."""

    MONTH = "monthly"
    DAY = "daily"


@dataclass(frozen=True, slots=True)
class Candles:
    """Candles of one symbol (the archive's own writing) and interval that open in [from_ms, to_ms), whole bars; of the
    contract's trades, or of its mark price, as `kind` says."""

    symbol: str
    interval_ms: int
    from_ms: int
    to_ms: int
    kind: str = CANDLES

    @property
    def bars(self) -> int:
        """How many there can be."""
        return max(0, self.to_ms - self.from_ms) // self.interval_ms

    def missing(self, stored: Times) -> int:
        """How many bars are not among the open times `stored`, which ascend."""
        low, high = np.searchsorted(stored, (self.from_ms, self.to_ms))
        return self.bars - int(high - low)


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file of the archive. `stem` is its name without its ending; `folder` where it lies, with `/` between."""

    period: Period
    folder: str
    stem: str
    from_ms: int
    to_ms: int

    @property
    def name(self) -> str:
        return f"{self.stem}.zip"


def whole(symbol: str, interval_ms: int, from_ms: int, to_ms: int) -> Candles:
    """The whole bars of a period."""
    return Candles(symbol, interval_ms, -(-from_ms // interval_ms) * interval_ms, to_ms // interval_ms * interval_ms)


def candle_files(
    wanted: Candles, stored: Times, now_ms: int, least_bars: int = LEAST_BARS, unfinished: Collection[str] = ()
) -> list[ArchiveFile]:
    """The files that hold much of what is missing, oldest first: of whole past months one each, of the other whole past
    days one each. A file is left out where more than half of it is stored, unless its stem is among the `unfinished`,
    or where it holds fewer than `least_bars`."""
    found: list[ArchiveFile] = []
    past_ms = min(wanted.to_ms, now_ms // DAY_MS * DAY_MS)
    for start_ms, end_ms in _months(wanted.from_ms, past_ms):
        if wanted.from_ms <= start_ms and end_ms <= past_ms:
            spans = [(Period.MONTH, start_ms, end_ms)]
        else:
            spans = [(Period.DAY, *day) for day in _days(max(start_ms, wanted.from_ms), min(end_ms, past_ms))]
        for period, first_ms, last_ms in spans:
            bars = (last_ms - first_ms) // wanted.interval_ms
            missing = replace(wanted, from_ms=first_ms, to_ms=last_ms).missing(stored)
            file = _candle_file(wanted, period, first_ms, last_ms)
            if bars >= least_bars and (2 * missing >= bars or file.stem in unfinished):
                found.append(file)
    return found


def instead(file: ArchiveFile, wanted: Candles, now_ms: int) -> list[ArchiveFile]:
    """What may be there where a month's file is not: the files of its days, while it may not be published yet."""
    if file.period is Period.DAY or file.to_ms + LATE_MONTH_MS <= now_ms:
        return []
    return [_candle_file(wanted, Period.DAY, *day) for day in _days(file.from_ms, file.to_ms)]


def funding_files(symbol: str, from_ms: int, to_ms: int, now_ms: int) -> list[ArchiveFile]:
    """Of whole past months, which is all that there is; the first and the last may reach beyond the period."""
    months = _months(from_ms, min(to_ms, now_ms))
    stem = f"{symbol}-fundingRate"
    return [
        ArchiveFile(Period.MONTH, f"monthly/fundingRate/{symbol}", f"{stem}-{_day(start)[:7]}", start, end)
        for start, end in months
        if end <= now_ms
    ]


def mark_file(symbol: str, rates: ArchiveFile) -> ArchiveFile:
    """The hourly mark prices of the month of a file of funding rates."""
    hours = Candles(symbol, INTERVALS_MS["1h"], rates.from_ms, rates.to_ms, MARK)
    return _candle_file(hours, Period.MONTH, rates.from_ms, rates.to_ms)


def _candle_file(wanted: Candles, period: Period, from_ms: int, to_ms: int) -> ArchiveFile:
    interval = interval_text(wanted.interval_ms)
    when = _day(from_ms) if period is Period.DAY else _day(from_ms)[:7]
    folder = f"{period.value}/{_FOLDERS[wanted.kind]}/{wanted.symbol}/{interval}"
    return ArchiveFile(period, folder, f"{wanted.symbol}-{interval}-{when}", from_ms, to_ms)


def _months(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Every UTC month that has a part of the period."""
    start = datetime.fromtimestamp(from_ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0)
    while _ms(start) < to_ms:
        following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        yield _ms(start), _ms(following)
        start = following


def _days(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """Every UTC day that lies within the period as a whole."""
    for start_ms in range(-(-from_ms // DAY_MS) * DAY_MS, to_ms - DAY_MS + 1, DAY_MS):
        yield start_ms, start_ms + DAY_MS


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%d")
