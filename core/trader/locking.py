"""Locks on a symbol: of the operator, and after losses in a row."""

from __future__ import annotations

from core.domain.instant import instant_text
from core.domain.operator import LimitEvent, OperatorCommand
from core.settings.schema import LimitSettings
from core.trader.guard import Guard
from core.trader.limits.lock import LOCK
from core.trader.limits.symbol_losses import SYMBOL_LOSSES, lock_after
from core.trader.symbol_state import SymbolState


def lock(guard: Guard, command: OperatorCommand) -> tuple[str, list[LimitEvent]]:
    """What came of the operator's wish, and the events that say so."""
    symbol, until_ms = command.symbol, command.until_ms
    until = "until it is unlocked" if until_ms is None else f"until {instant_text(until_ms)}"
    note = "; ".join(filter(None, (until, command.reason)))
    events = guard.lock(LOCK, symbol, 1.0, 1.0, until_ms, command.time_ms, note)
    return f"{symbol} is locked {until}: no new entries there; stops, targets and exits go on", events


def unlock(guard: Guard, command: OperatorCommand) -> tuple[str, list[LimitEvent]]:
    events = guard.unlock(command.symbol, command.time_ms)
    names = " and ".join(event.limit.replace("_", " ") for event in events)
    return (
        f"{command.symbol} is unlocked: {names} ended" if events else f"refused: nothing locks {command.symbol}",
        events,
    )


def lock_after_losses(guard: Guard, s: SymbolState, caps: LimitSettings, now_ms: int) -> list[LimitEvent]:
    """Lock a symbol whose newest closed trade was one loss in a row too many."""
    asked = lock_after(s.closed(), caps)
    if asked is None:
        return []
    count, until_ms = asked
    most, note = float(caps.max_symbol_losses_in_row), f"{count} in a row, until {instant_text(until_ms)}"
    return guard.lock(SYMBOL_LOSSES, s.instrument.symbol, float(count), most, until_ms, now_ms, note)
