"""Functions of the room as numba compiles them: those that they call, too, each from the same text."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled, with every function of `core` in its globals compiled likewise."""
    assert isinstance(function, FunctionType)
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        found = names.get(name)
        if isinstance(found, FunctionType) and found.__module__.startswith("core."):
            names[name] = compiled(found)
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__module__ = function.__module__
    return numba.njit(copy)


def functions_of(module: ModuleType) -> list[Callable[..., Any]]:
    return [value for value in vars(module).values() if isinstance(value, FunctionType) and of(value, module)]


def of(function: FunctionType, module: ModuleType) -> bool:
    return function.__module__ == module.__name__ and not function.__name__.startswith("_")
