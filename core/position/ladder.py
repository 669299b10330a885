"""Several targets of one trade, each with the share of it that it closes: what was decided, and in lots what is left to
do. Pure; shares are 0..1, lots whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.position.holding import MOST_TARGETS, target_lots

Ladder = tuple[tuple[float, float], ...]
"""Of each target its distance from the entry, in percent of its price, and its share of what is opened; the nearest
first. What the shares leave goes on with the stop."""

WHOLE = 1.0 - 1e-9
"""Shares that come to so much close everything, whatever adding them up as floats made of it."""


def ladder_problem(ladder: Ladder) -> str:
    """What is wrong with it, in words; empty where nothing is."""
    if len(ladder) > MOST_TARGETS:
        return f"{len(ladder)} targets are more than a trade can have, which is {MOST_TARGETS}"
    before = together = 0.0
    for distance_pct, share in ladder:
        if not 0.0 < distance_pct < math.inf:
            return f"a target lies {distance_pct:g} % from the entry; it must lie above 0"
        if distance_pct <= before:
            return f"a target at {distance_pct:g} % stands behind one at {before:g} %; the nearest stands first"
        if not 0.0 < share <= 1.0:
            return f"the target at {distance_pct:g} % closes a share of {share:g}; it must be above 0, and at most 1"
        before, together = distance_pct, together + share
    return f"the targets close {together:g} together; at most 1 is there" if together > 2.0 - WHOLE else ""


def closes_all(shares: Sequence[float], place: int) -> bool:
    """Whether nothing is held any more once the target at `place`, and those before it, are done."""
    return sum(shares[: place + 1]) >= WHOLE


def lots_by_target(
    held: int, shares: Sequence[float], taken: Sequence[bool], filled: Sequence[int], least: int, step: int
) -> list[int]:
    """What each target is to close of what is `held`, 0 of those that are taken: its share of what the taken ones and
    the nearer ones leave, less what was `filled` of it already. So what is added, or closed by hand, falls on all
    alike. 0, too, where no order could be so small: that leaves with the next."""
    done = [n for n, is_taken in enumerate(taken) if is_taken]
    to_come = [n for n, is_taken in enumerate(taken) if not is_taken]
    in_order = [*(shares[n] for n in (*done, *to_come)), 0.0, 0.0, 0.0, 0.0]
    four = (in_order[0], in_order[1], in_order[2], in_order[3])
    found, left = [0] * len(shares), held
    for place, n in enumerate(to_come, len(done)):
        lots = min(left, target_lots(left + filled[n], four, place, least, step) - filled[n])
        if lots >= min(least, left):
            found[n] = lots
            left -= lots
    return found


def mean_target(entry: float, targets: Sequence[tuple[float, float]]) -> float:
    """The price at which all of a trade would earn what its targets, as (price, share), earn together: what they leave
    earns nothing. NaN without any."""
    if not targets:
        return math.nan
    if len(targets) == 1 and targets[0][1] == 1.0:
        return targets[0][0]
    return entry + sum(share * (price - entry) for price, share in targets)
