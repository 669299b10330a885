"""What must hold of every input: rows made at once are those made as the market goes on, and no future changes one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.domain.forecast import Output
from core.domain.market import MINUTE_MS, Bar, FundingRate
from core.domain.stream import Observation
from core.market.higher_bars import built
from core.market.history import bar_at
from core.market.intervals import INTERVALS_MS
from core.market.seeing import CLOCK, Sight, check_inputs, check_parts, column_names, fields_of, see, streams_of
from core.market.streams import BARS, INSTANTS, PERIODS, funding_observed, stream
from core.ports import NEVER, BarColumns, ObservationColumns, Seen
from core.strategy.declaration import Part
from tests.declared import declared, with_part

DAY_MS = 1_440 * MINUTE_MS
T0 = 20_000 * DAY_MS
SYMBOL = "AUSDT"
ALL = (
    CLOCK,
    *INSTANTS,
    *(f"{family}.{period}" for family, its in PERIODS.items() for period in ("15m", "1h", "4h") if period in its.names),
)
"""Every family, as one is asked for."""


class Market:
    """Bars of some minutes, some missing, and what was observed meanwhile: some of it late, some told anew."""

    def __init__(self, seed: int, name: str, interval_minutes: int = 1, bars: int = 90) -> None:
        rng = np.random.default_rng(seed)
        self.name, self.step_ms = name, interval_minutes * MINUTE_MS
        there = np.flatnonzero(rng.random(bars) > 0.03)
        times = T0 + 8 * 60 * MINUTE_MS - 40 * self.step_ms + there * self.step_ms
        close = 100.0 + rng.normal(0.0, 1.0, len(there)).cumsum()
        volume = np.round(rng.exponential(5.0, len(there)), 3)
        self.bars = BarColumns(SYMBOL, self.step_ms, times, close, close + 1.0, close - 1.0, close + 0.5, volume)
        self.observed = {name: self._observed(rng)} if name != CLOCK else {}

    def _observed(self, rng: np.random.Generator) -> ObservationColumns:
        its, (first_ms, last_ms) = stream(self.name), (int(self.bars.open_time_ms[i]) for i in (0, -1))
        if self.name.startswith(f"{BARS}."):
            bars = built(self.bars, its.period_ms)
            known = bars.open_time_ms + its.period_ms
            values = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
            return ObservationColumns(SYMBOL, self.name, bars.open_time_ms, known, np.zeros_like(known), values)
        every_ms = its.period_ms or max(its.max_age_ms // 3, 1)
        times = np.arange(first_ms - 3 * every_ms, last_ms + every_ms, every_ms) // every_ms * every_ms
        times = times[rng.random(len(times)) > 0.2]
        known = times + its.period_ms + rng.integers(0, 3, len(times)) * rng.integers(0, 2 * every_ms, len(times))
        values = rng.normal(0.0, 1.0, (len(times), len(its.fields)))
        return ObservationColumns(SYMBOL, self.name, times, known, np.zeros_like(times), values)

    @property
    def closes_ms(self) -> np.ndarray:
        return self.bars.open_time_ms + self.step_ms

    def seen(self) -> Seen:
        return see(SYMBOL, (self.name,), self.closes_ms, self.observed)

    def known_by(self, close_ms: int) -> dict[str, ObservationColumns]:
        return {name: told.at(told.known_ms <= close_ms) for name, told in self.observed.items()}

    def heard_ms(self, told: ObservationColumns) -> np.ndarray:
        """When each is told: some before they count as known, as by an exchange whose clock is ahead."""
        is_early = np.arange(len(told.time_ms)) % 2 == 0
        return np.where(is_early, told.time_ms + stream(self.name).period_ms, told.known_ms)

    def watched(self, begin: int) -> Seen:
        """The first `begin` bars as the past, all others as they come; bars of a longer interval from those alone."""
        sight = Sight(SYMBOL, (self.name,), self.step_ms, 200)
        past_ms = int(self.closes_ms[begin - 1]) if begin else -1
        heard = {name: told.at(self.heard_ms(told) <= past_ms) for name, told in self.observed.items()}
        sight.begin(part(self.bars, slice(0, begin)), heard)
        for row in range(begin, len(self.closes_ms)):
            close_ms = int(self.closes_ms[row])
            for one in self._told(past_ms, close_ms):
                sight.take(one)
                sight.take(replace(one, values=tuple(value + 1.0 for value in one.values)))
            sight.close(bar_at(self.bars, row))
            past_ms = close_ms
        return sight.window(200, int(self.closes_ms[-1]))

    def _told(self, after_ms: int, until_ms: int) -> list[Observation]:
        """In the order in which they are told; longer bars are told by nobody."""
        found = []
        for name, told in self.observed.items():
            if name.startswith(f"{BARS}."):
                continue
            heard_ms = self.heard_ms(told)
            for row in np.argsort(heard_ms, kind="stable").tolist():
                if after_ms < heard_ms[row] <= until_ms:
                    times = int(told.time_ms[row]), int(told.known_ms[row])
                    found.append(Observation(SYMBOL, name, *times, tuple(told.values[row].tolist())))
        return found


def part(bars: BarColumns, rows: slice) -> BarColumns:
    names = ("open_time_ms", "open", "high", "low", "close", "volume")
    return BarColumns(bars.symbol, bars.interval_ms, *(getattr(bars, name)[rows] for name in names))


def assert_same(one: Seen, other: Seen) -> None:
    assert one.close_ms.tolist() == other.close_ms.tolist()
    np.testing.assert_array_equal(one.values, other.values)
    assert one.ages_ms.tolist() == other.ages_ms.tolist()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), begin=st.integers(0, 60))
def test_row_by_row_it_is_the_same_wherever_it_begins(name: str, seed: int, begin: int) -> None:
    market = Market(seed, name)
    assert_same(market.watched(begin), market.seen())


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 60))
def test_no_future_changes_a_row(name: str, seed: int, at: int) -> None:
    market = Market(seed, name)
    whole, close_ms = market.seen(), int(market.closes_ms[at])
    cut = see(SYMBOL, (name,), market.closes_ms[: at + 1], market.known_by(close_ms))
    other = {
        key: replace(told, values=np.where(told.known_ms[:, np.newaxis] > close_ms, told.values * 3.0, told.values))
        for key, told in market.observed.items()
    }
    for told in (cut, see(SYMBOL, (name,), market.closes_ms[: at + 1], other)):
        np.testing.assert_array_equal(told.values, whole.values[: at + 1])
        assert told.ages_ms.tolist() == whole.ages_ms[: at + 1].tolist()


@pytest.mark.parametrize("name", ALL)
def test_every_input_says_something_and_is_missing_where_it_is_too_old(name: str) -> None:
    markets = [Market(seed, name, minutes) for seed in range(4) for minutes in (1, 15)]
    seen = [market.seen() for market in markets if name == CLOCK or stream(name).period_ms >= market.step_ms or 1]
    values = np.concatenate([one.values for one in seen])
    assert all(len(np.unique(column[~np.isnan(column)])) > 1 for column in values.T)
    assert values.shape[1] == len(column_names((name,))) == len(fields_of(name))
    for one in seen:
        ages = one.ages_ms[:, 0]
        too_old = np.zeros(len(ages), bool) if name == CLOCK else (ages == NEVER) | (ages > stream(name).max_age_ms)
        assert np.isnan(one.values).all(axis=1).tolist() == too_old.tolist()
        # Of what tells of events alone, silence is no lack.
        lacks = too_old if name == CLOCK or stream(name).is_steady else np.zeros(len(ages), bool)
        assert [bool(one.lacking(row)) for row in range(len(ages))] == one.is_lacking().tolist() == lacks.tolist()


def test_what_is_missing_is_named_and_since_when() -> None:
    name = "open_interest"
    age_ms = stream(name).max_age_ms
    told = ObservationColumns(
        SYMBOL, name, np.array([T0]), np.array([T0 + 5]), np.zeros(1, np.int64), np.array([[7.0, 9.0]])
    )
    inputs = (name, CLOCK, "funding")
    nothing = ObservationColumns(SYMBOL, "funding", *(np.empty(0, np.int64),) * 3, np.empty((0, 1)))
    seen = see(SYMBOL, inputs, np.array([T0, T0 + age_ms, T0 + age_ms + 1]), {name: told, "funding": nothing})
    lacks = [[(lack.name, lack.since_ms) for lack in seen.lacking(row)] for row in range(3)]
    assert lacks == [[(name, None), ("funding", None)], [("funding", None)], [(name, T0 + age_ms), ("funding", None)]]
    assert seen.at(slice(-1, None)).close_ms.tolist() == [T0 + age_ms + 1]


def test_the_clock_is_that_of_the_close_in_utc() -> None:
    monday = 1_748_822_400_000  # 2025-06-02 00:00 UTC
    closes = np.array([monday - MINUTE_MS, monday, monday + 8 * 60 * MINUTE_MS, monday + 5 * DAY_MS - MINUTE_MS])
    seen = see(SYMBOL, (CLOCK,), closes, {})
    assert seen.values.tolist() == [[1_439, 6, 2], [0, 0, 0], [480, 0, 1], [1_439, 4, 2]]
    assert column_names((CLOCK,)) == ("time.minute_of_day", "time.weekday", "time.session")


def test_a_rate_is_known_at_no_close_before_it_can_have_been_told() -> None:
    settled_ms = T0 + 8 * 60 * MINUTE_MS
    sight = Sight(SYMBOL, ("funding",), MINUTE_MS, 10)
    for minute in range(-1, 2):
        close_ms = settled_ms + minute * MINUTE_MS
        if minute == 1:
            sight.take(funding_observed(FundingRate(SYMBOL, settled_ms + 4, Decimal("0.0001"), Decimal(3))))
        sight.close(Bar(SYMBOL, close_ms - MINUTE_MS, MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 1.0))
    shown = sight.window(10, settled_ms + MINUTE_MS)
    assert np.isnan(shown.values[:2]).all()
    assert shown.values[2].tolist() == [0.0001]


def test_what_is_remembered_stays_small() -> None:
    sight = Sight(SYMBOL, ("trades", "bars.15m"), MINUTE_MS, 50)
    for minute in range(400):
        open_ms = T0 + minute * MINUTE_MS
        for n in range(30):
            sight.take(Observation(SYMBOL, "trades", open_ms + n, open_ms + n, (1.0, 2.0, 3.0), n))
        sight.close(Bar(SYMBOL, open_ms, MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 3.0))
        assert sight.kept() <= 20
    closes = [T0 + minute * MINUTE_MS for minute in range(351, 401)]
    for count, back in ((1_000, 0), (10, 0), (10, 7), (1_000, 45)):
        seen = sight.window(count, T0 + (400 - back) * MINUTE_MS)
        assert seen.close_ms.tolist() == closes[: 50 - back][-count:]
        assert seen.ages_ms[:, 0].tolist() == [MINUTE_MS - 29] * len(seen.close_ms)


def test_a_part_with_an_input_that_cannot_be_is_refused_in_one_line() -> None:
    known = declared("mine")
    check_parts(with_part(known, inputs=("funding", "bars.15m", "time")), MINUTE_MS)
    with pytest.raises(
        BadInputError, match="strategy mine: part main: stream 'moon' is unknown; the streams are bars"
    ) as told:
        check_parts(with_part(known, inputs=("moon",)), MINUTE_MS)
    assert "\n" not in str(told.value)
    with pytest.raises(BadInputError, match=r"input bars\.5m: a run on bars of 15m has none of these"):
        check_parts(with_part(known, inputs=("bars.5m",)), 15 * MINUTE_MS)


@pytest.mark.parametrize(
    ("inputs", "interval", "said"),
    [
        (("moon",), "1m", "stream 'moon' is unknown"),
        (("funding", "funding"), "1m", "input funding is named twice"),
        (("bars.1m",), "15m", "input bars.1m: a run on bars of 15m has none of these"),
        (("bars.5m", "bars.1h"), "3m", "input bars.5m: a run on bars of 3m"),
        (("long_short",), "1m", "write long_short.PERIOD, with one of"),
    ],
)
def test_inputs_that_cannot_be_are_named(inputs: tuple[str, ...], interval: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said.replace(".", r"\.")):
        check_inputs(inputs, INTERVALS_MS[interval])
    assert streams_of(("time", "funding")) == ("funding",)


@pytest.mark.parametrize(
    ("name", "inputs", "said"),
    [
        ("signal", ("moon",), "part signal: input moon is neither a part of it, as regime, nor one of the market"),
        ("signal", ("regime", "funding", "regime"), "part signal: input regime is named twice; name it once"),
        ("funding", ("regime",), "part funding: it is called as a stream is; name it otherwise"),
        ("signal", ("bars.1m",), "part signal: "),
    ],
)
def test_what_a_part_cannot_see_is_refused_in_one_line(name: str, inputs: tuple[str, ...], said: str) -> None:
    regime = Part((Output("trend", "score"),), 1, name="regime", inputs=("funding",))
    strategy = declared("two", parts=(regime, Part((Output("up", "score"),), 1, name=name, inputs=inputs)))
    with pytest.raises(BadInputError) as told:
        check_parts(strategy, 5 * MINUTE_MS)
    assert str(told.value).startswith(f"strategy two: {said}")
    assert "\n" not in str(told.value)
    assert told.value.exit_code == 2


def test_what_parts_see_of_the_market_is_taken_in_once() -> None:
    regime = Part((Output("trend", "score"),), 1, name="regime", inputs=("funding", "time"))
    signal = Part((Output("up", "score"),), 1, name="signal", inputs=("bars.15m", "regime", "time"))
    strategy = declared("two", parts=(regime, signal))
    check_parts(strategy, MINUTE_MS)
    assert strategy.market_inputs == ("funding", "time", "bars.15m")
    assert strategy.parts_seen(signal) == ("regime",)
    assert strategy.market_seen(signal) == ("bars.15m", "time")
