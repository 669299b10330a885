"""A strategy's own functions in compiled form: made callable at an address, and called there by the kernel.

So one kernel, compiled once, runs the exit policies of any strategy: what is compiled for each of their functions is a
small frame around it, kept on disk where nothing that it is made of can change unseen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numba
import numba.core.cgutils
import numba.extending
from llvmlite import ir
from numba.core.errors import NumbaError

from core.arithmetic.compiler import callback, ready_compiler
from core.domain.errors import BadInputError
from core.lab.sweep.linking import linked, mark_of
from core.position.policy import Candle, ExitPolicy, Held

RAISED = -1
"""What a frame answers where the function in it raised."""

_numba: Any = numba
types = _numba.types
_F8, _I8 = types.float64, types.int64
_PRICES = types.CPointer(_F8)
_CANDLE = types.NamedUniTuple(_F8, 5, Candle)
_HELD = types.NamedTuple((_I8, _F8, _F8, _F8, _F8, _I8), Held)
_MEMORY, _SHOWN = types.Array(_F8, 1, "C"), types.Array(_F8, 1, "C", readonly=True)
_SAID = types.Tuple((_I8, _F8))
_OPTIONS = {"nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def _made_viewer(form: Any) -> Any:
    def view(typingctx: Any, pointer: Any, count: Any) -> Any:
        def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            from numba.np import arrayobj

            array = context.make_array(form)(context, builder)
            size = context.get_constant(types.intp, 8)
            fill: Any = arrayobj.populate_array
            fill(array, values[0], (values[1],), (size,), size, None)
            return builder.load(array._getpointer())  # noqa: SLF001

        return form(pointer, count), lower

    return _numba.extending.intrinsic(view)


view, show = _made_viewer(_MEMORY), _made_viewer(_SHOWN)
"""(pointer, count): so many floats as an array, to write to or only to look at. Numba's own `carray` counts owners."""


def _see_frame(see: Any) -> Any:
    def frame(
        state: Any,
        state_size: int,
        sign: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        parameters: Any,
        count: int,
    ) -> int:
        bar = Candle(open_, high, low, close, volume)
        try:
            see(view(state, state_size), sign, bar, show(parameters, count))
        except Exception:  # noqa: BLE001 - others' code; numba knows no other class here
            return RAISED
        return 0

    return frame


def _step_frame(step: Any) -> Any:
    def frame(
        state: Any,
        state_size: int,
        sign: int,
        entry_price: float,
        qty: float,
        opened_qty: float,
        stop_price: float,
        held_ms: int,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        values: Any,
        outputs: int,
        parameters: Any,
        count: int,
        amount: Any,
    ) -> int:
        held = Held(sign, entry_price, qty, opened_qty, stop_price, held_ms)
        bar = Candle(open_, high, low, close, volume)
        try:
            said = step(show(state, state_size), held, bar, show(values, outputs), show(parameters, count))
        except Exception:  # noqa: BLE001 - others' code; numba knows no other class here
            return RAISED
        view(amount, 1)[0] = said[1]
        what: int = said[0]
        return what

    return frame


def _entry_frame(at_entry: Any) -> Any:
    def frame(sign: int, entry_price: float, qty: float, parameters: Any, count: int, price: Any) -> int:
        try:
            view(price, 1)[0] = at_entry(sign, entry_price, qty, show(parameters, count))
        except Exception:  # noqa: BLE001 - others' code; numba knows no other class here
            return RAISED
        return 0

    return frame


_BAR = (_F8,) * 5
_FRAMES = {
    "see": (
        _see_frame,
        _I8(_PRICES, _I8, _I8, *_BAR, _PRICES, _I8),
        types.void(_MEMORY, _I8, _CANDLE, _SHOWN),
    ),
    "step": (
        _step_frame,
        _I8(_PRICES, _I8, _I8, _F8, _F8, _F8, _F8, _I8, *_BAR, _PRICES, _I8, _PRICES, _I8, _PRICES),
        _SAID(_SHOWN, _HELD, _CANDLE, _SHOWN, _SHOWN),
    ),
    "at_entry": (
        _entry_frame,
        _I8(_I8, _F8, _F8, _PRICES, _I8, _PRICES),
        _F8(_I8, _F8, _F8, _SHOWN),
    ),
}


def addresses(strategy: str, policy: ExitPolicy) -> tuple[int, int, int]:
    """Of its compiled `see`, `step` and `at_entry`; 0 for one that it has not. Raises BadInputError, with numba's
    reason, where one cannot be compiled."""
    found = []
    for role in _FRAMES:
        function = getattr(policy, role)
        try:
            found.append(0 if function is None else _address(role, function))
        except (NumbaError, TypeError, ValueError, NotImplementedError) as error:
            raise BadInputError(
                f"strategy {strategy}: the sweep cannot compile {role} of its exit {policy.reason!r}: {_why(error)}; "
                "use quarterdeck backtest"
            ) from error
    return found[0], found[1], found[2]


@functools.lru_cache(maxsize=256)
def _compiled(role: str, function: Callable[..., Any]) -> Any:
    make, c_form, form = _FRAMES[role]

    def framed() -> Any:
        ready_compiler()
        compile_ = _numba.njit(**_OPTIONS)
        return make(_numba.njit(form, **_OPTIONS)(linked(function, compile_)))

    mark = mark_of(function)
    return callback(make(None), framed, c_form, None if mark is None else f"{role} {mark}")


def _address(role: str, function: Callable[..., Any]) -> int:
    return int(_compiled(role, function).address)


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _why(error: Exception) -> str:
    """What of an error of numba says what is wrong: the first line behind where it happened."""
    lines = [_COLOURS.sub("", line).strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Failed in ")]
    return (told or [type(error).__name__])[0].rstrip(".:;")


def _call_at(typingctx: Any, address: Any, arguments: Any) -> Any:
    form = _I8(address, arguments)

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = []
        for kind, value in zip(arguments, _numba.core.cgutils.unpack_tuple(builder, values[1]), strict=True):
            given.append(context.make_array(kind)(context, builder, value).data if _is_array(kind) else value)
        callee = ir.FunctionType(ir.IntType(64), [value.type for value in given])
        return builder.call(builder.inttoptr(values[0], callee.as_pointer()), given)

    return form, lower


def _is_array(kind: Any) -> bool:
    return isinstance(kind, types.Array)


call_at = _numba.extending.intrinsic(_call_at)
"""(address, arguments): call what takes these, whole numbers, floats and arrays, at an address. It gives a whole
number."""
