"""Exits that are asked at every bar: what they see, what they may say, and what comes of several of them at once.

What a policy remembers it is told by bars alone, from the one on that the trade was entered in: so it is told again
after a start, and nothing of it is stored. What it says may hang on all that is known at the close: the trade as it
stands, the bar, and what was forecast of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

HOLD, CLOSE, REDUCE, ADD, MOVE_STOP = range(5)
"""What a policy says: nothing; leave; reduce by a share of what is held, or add one, 0..1; the stop to a price in
USDT."""

NAMES = ("hold", "close", "reduce", "add", "move its stop")


class Candle(NamedTuple):
    """A closed bar of the trade's symbol: prices in USDT, volume in base units."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Held(NamedTuple):
    """The trade at the close of a bar. `sign` is +1 long, -1 short; `qty` and `opened_qty` are base units held now and
    bought in all; `stop_price` is NaN where there is none; `held_ms` is counted by `core.arithmetic.exits.held_ms`."""

    sign: int
    entry_price: float
    qty: float
    opened_qty: float
    stop_price: float
    held_ms: int


SeeFunction = Callable[["Vector", int, Candle, "Vector"], None]
"""(state, sign, bar, parameters): take a bar of the trade into `state`, zeros before the first, in place."""

StepFunction = Callable[["Vector", Held, Candle, "Vector", "Vector"], tuple[int, float]]
"""(state, held, bar, values, parameters) -> (what, amount). `state` has the bar in it already and is not to be changed;
`values` (outputs,) are what was forecast of the bar, NaN where nothing was."""


EntryFunction = Callable[[int, float, float, "Vector"], float]
"""(sign, entry_price, qty, parameters) -> the price in USDT that the trade's stop lies at from its first fill on, or
nearer; NaN for none. `qty` are the base units that the entry is for."""


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """One exit that may look back on the trade and move its stop. `reason` are its words in signals, orders and trades.

    Its functions are pure arithmetic that numba can compile. A stop moves towards the price only, unless the policy
    `loosens`. What is not among `says` it may not say.
    """

    reason: str
    step: StepFunction
    parameters: tuple[float, ...] = ()
    see: SeeFunction | None = None
    state_size: int = 0
    at_entry: EntryFunction | None = None
    says: tuple[int, ...] = (CLOSE, MOVE_STOP)
    loosens: bool = False


class Said(NamedTuple):
    policy: ExitPolicy
    what: int
    amount: float


def goes_before(what: int, act: int) -> bool:
    """Whether what is said behind `act`, that it moves no stop, takes its place: the first of all, but for one that
    closes behind others."""
    return what != HOLD and (act == HOLD or (what == CLOSE and act != CLOSE))


def is_nearer(sign: int, price: float, stop: float) -> bool:
    """Whether a stop that is wanted at `price` lies nearer to the market than that at `stop`, or is the first; NaN
    stands for none."""
    return price == price and (stop != stop or sign * (price - stop) > 0.0)


def weighed(sign: int, said: Iterable[Said]) -> tuple[Said | None, Said | None]:
    """Of what several policies say of one bar, in their order: the first that closes, else the first that reduces or
    adds; and beside it, unless all is closed, the stop that is nearest to the price."""
    act: Said | None = None
    stop: Said | None = None
    for one in said:
        if one.what == MOVE_STOP:
            if is_nearer(sign, one.amount, math.nan if stop is None else stop.amount):
                stop = one
        elif goes_before(one.what, HOLD if act is None else act.what):
            act = one
    return act, None if act is not None and act.what == CLOSE else stop


def beyond(policies: Sequence[ExitPolicy], known: Sequence[int]) -> tuple[ExitPolicy, int] | None:
    """The first policy that may say what is not `known`, and that; None where there is none."""
    for policy in policies:
        for what in policy.says:
            if what not in known:
                return policy, what
    return None
