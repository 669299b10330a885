"""How many trades in a row may lose in one symbol before it is locked for a while."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope
from core.domain.trading import Trade
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Ended, Limit


def losses_in_row(trades: Sequence[Trade], from_ms: int) -> int:
    """Of closed trades, oldest first: how many of the newest lost, one after the other, and closed at `from_ms` or
    later."""
    count = 0
    for trade in reversed(trades):
        if trade.net_pnl_usdt >= 0 or trade.exit_time_ms < from_ms:
            break
        count += 1
    return count


def lock_after(trades: Sequence[Trade], caps: LimitSettings) -> tuple[int, int] | None:
    """What the newest of a symbol's closed trades, oldest first, asks for: how many lost in a row, and until when that
    locks the symbol. None where it does not."""
    most, closed_ms = caps.max_symbol_losses_in_row, trades[-1].exit_time_ms
    count = losses_in_row(trades, closed_ms - int(caps.symbol_losses_hours * 60 * MINUTE_MS)) if most else 0
    return (count, closed_ms + int(caps.symbol_lock_minutes * MINUTE_MS)) if most and count >= most else None


SYMBOL_LOSSES = Limit(
    "symbol_losses",
    "trades",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "when its time is over, or the operator unlocks the symbol",
    "losing trades in a row in the symbol that closed within [limits] symbol_losses_hours",
    ended=frozenset({Ended.BY_UNLOCK}),
    warns=False,
)
