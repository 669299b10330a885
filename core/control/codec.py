"""Control views as JSON lines, both ways, driven by the views' own types."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypeVar, Union

from core.domain.errors import UnavailableError

T = TypeVar("T")


def encode_line(message: object) -> bytes:
    """One JSON line. Dataclasses become objects, tuples lists, Decimals text; half a surrogate pair stays an escape."""
    text = json.dumps(message, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(kind: type[T], row: object) -> T:
    """The view of type `kind` that `row` (parsed JSON) tells.

    Unknown keys are passed over and absent ones take their default, so that a console and an engine of neighbouring
    versions understand each other. Raises UnavailableError where a required key is absent or of another shape.
    """
    read: Callable[[Any], T] = _decoder(typing.cast(Any, kind))
    try:
        return read(row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnavailableError(
            f"the engine's {kind.__name__} cannot be read ({type(error).__name__}: {error}); "
            "run console and engine from the same version"
        ) from error


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """A function from parsed JSON to a value of the annotated type `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in (int, str, bool):
        return functools.partial(_exactly, kind)
    if kind is float:
        return _number
    if dataclasses.is_dataclass(kind):
        return _dataclass_decoder(kind)
    if origin is Literal:
        return functools.partial(_one_of, arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is dict:
        value = _decoder(arguments[1])
        return lambda row: {key: value(item) for key, item in row.items()}
    if origin in (Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        inner = _decoder(next(argument for argument in arguments if argument is not type(None)))
        return lambda row: None if row is None else inner(row)
    raise TypeError(f"{kind} has no reading")


def _dataclass_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    parts = [(field.name, _decoder(hints[field.name])) for field in dataclasses.fields(kind)]
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read(row: Any) -> Any:
        return kind(**{name: part(row[name]) for name, part in parts if name in row or name in required})

    return read


def _tuple_decoder(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _decoder(arguments[0])
        return lambda row: tuple(item(value) for value in row)
    items = [_decoder(argument) for argument in arguments]
    return lambda row: tuple(item(value) for item, value in zip(items, row, strict=True))


def _exactly(kind: type, value: object) -> object:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _one_of(choices: tuple[object, ...], value: object) -> object:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, choices))}")
    return value
