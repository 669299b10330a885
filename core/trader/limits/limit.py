"""What a limit is, what all of them are measured of, and how near to its limit a reading is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from msgspec import Struct

from core.domain.operator import LimitEffect, LimitScope
from core.domain.origin import ACCOUNT, Origin
from core.domain.quick import quick
from core.settings.schema import LimitSettings

Level = Literal["ok", "warn", "blocked", "unknown"]
"""How near a reading is to its limit; `unknown` where it cannot be taken, and nothing follows of it."""


class Account(Struct, frozen=True):
    """An account at an instant. `entries` and `losses_in_row` are of the UTC day; what is gross includes entries that
    are under way; a bar is `interval_ms` long."""

    now_ms: int
    interval_ms: int
    day_start_equity_usdt: float
    equity_usdt: float
    peak_equity_usdt: float
    gross_notional_usdt: float
    entries: int
    losses_in_row: int


class Subject(Struct, frozen=True):
    """Whose use of a limit is measured, by the limit's scope: of the account, then no name is given, of one strategy,
    or of one symbol. `open_positions` counts pending entries, too; `bar_close_ms` is that of a symbol's newest bar, 0
    before its first, `funding_due_ms` when its funding is settled next, 0 where nobody has told."""

    symbol: str = ""
    strategy: str = ""
    open_positions: int = 0
    bar_close_ms: int = 0
    funding_due_ms: int = 0


class Told(Struct, frozen=True):
    """What is said of a limit that is reached, where its figure does not say what is wrong; until when, where time
    alone ends it."""

    note: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """How a limit is measured under given settings: what is `used` of `limit`, None where there is nothing to
    measure and NaN where nobody can know. `effect` in place of the limit's own; `told` is asked where it is reached;
    `edges_ms` are the times in
    [from, to) at which it changes by time alone."""

    limit: float
    used: Callable[[Account, Subject], float | None]
    effect: LimitEffect | None = None
    told: Callable[[Account, Subject], Told] | None = None
    edges_ms: Callable[[int, int], list[int]] | None = None


class Ended(Enum):
    """What alone ends a limit that has fired, whatever its figure does."""

    BY_DAY = auto()
    BY_RESUME = auto()
    BY_UNLOCK = auto()
    """Or when its time is over."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit's words, and how it is measured: by `meter`, which gives None where the settings switch it off; without
    one whoever meets it tells the guard.

    `warns` is False where nearing the limit is normal use and deserves no warning. `forbids`: no entry is made while it
    is reached, although its effect is a smaller one. `renews`: where something else is wrong meanwhile, it is told
    again. `alarms`: it fires by an alarm. `by_timer`: it is measured of what no journal tells, so it moves by the timer
    and by that news alone, behind all else, and a replay takes it from the journal.
    """

    name: str
    unit: str
    scope: LimitScope
    effect: LimitEffect
    clears: str
    formula: str
    meter: Callable[[LimitSettings], Meter | None] | None = None
    ended: frozenset[Ended] = frozenset()
    warns: bool = True
    forbids: bool = False
    renews: bool = False
    alarms: bool = False
    by_timer: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Reading:
    """One limit measured. `symbol` is empty where it is not one symbol's; `origin` whose decision it is measured of,
    and of a limit of scope strategy whom it binds."""

    rule: Limit
    symbol: str
    used: float
    limit: float
    level: Level
    effect: LimitEffect
    origin: Origin = ACCOUNT
    note: str = ""
    until_ms: int | None = None


def level(used: float, limit: float, warn_at_pct: float) -> Level:
    """`blocked` from the limit on, `warn` from `warn_at_pct` of it on."""
    if used >= limit:
        return "blocked"
    return "warn" if used >= limit * warn_at_pct / 100.0 else "ok"
