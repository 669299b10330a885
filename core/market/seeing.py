"""What is seen of a symbol beside its own bars: streams joined to closes as they were known, and the clock.

The one join for live, lab and training. `see` makes the rows of many closes at once, `Sight` makes the same rows one by
one as the market tells them. A row is what was known at its own close, so that a window of rows is a part of a longer
one, and whatever becomes known later changes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS, Bar
from core.domain.stream import Field, Observation, Stream
from core.home.logbook import iso_utc
from core.market.as_of import as_of
from core.market.higher_bars import built
from core.market.intervals import interval_text
from core.market.kinds import FUNDING
from core.market.streams import BARS, stream
from core.ports import NEVER, BarColumns, Lack, ObservationColumns, Seen
from core.strategy.declaration import Part, Strategy

CLOCK = "time"
"""The input of what a clock tells at the close, in UTC."""

CLOCK_FIELDS = (Field("minute_of_day", "minutes"), Field("weekday", "weekday"), Field("session", "session"))
"""Minutes since midnight; 0 for Monday; 0 from 00:00 (Asia), 1 from 08:00 (Europe), 2 from 16:00 (America)."""

_DAY_MINUTES, _SESSION_MINUTES, _FIRST_WEEKDAY = 1_440, 480, 3
_PRICES = ("open", "high", "low", "close", "volume")

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
_Key = tuple[int, int]
"""Which observation of a stream is the newer one: its time, then its number."""


def fields_of(name: str) -> tuple[Field, ...]:
    """Raises BadInputError for a name that is no input."""
    return CLOCK_FIELDS if name == CLOCK else stream(name).fields


def column_names(inputs: Sequence[str]) -> tuple[str, ...]:
    """How the columns of `Seen.values` are called, as "bars.15m.close"."""
    return tuple(f"{name}.{one.name}" for name in inputs for one in fields_of(name))


def check_inputs(inputs: Sequence[str], interval_ms: int) -> None:
    """Raises BadInputError for an input that is none, stands there twice, or is of bars shorter than the run's."""
    for place, name in enumerate(inputs):
        fields_of(name)
        if name in inputs[:place]:
            raise BadInputError(f"input {name} is named twice; name it once")
        if _is_bars(name) and stream(name).period_ms % interval_ms:
            raise BadInputError(
                f"input {name}: a run on bars of {interval_text(interval_ms)} has none of these; name bars of a "
                "multiple of it, or change market.interval_minutes"
            )


def check_parts(strategy: Strategy, interval_ms: int) -> None:
    """Raises BadInputError, in one line, for an input of a part that a run on bars of `interval_ms` cannot have."""
    for part in strategy.parts:
        try:
            if is_input(part.name):
                raise BadInputError("it is called as a stream is; name it otherwise")
            _check_names(strategy, part)
            check_inputs(strategy.market_seen(part), interval_ms)
        except BadInputError as error:
            raise BadInputError(f"strategy {strategy.name}: part {part.name}: {error}") from error


def is_input(name: str) -> bool:
    """Whether the market has an input of this name."""
    try:
        fields_of(name)
    except BadInputError:
        return False
    return True


def _check_names(strategy: Strategy, part: Part) -> None:
    """Raises BadInputError for an input that is neither of the market nor a part, and a part that is named twice."""
    others = [one.name for one in strategy.parts if one is not part]
    for place, name in enumerate(part.inputs):
        if name in others and name in part.inputs[:place]:
            raise BadInputError(f"input {name} is named twice; name it once")
        if others and name not in others and not is_input(name):
            raise BadInputError(f"input {name} is neither a part of it, as {', '.join(others)}, nor one of the market")


def streams_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """The inputs of which a history must have observations."""
    return tuple(name for name in inputs if name != CLOCK)


def observed_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """The inputs that a market must be asked for beside its bars and its funding, which it tells anyway."""
    return tuple(name for name in streams_of(inputs) if name != FUNDING and not _is_bars(name))


def lack_text(lacks: Sequence[Lack]) -> str:
    """What is missing and since when: "funding is missing since 2025-06-01 08:10 UTC"."""
    return ", ".join(
        f"{lack.name} is missing" + ("" if lack.since_ms is None else f" since {_minute(lack.since_ms)}")
        for lack in lacks
    )


