"""The common workload: figures on which a numba loop and two other engines agree to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks import workload
from core.lab.data.history import History
from core.lab.sweep import sweep
from core.lab.sweep.prepared import prepare


@pytest.fixture(scope="module")
def one_symbol() -> History:
    return workload.one_symbol()


def figures(history: History, *, reverses: bool) -> tuple[int, float]:
    prepared = prepare(history, workload.fine_instruments(history.symbols), Decimal(0))
    strategy = workload.cross_strategy(reverses=reverses)
    result = sweep.run(prepared, workload.free_settings(), strategy, workload.ema_crosses(history))
    trades, final_usdt = workload.closed_out(result)
    return trades, round(final_usdt, 2)


def test_bracket(one_symbol: History) -> None:
    assert figures(one_symbol, reverses=False) == (755, 9_903.50)


def test_reverse(one_symbol: History) -> None:
    assert figures(one_symbol, reverses=True) == (18_548, 6_483.97)


def test_ten_symbols_on_one_account() -> None:
    assert figures(workload.ten_symbols(), reverses=False) == (1_489, 9_609.38)
