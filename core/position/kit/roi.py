"""Leave with a profit that is enough for how long the trade has been held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.position.policy import CLOSE, HOLD, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def roi(table: Mapping[int, float], reason: str = "profit is enough") -> ExitPolicy:
    """`table`: minutes held -> the percent of the entry that the close must be ahead of it by more than, from then on
    until the next. Before its first minute nothing is enough. Raises BadInputError for an empty table and for minutes
    that do not rise."""
    minutes = list(table)
    if not minutes or minutes[0] < 0 or any(late <= early for early, late in pairwise(minutes)):
        raise BadInputError("an ROI table needs minutes from 0 on, each larger than the one before")
    steps = ((float(minute * MINUTE_MS), float(pct)) for minute, pct in table.items())
    return ExitPolicy(reason, step, tuple(number for pair in steps for number in pair), says=(CLOSE,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    needed = math.inf
    for n in range(0, len(parameters), 2):
        if held.held_ms >= parameters[n]:
            needed = parameters[n + 1]
    is_enough = 100.0 * held.sign * (bar.close - held.entry_price) > needed * held.entry_price
    return (CLOSE if is_enough else HOLD), 0.0
