"""What an operator can ask of a running engine, and what a limit did."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.domain.origin import ACCOUNT, Origin
from core.domain.plain import plain


class Verb(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    FLATTEN = "flatten"
    LOCK = "lock"
    UNLOCK = "unlock"
    CLOSE = "close"
    MOVE_STOP = "move-stop"


OF_A_TRADE = (Verb.CLOSE, Verb.MOVE_STOP)
"""What is asked of one open trade, of which its engine must know what is held."""


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """`symbol` is empty for the whole account; `time_ms` is the engine's time when it took the command.

    `include_external` lets a flatten close, and cancel, what others placed in the account too. A lock holds until
    `until_ms`, None until it is ended, for the `reason` that the operator gave. `trade` names one open trade, by its id
    or by the symbol where no other is open; `share_pct` is how much of it is closed, in percent, None for all of it,
    and `price` where its stop goes, in USDT.
    """

    command_id: str
    verb: Verb
    symbol: str
    operator: str
    time_ms: int
    include_external: bool = False
    until_ms: int | None = None
    reason: str = ""
    trade: str = ""
    share_pct: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OperatorWish:
    """What an operator asks of an engine, before it has taken it: a command without id and time. A lock is to hold for
    `for_ms` of the engine's time, None until it is ended."""

    verb: Verb
    symbol: str
    operator: str
    include_external: bool = False
    for_ms: int | None = None
    reason: str = ""
    trade: str = ""
    share_pct: Decimal | None = None
    price: Decimal | None = None

    def taken(self, command_id: str, now_ms: int) -> OperatorCommand:
        """The command that it becomes at `now_ms`, its texts made plain."""
        until_ms = None if self.for_ms is None else now_ms + self.for_ms
        return OperatorCommand(
            command_id,
            self.verb,
            self.symbol,
            plain(self.operator),
            now_ms,
            self.include_external,
            until_ms,
            plain(self.reason),
            plain(self.trade),
            self.share_pct,
            self.price,
        )


class LimitEffect(StrEnum):
    WARN = "warn"
    REDUCE = "reduce"
    NO_NEW_ENTRIES = "no_new_entries"
    FLATTEN = "flatten"


class LimitScope(StrEnum):
    """Whom a limit binds. A symbol holds one trade at a time, so a trade's limit is remembered by its symbol."""

    ACCOUNT = "account"
    STRATEGY = "strategy"
    SYMBOL = "symbol"
    TRADE = "trade"


CLEARED_BY_DAY = frozenset(("day_loss_usdt", "day_loss_pct", "losses_in_row"))
"""Names of the limits that stay fired, whatever their figure does, until a UTC day begins."""

CLEARED_BY_RESUME = frozenset(("losses_in_row", "drawdown", "books", "stop_refused", "second_engine"))
"""Names of the limits that stay fired, whatever their figure does, until the operator resumes."""

CLEARED_BY_UNLOCK = frozenset(("lock", "symbol_losses"))
"""Names of the limits that lock a symbol: they stay fired until their time is over, or the operator unlocks it."""

FULL_IN_USE = frozenset(("open_positions", "exposure"))
"""Names of the limits that an account in normal use reaches, and leaves by itself."""


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """A limit that fired or cleared. `clears` tells the operator what ends it, `note` what is wrong where the figures
    do not say it, `origin` whose decision it was measured of, and of a limit of scope strategy whom it binds;
    `until_ms` is when it clears by itself, where time alone ends it."""

    limit: str
    symbol: str
    time_ms: int
    fired: bool
    effect: LimitEffect
    used: float
    limit_value: float
    unit: str
    clears: str
    note: str = ""
    origin: Origin = ACCOUNT
    scope: LimitScope = LimitScope.ACCOUNT
    until_ms: int | None = None
