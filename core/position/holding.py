"""One trade as figures, and all that can happen to it. Pure: ticks and lots are whole numbers, shares are 0..1.

`sign` is +1 for a long and -1 for a short. Lots count what an order may be: `step` is what quantities are multiples of,
`least` the smallest order, itself such a multiple. Ticks of 0 stand for no price. Everything is over numbers and named
tuples of them, so that numba compiles it as it is; it calls nothing outside of this file.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MOST_TARGETS = 4


class Plan(NamedTuple):
    """What was decided of a trade beside its stop: up to four targets, the nearest first, none behind one of 0 ticks.
    `shares` are of what is opened, 1 at most together; what they leave goes on with the stop."""

    targets: tuple[int, int, int, int]
    shares: tuple[float, float, float, float]
    least: int
    step: int


class Holding(NamedTuple):
    """A trade from its first fill on. `opened_lots` and `opened_sum` (ticks times lots) are of all that was bought into
    it, `closed_sum` of what has left it; `taken` counts the targets that are done."""

    sign: int
    lots: int
    opened_lots: int
    opened_sum: int
    closed_sum: int
    stop_ticks: int
    taken: int


def opened(sign: int, lots: int, ticks: int, stop_ticks: int) -> Holding:
    return Holding(sign, lots, lots, lots * ticks, 0, stop_ticks, 0)


def added(h: Holding, lots: int, ticks: int) -> Holding:
    """With `lots` more of the same side. Stop and targets stay where they are, and cover these, too."""
    return Holding(
        h.sign,
        h.lots + lots,
        h.opened_lots + lots,
        h.opened_sum + lots * ticks,
        h.closed_sum,
        h.stop_ticks,
        h.taken,
    )


def reduced(h: Holding, lots: int, ticks: int, taken: int) -> Holding:
    """With `lots` less, never less than nothing; `taken` are the targets that are done by then."""
    gone = min(max(lots, 0), h.lots)
    return Holding(h.sign, h.lots - gone, h.opened_lots, h.opened_sum, h.closed_sum + gone * ticks, h.stop_ticks, taken)


def with_stop(h: Holding, ticks: int) -> Holding:
    return Holding(h.sign, h.lots, h.opened_lots, h.opened_sum, h.closed_sum, ticks, h.taken)


def gross_sum(h: Holding) -> int:
    """What the lots that have left earned or lost, in ticks times lots: exact once all have left."""
    return h.sign * (h.closed_sum - h.opened_sum)


def entry_ticks(h: Holding) -> float:
    """The mean price of all that was bought into it; reducing does not move it."""
    return h.opened_sum / h.opened_lots


def reducible_lots(held: int, order_sign: int) -> int:
    """Lots of a signed position that an order of this side could close."""
    return abs(held) if held * order_sign < 0 else 0


def part_lots(held: int, share: float, least: int, step: int) -> int:
    """Lots that reduce `held` by a share of it: whole steps, no less than the smallest order. Where less than that
    would be left, that leaves with the rest."""
    if held <= 0 or not share > 0.0:
        return 0
    if share >= 1.0:
        return held
    wanted = max(math.floor(held * share / step + 1e-9) * step, least)
    return held if held - wanted < least else wanted


def added_lots(held: int, share: float, step: int) -> int:
    """Lots that add a share of `held`, at most as many again, in whole steps and never rounded up."""
    if held <= 0 or not share > 0.0:
        return 0
    return math.floor(held * min(share, 1.0) / step + 1e-9) * step


def target_lots(held: int, shares: tuple[float, float, float, float], place: int, least: int, step: int) -> int:
    """Lots that the target at `place` closes of what is `held` when it is reached: its share of what those before it
    left, so that what was added, or closed by hand, falls on all targets alike. 0 where that is below the smallest
    order: it leaves with the next. What is too little to be held goes with the last."""
    before = 0.0
    for n in range(place):
        before += shares[n]
    left = 1.0 - before
    if held <= 0 or not shares[place] > 0.0:
        return 0
    if shares[place] >= left - 1e-9:
        return held
    wanted = math.floor(held * shares[place] / left / step + 1e-9) * step
    if wanted < least:
        return 0
    return held if held - wanted < least else wanted
