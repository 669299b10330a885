"""Many values of one kind in few bytes of JSON: told by columns, repeated texts once, decimals as whole numbers.

`unpacked(packed(values), len(values))` equals `values`, also after a way as JSON, where tuples are lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from core.control.codec import encode

Packed = list[Any] | dict[str, Any]
"""A list of the values as they are, or one of the forms of _READERS by its name."""

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)")
_LONGEST_RUN = 100
_MOST_DECIMALS = 9
_LARGE = 1e6
"""From there on the whole number might not be told apart from its neighbours."""

_SCALES = [10**decimals for decimals in range(_MOST_DECIMALS + 1)]


def packed(values: Sequence[Any]) -> Packed:
    """The shortest form found."""
    return min(_forms(values), key=lambda form: len(encode(form)))


def unpacked(form: Any, count: int) -> list[Any]:
    """The `count` values. Raises ValueError, TypeError or LookupError where `form` is not of so many."""
    if isinstance(form, dict):
        ((name, told),) = form.items()
        values = _READERS[name](told, count)
    else:
        values = list(form)
    if len(values) != count:
        raise ValueError(f"{len(values)} values, and not {count}")
    return values


def _forms(values: Sequence[Any]) -> Iterator[Packed]:
    yield list(values)
    if len(values) < 2:
        return
    first, kinds = values[0], {type(value) for value in values}
    if len(kinds) == 1 and all(value == first for value in values):
        yield {"all": first}
    elif kinds == {tuple} and len({len(value) for value in values}) == 1 and first:
        if len(first) <= _LONGEST_RUN and all(type(item) is tuple for value in values for item in value):
            yield {"runs": [len(first), packed([item for value in values for item in value])]}
        else:
            yield {"columns": [packed(column) for column in zip(*values, strict=True)]}
    elif kinds == {str}:
        yield from _texts(values)
    elif kinds == {float}:
        yield from _decimals(values)


def _texts(values: Sequence[str]) -> Iterator[Packed]:
    words = list(dict.fromkeys(values))
    if len(words) < len(values):
        yield {"words": [words, *(words.index(value) for value in values)]}
    parts = [_NUMBER.split(value) for value in values]
    # A text that is a number alone has nothing to share with others.
    if len({len(each) for each in parts}) == 1 and any(parts[0][::2]) and len(parts[0]) > 1:
        yield {"texts": [packed(column) for column in zip(*parts, strict=True)]}


def _decimals(values: Sequence[float]) -> Iterator[Packed]:
    needed = [_decimals_of(value) for value in values]
    if None not in needed:
        each = [decimals or 0 for decimals in needed]
        most = max(each)
        yield {"wholes": [str(most), *(round(value * 10**most) for value in values)]}
        told = zip(each, values, strict=True)
        yield {"wholes": ["".join(map(str, each)), *(round(value * 10**decimals) for decimals, value in told)]}


def _decimals_of(value: float) -> int | None:
    """The fewest with which a whole number says all of it, where so many do that one digit says how many."""
    if abs(value) < _LARGE:
        for decimals in range(_MOST_DECIMALS + 1):
            if round(value * _SCALES[decimals]) / _SCALES[decimals] == value:
                return decimals
    return None


def _read_columns(columns: Any, count: int) -> list[Any]:
    return [tuple(row) for row in zip(*(unpacked(column, count) for column in columns), strict=True)]


def _read_runs(told: Any, count: int) -> list[Any]:
    length, items = told
    if not 0 < length <= _LONGEST_RUN:
        raise ValueError(f"rows of {length}")
    flat = iter(unpacked(items, length * count))
    return [tuple(next(flat) for _ in range(length)) for _ in range(count)]


def _read_wholes(told: Any, count: int) -> list[Any]:
    """The first is how many of the digits of each stand behind the point, told once where that is the same for all."""
    places, *wholes = told
    each = places * count if len(places) == 1 else places
    return [whole / 10 ** int(decimals) for whole, decimals in zip(wholes, each, strict=True)]


_READERS: dict[str, Callable[[Any, int], list[Any]]] = {
    "all": lambda value, count: [value] * count,
    "columns": _read_columns,
    "runs": _read_runs,
    "words": lambda told, _: [told[0][number] for number in told[1:]],
    "texts": lambda columns, count: ["".join(parts) for parts in _read_columns(columns, count)],
    "wholes": _read_wholes,
}
