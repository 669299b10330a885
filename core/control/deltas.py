"""Snapshots as what changed since another one: rows that stay are named by their place, and of the changed ones each
field that changed is told by itself, with its values in all of them.

`applied(old, between(old, new))` equals `new` whatever the two are, also after a way as JSON; that a row has the key of
another only makes a delta smaller.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from core.control.packing import Packed, packed, unpacked
from core.control.protocol import SILENT, Snapshot, StatusView

Fields = dict[str, Any]
"""New values by the names of their fields. A run of numbers may be told as a Slide."""

_NEWEST = ("wait", "hold", SILENT)
"""Of a symbol's newest prediction, which asked for nothing or was none, and of which there is one at most."""

_KEYS: Mapping[str, Callable[[Any], object]] = {
    "prices": lambda row: row.symbol,
    "positions": lambda row: (row.symbol, row.trade_id),
    "orders": lambda row: row.client_order_id,
    "signals": lambda row: (row.symbol, "newest" if row.action in _NEWEST else row.time_ms, row.action in _NEWEST),
    "meters": lambda row: row.name,
    "trades": lambda row: row.trade_id,
    "external": lambda row: (row.symbol, row.type, row.side, row.client_order_id),
}
"""By what the rows of each list of a Snapshot are known again."""


class Slide(Struct, frozen=True):
    """A run of values that lost its first `drop` and got `add` at its end."""

    drop: int
    add: tuple[Any, ...]


class Change(Struct, frozen=True, array_like=True):
    """A field of the rows at the places `at` of the new list, as [from, to, from, to, ...]; `values` are packed. With a
    `drop` of 0 or more the value of each is a Slide, of which it tells what is added."""

    field: str
    at: tuple[int, ...]
    values: Packed
    drop: int = -1


class Rows(Struct, frozen=True, omit_defaults=True):
    """The new list. `order` is what it is made of: [from, to) of the old one, and whole new rows; absent where rows
    neither came, went nor moved. `changed` are the fields that differ then."""

    order: tuple[tuple[int, int] | Any, ...] | None = None
    changed: tuple[Change, ...] = ()


class Delta(Struct, frozen=True, omit_defaults=True):
    """From the snapshot `base` to the snapshot `seq`. What is absent stays."""

    base: int
    seq: int
    fields: Fields = {}
    status: Fields = {}
    prices: Rows | None = None
    positions: Rows | None = None
    orders: Rows | None = None
    signals: Rows | None = None
    meters: Rows | None = None
    trades: Rows | None = None
    external: Rows | None = None


_PLAIN = tuple(name for name in Snapshot.__struct_fields__ if name not in {"seq", "status", *_KEYS})
"""The fields of a Snapshot that are told whole."""


def between(old: Snapshot, new: Snapshot) -> Delta:
    rows = {name: _rows(getattr(old, name), getattr(new, name), key) for name, key in _KEYS.items()}
    return Delta(
        old.seq,
        new.seq,
        _fields(old, new, _PLAIN),
        _fields(old.status, new.status, StatusView.__struct_fields__),
        **rows,
    )


def applied(old: Snapshot, delta: Delta) -> Snapshot:
    """Raises ValueError where `delta` does not begin at `old`, or says what cannot be."""
    if delta.base != old.seq:
        raise ValueError(f"a change of snapshot {delta.base}, and this is {old.seq}")
    try:
        changed = {
            name: _rows_after(getattr(old, name), rows, _hints(Snapshot)[name])
            for name in _KEYS
            if (rows := getattr(delta, name)) is not None
        }
        plain = _values(old, delta.fields)
        return structs.replace(old, seq=delta.seq, status=_changed(old.status, delta.status), **plain, **changed)
    except (TypeError, ValueError, AttributeError, LookupError, msgspec.ValidationError) as error:
        raise ValueError(f"a change that cannot be: {error}") from error


def _fields(old: Struct, new: Struct, names: Sequence[str]) -> Fields:
    return {
        name: _slide(was, now) if isinstance(now, tuple) else now
        for name in names
        if (was := getattr(old, name)) is not (now := getattr(new, name)) and was != now
    }


