"""What is not written anywhere about an indicator, found by trying it on made markets: whether it looks ahead, after
how many bars its past no longer weighs, whether it hangs on the scale of prices and volumes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.features.column import Column
from core.features.pandas_ta import LIBRARY, Anchored, Indicator, run_of
from core.features.probe import WEATHERS, made_market, part, scaled
from core.ports import BarColumns

Floats = NDArray[np.float64]
Outputs = dict[str, Floats]

RTOL = 1e-9
"""Of the value, or of the median size of the output where that is larger."""
MOST_BARS = 1024
"""An indicator that has not settled after so many is refused."""
BARS = 2560
SEED = 20_260_102
CUTS = (97, 211, 389, 701, 1303, 2501)
"""Where the later bars are cut off to see whether that changes the earlier values."""
ENDS = tuple(range(BARS - 7 * 61, BARS + 1, 61))


@cache
def indicator_columns(indicator: Indicator) -> tuple[Column, ...]:
    """A column for each output that is taken, measured once a process.

    Raises BadInputError, in one line, where the indicator or an output is not known, cannot be computed, looks ahead,
    has no value, or does not settle within MOST_BARS.
    """
    markets = [made_market(BARS, SEED + i, weather) for i, weather in enumerate(WEATHERS)]
    wholes = [run_of(indicator, market) for market in markets]
    if not wholes[0]:
        raise BadInputError(f"{indicator}: gives nothing of {BARS} bars, so is no column")
    return tuple(_column(indicator, asked, name, markets, wholes) for asked, name in _taken(indicator, wholes[0]))


def _taken(indicator: Indicator, whole: Outputs) -> list[tuple[str, str]]:
    """(as it is asked for, as the library calls it) of each output that is taken."""
    if not indicator.outputs:
        return [(name, name) for name in whole]
    taken = []
    for asked in indicator.outputs:
        found = [name for name in whole if name == asked] or [n for n in whole if n.partition("_")[0] == asked]
        if len(found) != 1:
            raise BadInputError(f"{indicator}: has no one output {asked}; it has {', '.join(whole)}")
        taken.append((asked, found[0]))
    return taken


def _column(indicator: Indicator, asked: str, output: str, markets: list[BarColumns], wholes: list[Outputs]) -> Column:
    name = str(indicator) if len(wholes[0]) == 1 else f"{indicator}.{asked}"
    if any(output not in whole for whole in wholes) or all(np.isnan(whole[output]).all() for whole in wholes):
        raise BadInputError(f"{name}: has no value on a made market")
    for market, whole in zip(markets, wholes, strict=True):
        if any(_is_changed(indicator, output, part(market, slice(0, cut)), whole[output][:cut]) for cut in CUTS):
            raise BadInputError(f"{name}: looks ahead: its values change when later bars are cut off; it is refused")
    settled = _settled_bars(indicator, output, markets, wholes)
    while settled is not None and not _holds_at_every_bar(indicator, output, settled, markets, wholes):
        settled += settled // 8 + 1
        settled = settled if settled <= MOST_BARS else None
    if settled is None:
        raise BadInputError(
            f"{name}: does not settle: its last value still hangs on bars {MOST_BARS} back; it is refused"
        )
    return Column(
        name=name,
        formula=f"{LIBRARY}.{indicator} [{output}]",
        source=f"pandas-ta-classic {version('pandas-ta-classic')}",
        warm_up_bars=2 * settled - 1,
        unit="",
        is_scale_free=_is_scale_free(indicator, output, markets[-1], wholes[-1][output]),
        told=Anchored(indicator, output, settled),
    )


def _is_changed(indicator: Indicator, output: str, early: BarColumns, whole: Floats) -> bool:
    found = _outputs(indicator, early)
    return output in found and not np.array_equal(found[output], whole, equal_nan=True)


def _settled_bars(indicator: Indicator, output: str, markets: list[BarColumns], wholes: list[Outputs]) -> int | None:
    """The smallest window of which the last value is that of a long history; None where none up to MOST_BARS is."""

    def is_settled(bars: int) -> bool:
        return all(
            _is_settled_on(indicator, output, bars, market, whole[output])
            for market, whole in zip(markets, wholes, strict=True)
        )

    bars = 1
    while not is_settled(bars):
        bars *= 2
        if bars > MOST_BARS:
            return None
    short = bars // 2
    while bars - short > 1:
        middle = (short + bars) // 2
        short, bars = (short, middle) if is_settled(middle) else (middle, bars)
    return bars


def _holds_at_every_bar(
    indicator: Indicator, output: str, settled: int, markets: list[BarColumns], wholes: list[Outputs]
) -> bool:
    """Whether the column, so settled, is a long history's at every bar: a stop that trails forgets at its next turn and
    not before, which a few windows may miss."""
    need = 2 * settled - 1
    for market, whole in zip(markets, wholes, strict=True):
        possible = np.arange(1, BARS + 1, dtype=np.int64)
        told = Anchored(indicator, output, settled).values(market, possible, need, 0)[need:]
        expected = whole[output][need:]
        size = _size(whole[output])
        both = np.isnan(told) & np.isnan(expected)
        near = np.abs(told - expected) <= RTOL * np.maximum(np.maximum(np.abs(told), np.abs(expected)), size)
        if not (both | near | (told == expected)).all():
            return False
    return True


def _is_settled_on(indicator: Indicator, output: str, bars: int, market: BarColumns, whole: Floats) -> bool:
    size = _size(whole)
    return all(
        _is_near(_last(indicator, output, part(market, slice(end - bars, end))), float(whole[end - 1]), size)
        for end in ENDS
    )


def _last(indicator: Indicator, output: str, window: BarColumns) -> float | None:
    found = _outputs(indicator, window)
    return float(found[output][-1]) if output in found else None


def _outputs(indicator: Indicator, window: BarColumns) -> Outputs:
    """None of a window that is too short for the library, whichever way it says so."""
    try:
        return run_of(indicator, window)
    except BadInputError:
        return {}


def _size(values: Floats) -> float:
    told = np.abs(values[~np.isnan(values)])
    return float(np.median(told)) if len(told) else 0.0


def _is_near(value: float | None, expected: float, size: float) -> bool:
    if value is None:
        return False
    if np.isnan(value) or np.isnan(expected):
        return bool(np.isnan(value) and np.isnan(expected))
    return value == expected or abs(value - expected) <= RTOL * max(abs(value), abs(expected), size)


def _is_scale_free(indicator: Indicator, output: str, market: BarColumns, whole: Floats) -> bool:
    size = _size(whole)
    return all(
        np.allclose(
            run_of(indicator, scaled(market, price, volume)).get(output, np.nan),
            whole,
            rtol=RTOL,
            atol=RTOL * size,
            equal_nan=True,
        )
        for price, volume in ((8.0, 1.0), (3.7, 1.0), (1.0, 8.0), (1.0, 0.3))
    )
