"""A history in the kernel's form: what of a market is the same for every parameter set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, FundingRate
from core.domain.trading import EXACT
from core.lab.data.funding import assumed_rates
from core.lab.data.history import History
from core.lab.data.holes import covered_bars, holed_days, last_bars_of_symbols
from core.lab.sweep.inputs import Funding, Holes, Market
from core.trader.state import DAY_MS

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_E8 = Decimal(100_000_000)
_MOST = 1 << 61


@dataclass(frozen=True, slots=True)
class Prepared:
    """A history in the kernel's form; the same for every parameter set. `covered` are the traded slots that have a bar,
    `day_ends` the last of them in each UTC day; `holed_ms` the days that a hole falls on."""

    symbols: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    first: int
    interval_ms: int
    market: Market
    funding: Funding
    holes: Holes
    covered: Times
    day_ends: Times
    holed_ms: Times


def prepare(history: History, instruments: Mapping[str, Instrument], assumed_funding_bps: Decimal) -> Prepared:
    """Raises DataError for bars, or funding, that cannot be."""
    _check_bars(history)
    times = np.ascontiguousarray(history.open_time_ms)
    closes_day = (times + history.interval_ms) // DAY_MS
    there = covered_bars(history)
    turns = there[np.flatnonzero(np.diff(closes_day[there], prepend=-1))]
    market = Market(
        open=np.ascontiguousarray(history.open),
        low=np.ascontiguousarray(history.low),
        high=np.ascontiguousarray(history.high),
        mark=_carried(history.close, np.nan),
        volume=_carried(history.volume, 0.0),
        open_time_ms=times,
        turns=turns.astype(np.int64),
    )
    chosen = tuple(instruments[symbol] for symbol in history.symbols)
    day_ends = there[np.flatnonzero(np.diff(times[there] // DAY_MS, append=-1))]
    ends = np.array(last_bars_of_symbols(history), np.int64).reshape(-1, 2).T
    return Prepared(
        history.symbols,
        chosen,
        history.first,
        history.interval_ms,
        market,
        _funding(history, chosen, assumed_funding_bps),
        Holes(*(np.ascontiguousarray(column) for column in ends)),
        there,
        day_ends,
        holed_days(history),
    )


def _check_bars(history: History) -> None:
    """The uneventful scan reads only lows and highs, so every price of a bar must lie between them."""
    with np.errstate(invalid="ignore"):
        bad = (history.low > np.minimum(history.open, history.close)) | (
            history.high < np.maximum(history.open, history.close)
        )
    missing = np.isnan(history.close)
    bad |= missing != np.isnan(history.open)
    if bad.any():
        row, slot = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{history.symbols[row]}: the bar that opens at {int(history.open_time_ms[slot])} ms has prices outside "
            "its low and high, or lacks some; run quarterdeck data check"
        )


def _carried(columns: Floats, before: float) -> Floats:
    """The columns (k, n) with the last known value in place of NaN, `before` where there was none."""
    missing = np.isnan(columns)
    if not missing.any():
        return np.ascontiguousarray(columns)
    place = np.where(missing, 0, np.arange(columns.shape[1]))
    np.maximum.accumulate(place, axis=1, out=place)
    carried = np.take_along_axis(columns, place, axis=1)
    return np.ascontiguousarray(np.where(np.isnan(carried), before, carried))


def _funding(history: History, instruments: Sequence[Instrument], assumed_bps: Decimal) -> Funding:
    begin, end = int(history.open_time_ms[0]), history.to_ms
    rows: list[tuple[int, int, int, int, int, int, int, bool]] = []
    for rate in (*history.funding, *assumed_rates(history, assumed_bps)):
        due_ms = rate.time_ms - rate.time_ms % MINUTE_MS
        slot, after_ms = divmod(due_ms - begin, history.interval_ms)
        if rate.time_ms < history.from_ms or due_ms > end:
            continue
        s, inside = history.symbols.index(rate.symbol), after_ms > 0
        place = slot if inside else slot - 1, -inside, due_ms, s
        rows.append((*place, *_funding_a_lot(rate, instruments[s]), rate.is_assumed))
    rows.sort(key=lambda row: row[:4])
    table = np.array([(slot, -outside, *rest) for slot, outside, *rest in rows], np.int64).reshape(-1, 8)
    return Funding(*(np.ascontiguousarray(column) for column in table.T))


def _funding_a_lot(rate: FundingRate, instrument: Instrument) -> tuple[int, int, int]:
    """Sign, numerator and denominator of what a lot pays in 1e-8 USDT, cut to the digits that 62 bits hold."""
    amount = EXACT.multiply(EXACT.multiply(instrument.qty(1), rate.mark_price), EXACT.multiply(rate.rate, _E8))
    size = abs(amount)
    for digits in range(18, -1, -1):
        per_lot, of = size.as_integer_ratio()
        if per_lot < _MOST and of < _MOST:
            return (-1 if amount < 0 else 1), per_lot, of
        size = size.quantize(Decimal(1).scaleb(-digits), context=EXACT)
    raise DataError(f"{rate.symbol}: funding at {rate.time_ms} ms is more than can be counted; check its mark price")
