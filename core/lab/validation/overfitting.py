"""Probability of backtest overfitting by combinatorially symmetric cross-validation.

Bailey, Borwein, Lopez de Prado and Zhu (2017), "The Probability of Backtest Overfitting".
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.ratios import ROUNDING
from core.domain.errors import BadInputError
from core.lab.run.result import Floats

MAX_BLOCKS = 20  # 184,756 splits
CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What became, out of sample, of the trial that was best in sample, for each of the splits.

    `pbo` is the share of splits in which it came out at or below the median; `logits` (splits,) is ln(w / (1 - w)) of
    its relative rank w out of sample. `in_sample` and `out_of_sample` (splits,) are its Sharpe ratios of one period.
    Performance degradation is the line out_of_sample = `intercept` + `slope` * in_sample with its `r_squared`, None
    where the ratios do not differ. `loss_probability` is the share of splits in which it lost out of sample.
    """

    pbo: float
    logits: Floats
    in_sample: Floats
    out_of_sample: Floats
    slope: float | None
    intercept: float | None
    r_squared: float | None
    loss_probability: float


def overfitting(returns: Floats, blocks: int = 16) -> Overfitting:
    """PBO of `returns` (rows, trials): one column of returns of the same periods for every trial.

    The rows are cut into `blocks` equal runs (the oldest rows % blocks are left out); every half of them is once in
    sample, the other half out of sample. Trials are measured by their Sharpe ratio; one without any spread, such as one
    that never traded, counts as 0. Equals share their mean rank; of equals in sample the first is chosen.

    Raises BadInputError where `blocks` is odd or not within 2 to 20, where there are fewer than two trials or two rows
    a block, or where a return is missing.
    """
    rows, trials = returns.shape
    if blocks % 2 or not 2 <= blocks <= MAX_BLOCKS:
        raise BadInputError(f"blocks = {blocks}: the overfitting test needs an even number from 2 to {MAX_BLOCKS}")
    if trials < 2 or rows < 2 * blocks:
        raise BadInputError(
            f"{trials} trials of {rows} periods: the overfitting test needs 2 trials and {2 * blocks} periods"
        )
    if not np.isfinite(returns).all():
        raise BadInputError("a trial lacks the return of a period: the overfitting test needs them all")
    cut = returns[rows % blocks :].reshape(blocks, rows // blocks, trials)
    splits = _halves(blocks)
    found = np.empty((3, len(splits)))
    step = max(1, CELLS_AT_ONCE // trials)
    for start in range(0, len(splits), step):
        part = slice(start, start + step)
        inside, outside = _sharpes(cut, splits[part])
        best = np.argmax(inside, axis=1)[:, None]
        chosen = np.take_along_axis(outside, best, axis=1)
        below, equal = (outside < chosen).sum(axis=1), (outside == chosen).sum(axis=1)
        found[0, part] = np.take_along_axis(inside, best, axis=1)[:, 0]
        found[1, part] = chosen[:, 0]
        found[2, part] = (below + (equal + 1) / 2) / (trials + 1)
    inside_best, outside_best, rank = found
    logits = np.log(rank / (1.0 - rank))
    return Overfitting(
        float(np.mean(logits <= 0.0)),
        logits,
        inside_best,
        outside_best,
        *_line(inside_best, outside_best),
        loss_probability=float(np.mean(outside_best < 0.0)),
    )


def _halves(blocks: int) -> NDArray[np.bool_]:
    """Every choice of half the blocks, one a row: which blocks are in sample."""
    chosen = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    mask = np.zeros((len(chosen), blocks), np.bool_)
    np.put_along_axis(mask, chosen, True, axis=1)
    return mask


def _sharpes(cut: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Sharpe ratios (splits, trials) in and out of sample from the sums of the blocks `cut` (blocks, rows, trials)."""
    mean = cut.mean(axis=(0, 1))
    off = cut - mean
    sums, squares = off.sum(axis=1), (off**2).sum(axis=1)
    least = ROUNDING * np.mean(cut**2, axis=(0, 1))
    count = cut.shape[1] * cut.shape[0] // 2
    ratios = []
    for mask in (inside.astype(np.float64), (~inside).astype(np.float64)):
        shift = mask @ sums / count
        variance = (mask @ squares - count * shift**2) / (count - 1)
        spread = np.sqrt(np.where(variance > least, variance, np.inf))
        ratios.append((mean + shift) / spread)
    return ratios[0], ratios[1]


def _line(x: Floats, y: Floats) -> tuple[float | None, float | None, float | None]:
    """Slope, intercept and r squared of the least squares line y = intercept + slope * x."""
    off_x, off_y = x - x.mean(), y - y.mean()
    square_x, square_y = float(off_x @ off_x), float(off_y @ off_y)
    if square_x <= ROUNDING * float(x @ x):
        return None, None, None
    product = float(off_x @ off_y)
    slope = product / square_x
    fit = product**2 / (square_x * square_y) if square_y > ROUNDING * float(y @ y) else None
    return slope, float(y.mean()) - slope * float(x.mean()), fit