def _slide(old: tuple[Any, ...], new: tuple[Any, ...]) -> Slide | tuple[Any, ...]:
    """A slide where most of `old` stays."""
    for drop in range(min(len(old) // 2, len(new))):
        kept = len(old) - drop
        if old[drop:] == new[:kept]:
            return Slide(drop, new[kept:])
    return new


def _rows(old: tuple[Any, ...], new: tuple[Any, ...], key: Callable[[Any], object]) -> Rows | None:
    if old == new:
        return None
    places = {key(row): place for place, row in enumerate(old)}
    order: list[Any] = []
    changed: dict[int, Fields] = {}
    run: list[int] | None = None
    for place, row in enumerate(new):
        at = places.get(key(row))
        if at is None:
            order.append(row)
            run = None
            continue
        if run is not None and run[1] == at:
            run[1] = at + 1
        else:
            run = [at, at + 1]
            order.append(run)
        if fields := _fields(old[at], row, row.__struct_fields__):
            changed[place] = fields
    return Rows(None if order == [[0, len(old)]] else tuple(order), _changes(changed))


def _changes(changed: Mapping[int, Fields]) -> tuple[Change, ...]:
    """What changed by place, told by field."""
    found: dict[tuple[str, int], tuple[list[int], list[Any]]] = {}
    for place, fields in changed.items():
        for name, value in fields.items():
            drop, told = (value.drop, value.add) if isinstance(value, Slide) else (-1, value)
            told = _as_tuples(told)
            places, values = found.setdefault((name, drop), ([], []))
            values.append(told)
            if places and places[-1] == place:
                places[-1] = place + 1
            else:
                places += (place, place + 1)
    return tuple(Change(name, tuple(at), packed(values), drop) for (name, drop), (at, values) in found.items())


def _as_tuples(value: Any) -> Any:
    """Rows within a field as what they travel as, so that they are packed by columns."""
    if isinstance(value, tuple):
        return tuple(map(_as_tuples, value))
    return structs.astuple(value) if isinstance(value, Struct) and value.__struct_config__.array_like else value


def _changed_fields(changes: Sequence[Change], count: int) -> dict[int, Fields]:
    """The same by the places of `count` rows."""
    found: dict[int, Fields] = {}
    for change in changes:
        bounds = iter(change.at)
        places: list[int] = []
        for start, stop in zip(bounds, bounds, strict=True):
            if not 0 <= start < stop <= count:
                raise IndexError(f"rows {start} to {stop} of {count}")
            places += range(start, stop)
        for place, value in zip(places, unpacked(change.values, len(places)), strict=True):
            found.setdefault(place, {})[change.field] = value if change.drop < 0 else Slide(change.drop, tuple(value))
    return found


def _rows_after(old: tuple[Any, ...], rows: Rows, hint: Any) -> tuple[Any, ...]:
    kind = typing.get_args(hint)[0]
    new: list[Any] = []
    for part in ((0, len(old)),) if rows.order is None else rows.order:
        match part:
            case (int(start), int(stop)):
                if not 0 <= start < stop <= len(old) and (start, stop) != (0, len(old)):
                    raise ValueError(f"rows {start} to {stop} of {len(old)}")
                new += old[start:stop]
            case row:
                new.append(msgspec.convert(row, kind))
    for place, fields in _changed_fields(rows.changed, len(new)).items():
        new[place] = _changed(new[place], fields)
    return tuple(new)


def _changed(old: Any, fields: Fields) -> Any:
    return structs.replace(old, **_values(old, fields)) if fields else old


def _values(old: Any, fields: Fields) -> Fields:
    hints = _hints(typing.cast(typing.Hashable, type(old)))
    return {name: _value(getattr(old, name), value, hints[name]) for name, value in fields.items()}


def _value(old: Any, value: Any, hint: Any) -> Any:
    if isinstance(value, dict | Slide) and isinstance(old, tuple):
        slide = value if isinstance(value, Slide) else msgspec.convert(value, Slide)
        value = [*msgspec.to_builtins(old[slide.drop :]), *slide.add]
    return msgspec.convert(value, hint)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
