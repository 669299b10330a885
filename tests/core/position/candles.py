"""Candles by hand, and what a policy says at the close of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from core.position.memory import PolicyMemory
from core.position.policy import HOLD, Candle, ExitPolicy, Held

SILENT = np.array([math.nan])
HOUR_MS = 3_600_000


def candle(open_: float, high: float, low: float, close: float) -> Candle:
    return Candle(open_, high, low, close, 1.0)


def held(sign: int = 1, entry_price: float = 5000.0, held_ms: int = 0, qty: float = 1.0) -> Held:
    return Held(sign, entry_price, qty, qty, math.nan, held_ms)


def at(price: float) -> Candle:
    """A bar that stands still."""
    return candle(price, price, price, price)


def said(
    policy: ExitPolicy, bars: Iterable[Candle], sign: int = 1, entry_price: float = 5000.0
) -> list[tuple[int, float]]:
    """At the close of each bar, of an hour, what it says of a trade that was entered at the opening of the first."""
    memory, answers = PolicyMemory([policy], sign), []
    for n, bar in enumerate(bars, 1):
        memory.see(bar)
        told = memory.ask(held(sign, entry_price, n * HOUR_MS), bar, SILENT)
        answers.append((told[0].what, told[0].amount) if told else (HOLD, 0.0))
    return answers


def stops(policy: ExitPolicy, bars: Iterable[Candle], sign: int = 1, entry_price: float = 5000.0) -> list[float | None]:
    """The price that it wants its stop at, None where it says nothing."""
    return [amount if what != HOLD else None for what, amount in said(policy, bars, sign, entry_price)]


@st.composite
def walks(draw: st.DrawFn, most: int = 40) -> Sequence[Candle]:
    steps = draw(st.lists(st.tuples(*[st.floats(-0.03, 0.03)] * 3), min_size=1, max_size=most))
    price, bars = 100.0, []
    for close, up, down in steps:
        last = price * (1.0 + close)
        bars.append(candle(price, max(price, last) * (1.0 + abs(up)), min(price, last) * (1.0 - abs(down)), last))
        price = last
    return bars