def see(symbol: str, inputs: Sequence[str], closes_ms: Times, observed: Mapping[str, ObservationColumns]) -> Seen:
    """At each of the closes, in whatever order they are. `observed` has the observations of each stream by its name;
    raises KeyError where one is not there, BadInputError for an input that is none."""
    columns, ages = [np.empty((len(closes_ms), 0))], [np.empty((len(closes_ms), 0), np.int64)]
    for name in inputs:
        if name == CLOCK:
            values, age = clock_columns(closes_ms), np.zeros(len(closes_ms), np.int64)
        else:
            values, age = as_of(closes_ms, observed[name], stream(name).max_age_ms)
        columns.append(values)
        ages.append(age[:, np.newaxis])
    told = (closes_ms, np.hstack(columns), np.hstack(ages))
    return Seen(symbol, tuple(inputs), column_names(inputs), *told, _max_ages_ms(inputs))


def _max_ages_ms(inputs: Sequence[str]) -> tuple[int | None, ...]:
    """The clock is always there; where a stream tells of events, that nothing happened is no lack."""
    streams = [None if name == CLOCK else stream(name) for name in inputs]
    return tuple(its.max_age_ms if its is not None and its.is_steady else None for its in streams)


def clock_columns(closes_ms: Times) -> Floats:
    """(n, 3), as CLOCK_FIELDS has them."""
    days, minutes = np.divmod(closes_ms // MINUTE_MS, _DAY_MINUTES)
    weekdays = (days + _FIRST_WEEKDAY) % 7
    return np.column_stack([minutes, weekdays, minutes // _SESSION_MINUTES]).astype(np.float64)


@dataclass(slots=True)
class _Known:
    """Of one stream: the newest observation that counts at the next close, and those that are known only later."""

    its: Stream
    newest: tuple[_Key, tuple[float, ...]] | None = None
    later: dict[_Key, tuple[int, tuple[float, ...]]] = field(default_factory=dict)

    def take(self, one: Observation, next_close_ms: int) -> None:
        key = one.time_ms, one.number
        if key in self.later or (self.newest is not None and key <= self.newest[0]):
            return
        if one.known_ms <= next_close_ms:
            self.newest = key, one.values
        else:
            self.later[key] = one.known_ms, one.values

    def at(self, close_ms: int) -> tuple[tuple[float, ...], int]:
        """Values and age, as `as_of` has them."""
        known = [(key, values) for key, (known_ms, values) in self.later.items() if known_ms <= close_ms]
        self.newest = max([*known, *([self.newest] if self.newest is not None else [])], default=None)
        missing = (np.nan,) * len(self.its.fields)
        if self.newest is None:
            return missing, NEVER
        key, values = self.newest
        self.later = {one: told for one, told in self.later.items() if one > key}
        age_ms = close_ms - key[0]
        return (values if age_ms <= self.its.max_age_ms else missing), age_ms


def _minute(time_ms: int) -> str:
    return f"{iso_utc(time_ms)[:16].replace('T', ' ')} UTC"


class Sees(Protocol):
    """What is seen of one symbol, as `Sight` tells it."""

    def take(self, one: Observation) -> None: ...

    def close(self, bar: Bar) -> None: ...

    def window(self, count: int, until_ms: int) -> Seen: ...


class Sight:
    """What is seen of one symbol while its market goes on: its newest `capacity` rows, one a closed bar of
    `interval_ms`. Longer bars are built of its own.

    What is observed must be taken in before the close at which it counts as known. Of what is told twice the first
    stays.
    """

    def __init__(self, symbol: str, inputs: Sequence[str], interval_ms: int, capacity: int) -> None:
        """Raises BadInputError for an input that cannot be."""
        check_inputs(inputs, interval_ms)
        self._symbol = symbol
        self._inputs = tuple(inputs)
        self._names, self._oldest_ms = column_names(inputs), _max_ages_ms(inputs)
        self._interval_ms = interval_ms
        self._capacity = capacity
        self._known = {name: _Known(stream(name)) for name in streams_of(inputs)}
        self._open: dict[str, list[Bar]] = {name: [] for name in self._known if _is_bars(name)}
        # Twice as many rows as are kept, so that they move only once in a while.
        self._closes = np.empty(2 * capacity, np.int64)
        self._values = np.empty((2 * capacity, len(self._names)))
        self._ages = np.empty((2 * capacity, len(inputs)), np.int64)
        self._end = 0
        self._close_ms = -1

    def begin(self, bars: BarColumns, observed: Mapping[str, ObservationColumns]) -> None:
        """Know the past: its bars, and what was observed up to the newest of them and is known of after it. Of what was
        taken in before, nothing is lost."""
        closes_ms = bars.open_time_ms + self._interval_ms
        past = see(self._symbol, self._inputs, closes_ms[-self._capacity :], observed)
        self._end = len(past.close_ms)
        self._closes[: self._end] = past.close_ms
        self._values[: self._end] = past.values
        self._ages[: self._end] = past.ages_ms
        self._close_ms = int(closes_ms[-1]) if len(closes_ms) else -1
        for name, told in observed.items():
            for row in range(len(told.time_ms)):
                self._known[name].take(observation(told, row), self._close_ms)
        for name, its in self._open.items():
            its.clear()
            begun_ms = self._close_ms // stream(name).period_ms * stream(name).period_ms
            for row in np.flatnonzero(bars.open_time_ms >= begun_ms).tolist():
                prices = (float(getattr(bars, price)[row]) for price in _PRICES)
                its.append(Bar(self._symbol, int(bars.open_time_ms[row]), self._interval_ms, *prices))

    def take(self, one: Observation) -> None:
        """Raises KeyError for one of a stream that is no input."""
        self._known[one.stream].take(one, self._next_close_ms())

    def close(self, bar: Bar) -> None:
        """A bar closed: a row more. Bars come in order; one that is missing has no row."""
        close_ms = bar.close_time_ms
        for name, its in self._open.items():
            self._build(name, its, bar)
        values: list[float] = []
        ages: list[int] = []
        for name in self._inputs:
            if name == CLOCK:
                values += clock_columns(np.array([close_ms]))[0].tolist()
                ages.append(0)
                continue
            told, age_ms = self._known[name].at(close_ms)
            values += told
            ages.append(age_ms)
        self._close_ms = close_ms
        if self._end == len(self._closes):
            for kept in (self._closes, self._values, self._ages):
                kept[: self._capacity] = kept[self._capacity :]
            self._end = self._capacity
        self._closes[self._end] = close_ms
        self._values[self._end] = values
        self._ages[self._end] = ages
        self._end += 1

    def window(self, count: int, until_ms: int) -> Seen:
        """At most `count` rows of closes at or before `until_ms`, oldest first; copies."""
        first = max(0, self._end - self._capacity)
        stop = first + int(np.searchsorted(self._closes[first : self._end], until_ms, side="right"))
        cut = slice(max(first, stop - count), stop)
        told = (self._closes[cut].copy(), self._values[cut].copy(), self._ages[cut].copy())
        return Seen(self._symbol, self._inputs, self._names, *told, self._oldest_ms)

    def kept(self) -> int:
        """How many observations and bars are remembered beside the rows."""
        waiting = sum(len(its.later) + (its.newest is not None) for its in self._known.values())
        return waiting + sum(map(len, self._open.values()))

    def _next_close_ms(self) -> int:
        """No close comes before it."""
        return (self._close_ms // self._interval_ms + 1) * self._interval_ms

    def _build(self, name: str, its: list[Bar], bar: Bar) -> None:
        period_ms = stream(name).period_ms
        if its and its[-1].open_time_ms // period_ms != bar.open_time_ms // period_ms:
            its.clear()
        its.append(bar)
        if bar.close_time_ms % period_ms:
            return
        whole = built(_columns(its), period_ms)
        for row in range(len(whole.open_time_ms)):
            values = tuple(float(getattr(whole, price)[row]) for price in _PRICES)
            open_ms = int(whole.open_time_ms[row])
            self.take(Observation(self._symbol, name, open_ms, open_ms + period_ms, values))
        its.clear()


def _is_bars(name: str) -> bool:
    return name.partition(".")[0] == BARS


def observation(told: ObservationColumns, row: int) -> Observation:
    """One of the rows."""
    times = int(told.time_ms[row]), int(told.known_ms[row])
    return Observation(told.symbol, told.stream, *times, tuple(told.values[row].tolist()), int(told.number[row]))


def _columns(bars: Sequence[Bar]) -> BarColumns:
    prices = (np.array([getattr(bar, name) for bar in bars], np.float64) for name in _PRICES)
    return BarColumns(
        bars[0].symbol, bars[0].interval_ms, np.array([bar.open_time_ms for bar in bars], np.int64), *prices
    )
