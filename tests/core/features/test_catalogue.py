"""Every column of the catalogue, by machinery: a new one is held without a test of its own."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

from core import features
from core.domain.errors import BadInputError
from core.features.catalogue import FAMILIES, catalogue, columns
from core.features.checks import CHECKS, Check
from core.features.column import Column, lookback_bars
from core.features.returns import change
from core.features.window import Windowed

COLUMNS = catalogue()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("column", COLUMNS.values(), ids=lambda column: column.name)
def test_what_must_hold_of_every_column_holds(column: Column, check: Check) -> None:
    assert check(column) == ""


def test_every_file_with_columns_is_a_family() -> None:
    """One that is left out would be missing from all that holds of every column."""
    files = {file.name: import_module(f"core.features.{file.name}") for file in iter_modules(features.__path__)}
    assert {name for name, module in files.items() if hasattr(module, "COLUMNS")} == set(FAMILIES)


def test_every_family_brings_its_columns() -> None:
    brought = [column.name for family in FAMILIES for column in import_module(f"core.features.{family}").COLUMNS]
    assert sorted(brought) == sorted(COLUMNS)
    assert len(brought) > 20


@pytest.mark.parametrize("family", FAMILIES)
def test_a_compiled_function_calls_those_of_its_own_file_alone(family: str) -> None:
    """numba's cache on disk would not notice an edit in another."""
    module = import_module(f"core.features.{family}")
    compiled = [value for value in vars(module).values() if hasattr(value, "py_func")]
    assert compiled
    assert {inspect.getmodule(function.py_func) for function in compiled} == {module}


def test_columns_are_found_by_name_or_brought_along() -> None:
    found = columns(["rsi_14", change(30), "close_usdt"])
    assert [column.name for column in found] == ["rsi_14", "ret_30m_bps", "close_usdt"]
    assert lookback_bars(found) == 31
    assert lookback_bars(()) == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["rsi_41"], "column rsi_41: is not in the catalogue; did you mean rsi_14?"),
        (["ret_5m_bps", change(5)], "column ret_5m_bps: taken twice; leave one out or name them apart"),
    ],
)
def test_what_cannot_be_taken_is_told_in_a_line(wanted: list[str | Column], said: str) -> None:
    with pytest.raises(BadInputError) as error:
        columns(wanted)
    assert str(error.value) == said


def test_a_name_like_no_other_is_told_with_all_there_are() -> None:
    with pytest.raises(
        BadInputError, match=r"^column xyz: is not in the catalogue; known are acceleration_bps, close_u"
    ):
        columns(["xyz"])


def test_a_function_that_may_raise_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is not made by core\.features\.window\.compiled"):
        Windowed(lambda *_: 1.0)


def test_a_quick_command_waits_for_no_library() -> None:
    code = (
        "import sys\n"
        "from core.features import catalogue, column\n"
        "print(sorted({'numba', 'pandas', 'pandas_ta_classic'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
