"""What a function calls is compiled with it, and its mark knows of every change of either."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import pytest

from core.lab.sweep.linking import linked, mark_of

TEXT = """
import math

MOST = 3

def doubled(x):
    return 2.0 * x + math.pi * 0.0

def close(x, bar=None):
    return min(doubled(x), MOST) if x > 0.0 else 0.0
"""


def module(text: str) -> ModuleType:
    made = ModuleType("told")
    exec(compile(text, "told.py", "exec"), vars(made))
    return made


def mark(text: str, name: str = "close") -> str | None:
    return mark_of(getattr(module(text), name))


def test_what_it_calls_is_compiled_with_it() -> None:
    close = numba.njit(linked(module(TEXT).close, numba.njit))
    assert [close(x) for x in (-1.0, 1.0, 5.0)] == [0.0, 2.0, 3.0]
    assert module(TEXT).close(5.0) == 3.0


def test_an_attribute_of_its_own_name_is_no_call_of_itself() -> None:
    names = module("def close(bar):\n    return bar.close\n")
    assert linked(names.close, numba.njit).__code__ is names.close.__code__


def test_functions_that_call_each_other_in_a_circle_are_refused() -> None:
    names = module("def one(x):\n    return two(x)\n\ndef two(x):\n    return one(x)\n")
    with pytest.raises(TypeError, match="calls itself"):
        linked(names.one, lambda function: function)


@pytest.mark.parametrize("what", [max, 3, math.floor])
def test_what_is_no_plain_function_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="is no plain function"):
        linked(what, lambda function: function)
    assert mark_of(what) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("MOST = 3", "MOST = 4"),
        ("2.0 * x", "2.5 * x"),
        ("min(", "max("),
        ("bar=None", "bar=1"),
        ("math.pi", "math.e"),
        ("import math", "import cmath as math"),
        ("def doubled(x)", "def doubled(x, y=1)"),
    ],
)
def test_its_mark_changes_with_all_that_is_compiled_in(before: str, after: str) -> None:
    assert mark(TEXT) == mark(TEXT)
    assert mark(TEXT) != mark(TEXT.replace(before, after))


def test_a_mark_knows_of_what_a_function_closes_over() -> None:
    def of(number: float, inner: Callable[[float], float]) -> Callable[[float], float]:
        return lambda x: number * inner(x)

    one, two = module(TEXT), module(TEXT.replace("2.0", "3.0"))
    assert mark_of(of(1.0, one.doubled)) == mark_of(of(1.0, one.doubled))
    assert len({mark_of(of(1.0, one.doubled)), mark_of(of(2.0, one.doubled)), mark_of(of(1.0, two.doubled))}) == 3


def test_of_what_may_change_unseen_there_is_no_mark() -> None:
    assert mark("class Of:\n    most = 3\n\nOF = Of()\n\ndef close(x):\n    return OF.most * x\n") is None
    assert mark("MOST = [3]\n\ndef close(x):\n    return MOST[0] * x\n") is None
