"""What the suite says of itself: the slow tests are there, and named where they are chosen."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

from tests.conftest import LONGEST, ROOT, SLOW


@pytest.mark.parametrize("place", SLOW)
def test_what_is_named_slow_exists(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("place", LONGEST)
def test_the_longest_are_of_the_slow(place: str) -> None:
    assert place.startswith(SLOW)


def test_this_is_fast_and_known_to_be(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("slow") is None


def test_no_example_fails_by_the_clock_on_the_wall() -> None:
    assert settings().deadline is None
    told = [path for path in (ROOT / "tests").rglob("*.py") if re.search(r"deadline=\d", path.read_text())]
    assert told == []
