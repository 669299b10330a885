"""Functions of the room as numba compiles them: those that they call, too, each from the same text."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numba

from core.lab.sweep.linking import linked


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled, with every function that it names compiled likewise."""
    return numba.njit(linked(function, numba.njit))


def functions_of(module: ModuleType) -> list[Callable[..., Any]]:
    return [value for value in vars(module).values() if isinstance(value, FunctionType) and of(value, module)]


def of(function: FunctionType, module: ModuleType) -> bool:
    return function.__module__ == module.__name__ and not function.__name__.startswith("_")
