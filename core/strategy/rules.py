"""Rules at work: bars in, forecasts out, with what each symbol's rule must remember in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.forecast import Forecast, kind_of
from core.domain.market import Bar
from core.domain.origin import champion
from core.ports import BarColumns, Seen
from core.strategy.declaration import Part, Strategy

Floats = NDArray[np.float64]

_LARGEST = float(np.finfo(np.float64).max)


class ForecastDesk(Protocol):
    """What tells forecasts of a bar that are known beforehand, in place of the parts."""

    def told(self, bar: Bar) -> Sequence[Forecast]: ...


def forecast_of(
    strategy: str, part: str, symbol: str, bar_close_ms: int, delay_ms: int, values: Floats
) -> Forecast | None:
    """Values (outputs,) that are not a model's as the trader is told them; None where all are NaN."""
    said = tuple(None if value != value else value for value in values.tolist())
    if said.count(None) == len(said):
        return None
    return Forecast(symbol, bar_close_ms, bar_close_ms + delay_ms, said, champion(strategy, part=part))


class RuleDesk:
    """One fold of a part's rule for each symbol. Every bar of a symbol is folded in once, in order of time; a bar
    that the market lacks is simply not there, and the fold goes on with the next. So is, for a part that sees others,
    a bar of which one of these said nothing.

    How a rule was brought to a bar, one by one or many at once, makes no difference to what it says there.
    """

    def __init__(
        self, strategy: Strategy, symbols: Sequence[str], inference_delay_ms: int, part: Part | None = None
    ) -> None:
        """Of the part that is decided on where none is given. Raises ValueError for one without a rule."""
        part = part or strategy.part
        if part.rule is None:
            raise ValueError(f"strategy {strategy.name} has no rule")
        self._name = strategy.name
        self._part = part
        self._others = strategy.parts_seen(part)
        self._rule = part.rule
        self._outputs = len(part.outputs)
        units = [output.unit for output in part.outputs]
        self._is_bounded = not {"probability", "class"}.isdisjoint(units)
        self._least = np.array([0.0 if unit == "probability" else -_LARGEST for unit in units])
        self._most = np.array([1.0 if unit == "probability" else _LARGEST for unit in units])
        self._is_whole = np.array([unit == "class" for unit in units])
        self._parameters = np.array(self._rule.parameters, np.float64)
        self._delay_ms = inference_delay_ms
        self._states = {symbol: np.zeros(self._rule.state_size) for symbol in symbols}
        self._newest_ms: dict[str, int] = {}

    def catch_up(self, columns: BarColumns) -> None:
        """Fold in history that nothing is asked of; the bars of `values` and `predict` come after it."""
        self.values(columns)

    def values(self, columns: BarColumns) -> Floats:
        """Fold the next n bars of a symbol in: the outputs of each (n, outputs), NaN where the rule has nothing to say.

        Nothing counts of a bar at which an input is missing. Raises ValueError when a bar was folded in before, or what
        was seen of the part's inputs is not there, BadInputError when the rule gives no outputs of each, or one that is
        not of its kind.
        """
        times = columns.open_time_ms
        if not len(times):
            return np.empty((0, self._outputs))
        self._note(columns.symbol, int(times[0]), int(times[-1]))
        if self._others and columns.seen is not None:
            there = np.flatnonzero(~_lacks(columns.seen, self._others))
            values = np.full((len(times), self._outputs), np.nan)
            if len(there):
                values[there] = self._scan_bars(columns.at(there))
            return values
        return self._scan_bars(columns)

    def _scan_bars(self, columns: BarColumns) -> Floats:
        prices = (columns.open, columns.high, columns.low, columns.close, columns.volume)
        return self._scan(columns.symbol, *prices, seen=columns.seen)

    def predict(self, bar: Bar, seen: Seen | None = None) -> Forecast | None:
        """Fold one bar in: what the rule says at its close, if anything. `seen` is what was then seen of the part's
        inputs. Raises as `values` does."""
        if seen is not None and seen.close_ms.tolist() != [bar.close_time_ms]:
            raise ValueError(f"{bar.symbol}: what was seen is not of the close at {bar.close_time_ms}")
        if self._others and seen is not None and _lacks(seen, self._others)[0]:
            return None
        self._note(bar.symbol, bar.open_time_ms, bar.open_time_ms)
        one = np.array([[bar.open], [bar.high], [bar.low], [bar.close], [bar.volume]])
        values = self._scan(bar.symbol, *one, seen=seen)[0]
        return forecast_of(self._name, self._part.name, bar.symbol, bar.close_time_ms, self._delay_ms, values)

    def _note(self, symbol: str, first_ms: int, last_ms: int) -> None:
        newest_ms = self._newest_ms.get(symbol, -1)
        if first_ms <= newest_ms:
            raise ValueError(f"{symbol}: the bar that opens at {first_ms} comes after that of {newest_ms}")
        self._newest_ms[symbol] = last_ms

    def _scan(self, symbol: str, *columns: Floats, seen: Seen | None) -> Floats:
        inputs = self._part.inputs
        if inputs:
            if seen is None or seen.inputs != inputs or len(seen.close_ms) != len(columns[0]):
                raise ValueError(f"{symbol}: what {self._name} sees of {', '.join(inputs)} is not told")
            columns = (*columns, seen.values)
        # Of one kind whatever their source, so that numba compiles the rule once.
        plain = (np.require(column, np.float64, ("C", "W")) for column in columns)
        values: Floats = self._rule.scan(self._states[symbol], *plain, self._parameters)
        shape = (len(columns[0]), self._outputs)
        if np.shape(values) not in (shape, shape[:1] if self._outputs == 1 else shape):
            raise BadInputError(
                f"strategy {self._name}: its rule gave values of shape {np.shape(values)} for {shape[0]} bars "
                f"of {shape[1]} outputs"
            )
        told = np.ascontiguousarray(values).reshape(shape)
        if inputs and seen is not None:
            told = np.where(seen.is_lacking()[:, np.newaxis], np.nan, told)
        self._check(told)
        return told

    def _check(self, told: Floats) -> None:
        """Raises BadInputError for a value that is none of its output's kind."""
        if self._is_bounded:
            bad = ~np.isnan(told) & (
                (told < self._least) | (told > self._most) | (self._is_whole & (told != np.rint(told)))
            )
        else:
            bad = np.isinf(told)
        if bad.any():
            output = self._part.outputs[int(np.argwhere(bad)[0, 1])]
            raise BadInputError(
                f"strategy {self._name}: its rule says {output.name} {told[bad][0]:g}, "
                f"which is no {kind_of(output.unit)}"
            )


def _lacks(seen: Seen, inputs: Sequence[str]) -> NDArray[np.bool_]:
    """Of each row, whether one of these inputs is missing, which are parts: of the very bar."""
    places = [seen.inputs.index(name) for name in inputs]
    lacking: NDArray[np.bool_] = (seen.newest_ms[:, places] != 0).any(axis=1)
    return lacking
