"""Targets: each rests for its part of the trade, is kept true as that changes, and is told for itself.

A target that is placed anew for another part waits until its order is known to be gone: of two, both could close. One
of the whole needs not wait, as neither can close more than is held.
"""

from __future__ import annotations

from core.domain.orders import RESTING_STATES, Fill, Order, OrderRole, OrderState, OrderType
from core.domain.trading import ExitReason
from core.position.ladder import closes_all, lots_by_target
from core.trader.ids import Ids
from core.trader.intents import closing_order
from core.trader.messages import Command
from core.trader.open_trade import OpenTrade
from core.trader.sending import Leaving, cancel, place
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook

MAX_LOST_TARGETS = 3
"""After so many a target is not placed at the venue any more: its part is left once a bar closes past it."""

_AGAIN_MS, _AGAIN_MOST_MS = 500, 8_000


class Targets:
    """Of every position of one account."""

    def __init__(self, ids: Ids, state: TraderState, leaving: Leaving) -> None:
        self._ids = ids
        self._state = state
        self._leaving = leaving

    def begin(self, s: StrategyBook, trade: OpenTrade, fill: Fill, ticks: int) -> list[Command]:
        """From the first fill on: the ladder, or else one for everything at `ticks`, 0 for none."""
        if not trade.ladder:
            return self._place(trade, 0, s.lots_to_target(), ticks, fill.time_ms) if ticks > 0 else []
        commands: list[Command] = []
        for n, lots in enumerate(wanted_lots(s, trade)):
            commands += self._place(trade, n, lots, trade.targets[n].ticks, fill.time_ms) if lots else []
        return commands

    def restore(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Place each again that has no order; where the price is past it, leave its part."""
        trade = s.trade
        if trade is None or not trade.targets or not s.lots or trade.leaving or s.open_exit() is not None:
            return []
        commands: list[Command] = []
        for n, lots in enumerate(wanted_lots(s, trade)):
            if not lots or s.target_orders(n):
                continue
            target, sign = trade.targets[n], 1 if s.lots > 0 else -1
            if sign * (s.mark - target.ticks * s.tick) >= 0:
                if _may_try(s, trade, n, now_ms):
                    commands += self._take(s, trade, n, lots, now_ms)
            elif target.lost <= MAX_LOST_TARGETS:
                commands += self._place(trade, n, lots, target.ticks, now_ms)
        return commands

    def take(self, s: StrategyBook, place: int, now_ms: int) -> list[Command]:
        """The price is past a target: leave its part at market."""
        trade = s.trade
        if trade is None:
            return []
        lots = wanted_lots(s, trade)[place]
        return self._take(s, trade, place, lots, now_ms) if lots else []

    def cut(self, s: StrategyBook, trade: OpenTrade, now_ms: int) -> list[Command]:
        """Put those that rest for another part than theirs is now in the way of being placed for that."""
        commands: list[Command] = []
        whole = s.lots_to_target()
        for n, lots in enumerate(wanted_lots(s, trade)):
            old = [o for o in s.target_orders(n) if o.state in RESTING_STATES and o.client_order_id not in s.canceling]
            resting = sum(order.remaining_lots for order in old)
            # One that has begun to fill does so at any price now.
            is_beginning = any(order.state is OrderState.PARTIALLY_FILLED for order in old)
            is_true = resting <= lots if is_beginning else resting == lots
            if not old or is_true or trade.targets[n].lost > MAX_LOST_TARGETS:
                continue
            if lots == whole:
                commands += self._place(trade, n, lots, trade.targets[n].ticks, now_ms)
            size = "smaller" if lots < resting else "larger"
            reason = f"a {size} target took its place" if lots else "nothing is left for this target"
            commands += cancel(self._state, old, now_ms, reason)
        return commands

    def _take(self, s: StrategyBook, trade: OpenTrade, n: int, lots: int, now_ms: int) -> list[Command]:
        if lots >= abs(s.lots):
            return self._leaving.leave(s, ExitReason.TARGET, now_ms)
        if trade.leaving or s.open_exit() is not None:
            return []
        return self._place(trade, n, lots, None, now_ms)

    def _place(self, trade: OpenTrade, n: int, lots: int, ticks: int | None, now_ms: int) -> list[Command]:
        """At market without a trigger."""
        order = closing_order(
            self._ids,
            trade,
            OrderRole.TARGET,
            lots,
            now_ms=now_ms,
            reason=ExitReason.TARGET,
            trigger_ticks=ticks,
            place=n,
        )
        return place(self._state, order)


def wanted_lots(s: StrategyBook, trade: OpenTrade) -> list[int]:
    """What each target is to close, by its place."""
    rules, targets = s.instrument, trade.targets
    taken, filled = [target.is_taken for target in targets], [target.filled_lots for target in targets]
    least = rules.lots_up(rules.min_lots)
    return lots_by_target(s.lots_to_target(), trade.shares, taken, filled, least, rules.lot_step)


def leaves_some(s: StrategyBook, order: Order) -> bool:
    """Whether an order is a target behind which more of the trade is held."""
    if order.role is not OrderRole.TARGET or s.trade is None or s.trade.trade_id != order.trade_id:
        return False
    return not closes_all(s.trade.shares, order.place)


def are_resting(s: StrategyBook, trade: OpenTrade) -> bool:
    """Whether every target has an order that rests untouched for its part, and there are no others."""
    for n, lots in enumerate(wanted_lots(s, trade)):
        found = s.target_orders(n)
        if sum(order.remaining_lots for order in found) != lots or not all(map(_is_untouched, found)):
            return False
    return True


def _is_untouched(order: Order) -> bool:
    return order.state is OrderState.ACCEPTED and order.type is not OrderType.MARKET


def _may_try(s: StrategyBook, trade: OpenTrade, n: int, now_ms: int) -> bool:
    """Whether the part of a target may be left at market: each try that came to nothing doubles the wait."""
    lost = trade.targets[n].lost
    at_market = (o for o in s.ended.values() if o.role is OrderRole.TARGET and o.type is OrderType.MARKET)
    tried = [o.created_ms for o in at_market if o.trade_id == trade.trade_id and o.place == n]
    if not lost or not tried:
        return True
    return abs(now_ms - max(tried)) >= min(_AGAIN_MS << min(lost - 1, 8), _AGAIN_MOST_MS)
