"""Whether the parts of a strategy can speak one after the other as they are declared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.domain.forecast import UNITS, Output
from core.strategy.declaration import Part, Strategy

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names stand in ids, columns and names of folders."""


def parts_problem(strategy: Strategy) -> str:
    """What is wrong with the parts, their order and their outputs, in words; empty where nothing is."""
    names = [part.name for part in strategy.parts]
    if not names or len(set(names)) < len(names) or not all(map(NAME.fullmatch, names)):
        called = ", ".join(names) or "nothing"
        return f"its parts are called {called}; name each by letters, digits, _ and -, no two alike"
    for part in strategy.parts:
        if problem := _outputs_problem(part.outputs, "its" if len(names) == 1 else f"part {part.name}: its"):
            return problem
        if part.scope == "market" and part.rule is None:
            return (
                f"part {part.name} speaks of the whole market, which only a rule can; make it one, or take out its "
                'scope "market"'
            )
    return _order_problem(strategy) or _decided_problem(strategy)


def _outputs_problem(outputs: Sequence[Output], whose: str) -> str:
    names = [output.name for output in outputs]
    if not names or len(set(names)) < len(names) or not all(map(NAME.fullmatch, names)):
        called = ", ".join(names) or "nothing"
        return f"{whose} outputs are called {called}; name each by letters, digits, _ and -, no two alike"
    strange = [output for output in outputs if output.unit not in UNITS]
    if strange:
        return f"{whose} output {strange[0].name} is in {strange[0].unit!r}; units are {', '.join(UNITS)}"
    return ""


def _order_problem(strategy: Strategy) -> str:
    named = {part.name: part for part in strategy.parts}
    for part in strategy.parts:
        if circle := _circle((part.name,), named):
            return f"its parts see each other in a circle: {' of '.join(circle)}; take one of these inputs out"
    for place, part in enumerate(strategy.parts):
        later = [one.name for one in strategy.parts[place:]]
        for name in part.inputs:
            if name in later:
                return f"part {part.name} sees {name}, which is declared behind it; declare {name} before {part.name}"
    return ""


def _circle(way: tuple[str, ...], named: Mapping[str, Part]) -> tuple[str, ...]:
    """The way back to where it began, empty where there is none."""
    for name in named[way[-1]].inputs:
        if name == way[0]:
            return (*way, name)
        if name in named and name not in way and (found := _circle((*way, name), named)):
            return found
    return ()


def _decided_problem(strategy: Strategy) -> str:
    known = [part.name for part in strategy.parts]
    for place, name in enumerate(strategy.decides_on):
        if name not in known:
            return f"it decides on {name}, which is no part of it; its parts are {', '.join(known)}"
        if name in strategy.decides_on[:place]:
            return f"it decides on {name} twice; name it once"
    names = [output.name for output in strategy.outputs]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), "")
    if twice:
        return f"two of the parts that it decides on call an output {twice}; name one otherwise"
    if strategy.volatility and Output(strategy.volatility, "pct") not in strategy.outputs:
        return f"its volatility is {strategy.volatility!r}, which is no output of it in pct"
    return ""
