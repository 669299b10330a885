"""The quiet scan against a plain reading of its contract: it passes over nothing that may matter, and little less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.lab.skip.uneventful_bars import BLOCK, LONG, PREDICTED, SHORT, uneventful_until

NEAR_E8 = 100.0
"""How close to a limit of equity, in 1e-8 USDT, the scan may stop without need."""


@dataclass
class Scene:
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mark: NDArray[np.float64]
    signal: NDArray[np.uint8]
    watch: NDArray[np.uint8]
    down: NDArray[np.float64]
    up: NDArray[np.float64]
    qty_e8: NDArray[np.float64]
    cost_e8: NDArray[np.float64]
    wallet_e8: float = 1e12
    peak_e8: float = 1e12
    floor_e8: float = -math.inf
    ceiling_e8: float = math.inf
    max_drawdown_pct: float = math.inf
    exposure_low_pct: float = -math.inf
    exposure_high_pct: float = math.inf

    def scan(self, start: int, stop: int) -> tuple[int, int, float]:
        k = len(self.watch)
        memory = (np.empty(k), np.empty(k), np.empty(BLOCK), np.empty(BLOCK))
        return uneventful_until(start, stop, *vars(self).values(), *memory)

    def equity(self, j: int) -> int:
        """Exact, in 1e-8 USDT: marks are in cents."""
        ticks = [round(float(mark) * 100) for mark in self.mark[:, j]]
        value = sum(int(q) * t for q, t in zip(self.qty_e8, ticks, strict=True))
        assert value % 100 == 0
        return int(self.wallet_e8) + value // 100 - int(self.cost_e8.sum())

    def plain(self, start: int, stop: int, near: float) -> tuple[int, int, float]:
        peak, peak_slot = self.peak_e8, -1
        held = bool(self.qty_e8.any())
        for j in range(start, stop):
            touched = (self.low[:, j] <= self.down) | (self.high[:, j] >= self.up)
            if touched.any() or (self.signal[:, j] & self.watch).any():
                return j, peak_slot, peak
            if not held:
                continue
            equity = self.equity(j)
            floor = max(self.floor_e8, peak * (1.0 - self.max_drawdown_pct / 100.0))
            if equity <= floor + near or equity >= self.ceiling_e8 - near:
                return j, peak_slot, peak
            gross = sum(abs(q * m) for q, m in zip(self.qty_e8, self.mark[:, j], strict=True))
            if not self.exposure_low_pct < 100 * gross / equity < self.exposure_high_pct:
                return j, peak_slot, peak
            if equity > peak:
                peak, peak_slot = float(equity), j
        return stop, peak_slot, peak


def scene(seed: int, k: int, n: int, held: int) -> Scene:
    rng = np.random.default_rng(seed)
    mark = np.round(100.0 + np.cumsum(rng.normal(0.0, 0.02, (k, n)), axis=1), 2)
    spread = np.round(rng.exponential(0.02, (k, n)), 2)
    low, high = np.round(mark - spread, 2), np.round(mark + spread, 2)
    gaps = rng.random((k, n)) < 0.03
    gaps[:, 0] = False
    for s in range(k):
        for j in np.flatnonzero(gaps[s]):
            mark[s, j] = mark[s, j - 1]
    low[gaps], high[gaps] = np.nan, np.nan
    signal = np.where(rng.random((k, n)) < 0.01, rng.choice([LONG, SHORT, PREDICTED], (k, n)), 0).astype(np.uint8)
    sides = np.where(np.arange(k) < held, rng.choice([-1, 1], k), 0)
    rng.shuffle(sides)
    qty = sides * rng.integers(1, 50_000, k) * 1_000_000.0
    far = rng.uniform(0.3, 2.0, (2, k))
    return Scene(
        low,
        high,
        mark,
        signal,
        watch=np.where(sides == 0, LONG | SHORT, rng.choice([0, SHORT, PREDICTED], k)).astype(np.uint8),
        down=np.where(sides != 0, mark[:, 0] - far[0], -np.inf),
        up=np.where(sides != 0, mark[:, 0] + far[1], np.inf),
        qty_e8=qty,
        cost_e8=np.array(
            [round(q * round(float(m) * 100)) // 100 for q, m in zip(qty, mark[:, 0], strict=True)], float
        ),
        peak_e8=1e12 + float(rng.choice([0.0, 1e9, 1e10])),
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 4),
    held=st.integers(0, 4),
    limits=st.sampled_from(["none", "drawdown", "day", "exposure"]),
)
def test_agrees_with_a_plain_reading_of_the_contract(seed: int, k: int, held: int, limits: str) -> None:
    made = scene(seed, k, 300, min(held, k))
    rng = np.random.default_rng(seed)
    if limits == "drawdown":
        made.max_drawdown_pct = float(rng.uniform(0.001, 1.0))
    elif limits == "day":
        made.floor_e8, made.ceiling_e8 = 1e12 - float(rng.uniform(1e8, 1e10)), 1e12 + float(rng.uniform(1e8, 1e10))
    elif limits == "exposure":
        now = 100 * float(np.abs(made.qty_e8 * made.mark[:, 0]).sum()) / 1e12
        made.exposure_low_pct, made.exposure_high_pct = now * 0.999 - 0.001, now * 1.001 + 0.001
    start, stop = int(rng.integers(0, 100)), int(rng.integers(100, 301))
    got = made.scan(start, stop)
    assert got[0] <= made.plain(start, stop, 0.0)[0]
    assert got == made.plain(start, stop, NEAR_E8)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_peak_is_that_of_the_exact_close_and_raises_the_floor(side: float) -> None:
    n = 200
    mark = 100.0 + side * np.concatenate((np.arange(100), 99.0 - np.arange(100)))[None] / 100.0
    made = Scene(
        mark - 0.005,
        mark + 0.005,
        mark,
        np.zeros((1, n), np.uint8),
        np.zeros(1, np.uint8),
        np.full(1, -np.inf),
        np.full(1, np.inf),
        np.full(1, side * 100e8),
        np.full(1, side * 100e8 * 100.0),
        max_drawdown_pct=0.5,
    )
    # The account gains 1 USDT a bar to 10,099; half a percent below that is 50.495 USDT, reached 51 bars later.
    assert made.scan(0, n) == (100 + 51, 99, 10_099e8)


def test_an_empty_range_is_quiet() -> None:
    made = scene(1, 2, 100, 1)
    assert made.scan(50, 50) == (50, -1, made.peak_e8)
