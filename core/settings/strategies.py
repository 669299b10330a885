"""Which strategies there are, and the table of settings that each has: `[NAME]`, checked by a class of its own.

A strategy's module may hold that class, a pydantic model, as `SETTINGS` beside its `build`; without one its keys are
free, and the strategy checks them itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.domain.errors import BadInputError, SettingsError
from core.settings.problems import first_problem

Table = TypeVar("Table", bound=BaseModel)

GROUP = "quarterdeck.strategies"

BUILT_IN = {
    "ema_cross": "strategies.ema_cross.declaration:build",
    "scalper": "strategies.scalper.declaration:build",
}
"""The same as in pyproject.toml: a checkout whose installed metadata is older than its code knows its own."""


class StrategySettings(BaseModel):
    """What the class of a strategy's table begins with: unknown keys are errors, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def strategy_names() -> list[str]:
    """Every name that is known, sorted."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def strategy_entry(name: str) -> EntryPoint:
    """Where a strategy comes from. Raises BadInputError for a name that is not known or registered twice."""
    values = set(_registered(name, tuple(sys.path)))
    if name in BUILT_IN:
        values.add(BUILT_IN[name])
    if not values:
        raise BadInputError(f"no strategy is named {name}; known are {', '.join(strategy_names())}")
    if len(values) > 1:
        raise BadInputError(
            f"strategy {name}: registered more than once, as {' and as '.join(sorted(values))}; uninstall all but one"
        )
    return EntryPoint(name, values.pop(), GROUP)


def table_class(name: str) -> type[BaseModel] | None:
    """The class of a strategy's table; None where its keys are free, or where nobody can say: a strategy that is not
    there, or cannot be imported, is told when it is to trade."""
    try:
        found = strategy_entry(name)
    except BadInputError:
        return None
    return _class_in(found.module)


def whole_table(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A strategy's table as JSON has it, with all its keys. Raises SettingsError naming the key and the mend."""
    model = table_class(name)
    return dict(given) if model is None else parse_table(model, given, name).model_dump(mode="json")


def parse_table(model: type[Table], given: Mapping[str, Any], name: str) -> Table:
    """The table `[name]`. Raises SettingsError naming the key and the mend."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise SettingsError(first_problem(error, model, (name,))) from error


@lru_cache(maxsize=64)
def _class_in(module: str) -> type[BaseModel] | None:
    try:
        found = getattr(import_module(module), "SETTINGS", None)
    except Exception:  # noqa: BLE001 -- what a stranger's module raises; `load_strategy` tells it
        return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


@lru_cache(maxsize=64)
def _registered(name: str, path: tuple[str, ...]) -> frozenset[str]:
    """Kept, because a search builds a strategy for every parameter set and this reads every distribution there is."""
    return frozenset(found.value for found in entry_points(group=GROUP, name=name))
