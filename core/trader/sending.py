"""Orders wanted and withdrawn: the state learns of each before its command leaves the trader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.arithmetic import sizing
from core.domain.operator import LimitEffect, LimitEvent
from core.domain.orders import Order, OrderRole
from core.domain.records import CancelRecord, IntentRecord, LimitRecord
from core.domain.trading import ExitReason
from core.trader.guard import Guard
from core.trader.ids import Ids
from core.trader.intents import closing_order
from core.trader.limits import Reading
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder
from core.trader.open_trade import OpenTrade
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook


def place(state: TraderState, order: Order) -> list[Command]:
    state.apply_intent(order)
    return [Journal(IntentRecord(order)), PlaceOrder(order)]


def cancel(state: TraderState, orders: Sequence[Order], now_ms: int, reason: str) -> list[Command]:
    """Withdraw `orders`, but for those whose withdrawal was asked for already."""
    commands: list[Command] = []
    for order in orders:
        if order.client_order_id not in state.book_of(order).canceling:
            wish = CancelRecord(order.client_order_id, order.symbol, now_ms, reason)
            state.apply_cancel(wish)
            commands += [Journal(wish), CancelOrder(order, now_ms, reason)]
    return commands


def cancel_entries(state: TraderState, s: StrategyBook, now_ms: int, reason: str) -> list[Command]:
    return cancel(state, [o for o in s.orders.values() if o.role is OrderRole.ENTRY], now_ms, reason)


class Leaving:
    """Closes positions at market, with orders none of which is larger than contract and settings allow."""

    def __init__(self, ids: Ids, state: TraderState, guard: Guard, max_order_usdt: float) -> None:
        self._ids = ids
        self._state = state
        self._guard = guard
        self._max_order_usdt = max_order_usdt

    def leave(self, s: StrategyBook, reason: ExitReason | str, now_ms: int) -> list[Command]:
        """Leave, and enter no more. The stop stays until the position is flat. While an exit is open, whatever is known
        of it, there is no other."""
        if s.trade is None or not s.lots or s.open_exit() is not None:
            return []
        commands = cancel_entries(self._state, s, now_ms, reason)
        return commands + self._close(s, s.trade, OrderRole.EXIT, abs(s.lots), reason, now_ms)

    def reduce(self, s: StrategyBook, lots: int, reason: str, now_ms: int) -> list[Command]:
        """Close so many lots of the trade and hold the rest, which stop and target are cut to as these fill."""
        return [] if s.trade is None else self._close(s, s.trade, OrderRole.REDUCE, lots, reason, now_ms)

    def _close(
        self, s: StrategyBook, trade: OpenTrade, role: OrderRole, held: int, reason: ExitReason | str, now_ms: int
    ) -> list[Command]:
        commands: list[Command] = []
        for lots in self._parts(s, held):
            order = closing_order(self._ids, trade, role, lots, now_ms=now_ms, reason=reason)
            commands += place(self._state, order)
        return commands

    def leave_all(self, chosen: Iterable[StrategyBook], reason: ExitReason, now_ms: int) -> list[Command]:
        commands: list[Command] = []
        for s in chosen:
            if s.lots and s.open_exit() is None:
                commands += self.leave(s, reason, now_ms)
            else:
                commands += cancel_entries(self._state, s, now_ms, reason)
        return commands

    def heed(self, readings: Sequence[Reading], now_ms: int) -> list[Command]:
        """Say which limits fired or cleared; leave everything for as long as one of them asks for it."""
        if not readings:
            return []
        commands = journalled(self._guard.note(readings, now_ms))
        if self._guard.has_fired() and any(r.level == "blocked" and r.effect is LimitEffect.FLATTEN for r in readings):
            commands += self.leave_all(self._state.books(), ExitReason.LIMIT, now_ms)
        return commands

    def _parts(self, s: StrategyBook, held: int) -> list[int]:
        """So many lots, in orders as nearly equal as whole steps allow."""
        instrument = s.instrument
        step, most_lots = instrument.lot_step, instrument.max_lots
        if held * s.lot_qty * s.mark > self._max_order_usdt:
            most_steps = sizing.lots_for_notional(self._max_order_usdt, s.mark, s.step_qty)
            most_lots = min(most_lots, most_steps * step)
        left = held
        parts = sizing.exit_parts(-(-left // step), most_lots // step, -(-instrument.min_lots // step))
        made = []
        for n in range(parts, 0, -1):
            made.append(min(left, sizing.exit_part_lots(-(-left // step), n) * step))
            left -= made[-1]
        return made


def journalled(events: Iterable[LimitEvent]) -> list[Command]:
    return [Journal(LimitRecord(event)) for event in events]
