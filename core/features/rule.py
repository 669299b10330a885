"""A rule that is told columns: a fold which keeps the bars that its columns are told from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.features.catalogue import columns
from core.features.column import Column, lookback_bars
from core.features.pandas_ta import Anchored, Indicator
from core.features.table import table
from core.ports import BarColumns

Floats = NDArray[np.float64]

SayFunction = Callable[[Floats, Floats], float]
"""(values (columns,), parameters) -> value in bps, NaN for nothing to say."""


@dataclass(frozen=True, slots=True)
class Fold:
    """`scan` and `state_size` as a `core.strategy.declaration.Rule` takes them.

    `say` is asked at each bar at which every column has a value. The fold is told no times, as no rule is: it takes
    the bars that come for consecutive ones.
    """

    columns: tuple[Column, ...]
    say: SayFunction

    @property
    def lookback_bars(self) -> int:
        """How many bars it is shown before the first at which it says something."""
        return lookback_bars(self.columns)

    @property
    def state_size(self) -> int:
        return 1 + 5 * (self.lookback_bars - 1)

    def scan(
        self,
        state: Floats,
        opens: Floats,
        highs: Floats,
        lows: Floats,
        closes: Floats,
        volumes: Floats,
        parameters: Floats,
    ) -> Floats:
        """One value for each of the bars; `state` has how many bars are kept, and in five rows the kept ones."""
        kept, memory = int(state[0]), state[1:].reshape(5, -1)
        seen = np.concatenate([memory[:, :kept], [opens, highs, lows, closes, volumes]], axis=1)
        times = MINUTE_MS * np.arange(seen.shape[1], dtype=np.int64)
        rows = table(self.columns, BarColumns("", MINUTE_MS, times, *seen), kept)
        values = np.full(len(rows), np.nan)
        for i in np.flatnonzero(~np.isnan(rows).any(axis=1)):
            values[i] = self.say(rows[i], parameters)
        keep = min(seen.shape[1], memory.shape[1])
        state[0] = keep
        memory[:, :keep] = seen[:, seen.shape[1] - keep :]
        return values


def fold(wanted: Sequence[str | Column], say: SayFunction) -> Fold:
    """A fold over the columns that are `wanted`, as `catalogue.columns` finds them.

    Raises BadInputError as that does, and for an indicator: it takes longer than the engine's loop may be held.
    """
    for one in wanted:
        if isinstance(one, Indicator) or (isinstance(one, Column) and isinstance(one.told, Anchored)):
            name = one.name if isinstance(one, Column) else str(one)
            raise BadInputError(
                f"{name}: a rule answers on the engine's loop, which waits for no indicator; take it in a model"
            )
    return Fold(columns(wanted), say)
