"""Numba ready to load what was compiled before."""

from __future__ import annotations


def ready_compiler() -> None:
    """Let numba read its own definitions, which the first compiled function waits for.

    Among them is a look whether there is a library of linear algebra, by importing SciPy's: a third of a second and
    tens of MiB for what no kernel here calls. That look is left out. A function that does multiply matrices looks again
    when it is compiled.
    """
    from numba.core.registry import cpu_target
    from numba.np import linalg

    looks = linalg.ensure_blas
    linalg.ensure_blas = _takes_it_as_there
    try:
        cpu_target.target_context.refresh()
    finally:
        linalg.ensure_blas = looks


def _takes_it_as_there() -> None:
    """It is asked for again before anything of it is called."""
