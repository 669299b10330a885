"""What may stand in a line that comes over the socket: a type for each method and each act, and their reading.

A line that says more than its type, or something else, is refused: a misspelt word must not make another act of it.
"""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from core.control.charts import ChartPart
from core.control.client import PROTOCOL_VERSION, other_version
from core.control.deltas import Delta
from core.control.events import Events
from core.control.operations import OPERATIONS, Kind
from core.control.protocol import Snapshot
from core.control.request import Claim, Request
from core.domain.errors import BadInputError
from core.domain.plain import plain
from core.home.log_line import LogLine

_MAX_TOLD = 200
_MAX_NAME = 64
_A_NAME = f"text of at most {_MAX_NAME} characters that can be printed"
_LONGEST_MS = 10 * 365 * 86_400_000
_OPERATOR, _LEASE = "operator", "lease"

PARTS: tuple[str, ...] = Snapshot.__struct_fields__
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=_MAX_NAME)]
Text = Annotated[str, Meta(max_length=_MAX_TOLD)]
Duration = Annotated[int, Meta(ge=1, le=_LONGEST_MS)]
Exact = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,15})?$")]
"""A number from 0 on as text: none of its digits is lost on the way."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """One line: `id` comes back with the answer; `params` is read by the method's own type. What names no version is of
    the first, which had none."""

    method: str
    id: Whole | Name | None = None
    params: Raw = Raw(b"{}")
    version: Whole = 1


class Answer(Struct, frozen=True):
    """One line back: the result, to be read by what was asked for, or the error."""

    version: int = 1
    id: Any = None
    result: Raw = Raw(b"null")
    error: Any = None


class StatusParams(Struct, frozen=True, forbid_unknown_fields=True):
    """For the status line alone."""


class SchemaParams(Struct, frozen=True, forbid_unknown_fields=True):
    """For what may be said here, as JSON Schema."""


class SnapshotParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`parts` are fields of a Snapshot; all where none are named."""

    parts: tuple[Literal[PARTS], ...] | None = None  # type: ignore[valid-type]


class LogParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Log lines behind the cursor `after`, the oldest `limit` of them."""

    after: Count = 0
    limit: Count | None = None


class ChartParams(Struct, frozen=True, forbid_unknown_fields=True):
    """The chart of a symbol, with its bars that open at `from_ms` or later."""

    symbol: Name
    from_ms: Count = 0


class UpdateParams(Struct, frozen=True, forbid_unknown_fields=True):
    """The events behind number `after`, and the newest snapshot as what changed since the one numbered `snapshot`."""

    after: Count = 0
    snapshot: Count = 0


class AttachParams(Struct, frozen=True, forbid_unknown_fields=True):
    """To be a console from now on, for as long as the connection lasts: who asks, and what is wanted of the write
    lease. It may be asked for again, for the lease."""

    operator: Name = "socket"
    lease: Claim = "free"


class Attached(Struct, frozen=True):
    """`run` numbers the run of the engine, `name` is how this console is called in it, and `writer` who holds the
    lease; what is in snapshots up to `seq`, and in one that is being made meanwhile, may be of before."""

    run: int
    name: str
    writer: str
    seq: int = 0


class ChartReply(Struct, frozen=True):
    """No chart where there is none."""

    chart: ChartPart | None


class LogReply(Struct, frozen=True):
    """`next` is the cursor to go on from."""

    next: int
    lines: tuple[LogLine, ...]


class Updates(Struct, frozen=True):
    """The answer to that. The snapshot comes as a `delta`; or whole, where the other one is not known any more; it is
    absent where there is none newer."""

    events: Events
    delta: Delta | None = None
    snapshot: Snapshot | None = None


def _command_type(operation_id: str) -> type[Struct]:
    """What is said with one act: its arguments by their names, who asks, and where it needs the write lease whether
    that is taken over for it."""
    forms: dict[Kind, Any] = {
        Kind.SYMBOL: Name,
        Kind.FLAG: bool,
        Kind.TEXT: Text,
        Kind.DURATION: Duration,
        Kind.TRADE: Text,
        Kind.PERCENT: Exact,
        Kind.PRICE: Exact,
    }
    arguments = OPERATIONS[operation_id].arguments
    needed = [argument for argument in arguments if argument.needed]
    return msgspec.defstruct(
        f"{operation_id.title().replace('-', '')}Params",
        [
            *((argument.name, forms[argument.kind]) for argument in needed),
            *((a.name, forms[a.kind] | UnsetType, UNSET) for a in arguments if not a.needed),
            (_OPERATOR, Name, "socket"),
            *([] if OPERATIONS[operation_id].reduces else [(_LEASE, Literal["free", "over"], "free")]),
        ],
        frozen=True,
        forbid_unknown_fields=True,
        tag_field="verb",
        tag=operation_id,
    )


REDUCING = frozenset(operation.id for operation in OPERATIONS.values() if operation.reduces)
COMMANDS = {operation_id: _command_type(operation_id) for operation_id in OPERATIONS}
CommandParams: Any = functools.reduce(operator.or_, COMMANDS.values())

PARAMS: dict[str, Any] = {
    "status": StatusParams,
    "snapshot": SnapshotParams,
    "chart": ChartParams,
    "updates": UpdateParams,
    "logs": LogParams,
    "attach": AttachParams,
    "command": CommandParams,
    "schema": SchemaParams,
}
"""The type of the params of each method."""

_TAKES = {
    "status": "nothing",
    "schema": "nothing",
    "snapshot": f"parts, a list out of {', '.join(PARTS)}",
    "chart": "symbol, and from_ms, a whole number from 0 on",
    "updates": "after and snapshot, whole numbers from 0 on",
    "logs": "after and limit, whole numbers from 0 on",
    "attach": f"operator and lease, one of {', '.join(get_args(Claim))}; a name is {_A_NAME}",
    "command": f"verb ({', '.join(OPERATIONS)}), operator and what the act takes; a name is {_A_NAME}",
}


def asked(line: bytes) -> Asked:
    """Raises BadInputError where `line` is no request."""
    try:
        return msgspec.json.decode(line, type=Asked)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        what = 'a request is a JSON object {"id", "version", "method", "params"} on one line'
        raise BadInputError(f"{what}: {_told(error)}") from error


def params_of(request: Asked) -> Any:
    """As the type that PARAMS has for the method.

    Raises BadInputError with what the method takes, and RefusedError where another version is spoken, for all but what
    makes risk smaller.
    """
    if request.version == PROTOCOL_VERSION:
        return _read(request)
    mismatch = other_version("the engine", PROTOCOL_VERSION, "who asks", request.version)
    if request.method != "command":
        raise mismatch
    try:
        params = _read(request)
    except BadInputError as error:
        raise mismatch from error
    if not is_reducing(params):
        raise mismatch
    return params


def _read(request: Asked) -> Any:
    method = request.method
    if method not in PARAMS:
        raise BadInputError(f"unknown method {plain(method[:_MAX_NAME])!r}; known: {', '.join(PARAMS)}")
    given = bytes(request.params)
    try:
        return msgspec.json.decode(b"{}" if given == b"null" else given, type=PARAMS[method])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInputError(f"{method}: {_told(error)}; it takes {_TAKES[method]}") from error


def is_reducing(params: Any) -> bool:
    """Whether it is a command, and one that makes risk smaller."""
    return isinstance(params, Struct) and params.__struct_config__.tag in REDUCING


def request_of(params: Struct) -> Request:
    """The wish that a command's params state. Raises BadInputError where a name cannot be printed."""
    given = {
        name: value
        for name in params.__struct_fields__
        if name not in (_OPERATOR, _LEASE) and (value := getattr(params, name)) is not UNSET
    }
    for value in given.values():
        printable(value if isinstance(value, str) else "")
    return Request(str(params.__struct_config__.tag), given, printable(getattr(params, _OPERATOR)))


def takes_over(params: Struct) -> bool:
    """Whether a command's params say that the write lease is taken over for it."""
    return getattr(params, _LEASE, "free") == "over"


def printable(name: str) -> str:
    """The same. Raises BadInputError where it cannot be printed."""
    if not name.isprintable():
        raise BadInputError(f"a name is {_A_NAME}")
    return name


def _told(error: Exception) -> str:
    return "too deeply nested" if isinstance(error, RecursionError) else plain(str(error))[:_MAX_TOLD]
