"""Records as text that is equal where they are equal bit for bit, and what two of them differ in."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any, get_type_hints

from core.domain.orders import Order
from core.domain.records import IntentRecord, Record
from core.domain.trading import EXACT

_SHOWN = 4
"""How many differing fields are told."""


def bits(record: Record) -> str:
    """The record as JSON in one line: equal texts are equal records, down to the last bit of a float and the last digit
    of a decimal. Floats count as the database gives them back: whole numbers as floats, and a zero without its sign."""
    return f"{type(record).__name__} {json.dumps(record, default=_plain)}"


def values(record: Record) -> str:
    """The same, but for zeros behind a decimal, which tell in what ticks and lots it was counted once."""
    return f"{type(record).__name__} {json.dumps(record, default=_plain_value)}"


def noun(record: Record) -> str:
    """What a record is, in words, with the symbol or the name it is about."""
    words = re.sub(r"(?<!^)([A-Z])", r" \1", type(record).__name__.removesuffix("Record")).lower()
    fields = dict(_leaves(record))
    about = [
        fields[name] for name in ("symbol", "limit", "verb", "role", "action", "client_order_id") if name in fields
    ]
    return " ".join([words, *(name for name in dict.fromkeys(about) if name)])


def whole(record: Record) -> str:
    """The noun with what else a reader needs to find the record."""
    kept = ("state", "side", "qty_lots", "price_ticks", "trigger_ticks", "lots", "values", "reason", "fired", "used")
    fields = dict(_leaves(record))
    told = [f"{name} {fields[name]}" for name in kept if fields.get(name) not in (None, "None", "")]
    return ", ".join([noun(record), *told])


def differing(journal: Record, trader: Record) -> tuple[str, str]:
    """What each of two records says where they are not the same."""
    if type(journal) is not type(trader):
        return whole(journal), whole(trader)
    ours, theirs = dict(_leaves(journal)), dict(_leaves(trader))
    names = [name for name in ours if ours[name] != theirs.get(name)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""

    def told(record: Record, fields: dict[str, str]) -> str:
        return f"{noun(record)}: " + ", ".join(f"{name} {fields.get(name)}" for name in names[:_SHOWN]) + more

    return told(journal, ours), told(trader, theirs)


def time_ms(record: Record) -> int | None:
    """When the record says that it was made; None where it does not say."""
    fields = dict(_values(record))
    names = ("created_ms",) if isinstance(record, IntentRecord) else ("time_ms", "made_ms", "exit_time_ms", "due_ms")
    return next((int(fields[name]) for name in names if name in fields), None)


_FLOATS = (float, float | None, tuple[float | None, ...])
_SHAPES: dict[type[Any], tuple[Callable[[Any], Any], list[int]]] = {}


def _shape(cls: type[Any]) -> tuple[Callable[[Any], Any], list[int]]:
    """How to get the fields of a dataclass, and which of them are floats."""
    if cls not in _SHAPES:
        names = [field.name for field in dataclasses.fields(cls)]
        hints = get_type_hints(cls)
        get = attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
        _SHAPES[cls] = (get, [index for index, name in enumerate(names) if hints[name] in _FLOATS])
    return _SHAPES[cls]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    get, floats = _shape(type(value))
    row = list(get(value))
    for index in floats:
        row[index] = _plain_float(row[index])
    return row


def _plain_float(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_float(item) for item in value]
    return None if value is None else float(value) + 0.0  # -0.0 + 0.0 is 0.0


def _plain_value(value: Any) -> Any:
    return str(value.normalize(EXACT)) if isinstance(value, Decimal) else _plain(value)


def _values(value: Any) -> Iterator[tuple[str, Any]]:
    """Leaf names and values, what an event says before the order after it."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            after = "order." if isinstance(item, Order) and len(dataclasses.fields(value)) > 1 else ""
            yield from ((after + name, leaf) for name, leaf in _values(item))
        else:
            yield field.name, item


def _leaves(record: Record) -> Iterator[tuple[str, str]]:
    for name, value in _values(record):
        text = value if isinstance(value, str) else str(value) if isinstance(value, Decimal) else repr(value)
        yield name, str.__str__(text)
