"""The catalogue is whole: each limit has a file of its name, words that are true, and a test that it blocks and a test
that it clears."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader import limits as package
from core.trader.limits.catalogue import CATALOGUE, RULES
from core.trader.limits.limit import Ended, Limit

SHARED = {"__init__", "catalogue", "limit"}
SOURCES = Path(package.__file__).parent
SAYS = {Ended.BY_DAY: "00:00 UTC", Ended.BY_RESUME: "operator resumes", Ended.BY_UNLOCK: "operator unlocks"}
"""What the words of a limit say that something alone ends."""

every_limit = pytest.mark.parametrize("limit", CATALOGUE, ids=RULES)


def test_each_file_is_a_limit_and_each_limit_a_file() -> None:
    assert sorted(RULES) == sorted({path.stem for path in SOURCES.glob("*.py")} - SHARED)
    assert len(RULES) == len(CATALOGUE)


@every_limit
def test_a_limit_stands_in_the_file_of_its_name(limit: Limit) -> None:
    module = importlib.import_module(f"{package.__name__}.{limit.name}")
    assert getattr(module, limit.name.upper()) is limit


@every_limit
def test_a_limit_has_a_test_that_it_blocks_and_one_that_it_clears(limit: Limit) -> None:
    tests = vars(importlib.import_module(f"tests.core.trader.limits.test_{limit.name}"))
    for what in ("blocks", "clears"):
        assert any(name.startswith(f"test_{limit.name}_{what}") for name in tests), f"no test that it {what}"


@every_limit
def test_a_limit_says_whom_it_binds_what_it_does_and_what_clears_it(limit: Limit) -> None:
    assert limit.scope in LimitScope
    assert limit.effect in (LimitEffect.REDUCE, LimitEffect.NO_NEW_ENTRIES, LimitEffect.FLATTEN)
    assert limit.unit
    assert limit.formula
    assert limit.clears.startswith(("when ", "with ", "at "))


@every_limit
def test_what_ends_a_limit_stands_in_its_words(limit: Limit) -> None:
    for by, words in SAYS.items():
        by_its_figure = by is Ended.BY_DAY and limit.name == "day_trades"
        assert (words in limit.clears) is (by in limit.ended or by_its_figure)


@every_limit
def test_what_is_measured_is_of_the_account_a_strategy_or_a_symbol(limit: Limit) -> None:
    if limit.meter is not None and limit.meter(LimitSettings()) is not None:
        assert limit.scope is not LimitScope.TRADE
