"""Any message of a type, as a strategy: what JSON holds, so numbers are finite and whole ones of 64 bits."""

from __future__ import annotations

import types
import typing
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any, Literal, Union

from hypothesis import strategies as st
from msgspec import Struct

FEW = 3

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=8),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def made(kind: Any, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`given` are strategies for fields by name."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: given[name] if name in given else _of(hint) for name, hint in hints.items()})


def _of(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(_of(arguments[0]), max_size=FEW).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_of, arguments))
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=FEW)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_of, arguments))
    assert is_dataclass(hint) or issubclass(hint, Struct), hint
    return made(hint)
