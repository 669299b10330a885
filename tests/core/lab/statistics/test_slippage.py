"""What trades paid in their prices is what the venue's rule takes."""

from __future__ import annotations

import numpy as np
import pytest

from core.arithmetic.costs import slippage_bps, slipped_price
from core.lab.data.history import make_history
from core.lab.run.result import TradeColumns
from core.lab.statistics.slippage import slippage_usdt
from core.settings.schema import CostSettings

MINUTE_MS = 60_000
FROM_MS = 1_700_006_400_000
COSTS = CostSettings(slippage_bps=2.0, impact_bps=40.0)


def paid(volume: list[float], entry_ms: int, exit_ms: int, side: int, seen: tuple[float, float], qty: float) -> float:
    """Of a trade that saw the prices `seen`, against the volumes of the bars before its sides."""
    row = np.full((1, 6), 100.0)
    times = FROM_MS + np.arange(6, dtype=np.int64) * MINUTE_MS
    history = make_history(["AUSDT"], MINUTE_MS, times, [row, row, row, row, np.array([volume])], 0, (), "made", True)
    prices, taken = [], 0.0
    for time_ms, sign, price in ((entry_ms, side, seen[0]), (exit_ms, -side, seen[1])):
        reference = volume[(time_ms - FROM_MS) // MINUTE_MS - 1]
        share = min(1.0, qty / reference) if reference > 0.0 else 1.0
        prices.append(slipped_price(price, sign, slippage_bps(COSTS.slippage_bps, COSTS.impact_bps, share)))
        taken += qty * abs(prices[-1] - price)
    one = np.ones(1)
    trades = TradeColumns(
        np.array(["AUSDT"]), np.array([side], np.int8), np.array([entry_ms]), np.array([exit_ms]), one * qty,
        one * prices[0], one * prices[1], one, one, one, one, np.array(["stop"]),
    )  # fmt: skip
    (found,) = slippage_usdt(trades, history, COSTS)
    assert found == pytest.approx(taken, rel=1e-12)
    return float(found)


@pytest.mark.parametrize("side", [1, -1])
def test_both_sides_are_told_again_from_their_prices(side: int) -> None:
    volume = [10.0, 40.0, 20.0, 5.0, 1_000.0, 9.0]
    first_price, close = FROM_MS + 2 * MINUTE_MS + 1_000, FROM_MS + 5 * MINUTE_MS
    assert paid(volume, first_price, close, side, (100.0, 103.0), 2.0) > 0.0


def test_more_of_the_volume_costs_more_and_all_of_it_the_most() -> None:
    times = (FROM_MS + MINUTE_MS, FROM_MS + 3 * MINUTE_MS)
    found = [paid([volume] * 6, *times, 1, (100.0, 100.0), 2.0) for volume in (1e6, 50.0, 2.0, 0.0)]
    assert found == sorted(found)
    assert found[2] == found[3]


def test_no_trades_pay_nothing() -> None:
    none = np.zeros(0)
    names = np.zeros(0, np.str_)
    times = np.zeros(0, np.int64)
    trades = TradeColumns(names, none.astype(np.int8), times, times, *([none] * 7), names)
    row = np.full((1, 2), 100.0)
    history = make_history(["AUSDT"], MINUTE_MS, np.array([0, MINUTE_MS]), [row] * 5, 0, (), "made", True)
    assert len(slippage_usdt(trades, history, COSTS)) == 0
