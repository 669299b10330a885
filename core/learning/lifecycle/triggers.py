"""When a model is trained: which of the triggers that were chosen is due, and why, in words.

A trigger whose fact is not known is not due. The figures are those of the two published bots that had these triggers;
the cool-downs are ours where they had none: without one, a trigger that stays true trains for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.arithmetic.ratios import ROUNDING
from core.domain.errors import BadInputError
from core.domain.forecast import Because, words
from core.domain.market import MINUTE_MS
from core.learning.lifecycle.drift import Stability

HOUR_MS = 60 * MINUTE_MS
ASKED = "train"
"""The name of the operator's own trigger, which needs no setting and heeds no cool-down."""

TRADES_PER_YEAR = 365 * 24 * 12
"""By which the published monitor made a year of trades: one each five minutes."""


class Schedule(Struct, frozen=True, tag="schedule"):
    """`every_ms` after the last training was begun: 15 minutes in one bot, an hour in the other."""

    every_ms: int = 15 * MINUTE_MS
    name: str = "schedule"

    @property
    def cool_down_ms(self) -> int:
        return self.every_ms


class Drifted(Struct, frozen=True, tag="drift"):
    """The least stable feature has a PSI above `psi_above`, and above what chance leaves."""

    psi_above: float = 0.25
    cool_down_ms: int = 15 * MINUTE_MS
    name: str = "drift"


class Decayed(Struct, frozen=True, tag="decay"):
    """The Sharpe ratio of the last trades (`recent_sharpe`) is below `sharpe_below`."""

    sharpe_below: float = 0.4
    cool_down_ms: int = 15 * MINUTE_MS
    name: str = "decay"


class Lost(Struct, frozen=True, tag="loss"):
    """A trade that was closed since the last training lost at its stop."""

    cool_down_ms: int = 15 * MINUTE_MS
    name: str = "losing trade"


class Unsure(Struct, frozen=True, tag="unsure"):
    """The newest confidence is below `confidence_below`."""

    confidence_below: float = 0.55
    cool_down_ms: int = 15 * MINUTE_MS
    name: str = "low confidence"


class LossRose(Struct, frozen=True, tag="loss_rose"):
    """The test of Page and Hinkley told that the loss has risen (`core.learning.lifecycle.page_hinkley`)."""

    cool_down_ms: int = 15 * MINUTE_MS
    name: str = "loss rose"


Trigger = Schedule | Drifted | Decayed | Lost | Unsure | LossRose

SEED_A: tuple[Trigger, ...] = (Schedule(HOUR_MS), Lost(), Unsure())
SEED_B: tuple[Trigger, ...] = (Drifted(), Decayed())


class Facts(Struct, frozen=True):
    """What is known of a part and a symbol. `begun_ms` is when the last training began, `asked_ms` when the operator
    last asked for one; `fired_ms` has by name when each trigger last began one. `psi` is of the least stable feature.
    None is what is not known, or never was."""

    is_training: bool = False
    begun_ms: int | None = None
    asked_ms: int | None = None
    psi: Stability | None = None
    sharpe: float | None = None
    sharpe_trades: int = 0
    lost_ms: int | None = None
    confidence: float | None = None
    loss_rose_ms: int | None = None
    fired_ms: Mapping[str, int] = {}


class Due(Struct, frozen=True):
    """Which trigger, and what it saw."""

    name: str
    because: tuple[Because, ...]

    @property
    def text(self) -> str:
        told = words(self.because)
        return f"{self.name}: {told}" if told else self.name


def due(triggers: Sequence[Trigger], facts: Facts, now_ms: int) -> Due | None:
    """The first trigger that is due: the operator's word, then in the order in which they were chosen; None while a
    training is under way. Raises BadInputError for two triggers of one name."""
    names = [trigger.name for trigger in triggers]
    if len({*names, ASKED}) <= len(names):
        raise BadInputError(f"triggers {', '.join(names)}: each needs a name of its own, and none is {ASKED}")
    if facts.is_training:
        return None
    if _is_new(facts.asked_ms, facts):
        return Due(ASKED, (Because("the operator asked", None, None),))
    for trigger in triggers:
        since = facts.begun_ms if isinstance(trigger, Schedule) else facts.fired_ms.get(trigger.name)
        if since is not None and now_ms - since < trigger.cool_down_ms:
            continue
        because = _why(trigger, facts, now_ms)
        if because is not None:
            return Due(trigger.name, (because,))
    return None


def recent_sharpe(net: NDArray[np.float64], last: int = 200, least: int = 10) -> tuple[float | None, int]:
    """The Sharpe ratio of the last trades (n,), oldest first, and of how many: mean over standard deviation (n - 1),
    times the root of `TRADES_PER_YEAR`. A rule of thumb to train by, not a figure to show: trades do not come each five
    minutes. None for fewer than `least` trades, or where all are equal."""
    taken = net[-last:]
    if len(taken) < max(least, 2):
        return None, len(taken)
    spread = float(np.std(taken, ddof=1))
    if spread <= ROUNDING * float(np.max(np.abs(taken))):
        return None, len(taken)
    return float(np.mean(taken)) / spread * math.sqrt(TRADES_PER_YEAR), len(taken)


def _is_new(at_ms: int | None, facts: Facts) -> bool:
    """Whether something has come since the last training began."""
    return at_ms is not None and (facts.begun_ms is None or at_ms > facts.begun_ms)


def _why(trigger: Trigger, facts: Facts, now_ms: int) -> Because | None:
    match trigger:
        case Schedule():
            return _overdue(trigger, facts, now_ms)
        case Drifted():
            return _drifted(trigger, facts.psi)
        case Decayed():
            return _decayed(trigger, facts)
        case Lost():
            return Because("a trade lost at its stop", None, None) if _is_new(facts.lost_ms, facts) else None
        case Unsure():
            return _unsure(trigger, facts.confidence)
        case LossRose():
            return Because("the loss has risen", None, None) if _is_new(facts.loss_rose_ms, facts) else None


def _overdue(trigger: Schedule, facts: Facts, now_ms: int) -> Because | None:
    if facts.begun_ms is None:
        return Because("nothing was trained yet", None, None)
    return Because("last training", (now_ms - facts.begun_ms) / MINUTE_MS, trigger.every_ms / MINUTE_MS, "min")


def _drifted(trigger: Drifted, psi: Stability | None) -> Because | None:
    if psi is None or not psi.psi > max(trigger.psi_above, psi.by_chance):
        return None
    note = f"over {psi.rows} rows, where chance leaves {psi.by_chance:.2g}"
    return Because(f"PSI of {psi.feature}", psi.psi, trigger.psi_above, "", note)


def _decayed(trigger: Decayed, facts: Facts) -> Because | None:
    if facts.sharpe is None or not facts.sharpe < trigger.sharpe_below:
        return None
    return Because("Sharpe ratio", facts.sharpe, trigger.sharpe_below, "", f"of {facts.sharpe_trades} trades")


def _unsure(trigger: Unsure, confidence: float | None) -> Because | None:
    if confidence is None or not confidence < trigger.confidence_below:
        return None
    return Because("confidence", confidence, trigger.confidence_below, "probability")
