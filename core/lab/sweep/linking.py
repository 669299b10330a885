"""Functions as numba takes them: with compiled copies of those that they call, and a mark of all that is compiled in.

Arithmetic that trader and sweep share, and what a strategy declares, is plain Python that calls other plain functions
by name; numba knows only what was compiled before.
"""

from __future__ import annotations

import dis
import hashlib
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def linked(function: Callable[..., Any], compile_: Callable[[Any], Any]) -> Any:
    """A copy of a function that calls, in place of the plain functions that it names, what `compile_` makes of copies
    of them. Raises TypeError for what is no plain function, and for functions that call each other in a circle."""
    return _copy(_plain(function), compile_, ())


def _copy(function: FunctionType, compile_: Callable[[Any], Any], callers: tuple[CodeType, ...]) -> FunctionType:
    code = function.__code__
    if code in callers:
        raise TypeError(f"{function.__name__} calls itself")

    def taken(value: Any) -> Any:
        if isinstance(value, FunctionType):
            return compile_(_copy(value, compile_, (*callers, code)))
        return value

    names = dict(function.__globals__)
    names |= {name: taken(names[name]) for name in _globals(code) if name in names}
    cells = tuple(CellType(taken(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = FunctionType(code, names, function.__name__, function.__defaults__, cells or None)
    copy.__module__, copy.__kwdefaults__ = function.__module__, function.__kwdefaults__
    return copy


def mark_of(function: Callable[..., Any]) -> str | None:
    """A text that differs where the machine code of the function might: of its own code, of all that it calls and of
    every constant. None where it names something of which nobody knows that it stays as it is."""
    digest = hashlib.sha256()
    try:
        for part in _told(_plain(function), set()):
            digest.update(repr(part).encode())
    except TypeError:
        return None
    return digest.hexdigest()


def _told(function: FunctionType, known: set[CodeType]) -> Iterator[object]:
    """Raises TypeError for what cannot be told."""
    code = function.__code__
    if code in known:
        return
    known.add(code)
    yield from _code(code)
    attributes = _names(code)
    values = {name: function.__globals__[name] for name in _globals(code) if name in function.__globals__}
    values |= {str(n): cell.cell_contents for n, cell in enumerate(function.__closure__ or ())}
    for name, value in (*values.items(), ("defaults", function.__defaults__), ("by name", function.__kwdefaults__)):
        yield name
        yield from _value(value, attributes, known)


def _code(code: CodeType) -> Iterator[object]:
    yield code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield type(constant).__name__, constant


def _value(value: object, attributes: set[str], known: set[CodeType]) -> Iterator[object]:
    if isinstance(value, _PLAIN):
        yield type(value).__name__, value
    elif isinstance(value, tuple):
        for one in value:
            yield from _value(one, attributes, known)
    elif isinstance(value, FunctionType):
        yield from _told(value, known)
    elif isinstance(value, type):
        yield value.__module__, value.__qualname__, getattr(value, "_fields", ())
    elif isinstance(value, BuiltinFunctionType):
        yield value.__module__, value.__qualname__
    elif isinstance(value, ModuleType):
        yield value.__name__, getattr(value, "__version__", "")
        for name in sorted(attributes & set(vars(value))):
            if isinstance(vars(value)[name], _PLAIN):
                yield name, vars(value)[name]
    elif hasattr(value, "py_func"):
        yield repr(getattr(value, "targetoptions", ""))
        yield from _told(_plain(value.py_func), known)
    else:
        raise TypeError(f"nobody knows whether a {type(value).__name__} stays as it is")


def _names(code: CodeType) -> set[str]:
    """All names that the code, and code inside it, looks up outside of itself, those of attributes among them."""
    return set(code.co_names).union(*map(_names, _inside(code)))


def _globals(code: CodeType) -> list[str]:
    """Those of them that it looks up in its module, each once."""
    own = [one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"]
    return sorted({*own, *(name for inner in _inside(code) for name in _globals(inner))})


def _inside(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _plain(function: Any) -> FunctionType:
    """The function itself, or the one that numba has compiled."""
    found = getattr(function, "py_func", function)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{function!r} is no plain function")
    return found
