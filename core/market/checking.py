"""What makes bars and funding rates unusable, and what an operator should know of usable ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.domain.stream import Stream
from core.market.collecting.holes import MissedNumbers, Span, unheard
from core.market.intervals import interval_text
from core.market.jumps import jumps
from core.market.settlements import Missing, Times, missing_between, missing_in, pays_funding
from core.ports import BarColumns
from core.settings.schema import JUMP_VOLATILITIES

Flags = NDArray[np.bool_]

_COLUMNS = ("open", "high", "low", "close", "volume")

LEAST_PRICE, MOST_PRICE = 1e-12, 1e12
"""No market trades outside of these: a price that does is a slip, and no tick and lot go with it."""
MOST_VOLUME = 1e18
"""Likewise, in base units a bar."""


@dataclass(frozen=True, slots=True)
class DataProblem:
    """One finding. `kind` is gap, no_funding (where all is missing), off_grid, impossible, zero_volume, jump (between
    the bars of the two times), trades (they come to other candles) or unfinished (an import of which the rows after
    `to_ms` are missing); times are open times, both included. A gap of a stream of instants lies between the two
    times."""

    symbol: str
    interval: str
    kind: str
    from_ms: int
    to_ms: int
    count: int
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def first_bad_bar(bars: BarColumns, *, may_be_negative: bool = False) -> tuple[int, str] | None:
    """Index and reason of the first bar that cannot be, or None. Premiums `may_be_negative`, prices never."""
    times = bars.open_time_ms
    not_after = np.zeros(len(times), dtype=np.bool_)
    not_after[1:] = times[1:] <= times[:-1]
    return _first(
        [
            *_impossible(bars, may_be_negative),
            (times % bars.interval_ms != 0, lambda i: f"open time {times[i]} is not on the {_grid(bars)} grid"),
            (not_after, lambda i: _order_reason(times, i)),
        ]
    )


def first_bad_rate(
    times: NDArray[np.int64], rates: NDArray[np.float64], marks: NDArray[np.float64] | None
) -> tuple[int, str] | None:
    """Index and reason of the first funding rate that cannot be, or None. `rates` are fractions of notional."""
    not_after = np.zeros(len(times), dtype=np.bool_)
    not_after[1:] = times[1:] <= times[:-1]
    checks: list[tuple[Flags, Callable[[int], str]]] = [
        (~(np.abs(rates) < 1), lambda i: f"funding rate {rates[i]} is no fraction between -1 and 1"),
        (not_after, lambda i: _order_reason(times, i)),
    ]
    if marks is not None:
        checks.append((~(np.isfinite(marks) & (marks > 0)), lambda i: f"mark price {marks[i]} is not above zero"))
        checks.append((_absurd(marks), lambda i: f"mark price {marks[i]} {_NO_MARKET}"))
    return _first(checks)


def bar_problems(
    bars: BarColumns,
    jump_volatilities: float | None = JUMP_VOLATILITIES,
    *,
    may_be_negative: bool = False,
    has_volume: bool = True,
) -> list[DataProblem]:
    """Gaps, times off the grid, impossible bars, of what has a volume runs without one, and, unless `jump_volatilities`
    is None, jumps of the price; oldest first."""
    times = bars.open_time_ms
    found = gaps(bars.symbol, times, bars.interval_ms)
    off_grid = times % bars.interval_ms != 0
    found += _runs(bars, off_grid, "off_grid", "open times off the grid")
    bad = np.zeros(len(times), dtype=np.bool_)
    for flags, _ in _impossible(bars, may_be_negative):
        bad |= flags
    found += _runs(bars, bad, "impossible", "bars whose prices or volume cannot be")
    if has_volume:
        found += _runs(bars, bars.volume == 0, "zero_volume", "bars without volume")
    if jump_volatilities is not None:
        found += [
            DataProblem(bars.symbol, _grid(bars), "jump", jump.before_ms, jump.time_ms, 1, jump.text())
            for jump in jumps(bars, jump_volatilities)
        ]
    return sorted(found, key=lambda problem: (problem.from_ms, problem.kind))


def gaps(symbol: str, times: NDArray[np.int64], interval_ms: int) -> list[DataProblem]:
    """Missing steps."""
    found = []
    for index in np.flatnonzero(np.diff(times) >= 1.5 * interval_ms).tolist():
        first, last = int(times[index]) + interval_ms, int(times[index + 1]) - interval_ms
        count = round((last - first) / interval_ms) + 1
        text = f"{count} missing"
        found.append(DataProblem(symbol, interval_text(interval_ms), "gap", first, last, count, text))
    return found


def funding_problems(
    symbol: str, times: Times, listed_ms: Times, candles: tuple[int, int] | None = None
) -> list[DataProblem]:
    """Settlements that are missing between the others, and those that are missing before or after them, or all of them,
    while there are `candles`, told as the open of the first and the close of the last; see `core.market.settlements`.
    """
    found = [
        DataProblem(symbol, interval_text(gap.interval_ms), "gap", gap.from_ms, gap.to_ms, gap.count, gap.text())
        for gap in missing_between(times, listed_ms)
    ]
    if candles is None or not pays_funding(symbol):
        return found
    missing = missing_in(times, listed_ms, *candles)
    if len(times):
        before = [one for one in missing if one[0] < times[0] - times[0] % MINUTE_MS]
        after = [one for one in missing if one[0] > times[-1]]
        told = [
            ("gap", before, "the candles begin earlier than their funding"),
            ("gap", after, "the candles go on after their funding"),
        ]
    else:
        # At the open of the very first bar nothing can be held yet.
        held = [one for one in missing if one[0] > candles[0]]
        told = [("no_funding", held, "none is stored, and a backtest charges what [costs] assumed_funding_bps says")]
    for kind, gap, words in told:
        if gap:
            (first_ms, interval_ms), last_ms, count = gap[0], gap[-1][0], len(gap)
            text = f"{words}: {Missing(first_ms, interval_ms, count).text()}; {_FUNDING_MEND.format(symbol=symbol)}"
            found.append(DataProblem(symbol, interval_text(interval_ms), kind, first_ms, last_ms, count, text))
    return sorted(found, key=lambda problem: problem.from_ms)


_NO_MARKET = f"is no market's: prices lie between {LEAST_PRICE:g} and {MOST_PRICE:g}"


def _absurd(prices: NDArray[np.float64]) -> Flags:
    return (prices > MOST_PRICE) | ((prices > 0) & (prices < LEAST_PRICE))


_FUNDING_MEND = "import the funding of that time, or get it with: quarterdeck data fetch {symbol}"


def trade_problems(candles: BarColumns, traded: BarColumns) -> list[DataProblem]:
    """Candles that are not what the trades of their time come to, where both are there: of one of the two something is
    missing, or they are of different markets."""
    _, ours, theirs = np.intersect1d(candles.open_time_ms, traded.open_time_ms, return_indices=True)
    pairs = [(getattr(candles, name)[ours], getattr(traded, name)[theirs]) for name in _COLUMNS]
    differ = np.flatnonzero(np.logical_or.reduce([one != other for one, other in pairs]))
    if not len(differ):
        return []
    first, times = differ[0], candles.open_time_ms[ours[differ]].tolist()
    name, one, other = next(
        (name, one[first], other[first])
        for name, (one, other) in zip(_COLUMNS, pairs, strict=True)
        if one[first] != other[first]
    )
    text = f"{len(differ):,} candles are not what their trades come to, the first has {name} {one:g} and not {other:g}"
    interval = interval_text(candles.interval_ms)
    return [DataProblem(candles.symbol, interval, "trades", times[0], times[-1], len(differ), text)]


def stream_problems(symbol: str, its: Stream, times: Times) -> list[DataProblem]:
    """Steps that are missing of a stream of periods; of instants, where nothing is known for longer than its age. Of
    events silence is none."""
    whose = f"{symbol} {its.name}"
    if its.period_ms:
        return gaps(whose, times, its.period_ms)
    if not its.is_steady:
        return []
    found = []
    for index in np.flatnonzero(np.diff(times) > its.max_age_ms).tolist():
        before, after = int(times[index]), int(times[index + 1])
        text = f"nothing for {(after - before) / MINUTE_MS:,.1f} minutes"
        found.append(DataProblem(whose, interval_text(0), "gap", before, after, 1, text))
    return found


def event_problems(
    symbol: str, its: Stream, missed: Iterable[MissedNumbers], listened: Sequence[Span]
) -> list[DataProblem]:
    """Of a stream of events that came live: numbers that were passed over, and times in which nobody listened."""
    whose, interval = f"{symbol} {its.name}", interval_text(0)
    found = [
        DataProblem(whose, interval, "gap", one.after_ms, one.before_ms, one.count, f"{one.count:,} missing")
        for one in missed
    ]
    for start_ms, end_ms in unheard(listened, listened[0][0], listened[-1][1]) if listened else ():
        text = f"nobody listened for {(end_ms - start_ms) / MINUTE_MS:,.1f} minutes: what was told then is not known"
        found.append(DataProblem(whose, interval, "gap", start_ms, end_ms, 1, text))
    return found


def _impossible(bars: BarColumns, may_be_negative: bool) -> list[tuple[Flags, Callable[[int], str]]]:
    o, h, l, c, v = bars.open, bars.high, bars.low, bars.close, bars.volume  # noqa: E741
    finite = np.isfinite(o) & np.isfinite(h) & np.isfinite(l) & np.isfinite(c) & np.isfinite(v)
    lowest = np.minimum(np.minimum(o, h), np.minimum(l, c))
    highest = np.maximum(np.maximum(o, h), np.maximum(l, c))
    farthest = np.maximum(highest, -lowest)
    return [
        (~finite, lambda i: "a price or the volume is missing or infinite"),
        ((lowest <= 0) & (not may_be_negative), lambda i: f"price {lowest[i]} is not above zero"),
        (h < l, lambda i: f"high {h[i]} is below low {l[i]}"),
        ((h < o) | (h < c), lambda i: f"high {h[i]} is below open {o[i]} or close {c[i]}"),
        ((l > o) | (l > c), lambda i: f"low {l[i]} is above open {o[i]} or close {c[i]}"),
        ((farthest > MOST_PRICE), lambda i: f"price {farthest[i]} {_NO_MARKET}"),
        (_absurd(lowest) & (not may_be_negative), lambda i: f"price {lowest[i]} {_NO_MARKET}"),
        (v < 0, lambda i: f"volume {v[i]} is negative"),
        (v > MOST_VOLUME, lambda i: f"volume {v[i]} is no market's: none trades more than {MOST_VOLUME:g} in a bar"),
    ]


def _first(checks: list[tuple[Flags, Callable[[int], str]]]) -> tuple[int, str] | None:
    found = [(int(np.argmax(flags)), rank) for rank, (flags, _) in enumerate(checks) if flags.any()]
    if not found:
        return None
    index, rank = min(found)
    return index, checks[rank][1](index)


def _order_reason(times: NDArray[np.int64], index: int) -> str:
    if times[index] == times[index - 1]:
        return f"time {times[index]} is there twice"
    return f"time {times[index]} comes after {times[index - 1]}: not in order"


def _grid(bars: BarColumns) -> str:
    return interval_text(bars.interval_ms)


def _runs(bars: BarColumns, flags: Flags, kind: str, what: str) -> list[DataProblem]:
    """Neighbouring rows of a flag, as one problem each."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [
        DataProblem(
            symbol=bars.symbol,
            interval=_grid(bars),
            kind=kind,
            from_ms=int(bars.open_time_ms[start]),
            to_ms=int(bars.open_time_ms[end - 1]),
            count=int(end - start),
            text=f"{end - start} {what}",
        )
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
