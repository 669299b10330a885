"""Whether two engines will do the same from here on: one figure over all that their next step depends on.

Attributes are found, not listed: what an engine learns to remember counts from the day it does.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import types
from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from pydantic import BaseModel

from core.engine.engine import Engine
from core.market.history import BarHistory
from core.strategy.declaration import Strategy

NEWEST_BARS = 60
"""Of a history, which reaches back as far as its start read: more than the parts of a scripted hour look at."""

_PLAIN = (int, float, str, bytes, type(None), Decimal)
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type, partial)
_GIVEN = (BaseModel, Strategy, asyncio.Lock, asyncio.Event)
"""What every start is given anew, and locks, which nobody holds between two steps."""


def state_of(engine: Engine) -> bytes:
    """Of the trader, the venue, and what the session asked and was told. How often the journal was written and what
    the screen shows are not of it."""
    session = engine._session
    left_out = ("stepper", "histories", "_clock", "_settlements")
    held = {name: value for name, value in vars(session).items() if name not in left_out}
    told = [held, session.stepper._venue, session.stepper.prices, session.histories, engine._steering._acts]
    return _Digest().of(told)


class _Digest:
    """Equal for equal values, whether one object or several hold them, and in whatever order a mapping was filled."""

    def __init__(self) -> None:
        # The values with them: what is gone leaves its id to another.
        self._known: dict[int, tuple[Any, bytes]] = {}

    def of(self, value: Any) -> bytes:
        if isinstance(value, enum.Enum):
            return repr(value.value).encode()
        if isinstance(value, _PLAIN):
            return repr(value).encode()
        if isinstance(value, _CODE):
            return getattr(value, "__qualname__", "").encode()
        if isinstance(value, _GIVEN):
            return b""
        if (known := self._known.get(id(value))) is not None:
            return known[1]
        self._known[id(value)] = value, b"itself"
        digest = hashlib.md5(b"\0".join(self._parts(value)), usedforsecurity=False).digest()
        self._known[id(value)] = value, digest
        return digest

    def _parts(self, value: Any) -> list[bytes]:
        if isinstance(value, BarHistory):
            return [self.of(value.window(NEWEST_BARS, value.newest_ms()))]
        if isinstance(value, np.ndarray):
            return [value.tobytes()]
        if isinstance(value, Mapping):
            return sorted(self.of(key) + b":" + self.of(one) for key, one in value.items())
        if isinstance(value, AbstractSet):
            return sorted(map(self.of, value))
        if isinstance(value, list | tuple | deque):
            return [b"[", *map(self.of, value)]
        names = [name for kind in type(value).__mro__ for name in _slots(kind)]
        names += getattr(value, "__dict__", ())
        return [
            type(value).__name__.encode(),
            *(self.of(getattr(value, name)) for name in names if hasattr(value, name)),
        ]


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
