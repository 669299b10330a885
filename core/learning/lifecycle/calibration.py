"""Probabilities made to mean what they say: fitted on rows later than those that were learned from, kept as numbers.

scikit-learn fits; it is imported where a fit is asked for, in a worker process. What is kept and applied are plain
arrays, so that nothing is ever unpickled and an engine that only applies them needs numpy alone.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import ModelError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Times = NDArray[np.int64]

Method = Literal["isotonic", "platt"]

LEAST_ROWS: dict[Method, int] = {"isotonic": 1_000, "platt": 100}
"""An isotonic curve follows chance on few rows: scikit-learn's guide advises against it below a thousand."""

LEAST_OF_A_KIND = 10
"""Of wins and of losses each."""

_CLOSEST = 1e-6
"""How near to 0 and 1 a logit is told."""


class Calibration(Struct, frozen=True):
    """A curve from what a model says to how often that wins, of `rows` rows from `from_ms` to `to_ms`.

    isotonic: `says` ascending and `means` of one length, straight between, level beyond. platt: `means` are (a, b) of
    1 / (1 + exp(-(a logit(p) + b))), `says` is empty.
    """

    method: Method
    says: tuple[float, ...]
    means: tuple[float, ...]
    rows: int
    from_ms: int
    to_ms: int


def later_rows(start_ms: Times, end_ms: Times, learned_to_ms: int, embargo_ms: int = 0) -> Flags:
    """Of each row whether it may calibrate a model: its label begins `embargo_ms` after the last label that was learned
    from ended, or later. Raises ModelError for labels that end before they start."""
    if (end_ms <= start_ms).any():
        raise ModelError("calibration: a label ends before it starts; its rows are wrong")
    later: Flags = start_ms >= learned_to_ms + embargo_ms
    return later


def fit(method: Method, said: Floats, won: Flags, start_ms: Times, end_ms: Times) -> Calibration:
    """The curve of probabilities `said` (n,) against what came, `won` (n,). Raises ModelError for too few rows, for
    wins or losses alone, for what is no probability, and where no more is said of wins than of losses."""
    _check(method, said, won)
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        curve = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=True).fit(said, won.astype(np.float64))
        says, means = curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist()
    else:
        says, means = [], _platt(said, won)
    return Calibration(method, tuple(says), tuple(means), len(said), int(start_ms[0]), int(end_ms[-1]))


def apply(calibration: Calibration, said: Floats) -> Floats:
    """What probabilities (n,) mean by the curve; NaN stays NaN."""
    if calibration.method == "isotonic":
        return np.interp(said, calibration.says, calibration.means)
    slope, offset = calibration.means
    return 1.0 / (1.0 + np.exp(-(slope * _logit(said) + offset)))


def _check(method: Method, said: Floats, won: Flags) -> None:
    wins, least = int(won.sum()), LEAST_ROWS[method]
    if len(said) < least:
        raise ModelError(f"calibration: {len(said)} later rows, {method} needs {least}; lengthen the window")
    if min(wins, len(won) - wins) < LEAST_OF_A_KIND:
        raise ModelError(f"calibration: {wins} wins of {len(won)} rows; {LEAST_OF_A_KIND} wins and losses are needed")
    if not ((said >= 0.0) & (said <= 1.0)).all():
        raise ModelError("calibration: what is said is no probability; retrain it")
    if said[won].mean() <= said[~won].mean():
        raise ModelError(
            f"calibration: no more was said of the wins than of the losses of {len(said)} rows; retrain it"
        )


def _platt(said: Floats, won: Flags) -> list[float]:
    """Logistic regression on the logit, with the targets of Platt (1999), "Probabilistic outputs for support vector
    machines": (wins + 1) / (wins + 2) for a win and 1 / (losses + 2) for a loss, so that no curve is a step."""
    from sklearn.linear_model import LogisticRegression

    wins = int(won.sum())
    target = np.where(won, (wins + 1) / (wins + 2), 1 / (len(won) - wins + 2))
    # Each row twice, as a win and as a loss, weighted by its target.
    logits = np.tile(_logit(said), 2)[:, None]
    kinds, weights = np.repeat([1, 0], len(said)), np.append(target, 1.0 - target)
    line = LogisticRegression(C=math.inf, tol=1e-9, max_iter=1_000).fit(logits, kinds, sample_weight=weights)
    return [float(line.coef_[0, 0]), float(line.intercept_[0])]


def _logit(said: Floats) -> Floats:
    inside = np.clip(said, _CLOSEST, 1.0 - _CLOSEST)
    return np.log(inside / (1.0 - inside))
