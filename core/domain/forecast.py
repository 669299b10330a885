"""What a part of a strategy says, what is decided on it, and in what words.

An output that says nothing is None in a record and NaN where it is computed with: neither is a number that could be
decided on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from core.domain.origin import Origin
from core.domain.quick import quick

OutputUnit = Literal["bps", "probability", "pct", "class", "score"]
"""bps and pct are of a price; a probability lies in 0..1; a class is a whole number; a score is of no unit."""

UNITS: tuple[OutputUnit, ...] = get_args(OutputUnit)

MARKET = ""
"""The symbol of what is said of all symbols at once."""

_MOST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Output:
    """One number that a part says."""

    name: str
    unit: OutputUnit


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature added to the first output of a forecast, in that output's unit."""

    feature: str
    value: float
    share: float


@quick
@dataclass(frozen=True, slots=True)
class Forecast:
    """What a part says of a symbol, or of MARKET, at the close of one bar: `values` in the order of the part's outputs.

    `origin` names the part; `contributions` are the strongest features first.
    """

    symbol: str
    bar_close_ms: int
    made_ms: int
    values: tuple[float | None, ...]
    origin: Origin
    contributions: tuple[Contribution, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class Because:
    """What was compared with what. `needed` is None where a figure is only told, `value` where nothing was said.

    `unit` is that of an output, or "min", "ms", "price" or ""; `note` says where what is needed comes from.
    """

    what: str
    value: float | None
    needed: float | None
    unit: str = ""
    note: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """`direction` is +1 long, -1 short, 0 nothing; `confidence` in 0..1, None where it is not known."""

    direction: int
    confidence: float | None
    because: tuple[Because, ...] = ()


def outputs_problem(outputs: Sequence[Output], values: Sequence[float | None]) -> str:
    """Why `values` are none of these outputs, in words; empty where they are."""
    if len(values) != len(outputs):
        return f"{len(values)} values for {len(outputs)} outputs"
    for output, value in zip(outputs, values, strict=True):
        if value is not None and not _is_of(output.unit, value):
            return f"{output.name} {value}, which is no {kind_of(output.unit)}"
    return ""


def _is_of(unit: OutputUnit, value: float) -> bool:
    if not math.isfinite(value):
        return False
    if unit == "probability":
        return 0.0 <= value <= 1.0
    return unit != "class" or value == round(value)


def kind_of(unit: OutputUnit) -> str:
    """What a value of a unit is, as a noun."""
    return unit if unit in ("probability", "class") else "number"


class Compared(Protocol):
    """A Because, in whatever form it travels."""

    @property
    def what(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def needed(self) -> float | None: ...
    @property
    def unit(self) -> str: ...
    @property
    def note(self) -> str: ...


def words(because: Sequence[Compared]) -> str:
    """All of it in one line: "p_up 0.63, needed 0.60"."""
    return "; ".join(map(_in_words, because))


def figure(value: float | None, unit: str, digits: int = 0) -> str:
    """A value with its unit; `digits` more than it is told with by itself."""
    if value is None or math.isnan(value):
        return "nothing"
    value += 0.0
    match unit:
        case "bps":
            return f"{_signed(value, 1 + digits)} bps"
        case "pct":
            return f"{_signed(value, 2 + digits)} %"
        case "probability":
            return f"{value:.{2 + digits}f}"
        case "class":
            return f"{value:g}"
        case "score":
            return _signed(value, 2 + digits)
        case "price" | "":
            return f"{value:.{6 + digits}g}"
        case _:
            return f"{value:.{6 + digits}g} {unit}"


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0.0 else text


def _in_words(one: Compared) -> str:
    note = f" ({one.note})" if one.note else ""
    if one.value is None and one.needed is None and not one.unit:
        return f"{one.what}{note}"
    told, needed = figure(one.value, one.unit), figure(one.needed, one.unit)
    if one.needed is None:
        return f"{one.what} {told}{note}"
    digits = 0
    # Two figures that differ are told so, however close.
    while told == needed and one.value != one.needed and one.value is not None and digits < _MOST_DIGITS:
        digits += 1
        told, needed = figure(one.value, one.unit, digits), figure(one.needed, one.unit, digits)
    return f"{one.what} {told}, needed {needed}{note}"
