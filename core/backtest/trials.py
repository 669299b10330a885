"""What was tried: parameter sets, told apart by what they set, whatever run or sweep tried them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from core.lab import Value

if TYPE_CHECKING:
    from core.backtest.result import Floats

TUNED_SECTIONS = ("account", "costs", "sizing", "limits")
"""Sections of the settings that are parameters of every strategy, beside its own."""

TrialState = Literal["complete", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set and what came of it. `number` counts within its run or sweep.

    `parameters` are the values that were set; `parameter_hash` names the whole set, as the function of that name does.
    `figures` are names with units and hold at least final_usdt, trades, sharpe (of 365-day years) and
    max_drawdown_pct unless the trial failed; one that is undefined or not finite is None. `daily` float64 (n,) are the
    returns of the days from `first_day_ms` on that have a bar, as fractions. `note` says why a trial failed.
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
    """How many distinct parameter sets were tried, and the sample variance of their annual Sharpe ratios.

    The variance is None for fewer than two. Divided by 365 it is that of daily Sharpe ratios.
    """

    trials: int
    sharpe_variance: float | None


def parameter_hash(
    settings: Mapping[str, Any], strategy: str, overrides: Mapping[str, Value] | Sequence[tuple[str, Value]] = ()
) -> str:
    """The name of a parameter set: `settings` (as JSON has them) with `overrides` over them.

    Only the strategy's section and TUNED_SECTIONS count. A value left at its default and the same value set are one;
    so are 3, 3.0 and "3". A key without a dot is one of the strategy's section, which of a strategy from elsewhere is
    its table in strategy_options.
    """
    sections = {name: dict(settings.get(name, {})) for name in TUNED_SECTIONS}
    sections[strategy] = dict(settings.get(strategy) or settings.get("strategy_options", {}).get(strategy, {}))
    for key, value in dict(overrides).items():
        section, _, name = key.removeprefix("strategy_options.").rpartition(".")
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
