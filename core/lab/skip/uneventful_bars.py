"""Passing over bars in which provably nothing can happen: a filter in front of the full step of either engine.

A slot is one bar of all symbols with all that belongs to it: first prices at its open, the bars, funding and account
sample at its close, and the predictions made of that close. A slot is uneventful where it would leave the account as it
is but for marks and peak equity. The filter errs to one side only: what it passes over is uneventful, what it returns
may be.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from core.arithmetic.compiler import kept

LONG, SHORT, PREDICTED, AGAINST_LONG, AGAINST_SHORT = (1, 2, 4, 8, 16)
"""Bits of a slot's signal: the direction decided on, that a prediction was made at all, and that it is one which a
reversal rule would leave a long or a short for."""

NO_FLOOR, NO_CEILING = -np.inf, np.inf

BLOCK = 64
MARGIN_E8 = 100.0
"""Equity in float differs from the exact figure by far less than this, up to 10^8 USDT of equity."""


@kept(nogil=True, error_model="numpy", boundscheck=False)
def uneventful_until(
    start: int,
    stop: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    mark: NDArray[np.float64],
    signal: NDArray[np.uint8],
    watch: NDArray[np.uint8],
    down: NDArray[np.float64],
    up: NDArray[np.float64],
    qty_e8: NDArray[np.float64],
    cost_e8: NDArray[np.float64],
    wallet_e8: float,
    peak_e8: float,
    floor_e8: float,
    ceiling_e8: float,
    max_drawdown_pct: float,
    exposure_low_pct: float,
    exposure_high_pct: float,
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    equity: NDArray[np.float64],
    gross: NDArray[np.float64],
) -> tuple[int, int, float]:
    """The first slot of [start, stop) that is not provably uneventful, else `stop`; the last slot before it whose close
    made a new peak of equity, or -1; and that peak.

    Contract: at `start` no order rests in any symbol but the stop of its position, for the whole of it, and its
    targets, for no more together; and every position has its stop. What is known by time alone (the first bar of a UTC
    day, funding of a held symbol, the end of a holding time) is not looked for: the caller ends the range, `stop`,
    before it.

    Market, C-contiguous (k, n): `low` and `high` in USDT, NaN where the bar is missing, with low <= open, close <=
    high; `mark` the closes carried forward over missing bars; `signal` the bits above.
    Account, (k,): `watch` are the signal bits that matter to a symbol as it stands (flat: LONG | SHORT). A bar with
    low <= `down` or high >= `up` may fill something: the nearest stop, target or liquidation price on that side, -inf
    or inf for none. `qty_e8` is signed base units * 1e8 and `cost_e8` the signed cost, 0 where flat. All money `_e8` is
    in 1e-8 USDT; as long as prices lie on the tick grid, and tick * lot is a multiple of 1e-8 USDT, equity and peak are
    exact.
    Limits: uneventful slots keep floor < equity < ceiling, equity above `max_drawdown_pct` below the running peak (inf:
    not asked), and gross notional within (low, high) percent of equity (-inf and inf: not asked).
    Memory: `lowest`, `highest` (k,), `equity`, `gross` (BLOCK,), whatever is in them.
    """
    return scan_uneventful(
        start,
        stop,
        low,
        high,
        mark,
        signal,
        watch,
        down,
        up,
        qty_e8,
        cost_e8,
        wallet_e8,
        peak_e8,
        floor_e8,
        ceiling_e8,
        max_drawdown_pct,
        exposure_low_pct,
        exposure_high_pct,
        lowest,
        highest,
        equity,
        gross,
    )


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def scan_uneventful(
    start: int,
    stop: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    mark: NDArray[np.float64],
    signal: NDArray[np.uint8],
    watch: NDArray[np.uint8],
    down: NDArray[np.float64],
    up: NDArray[np.float64],
    qty_e8: NDArray[np.float64],
    cost_e8: NDArray[np.float64],
    wallet_e8: float,
    peak_e8: float,
    floor_e8: float,
    ceiling_e8: float,
    max_drawdown_pct: float,
    exposure_low_pct: float,
    exposure_high_pct: float,
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    equity: NDArray[np.float64],
    gross: NDArray[np.float64],
) -> tuple[int, int, float]:
    """`uneventful_until` for compiled code."""
    k = low.shape[0]
    held = 0
    only = -1
    for s in range(k):
        if qty_e8[s] != 0.0:
            held += 1
            only = s
    asks_exposure = held > 0 and (exposure_low_pct > -np.inf or exposure_high_pct < np.inf)
    by_price = held == 1 and not asks_exposure
    for s in range(k):
        lowest[s], highest[s] = down[s], up[s]
    peak_slot = -1
    keep = 1.0 - max_drawdown_pct / 100.0
    floor = max(floor_e8, peak_e8 * keep) + MARGIN_E8
    ceiling = ceiling_e8 - MARGIN_E8
    if by_price:
        _bound_by_equity(only, down, up, lowest, highest, qty_e8, cost_e8, wallet_e8, peak_e8, floor, ceiling)
    i = start
    while i < stop:
        size = _slots_before_signal(i, min(BLOCK, stop - i), signal, watch)
        if size == 0:
            return i, peak_slot, peak_e8
        if _prices_stay_within(i, size, low, high, lowest, highest, qty_e8):
            if held == 0 or by_price:
                i += size
                continue
            sum_block(i, size, mark, qty_e8, cost_e8, wallet_e8, equity, gross)
            if not _any_outside(size, equity, floor, ceiling, peak_e8) and not (
                asks_exposure and _any_exposed(size, equity, gross, exposure_low_pct, exposure_high_pct)
            ):
                i += size
                continue
        elif held:
            sum_block(i, size, mark, qty_e8, cost_e8, wallet_e8, equity, gross)
        for b in range(size):
            j = i + b
            for s in range(k):
                if low[s, j] <= down[s] or high[s, j] >= up[s]:
                    return j, peak_slot, peak_e8
            if held == 0:
                continue
            now = equity[b]
            if now <= floor or now >= ceiling:
                return j, peak_slot, peak_e8
            if asks_exposure:
                used = 100.0 * gross[b]
                slack = 1e-9 * used
                if used + slack >= exposure_high_pct * now or used - slack <= exposure_low_pct * now:
                    return j, peak_slot, peak_e8
            if now > peak_e8:
                peak_e8, peak_slot = now, j
                floor = max(floor_e8, peak_e8 * keep) + MARGIN_E8
        if by_price:
            _bound_by_equity(only, down, up, lowest, highest, qty_e8, cost_e8, wallet_e8, peak_e8, floor, ceiling)
        i += size
    return stop, peak_slot, peak_e8


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def _bound_by_equity(
    s: int,
    down: NDArray[np.float64],
    up: NDArray[np.float64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    qty_e8: NDArray[np.float64],
    cost_e8: NDArray[np.float64],
    wallet_e8: float,
    peak_e8: float,
    floor: float,
    ceiling: float,
) -> None:
    """With one position equity follows one price: turn its bounds, and the next peak, into prices."""
    worst = (floor + 1.0 - wallet_e8 + cost_e8[s]) / qty_e8[s]
    best = (min(peak_e8, ceiling) - 1.0 - wallet_e8 + cost_e8[s]) / qty_e8[s]
    if qty_e8[s] > 0.0:
        lowest[s], highest[s] = max(down[s], worst), min(up[s], best)
    else:
        lowest[s], highest[s] = max(down[s], best), min(up[s], worst)


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def _slots_before_signal(i: int, size: int, signal: NDArray[np.uint8], watch: NDArray[np.uint8]) -> int:
    """How many of the next `size` slots lie before the first watched signal."""
    for s in range(signal.shape[0]):
        if watch[s]:
            signals = signal[s, i : i + size]
            seen = np.uint8(0)
            if size == BLOCK:
                for b in range(BLOCK):
                    seen |= signals[b]
            else:
                for b in range(size):
                    seen |= signals[b]
            if seen & watch[s]:
                size = 0
                while not signals[size] & watch[s]:
                    size += 1
    return size


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def _prices_stay_within(
    i: int,
    size: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
    qty_e8: NDArray[np.float64],
) -> bool:
    """Whether no price of the next `size` slots touches a bound."""
    for s in range(low.shape[0]):
        if qty_e8[s] != 0.0:
            lows, highs = low[s, i : i + size], high[s, i : i + size]
            least, most = lowest[s], highest[s]
            touched = False
            if size == BLOCK:
                for b in range(BLOCK):
                    touched |= (lows[b] <= least) | (highs[b] >= most)
            else:
                for b in range(size):
                    touched |= (lows[b] <= least) | (highs[b] >= most)
            if touched:
                return False
    return True


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def marks_stay_within(marks: NDArray[np.float64], least: float, most: float) -> bool:
    """Whether no price lies below `least` or above `most`."""
    left = False
    if marks.shape[0] == BLOCK:
        for b in range(BLOCK):
            left |= (marks[b] < least) | (marks[b] > most)
    else:
        for b in range(marks.shape[0]):
            left |= (marks[b] < least) | (marks[b] > most)
    return not left


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def sum_block(
    i: int,
    size: int,
    mark: NDArray[np.float64],
    qty_e8: NDArray[np.float64],
    cost_e8: NDArray[np.float64],
    wallet_e8: float,
    equity: NDArray[np.float64],
    gross: NDArray[np.float64],
) -> None:
    """Equity and gross notional at the closes of a block. Rounding a notional to whole 1e-8 USDT undoes the error of a
    price in binary: on the grid the sum is exact."""
    for b in range(size):
        equity[b] = wallet_e8
        gross[b] = 0.0
    for s in range(mark.shape[0]):
        qty, cost = qty_e8[s], cost_e8[s]
        if qty != 0.0:
            marks = mark[s, i : i + size]
            for b in range(size):
                value = np.rint(qty * marks[b])
                equity[b] += value - cost
                gross[b] += abs(value)


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def _any_outside(size: int, equity: NDArray[np.float64], floor: float, ceiling: float, peak: float) -> bool:
    outside = False
    for b in range(size):
        outside |= (equity[b] <= floor) | (equity[b] >= ceiling) | (equity[b] > peak)
    return outside


@numba.njit(nogil=True, error_model="numpy", boundscheck=False)
def _any_exposed(
    size: int, equity: NDArray[np.float64], gross: NDArray[np.float64], low_pct: float, high_pct: float
) -> bool:
    outside = False
    for b in range(size):
        used = 100.0 * gross[b]
        slack = 1e-9 * used
        outside |= (used + slack >= high_pct * equity[b]) | (used - slack <= low_pct * equity[b])
    return outside
