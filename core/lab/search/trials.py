"""What was tried: parameter sets, told apart by what they set, whatever run or sweep tried them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from statistics import mean, variance
from typing import TYPE_CHECKING, Any, Literal

from core.settings.values import Value

if TYPE_CHECKING:
    from core.lab.run.result import Floats

TUNED_SECTIONS = ("account", "costs", "sizing", "limits")
"""Sections of the settings that are parameters of every strategy, beside its own."""

TrialState = Literal["complete", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set and what came of it. `number` counts within its run or sweep.

    `parameters` are the values that were set; `parameter_hash` names the whole set, as the function of that name does.
    `figures` are names with units and hold at least final_usdt, trades, sharpe (of 365-day years), max_drawdown_pct and
    those of core.lab.statistics.basis.RANKS unless the trial failed; one that is undefined or not finite is None.
    `daily` float64 (n,) are the returns of the whole days from `first_day_ms` on that have a bar, as fractions. `note`
    says why a trial failed.
    """

    number: int
    parameters: Mapping[str, Value]
    parameter_hash: str
    state: TrialState
    figures: Mapping[str, float | None]
    first_day_ms: int | None = None
    daily: Floats | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrialCount:
    """How many distinct parameter sets were tried on such data, and what the luck of the best is measured by.

    `alike` are those of them that were tried in the same way: on the same symbols and interval, over a comparable
    number of days. `mean` and sample `variance` are of the Sharpe ratios a day of those whose ratio is of whole UTC
    days; None for fewer than two.
    """

    trials: int
    alike: int
    mean: float | None = None
    variance: float | None = None


def counted(trials: int, alike: int, ratios: Sequence[float]) -> TrialCount:
    """With mean and variance of the `ratios` that are known of those alike."""
    if len(ratios) < 2:
        return TrialCount(trials, alike)
    return TrialCount(trials, alike, mean(ratios), variance(ratios))


MOST_APART = 2.0


def comparable(days: float, other_days: float) -> bool:
    """Whether records of so many days scatter alike: neither is more than twice the other."""
    return 0.0 < days <= MOST_APART * other_days and other_days <= MOST_APART * days


def pool_text(strategy: str, symbols: Sequence[str], interval: str, days: float, alike: int) -> str:
    """Which trials a deflated ratio was taken over, of a record of `days`."""
    return (
        f"{alike:,} of {strategy} on {', '.join(symbols)}, {interval} bars, "
        f"{days / MOST_APART:,.0f} to {days * MOST_APART:,.0f} days"
    )


def parameter_hash(
    settings: Mapping[str, Any], strategy: str, overrides: Mapping[str, Value] | Sequence[tuple[str, Value]] = ()
) -> str:
    """The name of a parameter set: `settings` (as JSON has them) with `overrides` over them.

    Only the strategy's section and TUNED_SECTIONS count. A value left at its default and the same value set are one;
    so are 3, 3.0 and "3". A key without a dot is one of the strategy's section.
    """
    sections = {name: dict(settings.get(name, {})) for name in TUNED_SECTIONS}
    sections[strategy] = dict(settings.get(strategy, {}))
    for key, value in dict(overrides).items():
        section, _, name = key.rpartition(".")
        if (section or strategy) in sections:
            sections[section or strategy][name] = value
    text = json.dumps(_normal(sections), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return value
    return f"{number.normalize():f}" if number.is_finite() else value
