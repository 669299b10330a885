"""What a column is: one number a closed bar, told from that bar and those before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from core.ports import BarColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Unit = Literal["bps", "pct", "ratio", "usdt", "base", ""]
""""usdt" is the contract's price, "base" its quantity; "" where a library does not say."""


class Telling(Protocol):
    """How the values of a column come about: by one definition, whether for one bar or for a year of them."""

    def values(
        self, bars: BarColumns, whole_bars: NDArray[np.int64], warm_up_bars: int, first: int
    ) -> NDArray[np.float64]:
        """The values (n - first,) at the bars first <= t < n of `bars`; NaN where `whole_bars[t]`, the number of bars
        without a hole or an impossible one up to t, is below `warm_up_bars`. What is not finite is taken as missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """`formula` is in the words of docs/strategies.md, `source` says whose it is.

    A value hangs on the last `warm_up_bars` bars, the newest included, and on nothing else: not on where a window
    starts, not on what follows. `is_scale_free`: it stays when all prices, or all volumes, are multiplied.
    """

    name: str
    formula: str
    source: str
    warm_up_bars: int
    unit: Unit
    is_scale_free: bool
    told: Telling


def lookback_bars(columns: Iterable[Column]) -> int:
    """How many closed bars one row of `columns` needs, the newest included."""
    return max((column.warm_up_bars for column in columns), default=1)
