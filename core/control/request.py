"""What an operator asks for: an operation by its id, and what was given for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Value = str | bool | int

Values = Mapping[str, Value]
"""What was given for an act, by the names of its arguments. What is missing is "", False or
absent; a duration is milliseconds."""

Claim = Literal["none", "free", "over"]
"""What a console wants of the write lease: nothing, to have it where nobody else has, or to have it whoever has it."""


class Request(Struct, frozen=True):
    """One wish of an operator: the id of an operation and what was given for it. `operator` is who asks, for the
    journal."""

    operation: str
    values: Values = field(default_factory=dict)
    operator: str = "console"
