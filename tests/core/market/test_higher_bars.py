"""Bars built from shorter ones, against pandas."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS
from core.market.higher_bars import built
from core.market.intervals import INTERVALS_MS
from core.market.streams import PERIODS
from core.ports import BarColumns

COLUMNS = ("open", "high", "low", "close", "volume")
RULES = {"3m": "3min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h", "1d": "24h"}


def market(minutes: list[int], seed: int = 5, traded: float = 0.8) -> BarColumns:
    rng = np.random.default_rng(seed)
    close = 100.0 + rng.normal(0.0, 1.0, len(minutes)).cumsum()
    opens = close + rng.normal(0.0, 0.3, len(minutes))
    volume = np.round(rng.lognormal(3.0, 2.0, len(minutes)), 3) * (rng.random(len(minutes)) < traded)
    times = np.array(minutes, np.int64) * MINUTE_MS
    high, low = np.maximum(opens, close) + 0.2, np.minimum(opens, close) - 0.2
    return BarColumns("AUSDT", MINUTE_MS, times, opens, high, low, close, volume)


def cut(bars: BarColumns, keep: slice) -> BarColumns:
    return BarColumns(
        bars.symbol, bars.interval_ms, *(getattr(bars, name)[keep] for name in ("open_time_ms", *COLUMNS))
    )


def by_pandas(bars: BarColumns, period: str) -> pd.DataFrame:
    """Whole bars alone."""
    frame = pd.DataFrame({name: getattr(bars, name) for name in COLUMNS})
    frame.index = pd.to_datetime(bars.open_time_ms, unit="ms", utc=True)
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}

    def resampled(rows: pd.DataFrame) -> pd.DataFrame:
        groups = rows.resample(RULES[period], label="left", closed="left", origin="epoch")
        return groups.agg(how).assign(count=groups["close"].count())

    every, traded = resampled(frame), resampled(frame[frame["volume"] > 0])
    whole = every[every["count"] == INTERVALS_MS[period] // MINUTE_MS]
    moved = traded[traded["count"] > 0].reindex(whole.index)
    return moved.fillna(whole)


@given(
    period=st.sampled_from(tuple(RULES)),
    start=st.integers(0, 3_000),
    count=st.integers(0, 3_100),
    gone=st.sets(st.integers(0, 3_100), max_size=4),
    traded=st.sampled_from([0.0, 0.02, 0.8, 1.0]),
)
def test_they_are_those_of_pandas(period: str, start: int, count: int, gone: set[int], traded: float) -> None:
    bars = market([start + n for n in range(count) if n not in gone], traded=traded)
    found = built(bars, INTERVALS_MS[period])
    assert found.interval_ms == INTERVALS_MS[period]
    if not len(bars.open_time_ms):
        assert not len(found.open_time_ms)
        return
    wanted = by_pandas(bars, period)
    assert found.open_time_ms.tolist() == [int(time.timestamp() * 1000) for time in wanted.index]
    for name in ("open", "high", "low", "close"):
        assert getattr(found, name).tolist() == wanted[name].tolist()
    assert found.volume == pytest.approx(wanted["volume"].to_numpy(), rel=1e-12)


@given(period=st.sampled_from(tuple(RULES)), start=st.integers(0, 1_500), stop=st.integers(0, 3_000))
def test_later_bars_change_nothing_and_one_is_there_only_after_its_close(period: str, start: int, stop: int) -> None:
    interval_ms = INTERVALS_MS[period]
    bars = market(list(range(start, start + 3_000)))
    early = built(cut(bars, slice(0, stop)), interval_ms)
    whole = built(bars, interval_ms)
    known = whole.open_time_ms + interval_ms <= (start + stop) * MINUTE_MS
    for field in fields(BarColumns)[2:-1]:  # What is seen beside bars is none of theirs.
        assert getattr(early, field.name).tolist() == getattr(whole, field.name)[known].tolist()


@given(st.integers(0, 99))
def test_in_steps_they_are_the_same_to_the_bit(seed: int) -> None:
    bars = market(list(range(1440)), seed)
    steps = built(built(built(bars, INTERVALS_MS["5m"]), INTERVALS_MS["30m"]), INTERVALS_MS["4h"])
    for field in fields(BarColumns)[2:-1]:  # What is seen beside bars is none of theirs.
        assert getattr(steps, field.name).tolist() == getattr(built(bars, INTERVALS_MS["4h"]), field.name).tolist()


def test_after_an_outage_a_bar_opens_at_the_first_trade() -> None:
    """As Binance's own 15 minutes of BTCUSDT do at 2025-08-29 06:30, whose first five had no trade."""
    times = 1_756_449_000_000 + np.arange(3, dtype=np.int64) * 5 * MINUTE_MS
    columns = np.array(
        [
            [110966.4, 110966.4, 110966.4, 110966.4, 0.0],
            [110966.3, 111133.2, 110850.0, 110959.2, 600.327],
            [110959.2, 111280.0, 110959.2, 111246.6, 1371.475],
        ]
    )
    found = built(BarColumns("BTCUSDT", 5 * MINUTE_MS, times, *columns.T), 15 * MINUTE_MS)
    own = [110966.3, 111280.0, 110850.0, 111246.6, 1971.802]
    assert [float(getattr(found, name)[0]) for name in COLUMNS] == own


def test_an_interval_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        built(market([1, 2]), 90_000)


def test_a_volume_is_the_decimal_sum() -> None:
    bars = market(list(range(10)))
    bars.volume[:] = 0.1
    assert built(bars, INTERVALS_MS["5m"]).volume.tolist() == [0.5, 0.5]
    assert sum([0.1] * 10) != 1.0
    bars.volume[:] = np.pi
    assert built(bars, INTERVALS_MS["5m"]).volume == pytest.approx([5 * np.pi] * 2)


def test_all_periods_of_bars_are_asked() -> None:
    assert ["1m", *RULES] == list(PERIODS["bars"].names)
