"""What an exchange told beside bars, made into observations: a row that cannot be is an error of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from core.domain.errors import DataError
from core.domain.stream import Observation, Stream
from core.exchange.markets.observed import Told
from core.market.checking import LEAST_PRICE, MOST_PRICE, MOST_VOLUME
from core.market.live.quotes import AHEAD_MS
from core.market.streams import BOOK, BOUNDS, bounds_text
from core.trader.account import iso

_MOST_NUMBER = 1 << 53
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError)
"""What reading a row of a foreign shape raises."""


def observation_of(symbol: str, its: Stream, told: Told, known_ms: int) -> Observation:
    """As it was received at `known_ms`, the exchange's time as far as it is known; never before its time, nor before
    its period was over. Raises DataError with what of the row cannot be."""
    time_ms, number = told.time_ms, told.number
    if type(time_ms) is not int or not 0 < time_ms <= known_ms + AHEAD_MS:
        raise _cannot_be(symbol, its, f"its time {str(time_ms)[:40]!r} is none that has been")
    if its.period_ms and (time_ms % its.period_ms or time_ms + its.period_ms > known_ms):
        raise _cannot_be(symbol, its, f"no period that is over began at {iso(time_ms)}")
    if type(number) is not int or not 0 <= number < _MOST_NUMBER:
        raise _cannot_be(symbol, its, f"{str(number)[:40]!r} is no number of an exchange's")
    if len(told.values) != len(its.fields):
        raise _cannot_be(symbol, its, f"it has {len(told.values)} values and not {len(its.fields)}")
    for field, value in zip(its.fields, told.values, strict=True):
        if reason := _against(field.name, field.unit, value):
            raise _cannot_be(symbol, its, f"{field.name} {value}: {reason}")
    if its.name == BOOK and not _is_book(told.values):
        raise _cannot_be(symbol, its, "its levels are not in the order of their prices, or cross")
    return Observation(symbol, its.name, time_ms, max(known_ms, time_ms), told.values, number)


def rows_read(
    symbol: str, its: Stream, rows: Sequence[Callable[[], Told]], known_ms: int, refuse: Callable[[DataError], None]
) -> list[Observation]:
    """Those of the rows that can be; `refuse` is told of each that cannot."""
    found = []
    for read in rows:
        try:
            found.append(observation_of(symbol, its, read(), known_ms))
        except DataError as error:
            refuse(error)
        except UNREADABLE as error:
            refuse(_cannot_be(symbol, its, f"{type(error).__name__}: {str(error)[:80]}"))
    return found


def _against(name: str, unit: str, value: float) -> str:
    low, high = BOUNDS[unit]
    if not math.isfinite(value) or not low <= value <= high or (unit == "side" and value == 0):
        return bounds_text(unit)
    if "price" in name and not LEAST_PRICE <= value <= MOST_PRICE:
        return f"prices lie between {LEAST_PRICE:g} and {MOST_PRICE:g}"
    if unit == "base" and value > MOST_VOLUME:
        return f"no market has more than {MOST_VOLUME:g}"
    return "there is always something of it" if "qty" in name and value == 0 else ""


def _is_book(values: Sequence[float]) -> bool:
    prices = values[::2]
    bids, asks = prices[: len(prices) // 2], prices[len(prices) // 2 :]
    falls = all(first > then for first, then in pairwise(bids))
    rises = all(first < then for first, then in pairwise(asks))
    return falls and rises and bids[0] < asks[0]


def _cannot_be(symbol: str, its: Stream, reason: str) -> DataError:
    return DataError(f"{symbol}: a row of {its.name} cannot be and was left out: {reason}")
