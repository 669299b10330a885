"""Indicators of pandas-ta-classic as columns: named here, measured by `settling`, run in worker processes.

The value of an average that never forgets hangs on where a window starts, so live and training would differ. Here the
start is a matter of the bar alone: with S the bars after which an indicator has settled, a run begins at a bar whose
number since 1970 is a multiple of S, the newest one that leaves at least S bars. So a value hangs on its last 2 S - 1
bars and on nothing else, and one row is equal to its row of a whole history to the bit.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from core.domain.errors import BadInputError
from core.ports import BarColumns
from core.settings.values import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIBRARY = "pandas_ta_classic"
_SERIES = {name: name.rstrip("_") for name in ("open_", "open", "high", "low", "close", "volume")}


@dataclass(frozen=True, slots=True)
class Indicator:
    """An indicator by name; `outputs` are those that are taken, all where none is named."""

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()
    outputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({' '.join(f'{key}={value}' for key, value in self.parameters)})"


def pandas_ta(name: str, /, *, outputs: tuple[str, ...] = (), **parameters: Value) -> Indicator:
    """An indicator of pandas-ta-classic, to be taken among `catalogue.columns`; `parameters` are the library's own.

    An output is named as the library does ("MACDh_12_26_9"), or by what stands before the first "_" ("MACDh").
    Nothing is imported or tried here: that is done where the columns are taken.
    """
    return Indicator(name, tuple(sorted(parameters.items())), outputs)


@dataclass(frozen=True, slots=True)
class Anchored:
    """The `output` of an indicator that has settled after `settled_bars`; see above."""

    indicator: Indicator
    output: str
    settled_bars: int

    def values(
        self, bars: BarColumns, whole_bars: NDArray[np.int64], warm_up_bars: int, first: int
    ) -> NDArray[np.float64]:
        import numpy as np

        from core.features.probe import part

        values = np.full(len(bars.close) - first, np.nan)
        told = first + np.flatnonzero(whole_bars[first:] >= warm_up_bars)
        number = bars.open_time_ms[told] // bars.interval_ms
        run = (number - self.settled_bars + 1) // self.settled_bars
        begin = told - (number - run * self.settled_bars)
        for start in np.unique(begin):
            rows = told[begin == start]
            found = run_of(self.indicator, part(bars, slice(int(start), int(rows[-1]) + 1)))
            if self.output not in found:
                raise BadInputError(f"{self.indicator}: gives no {self.output} of {len(bars.close)} bars")
            values[rows - first] = found[self.output][rows - start]
        return values


def run_of(indicator: Indicator, bars: BarColumns) -> dict[str, NDArray[np.float64]]:
    """The indicator's outputs by the library's names, a value a bar, NaN where it has none; none of too few bars.

    Raises BadInputError where it is not known, cannot be given what it asks for, fails, or gives no value a bar.
    """
    import numpy as np
    import pandas as pd

    function = _function(indicator)
    times = pd.to_datetime(bars.open_time_ms, unit="ms", utc=True)
    series = {
        name: pd.Series(getattr(bars, field).copy(), index=times, name=field)
        for name, field in _SERIES.items()
        if name in inspect.signature(function).parameters
    }
    try:
        # It tells on stdout what it makes of its arguments.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            made = function(**series, **dict(indicator.parameters))
        made = made[0] if isinstance(made, tuple) else made
        if made is None:
            return {}
        frame = made.to_frame() if isinstance(made, pd.Series) else made
        if len(frame) != len(bars.close):
            raise BadInputError(f"{indicator}: gives {len(frame)} values for {len(bars.close)} bars, so is no column")
        return {str(name): frame[name].to_numpy(np.float64, copy=True) for name in frame.columns}
    except BadInputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise BadInputError(f"{indicator}: {LIBRARY} fails: {type(error).__name__}: {said}") from error


@cache
def _library() -> Any:
    try:
        import pandas_ta_classic
    except ImportError as error:
        raise BadInputError(
            f"{LIBRARY}: {error}; install quarterdeck with its extra `indicators`, or take columns of the catalogue"
        ) from error
    # Its values must not hang on whether TA-Lib or tulipy, which it takes where it finds them, are installed.
    pandas_ta_classic.Imports |= {"talib": False, "tulipy": False}
    return pandas_ta_classic


@cache
def _function(indicator: Indicator) -> Callable[..., Any]:
    library = _library()
    names = sorted(name for group in library.Category.values() for name in group)
    if indicator.name not in names:
        near = get_close_matches(indicator.name, names, 1)
        mend = f"did you mean {near[0]}?" if near else f"docs of {LIBRARY} list all {len(names)}"
        raise BadInputError(f"{indicator.name}: is no indicator of {LIBRARY}; {mend}")
    function: Callable[..., Any] = getattr(library, indicator.name)
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in (*_SERIES, "talib", "self") and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    for name, _ in indicator.parameters:
        if name not in known:
            raise BadInputError(f"{indicator}: knows no {name}; it knows {', '.join(known) or 'none'}")
    given = dict(indicator.parameters)
    lacking = [name for name, parameter in known.items() if parameter.default is parameter.empty and name not in given]
    if lacking:
        raise BadInputError(f"{indicator}: needs {', '.join(lacking)} beside the columns of bars, so is no column")
    return function
