"""Messages as JSON lines, both ways, driven by their own types."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from core.domain.errors import UnavailableError
from core.domain.plain import plain

T = TypeVar("T")

_MAX_TOLD = 200
_encode = msgspec.json.Encoder().encode


def encode(message: object) -> bytes:
    """JSON without a line break. Structs become objects, tuples lists, Decimals text; what is not a finite number
    becomes null, and half a surrogate pair, which is no text, the letters of its escape.

    Raises TypeError for what has no JSON form.
    """
    try:
        return _encode(message)
    except UnicodeEncodeError:
        return _encode(_as_text(msgspec.to_builtins(message)))


def encode_line(message: object) -> bytes:
    return encode(message) + b"\n"


def decode(kind: type[T], row: object) -> T:
    """The message of type `kind` that `row` (parsed JSON) tells.

    Unknown keys are passed over and absent ones take their default, so that a console and an engine of neighbouring
    versions understand each other. Raises UnavailableError where a required key is absent or of another shape.
    """
    try:
        return msgspec.convert(row, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _unreadable(kind, error) from error


def read(kind: type[T], line: bytes) -> T:
    """The same from the JSON itself."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unreadable(kind, error) from error


def _unreadable(kind: Any, error: Exception) -> UnavailableError:
    name = getattr(kind, "__name__", "answer")
    return UnavailableError(
        f"the engine's {name} cannot be read ({plain(str(error))[:_MAX_TOLD]}); run console and engine from the same "
        "version"
    )


def _as_text(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {_as_text(key): _as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [_as_text(item) for item in value]
        case _:
            return value
