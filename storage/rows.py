"""Frozen dataclasses to rows and back, told from their field types: the columns are the fields."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_type_hints

from core.domain.forecast import Because, Contribution

T = TypeVar("T")

Convert = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Leaf:
    """One column: where its value is found in the dataclass and how it is told in SQL."""

    path: str
    to_sql: Convert | None
    from_sql: Convert | None


class RowShape(Generic[T]):
    """How a dataclass lies in a table. A field that is itself a dataclass gives its own fields as columns.

    Decimal is TEXT (exact), an enum its value, bool 0 or 1; what there are several of is JSON: values (null for none),
    contributions, reasons and metrics. Of a float it has as many digits as tell it from every other.
    """

    def __init__(self, cls: type[T]) -> None:
        leaves = list(_leaves(cls, ""))
        self._paths = {leaf.path.rpartition(".")[2]: leaf.path for leaf in leaves}
        self.columns = list(self._paths)
        self._make: Callable[[Iterator[Any]], T] = _maker(cls)
        paths = [leaf.path for leaf in leaves]
        get = attrgetter(*paths)
        self._get: Convert = get if len(paths) > 1 else lambda value: (get(value),)
        self._to_sql = [(i, leaf.to_sql) for i, leaf in enumerate(leaves) if leaf.to_sql]
        self._from_sql = [(i, leaf.from_sql) for i, leaf in enumerate(leaves) if leaf.from_sql]

    def encode(self, value: T) -> tuple[Any, ...]:
        row = list(self._get(value))
        for index, convert in self._to_sql:
            row[index] = convert(row[index])
        return tuple(row)

    def getter(self, columns: Sequence[str]) -> Convert:
        """What takes the values of some columns, at least two, from a dataclass, each as it is there but for those that
        SQL has only as JSON."""
        get = attrgetter(*(self._paths[name] for name in columns))
        of_json = {self.columns[index] for index, convert in self._to_sql if convert is json.dumps}
        as_json = [place for place, name in enumerate(columns) if name in of_json]
        if not as_json:
            return get

        def taken(value: Any) -> tuple[Any, ...]:
            row = list(get(value))
            for place in as_json:
                row[place] = json.dumps(row[place])
            return tuple(row)

        return taken

    def decode(self, row: Sequence[Any]) -> T:
        values = list(row)
        for index, convert in self._from_sql:
            values[index] = convert(values[index])
        return self._make(iter(values))


def column_list(columns: Sequence[str]) -> str:
    """Quoted, because some fields are named like words of SQL."""
    return ", ".join(f'"{name}"' for name in columns)


def _leaves(cls: type[Any], prefix: str) -> Iterator[_Leaf]:
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            yield from _leaves(kind, f"{prefix}{field.name}.")
        else:
            yield _Leaf(prefix + field.name, *_converters(kind))


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _converters(kind: Any) -> tuple[Convert | None, Convert | None]:
    if kind is Decimal:
        return str, Decimal
    if kind == Decimal | None:
        return _optional(str), _optional(Decimal)
    if kind is bool:
        return int, bool
    if isinstance(kind, type) and issubclass(kind, Enum):
        return attrgetter("value"), kind
    if kind == tuple[Contribution, ...]:
        return _contributions_to_json, _contributions_from_json
    if kind == tuple[float | None, ...]:
        return json.dumps, _values_from_json
    if kind == tuple[Because, ...]:
        return _because_to_json, _because_from_json
    if kind in (tuple[tuple[str, float], ...], tuple[tuple[float, float], ...]):
        return json.dumps, _pairs_from_json
    if kind in (int, str, float, int | None, float | None):
        return None, None
    raise TypeError(f"no column type for {kind}")


def _maker(cls: type[Any]) -> Callable[[Iterator[Any]], Any]:
    """A function that takes the columns in order and makes the dataclass."""
    hints = get_type_hints(cls)
    parts: list[Callable[[Iterator[Any]], Any]] = []
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        parts.append(_maker(kind) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else next)
    return lambda values: cls(*[part(values) for part in parts])


def _contributions_to_json(contributions: tuple[Contribution, ...]) -> str:
    return json.dumps([(c.feature, c.value, c.share) for c in contributions])


def _contributions_from_json(text: str) -> tuple[Contribution, ...]:
    return tuple(Contribution(*item) for item in json.loads(text))


def _values_from_json(text: str) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in json.loads(text))


def _because_to_json(because: tuple[Because, ...]) -> str:
    return json.dumps([(b.what, b.value, b.needed, b.unit, b.note) for b in because])


def _because_from_json(text: str) -> tuple[Because, ...]:
    return tuple(Because(*item) for item in json.loads(text))


def _pairs_from_json(text: str) -> tuple[tuple[Any, float], ...]:
    return tuple((one, value) for one, value in json.loads(text))
