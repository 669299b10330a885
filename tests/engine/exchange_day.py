"""A whole day on the loopback exchange: what the market does, minute by minute, and a strategy that reads it.

A bar that moves by 0.3 % is a signal that way; everything else goes by a few bps a minute. So entries, stops, targets
and reversals happen where the script says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.strategy.declaration import Rule, Strategy
from tests.declared import declared

DAY_MINUTES = 1_440
JUMP = 0.003
SIGNAL_BPS = 25.0
STOP_PCT, TARGET_PCT = 1.0, 1.5

Floats = NDArray[np.float64]


def scan(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """A bar's own return in bps where it is a jump."""
    values = (closes / opens - 1.0) * 1e4
    return np.where(np.abs(values) > parameters[0], values, np.nan)


def jump_follower() -> Strategy:
    """Follow jumps, and turn with one that goes the other way."""
    return declared(
        "jumps",
        lookback_bars=5,
        stop_pct=STOP_PCT,
        target_pct=TARGET_PCT,
        source=Rule(scan, 1, (SIGNAL_BPS,)),
        reverses=True,
    )


@dataclass(frozen=True, slots=True)
class Jump:
    """A signal in one minute: `sign` +1 up, -1 down."""

    minute: int
    sign: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A move of `pct` percent over `minutes` minutes, in even steps."""

    minute: int
    pct: float
    minutes: int


MOVES: tuple[Jump | Drift, ...] = (
    Jump(10, 1), Drift(12, 2.0, 20),  # long to its target
    Jump(60, 1), Drift(62, -1.6, 15),  # long to its stop
    Jump(120, -1), Drift(122, -2.2, 20),  # short to its target
    Jump(180, 1), Jump(200, -1), Drift(202, 1.6, 12),  # long, turned, the short to its stop
    Jump(300, 1), Drift(302, 2.0, 20),  # long by partial fills to its target
    Jump(470, -1), Drift(500, -2.2, 22),  # short through the funding at 08:00
    Jump(600, 1),  # long, flattened by the operator at 10:10
    Jump(700, 1), Drift(726, -1.8, 12),  # long; its stop is hit while nobody is there
    Jump(800, -1), Drift(860, 1.8, 15),  # short through a kill to its stop
    Jump(950, 1), Drift(975, 2.2, 20),  # long through the funding at 16:00
    Jump(1_100, -1), Drift(1_130, -2.2, 20),  # short through a cut of every stream
    Jump(1_400, 1),  # long, flattened at the end of the day
)  # fmt: skip


def closes(start: float, tick: float, moves: Iterable[Jump | Drift], sign: int) -> Iterator[float]:
    """The close of each minute of the day, in whole ticks; `sign` -1 turns every move around."""
    changes = [0.0] * DAY_MINUTES
    for move in moves:
        if isinstance(move, Jump):
            changes[move.minute] += sign * move.sign * JUMP
        else:
            for minute in range(move.minute, move.minute + move.minutes):
                changes[minute] += sign * move.pct / 100.0 / move.minutes
    price = start
    for minute, change in enumerate(changes):
        price *= 1.0 + change
        wiggle = tick * (minute % 3 - 1)
        yield round(round((price + wiggle) / tick) * tick, 8)
