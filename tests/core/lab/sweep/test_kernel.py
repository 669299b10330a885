"""The kernel's parts: exact rounding, and a disk cache that knows what it was compiled from."""

from __future__ import annotations

import importlib.util
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.arithmetic.cost_basis import USDT_QUANTUM, release
from core.lab.sweep import forms as sweep_forms
from core.lab.sweep import kernel as sweep_kernel
from core.lab.sweep.money import mul_div_half_even, share_e8


@numba.njit
def rounded(a: int, b: int, c: int) -> int:
    return mul_div_half_even(a, b, c)


@numba.njit
def shared(amount_e8: float, numerator: int, denominator: int) -> float:
    return share_e8(amount_e8, numerator, denominator)


def half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))


@settings(deadline=None)
@given(st.integers(0, 2**53), st.integers(0, 2**61), st.integers(1, 2**61))
@example(1_000, 1, 2_000)
@example(3_000, 1, 2_000)
@example(2**53, 2**61, 2**61)
def test_rounds_a_product_over_a_divisor_exactly(a: int, b: int, c: int) -> None:
    if a * b // c < 2**52:
        assert rounded(a, b, c) == half_even(a * b, c)


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15), st.sampled_from(["5", "4.5", "7.35", "0.02", "125", "0"]))
@example(1_000, "5")  # 0.00001 USDT at 5 bps is half of 1e-8 USDT
@example(3_000, "5")
def test_fees_are_those_of_decimal(amount_e8: int, fee_bps: str) -> None:
    exact = (amount_e8 * USDT_QUANTUM * Decimal(fee_bps) / 10_000).quantize(USDT_QUANTUM, ROUND_HALF_EVEN)
    assert shared(float(amount_e8), *(Decimal(fee_bps) / 10_000).as_integer_ratio()) == float(exact / USDT_QUANTUM)


@settings(deadline=None)
@given(st.integers(-(10**14), 10**14), st.integers(1, 10**7), st.integers(1, 10**7))
def test_released_cost_is_that_of_the_ledger(cost_e8: int, lots: int, closed: int) -> None:
    closed = min(lots, closed)
    exact = release(lots, cost_e8 * USDT_QUANTUM, closed)
    assert shared(float(cost_e8), closed, lots) == float(exact / USDT_QUANTUM)


def module_at(path: Path, text: str) -> ModuleType:
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fingerprint_follows_the_sources(tmp_path: Path) -> None:
    one = sweep_forms.fingerprint((module_at(tmp_path / "first.py", "fee = 1\n"),))
    same = sweep_forms.fingerprint((module_at(tmp_path / "second.py", "fee = 1\n"),))
    other = sweep_forms.fingerprint((module_at(tmp_path / "third.py", "fee = 2\n"),))
    assert one == same != other
    assert sweep_forms.fingerprint((), 1) == sweep_forms.fingerprint((), 1) != sweep_forms.fingerprint((), 2)


@pytest.mark.parametrize(
    "name",
    [
        *("arithmetic.costs", "arithmetic.exits", "arithmetic.fills", "arithmetic.sizing"),
        *("position.holding", "position.meeting", "position.stops"),
        *(
            "trader.limits.day_loss_pct",
            "trader.limits.day_loss_usdt",
            "trader.limits.drawdown",
            "trader.limits.exposure",
        ),
    ],
)
def test_the_shared_arithmetic_is_part_of_it(name: str) -> None:
    assert f"core.{name}" in {module.__name__ for module in sweep_kernel.SOURCES}


def test_the_disk_cache_is_keyed_by_the_fingerprint() -> None:
    """A kernel of other sources is another entry of the cache, though the file it is written in is the same."""

    def key(kernel: Any) -> Any:
        return kernel._cache._index_key((numba.int64,), numba.njit(lambda: 0).targetctx.codegen())

    kernels = [sweep_kernel.make_kernel(number) for number in (1, 1, 2)]
    one, same, other = (key(kernel) for kernel in kernels)
    assert one == same != other
