"""How well probabilities agree with what came: the reliability curve and what is told of it, always with its rows."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import BadInputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Bin(Struct, frozen=True):
    """Rows of which about the same was said: how many, the mean of what was said, the share that won."""

    rows: int
    said: float
    won: float


class Reliability(Struct, frozen=True):
    """Of `rows` rows: the curve, its bins as equal in rows as ties let them be, the least said first.

    `brier` is the mean of (said - won)^2, 0 at best (Brier 1950); `base_brier` that of saying the share that won of
    every row: a Brier score above it is worse than no model. `calibration_error` is the mean distance of `said` from
    `won` over the bins by their rows (expected calibration error: Naeini, Cooper and Hauskrecht 2015); even where all
    is well chance leaves about 0.4 / sqrt(rows of a bin) of it.
    """

    rows: int
    bins: tuple[Bin, ...]
    brier: float
    base_brier: float
    calibration_error: float


class Told(Struct, frozen=True):
    """Over `all` rows, and over the `decided` ones alone: a model that is right where nothing is decided may be wrong
    where something is. None where there are no such rows."""

    all: Reliability | None
    decided: Reliability | None


def reliability(said: Floats, won: Flags, bins: int = 10) -> Reliability | None:
    """Of probabilities `said` (n,) and what came, `won` (n,); None of no rows. Rows of which nothing was said (NaN) are
    left out. Raises BadInputError for what is no probability or fewer than one bin."""
    spoken = ~np.isnan(said)
    said, won = said[spoken], won[spoken].astype(np.float64)
    if bins < 1 or ((said < 0.0) | (said > 1.0)).any():
        raise BadInputError(f"{bins} bins of what was said: at least one is needed, and probabilities in 0..1")
    if not len(said):
        return None
    edges = np.unique(np.quantile(said, np.linspace(0.0, 1.0, bins + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(edges, said, side="left")
    rows = np.bincount(place)
    kept = rows > 0
    mean_said = np.bincount(place, said)[kept] / rows[kept]
    mean_won = np.bincount(place, won)[kept] / rows[kept]
    share = float(won.mean())
    return Reliability(
        rows=len(said),
        bins=tuple(map(Bin, rows[kept].tolist(), mean_said.tolist(), mean_won.tolist())),
        brier=float(np.mean((said - won) ** 2)),
        base_brier=share * (1.0 - share),
        calibration_error=float(np.abs(mean_said - mean_won) @ rows[kept] / len(said)),
    )


def told(said: Floats, won: Flags, decided: Flags, bins: int = 10) -> Told:
    """Of all rows and of those that were `decided` (n,)."""
    return Told(reliability(said, won, bins), reliability(said[decided], won[decided], bins))
