"""Functions that numba compiles: kept on disk, and loaded without all that only a compilation needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

# Numba looks into the tool that measures coverage where it is installed, whether it measures or not.
_MEASURES = "coverage" in sys.modules
if not _MEASURES:
    sys.modules["coverage"] = None  # type: ignore[assignment]
try:
    import llvmlite.binding as llvm
    import numba
    from numba.core import caching
    from numba.core.registry import cpu_target
finally:
    if not _MEASURES:
        del sys.modules["coverage"]

_njit: Any = numba.njit
_caching: Any = caching
_Function = TypeVar("_Function", bound=Callable[..., Any])


def kept(**options: Any) -> Callable[[_Function], _Function]:
    """Compile what Python calls with numbers and arrays, and keep it on disk; `options` are numba's.

    Loaded again it takes a few milliseconds: numba's own definitions, which a compilation needs and which are a third
    of a second and tens of MiB, are not read for it, nor what other compiled functions would need to call it. So it
    makes no arrays, strings or collections of its own, and compiled code cannot call it: numba refuses either.
    """

    def decorate(function: _Function) -> _Function:
        made: Any = _njit(_nrt=False, **options)(function)
        vars(made).update(_cache=_Kept(function), get_call_template=_refuse)
        found: _Function = made
        return found

    return decorate


def callback(blank: Any, make: Callable[[], Any], form: Any, mark: str | None) -> Any:
    """What compiled code can call at its `address`, in the form of C that `form` says: the function that `make` gives.

    `blank` is one of the same place in a file, whatever it does. With a `mark`, which must differ where the function
    does, it is kept on disk, and `make` is not asked for it again.
    """
    from numba.core.ccallback import CFunc

    cache = None if mark is None else _Marked(blank, mark)
    if cache is not None:
        found = cache.load_overload(form, cpu_target.target_context)
        if found is not None:
            return _Loaded(found)
    made: Any = CFunc(make(), (form.args, form.return_type), {}, {"_nrt": False})
    if cache is not None:
        vars(made)["_cache"] = cache
    made.compile()
    return made


def ready_compiler() -> None:
    """Let numba read its definitions, when they are needed, without the look for a library of linear algebra.

    It makes that look by importing SciPy's, which takes a third of a second and tens of MiB, for what no kernel here
    calls. A function that does multiply matrices looks again when it is compiled.
    """
    context = cpu_target.target_context
    if "refresh" not in vars(context):
        context.refresh = _refresh


def _refresh() -> None:
    from numba.np import linalg

    context = cpu_target.target_context
    looks = linalg.ensure_blas
    linalg.ensure_blas = _takes_it_as_there
    try:
        vars(context).pop("refresh", None)
        context.refresh()
    finally:
        linalg.ensure_blas = looks


def _takes_it_as_there() -> None:
    """It is asked for again before anything of it is called."""


def _refuse(args: Any, kws: Any) -> Any:
    raise TypeError("a function that is kept is called by Python alone; give compiled code one made by numba.njit")


class _Alone(_caching.CompileResultCacheImpl):  # type: ignore[misc]
    """Keeps the machine code and the names in it, but not what it was made of."""

    def reduce(self, cres: Any) -> Any:
        (name, kind, (machine_code, whole)), *rest = super().reduce(cres)
        return ((name, kind, (machine_code, _names_of(llvm.parse_bitcode(whole)))), *rest)


def _names_of(module: Any) -> bytes:
    """A module that defines the same names and nothing behind them."""
    values = [f"@{_quoted(v)} = global i8 0" for v in module.global_variables if not v.is_declaration]
    functions = [f"define void @{_quoted(f)}() {{ ret void }}" for f in module.functions if not f.is_declaration]
    bitcode: bytes = llvm.parse_assembly("\n".join([*values, *functions])).as_bitcode()
    return bitcode


def _quoted(symbol: Any) -> str:
    return f'"{symbol.name}"'


class _Kept(_caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _Alone

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


class _Marked(_Kept):
    """Keeps a function by a mark of what it is made of, where that does not stand in the file around it."""

    def __init__(self, function: Any, mark: str) -> None:
        super().__init__(function)
        self._mark = mark

    def _index_key(self, form: Any, codegen: Any) -> Any:
        return form, codegen.magic_tuple(), self._mark


class _Loaded:
    """A callback out of the cache."""

    def __init__(self, kept: Any) -> None:
        self._library = kept.library
        self.address = self._library.get_pointer_to_function(kept.fndesc.llvm_cfunc_wrapper_name)
