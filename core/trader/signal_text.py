"""What a signal compared with what, in words."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.arithmetic import exits
from core.domain.market import MINUTE_MS
from core.strategy.declaration import ExitRule, Strategy, Unit

_UNITS: dict[Callable[..., bool], Unit] = {
    exits.reversal: "bps",
    exits.stop_loss: "pct",
    exits.take_profit: "pct",
    exits.time_stop: "ms",
}


def wanted(strategy: Strategy) -> str:
    """Why a strategy enters. A rule forecasts no return, so nothing of its value is an edge over costs."""
    return "the rule's signal" if strategy.rule is not None else "forecast above what is needed"


def unwanted(strategy: Strategy) -> str:
    """Why a strategy wants nothing."""
    return "the rule asks for nothing" if strategy.rule is not None else "forecast below what is needed"


def compared_entry(strategy: Strategy, value_bps: float, threshold_bps: float) -> str:
    said = "the rule says" if strategy.rule is not None else "forecast"
    return f"{said} {value_bps:+.1f} bps, needed {threshold_bps:.1f} bps"


def unit_of(rule: ExitRule) -> Unit:
    """The unit of a rule's parameter, "" where it is not known."""
    return rule.unit or _UNITS.get(rule.function, "")


def compared_exit(
    rule: ExitRule, side_sign: int, entry_price: float, price: float, value_bps: float, held_ms: int
) -> str:
    """What an exit rule compared when it said to leave; `value_bps` is NaN where nothing was predicted."""
    match unit_of(rule):
        case "ms":
            return f"held {_minutes(held_ms)}, limit {_minutes(rule.parameter)}"
        case "pct":
            moved = 100.0 * side_sign * (price - entry_price) / entry_price
            return f"price {moved:+.2f} % from the entry, limit {rule.parameter:g} %"
        case "bps":
            side = "long" if side_sign > 0 else "short"
            return f"{_forecast(value_bps)} while {side}, limit {rule.parameter:.1f} bps"
        case _:
            name = getattr(rule.function, "__name__", "of its own")
            given = f"{_forecast(value_bps)}, price {price:g}, entry {entry_price:g}, held {_minutes(held_ms)}"
            return f"exit {name} was given {given}; its parameter is {rule.parameter:g}"


def _forecast(value_bps: float) -> str:
    return "no forecast" if math.isnan(value_bps) else f"forecast {value_bps:+.1f} bps"


def _minutes(duration_ms: float) -> str:
    return f"{duration_ms / MINUTE_MS:g} min"
