"""Values told in few bytes are the same values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.control.codec import encode, read
from core.control.packing import packed, unpacked

SHORT = st.decimals(-9_999, 9_999, places=3).map(float)
LONG = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(SHORT, LONG, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none())
TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["a", "b", ""]),
    st.tuples(st.sampled_from(["forecast ", "-", ""]), SHORT).map(lambda parts: f"{parts[0]}{parts[1]:+.1f} bps, 8.0"),
)
LEAVES = st.one_of(NUMBERS, TEXTS)
ROWS = st.one_of(LEAVES, st.lists(st.one_of(LEAVES, st.tuples(TEXTS, SHORT, LONG)), max_size=3).map(tuple))
ALIKE = st.one_of(
    *(st.lists(each, max_size=9) for each in (SHORT, LONG, TEXTS, ROWS)),
    st.lists(st.tuples(st.tuples(TEXTS, SHORT, LONG), st.tuples(TEXTS, SHORT, LONG)), max_size=6),
)


def there(values: list[Any]) -> Any:
    """After a way as JSON."""
    return read(object, encode(packed(values)))


def plain(value: Any) -> Any:
    """With lists for tuples, which JSON does not tell apart, and what kind of number each is."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return (type(value), value) if isinstance(value, bool | int | float) else value


@given(values=ALIKE)
def test_what_was_packed_is_there_again(values: list[Any]) -> None:
    assert plain(unpacked(there(values), len(values))) == plain(values)


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([7] * 9, {"all": 7}),
        ([1, True, 1], [1, True, 1]),
        ([0.25, -12.25, 1.75] * 9, {"wholes": ["2", *[25, -1225, 175] * 9]}),
        ([0.00123, 1234.0] * 9, {"wholes": ["50" * 9, *[123, 1234] * 9]}),
        ([0.1 + 0.2, 1.0], [0.1 + 0.2, 1.0]),
        ([1e300, 5e-324], [1e300, 5e-324]),
        (["stop", "target"] * 9, {"words": [["stop", "target"], *[0, 1] * 9]}),
        ([(1.0,), (1.0, 2.0)], [(1.0,), (1.0, 2.0)]),
        ([], []),
    ],
)
def test_the_shortest_form_is_taken(values: list[Any], form: Any) -> None:
    assert packed(values) == form
    assert plain(unpacked(there(values), len(values))) == plain(values)


def test_texts_that_differ_in_their_numbers_share_the_words() -> None:
    texts = [f"forecast {number / 10:+.1f} bps, needed 8.0 bps" for number in range(-20, 20)]
    assert len(encode(packed(texts))) < len(encode(texts)) / 3
    assert unpacked(there(texts), len(texts)) == texts


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ([1, 2], 3),
        ({"nobody": 1}, 1),
        ({}, 1),
        ({"all": 1, "words": 2}, 1),
        ({"wholes": ["x", 1]}, 1),
        ({"wholes": ["12", 1]}, 1),
        ({"words": [["a"], 1]}, 1),
        ({"columns": [[1], [1, 2]]}, 2),
        ({"columns": 7}, 2),
        ({"runs": [2, [1]]}, 1),
        ({"runs": [10**9, {"all": 1}]}, 1),
    ],
)
def test_what_cannot_be_is_refused(form: Any, count: int) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        unpacked(form, count)
