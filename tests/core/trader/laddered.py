"""A strategy with several targets whose exits reduce, add and trail, and what must hold of its trades."""

from __future__ import annotations

from typing import Any

from core.domain.orders import Order, OrderRole, OrderState
from core.position.kit.trailing import trailing
from core.position.ladder import Ladder, closes_all
from core.position.policy import ADD, HOLD, REDUCE, Candle, ExitPolicy, Held
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook
from tests.declared import Vector

LADDER: Ladder = ((0.15, 0.25), (0.35, 0.3), (0.7, 0.2))
"""A quarter is left to the stop."""


def _half_off(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    """A third, at every close that is so many percent against the trade."""
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    return (REDUCE, 1.0 / 3.0) if ahead_pct < -parameters[0] else (HOLD, 0.0)


def _more(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    """Two thirds as much again, at a close that is so many percent ahead, while what is held cost less than so much."""
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    is_small = held.qty * held.entry_price < parameters[1]
    return (ADD, 2.0 / 3.0) if is_small and ahead_pct > parameters[0] else (HOLD, 0.0)


def more_of_it(most_usdt: float) -> ExitPolicy:
    return ExitPolicy("more of it", _more, (0.05, most_usdt), says=(ADD,))


HALF_OFF = ExitPolicy("part off", _half_off, (0.05,), says=(REDUCE,))
POLICIES = (HALF_OFF, more_of_it(5_000.0), trailing(0.5, 0.1))


def fields(**changes: Any) -> dict[str, Any]:
    """Of a declaration."""
    return {"ladder": LADDER, "policies": POLICIES, "exits": (), **changes}


def broken(state: TraderState) -> list[str]:
    """What does not hold of the trades: lots against fills, targets against the position, whole steps of the
    contract."""
    found: list[str] = []
    for s in state.books():
        symbol, trade = s.instrument.symbol, s.trade
        if trade is None or not s.lots:
            continue
        if trade.entry_lots - trade.exit_lots != abs(s.lots):
            found.append(f"{symbol}: {trade.entry_lots} bought, {trade.exit_lots} sold, {s.lots} held")
        if s.open_exit() is not None or any(o.state is OrderState.PARTIALLY_FILLED for o in s.stops()):
            continue  # It is being left: what is too large finds nothing more.
        resting = _targets(s)
        together, most = sum(order.remaining_lots for order in resting), s.lots_to_target()
        if together > most:
            found.append(f"{symbol}: targets close {together} of {most}")
        if len({order.place for order in resting}) < len(resting):
            found.append(f"{symbol}: two orders of one target")
        step = s.instrument.lot_step
        found += [f"{symbol}: {o.qty_lots} lots are no whole steps" for o in resting if o.qty_lots % step]
        if trade.targets and not closes_all(trade.shares, len(trade.shares) - 1) and together == most > 4 * step:
            found.append(f"{symbol}: targets close all, and are to leave a part")
    return found


def _targets(s: StrategyBook) -> list[Order]:
    mine = (o for o in s.orders.values() if o.role is OrderRole.TARGET and o.client_order_id not in s.canceling)
    return [order for order in mine if order.side.sign * s.lots < 0]
