"""A sound learner and a sound rule, and the same with one fault planted in each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.domain.market import FirstPrice
from core.domain.orders import Order, OrderType
from core.learning.dataset import Dataset, FeatureTable, PredictRows
from core.ports import BarColumns, VenueEvent
from core.venues.adapter import SimulatedVenueAdapter

Floats = NDArray[np.float64]

LOOKBACK = 20
HORIZON = 5


class SoundLearner:
    """Two features of the last bars, the return over the next five as label."""

    feature_names = ("momentum", "range")

    def features(self, window: BarColumns) -> FeatureTable:
        index = np.arange(LOOKBACK, len(window.close))
        momentum = 1e4 * (window.close[index] / window.close[index - LOOKBACK] - 1.0)
        spread = 1e4 * (window.high[index] / window.low[index] - 1.0)
        return FeatureTable(index, np.column_stack([momentum, spread]))

    def dataset(self, window: BarColumns) -> Dataset:
        table = self.features(window)
        kept = table.bar_index < len(window.close) - HORIZON
        index, times = table.bar_index[kept], window.open_time_ms + window.interval_ms
        label_bps = 1e4 * (window.close[index + HORIZON] / window.close[index] - 1.0)
        return Dataset(index, table.values[kept], times[index], times[index + HORIZON], label_bps)

    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        first = int(0.8 * len(rows))
        training, validation = rows.take(slice(None, first)), rows.take(slice(first, None))
        return training.take(training.end_ms <= validation.start_ms[0]), validation

    def fit_rows(self, rows: Dataset, seed: int) -> PredictRows | None:
        slope, *_ = np.linalg.lstsq(rows.features, rows.return_bps, rcond=None)
        return lambda features: np.asarray(features @ slope)


class SeesTomorrow(SoundLearner):
    """Its momentum ends one bar after the bar that it stands at."""

    def features(self, window: BarColumns) -> FeatureTable:
        table = super().features(window)
        next_close = np.append(window.close[1:], window.close[-1])[table.bar_index]
        ahead = 1e4 * (next_close / window.close[table.bar_index - LOOKBACK] - 1.0)
        return replace(table, values=np.column_stack([ahead, table.values[:, 1]]))


class NeedsTomorrow(SoundLearner):
    """Has no features at the newest bar."""

    def features(self, window: BarColumns) -> FeatureTable:
        table = super().features(window)
        return FeatureTable(table.bar_index[:-1], table.values[:-1])


class ScaledOverAll(SoundLearner):
    """Features by mean and deviation of the whole window."""

    def features(self, window: BarColumns) -> FeatureTable:
        table = super().features(window)
        return replace(table, values=(table.values - table.values.mean(axis=0)) / table.values.std(axis=0))


class RowsScaledOverAll(SoundLearner):
    """The rows learned from, validation included, by their mean and deviation; predictions are given other features."""

    def dataset(self, window: BarColumns) -> Dataset:
        rows = super().dataset(window)
        return replace(rows, features=(rows.features - rows.features.mean(axis=0)) / rows.features.std(axis=0))


class NotPurged(SoundLearner):
    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        first = int(0.8 * len(rows))
        return rows.take(slice(None, first)), rows.take(slice(first, None))


class CountsFromTheStart(SoundLearner):
    """Its range is measured from the first close of the window."""

    def features(self, window: BarColumns) -> FeatureTable:
        table = super().features(window)
        since = 1e4 * (window.close[table.bar_index] / window.close[0] - 1.0)
        return replace(table, values=np.column_stack([table.values[:, 0], since]))


def sound_rule(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """An exponential average that forgets, and by how far the close lies off it."""
    values = np.full(len(closes), np.nan)
    for i, close in enumerate(closes):
        state[0] = close if state[1] == 0.0 else state[0] + 0.3 * (close - state[0])
        state[1] = 1.0
        values[i] = 1e4 * (close / state[0] - 1.0)
    return values


def rule_that_sees_ahead(state: Floats, opens: Floats, *columns: Floats) -> Floats:
    closes = columns[2]
    return 1e4 * (np.append(closes[1:], closes[-1]) / closes - 1.0)


def rule_that_never_forgets(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """The close against the volume-weighted mean price since the first bar ever seen."""
    spent = state[0] + np.cumsum(closes * volumes)
    traded = state[1] + np.cumsum(volumes)
    state[0], state[1] = spent[-1], traded[-1]
    return np.asarray(1e4 * (closes * traded / np.maximum(spent, 1e-9) - 1.0))


class SameCloseVenue(SimulatedVenueAdapter):
    """Fills a market order when it arrives, at the close that it was decided on."""

    async def place(self, order: Order, now_ms: int) -> list[VenueEvent]:
        events = list(self.venue.submit(order, now_ms))
        close = self.venue._account.books[order.symbol].last_bar
        if order.type is OrderType.MARKET and close is not None:
            events += self.venue.on_market(FirstPrice(order.symbol, now_ms, close.open_time_ms, close.close))
        return events
