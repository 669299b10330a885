"""A desk with limits, and what is asked of each: that it fired, that it vetoes, that it cleared."""

from __future__ import annotations

from typing import Any

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitEvent
from core.domain.orders import OrderRole
from core.domain.records import SignalRecord
from core.domain.trading import SignalAction
from core.trader.limits import RULES
from core.trader.messages import Command, VenueHealth
from core.trader.state import DAY_MS
from tests.core.trader.desk import DAY0_MS, NOON_MS, Desk, make_trader, placed, records

OFF: dict[str, Any] = {"day_loss_usdt": 1e9, "day_loss_pct": 100.0, "max_drawdown_pct": 100.0}


def make_desk(start_ms: int = NOON_MS, **limits: Any) -> Desk:
    """Limits named here, with those of losses out of the way unless named."""
    return Desk(make_trader(**{**OFF, **limits}), start_ms)


def entry_lots(commands: list[Command]) -> int:
    return sum(order.qty_lots for order in placed(commands, OrderRole.ENTRY))


def assert_vetoed(commands: list[Command], limit: str) -> None:
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert signal.action is SignalAction.VETOED
    assert signal.reason == f"limit {limit}; clears {RULES[limit].clears}"
    assert placed(commands) == []


def assert_fired(desk: Desk, limit: str, effect: LimitEffect, symbol: str = "") -> LimitEvent:
    event = desk.limits(limit)[-1]
    assert (event.fired, event.effect, event.symbol, event.clears) == (True, effect, symbol, RULES[limit].clears)
    assert event.unit == RULES[limit].unit
    return event


def assert_cleared(desk: Desk, limit: str, symbol: str = "") -> None:
    event = desk.limits(limit)[-1]
    assert (event.fired, event.symbol) == (False, symbol)
    assert not any(name.startswith(limit) for name in desk.trader.guard.halts())


def lose(desk: Desk, usdt: float) -> None:
    """Hold BTC and let its price fall by so much, without closing it."""
    desk.hold()
    s = desk.book()
    desk.minute(BTCUSDT=s.entry_price - usdt / (s.lots * s.lot_qty))


def to_midnight(desk: Desk) -> None:
    """The next bars close at 00:00 UTC."""
    desk.to(DAY0_MS + DAY_MS - MINUTE_MS)
    desk.minute()


def health(desk: Desk, problem: str) -> list[Command]:
    return desk.handle(VenueHealth(desk.now_ms, problem))
