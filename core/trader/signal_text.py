"""Why a strategy wants something or nothing, and what an exit compared with what."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.arithmetic import exits
from core.domain.forecast import Because
from core.domain.market import MINUTE_MS
from core.position.policy import ADD, MOVE_STOP, REDUCE, Said
from core.strategy.decision import Vector, told
from core.strategy.declaration import ExitRule, Strategy, Unit

_UNITS: dict[Callable[..., bool], Unit] = {
    exits.reversal: "bps",
    exits.stop_loss: "pct",
    exits.take_profit: "pct",
    exits.time_stop: "ms",
}


def wanted(strategy: Strategy) -> str:
    """Why a strategy enters. A rule forecasts no return, so nothing of its value is an edge over costs."""
    return "the rule's signal" if strategy.part.rule is not None else "forecast above what is needed"


def unwanted(strategy: Strategy) -> str:
    """Why a strategy wants nothing."""
    return "the rule asks for nothing" if strategy.part.rule is not None else "forecast below what is needed"


def policy_because(said: Said, entry_price: float, price: float, stop_price: float) -> tuple[Because, ...]:
    """What a policy saw when it said something; where that is a stop, from where it goes and to where."""
    seen = (Because("price", price, None, "price"), Because("entry", entry_price, None, "price"))
    if said.what == REDUCE:
        return Because("share to close", said.amount, None), *seen
    if said.what == ADD:
        return Because("share to add", said.amount, None), *seen
    if said.what != MOVE_STOP:
        return seen
    before = None if math.isnan(stop_price) else stop_price
    return Because("stop", said.amount, None, "price"), Because("before", before, None, "price"), *seen


def exit_because(
    strategy: Strategy, rule: ExitRule, side_sign: int, entry_price: float, price: float, values: Vector, held_ms: int
) -> tuple[Because, ...]:
    """What an exit rule compared when it said to leave."""
    side = "long" if side_sign > 0 else "short"
    match rule.unit or _UNITS.get(rule.function, ""):
        case "ms":
            return (Because("held", held_ms / MINUTE_MS, rule.parameter / MINUTE_MS, "min"),)
        case "pct":
            moved = 100.0 * side_sign * (price - entry_price) / entry_price
            needed = -rule.parameter if rule.function is exits.stop_loss else rule.parameter
            return (Because(f"price from the entry while {side}", moved, needed, "pct"),)
        case "bps" | "probability" as unit:
            (first, *_) = told(strategy.outputs, values)
            needed = -side_sign * rule.parameter if unit == "bps" else rule.parameter
            return (Because(f"{first.what} while {side}", first.value, needed, first.unit),)
        case _:
            name = getattr(rule.function, "__name__", "of its own")
            return (
                Because(f"exit {name} by its parameter", rule.parameter, None),
                *told(strategy.outputs, values),
                Because("price", price, None, "price"),
                Because("entry", entry_price, None, "price"),
                Because("held", held_ms / MINUTE_MS, None, "min"),
            )
