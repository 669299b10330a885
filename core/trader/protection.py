"""Stops: placed with the first fill, kept true ever after, moved without a gap, and withdrawn when nothing is held.

A stop counts as protection only in a state in which it is known to rest at the venue. The rules here are asked at two
kinds of moments: when news of an order or a fill comes in, and by every watch between two bars, which is what acts
on time that has passed.

Where nobody knows what became of an entry, it may be a position. Its stop is placed ahead then, as every stop only to
reduce: it can open nothing, whatever became of the entry. What the venue makes of it says nothing of the trade. With
the first fill the stop proper is placed, and takes its place; where nothing was filled it is withdrawn.
"""

from __future__ import annotations

import numpy as np

from core.arithmetic import sizing
from core.domain.orders import AHEAD, RESTING_STATES, Fill, Order, OrderRole, OrderState
from core.domain.records import WatchRecord
from core.domain.trading import ExitReason
from core.position.stops import LEAVE_BARE, LEAVE_PAST, MAX_LOST_STOPS, moved_ticks, remedy
from core.trader import limits
from core.trader.guard import Guard
from core.trader.ids import Ids
from core.trader.intents import closing_order
from core.trader.messages import Command, Journal
from core.trader.open_trade import OpenTrade
from core.trader.sending import Leaving, cancel, journalled, place
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook
from core.trader.symbol_state import SymbolState
from core.trader.targets import Targets
from core.trader.traded import Traded

CANCEL_AGAIN_MS = 5_000
"""How long a withdrawal may go unanswered before it is asked for again."""

_EXIT_AGAIN_MS, _EXIT_AGAIN_MOST_MS = 500, 8_000

_FILLS_DUE_MS, _NEWS_DUE_MS = 1_000, 5_000
"""How long an entry that has arrived may be without its fills, and one that has left without any news, as where a
start cannot ask for it: longer than one may wait to be sent."""


class Protection:
    """Of every trade of one account. Its strategy gives the distances of stop and target where a trade has none;
    `targets` looks after these."""

    def __init__(
        self, ids: Ids, state: TraderState, guard: Guard, traded: Traded, leaving: Leaving, limit_ms: int
    ) -> None:
        self._ids = ids
        self._state = state
        self._guard = guard
        self._leaving = leaving
        self._limit_ms = limit_ms
        self.targets = Targets(ids, state, leaving)
        self._traded = traded

    def bracket(self, s: StrategyBook, order: Order, fill: Fill) -> list[Command]:
        """Stop and targets from the first fill, for the whole order: reduce-only caps them at the position."""
        assert s.trade is not None
        step, target_pct = s.instrument.tick_step, self._distances(s, s.trade)[1]
        sign = order.side.sign
        target = 0 if target_pct is None else sizing.target_ticks(fill.price_ticks / step, sign, target_pct) * step
        lots = abs(s.lots) + order.remaining_lots
        stop = self._first_stop_ticks(s, s.trade, sign, fill.price_ticks, lots)
        commands = self._place_stop(s.trade, lots, stop, fill.time_ms)
        # No price lies at nothing or below: a short whose target would is held without one, too.
        return commands + self.targets.begin(s, s.trade, fill, target)

    def _first_stop_ticks(self, s: StrategyBook, trade: OpenTrade, sign: int, entry_ticks: int, lots: int) -> int:
        """Where the stop of so many lots lies that are entered at a price."""
        step = s.instrument.tick_step
        stop = sizing.stop_ticks(entry_ticks / step, sign, self._distances(s, trade)[0]) * step
        for policy in self._traded.of(s).policies:
            if policy.at_entry is not None:
                entry_price, parameters = entry_ticks * s.tick, np.array(policy.parameters, np.float64)
                price = policy.at_entry(sign, entry_price, lots * s.lot_qty, parameters)
                stop = moved_ticks(sign, stop, price, s.tick * step, step, policy.loosens)
        return stop

    def hear_entry(self, s: StrategyBook, order: Order, now_ms: int) -> list[Command]:
        """What news of an entry asks for while nothing is known to be held: a stop ahead where nobody knows what became
        of it; none where it has ended."""
        if order.is_open:
            return self._place_ahead(s, now_ms)
        ahead = [o for o in s.orders.values() if o.is_ahead and o.trade_id == order.trade_id]
        return cancel(self._state, ahead, now_ms, "its entry opened nothing")

    def _place_ahead(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Once a trade, by the price that is known now; after that the stop proper is waited for."""
        entry, trade = s.untold_entry(), s.trade
        if entry is None or trade is None or trade.tries(OrderRole.STOP, AHEAD) or not s.mark > 0.0:
            return []
        if not _is_overdue(entry, now_ms):
            return []
        sign, lots, entry_ticks = entry.side.sign, entry.remaining_lots, s.instrument.ticks_nearest(s.mark)
        ticks = self._first_stop_ticks(s, trade, sign, entry_ticks, lots)
        return self._place_stop(trade, lots, ticks, now_ms, AHEAD)

    def _distances(self, s: StrategyBook, trade: OpenTrade) -> tuple[float, float | None]:
        """Of stop and target from the entry in percent of it, None for no target: those decided on with the trade."""
        if trade.stop_pct is None:
            strategy = self._traded.of(s)
            return strategy.stop_pct, strategy.target_pct
        return trade.stop_pct, trade.target_pct

    def restore(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Place a stop where those on their way or at rest do not cover the position and what may still be added to it;
        leave at market where the price is beyond it, or the venue takes none. Nothing while an exit is open."""
        return [] if s.open_exit() is not None else self._restore(s, now_ms)

    def move_stop(self, s: StrategyBook, ticks: int, now_ms: int, more_lots: int = 0) -> list[Command]:
        """Put the stop of a position at another trigger, and for `more_lots` that are about to be ordered: the new one
        is placed now, and what it takes the place of is withdrawn when it is known to rest (`retire`)."""
        assert s.trade is not None
        return self._place_stop(s.trade, s.lots_to_protect() + more_lots, ticks, now_ms)

    def cut(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Stop and targets for what is held and may still be added, where they rest: what is larger would close lots of
        others later. The new stop is placed first; what it takes the place of goes when it is known to rest."""
        trade, stops, lots = s.trade, s.stops(), s.lots_to_protect()
        if trade is None or s.open_exit() is not None:
            return []
        commands: list[Command] = []
        takes_stops = not trade.stop_refused and trade.lost_stops < MAX_LOST_STOPS
        is_larger = bool(stops) and stops[-1].state in RESTING_STATES and stops[-1].remaining_lots > lots
        if trade.stop_ticks is not None and takes_stops and is_larger:
            commands += self._place_stop(trade, lots, trade.stop_ticks, now_ms)
        return commands + self.targets.cut(s, trade, now_ms)

    def retire(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Withdraw the stops that a later one, which rests and covers everything, has taken the place of."""
        return cancel(self._state, _superseded(s), now_ms, "a later stop took its place")

    def watch(self, now_ms: int) -> list[Command]:
        """What time alone asks for. Journalled ahead of what it does; where it does nothing, nothing is."""
        commands: list[Command] = []
        for symbol in self._state.symbols.values():
            commands += self._measure(symbol, now_ms)
            for s in symbol.books.values():
                commands += self._watch(s, now_ms)
        return [Journal(WatchRecord(now_ms)), *commands] if commands else []

    def _measure(self, symbol: SymbolState, now_ms: int) -> list[Command]:
        since_ms = symbol.unprotected_since_ms()
        waited_ms = 0 if since_ms is None else now_ms - since_ms
        return journalled(
            self._guard.check(
                limits.UNPROTECTED,
                symbol.instrument.symbol,
                waited_ms / 1000.0,
                self._limit_ms / 1000.0,
                breached=self._is_over(since_ms, now_ms),
                now_ms=now_ms,
            )
        )

    def _is_over(self, since_ms: int | None, now_ms: int) -> bool:
        """Where a clock was set back far nobody knows how long it is: what is bare is not left so."""
        return since_ms is not None and abs(now_ms - since_ms) >= self._limit_ms

    def _watch(self, s: StrategyBook, now_ms: int) -> list[Command]:
        is_over = self._is_over(s.unprotected_since_ms, now_ms)
        commands = self._place_ahead(s, now_ms)
        trade = s.trade
        if s.lots and trade is not None:
            reason = trade.leaving or (ExitReason.UNPROTECTED if is_over else "")
            commands += self._leave(s, trade, reason, now_ms) if reason else []
            if not _is_being_left(s, trade):
                commands += self._restore(s, now_ms)
                commands += self.targets.restore(s, now_ms)
            if not trade.leaving:
                # An entry may have ended with less than they were placed for.
                commands += self.cut(s, now_ms)
        return commands + self._withdraw(s, now_ms)

    def _restore(self, s: StrategyBook, now_ms: int) -> list[Command]:
        trade, stops, lots = s.trade, s.stops(), s.lots_to_protect()
        if trade is None or not s.lots or sum(order.remaining_lots for order in stops) >= lots:
            return []
        sign = 1 if s.lots > 0 else -1
        ticks = trade.stop_ticks or sizing.stop_ticks(
            s.instrument.ticks_nearest(s.entry_price), sign, self._distances(s, trade)[0]
        )
        # It may lie between two prices of today's rules: the one that leaves sooner is the safe one.
        ticks = s.instrument.safe_ticks(ticks, sign)
        wanted = remedy(sign, s.mark, ticks * s.tick, trade.lost_stops, trade.stop_refused)
        if wanted == LEAVE_PAST:
            return self._leave(s, trade, ExitReason.STOP, now_ms)
        if wanted == LEAVE_BARE:
            return self._leave(s, trade, ExitReason.UNPROTECTED, now_ms)
        return self._place_stop(trade, lots, ticks, now_ms)

    def _leave(self, s: StrategyBook, trade: OpenTrade, reason: str, now_ms: int) -> list[Command]:
        return self._leaving.leave(s, reason, now_ms) if _may_exit(trade, now_ms) else []

    def _place_stop(self, trade: OpenTrade, lots: int, ticks: int, now_ms: int, at: int = 0) -> list[Command]:
        order = closing_order(
            self._ids,
            trade,
            OrderRole.STOP,
            lots,
            now_ms=now_ms,
            reason=ExitReason.STOP,
            trigger_ticks=ticks,
            place=at,
        )
        return place(self._state, order)

    def _withdraw(self, s: StrategyBook, now_ms: int) -> list[Command]:
        """Withdraw what rests and has no purpose any more, and ask again where nobody answered."""
        resting = [order for order in s.orders.values() if order.state in RESTING_STATES]
        unheard = [o for o in resting if abs(now_ms - s.canceling.get(o.client_order_id, now_ms)) >= CANCEL_AGAIN_MS]
        for order in unheard:
            del s.canceling[order.client_order_id]
        useless = [order for order in resting if self._is_useless(s, order)]
        return [
            *cancel(self._state, unheard, now_ms, "asked for before"),
            *cancel(self._state, useless, now_ms, "it has no purpose any more"),
            *self.retire(s, now_ms),
        ]

    def _is_useless(self, s: StrategyBook, order: Order) -> bool:
        if order.role in (OrderRole.LIQUIDATION, OrderRole.HOLE, OrderRole.OUTSIDE):
            return False
        if order.reduce_only and not s.lots:
            return order is not s.stop_ahead()
        if order.role is OrderRole.ENTRY and (self._state.halted or (s.trade is not None and s.trade.leaving)):
            return True
        return order.trade_id not in [trade.trade_id for trade in (s.trade, s.next_trade) if trade is not None]


def _is_overdue(entry: Order, now_ms: int) -> bool:
    """Whether an entry may have opened a position for longer than the way of its news explains."""
    if entry.state is OrderState.UNKNOWN:
        return True
    if entry.state in RESTING_STATES:
        return abs(now_ms - entry.updated_ms) >= _FILLS_DUE_MS
    # When it was sent no journal tells.
    return abs(now_ms - entry.created_ms) >= _NEWS_DUE_MS


def _is_being_left(s: StrategyBook, trade: OpenTrade) -> bool:
    """Whether the exit that is open makes a stop idle: it works at the venue, or it is on its way and the price is past
    the stop. Where nobody knows what became of the exit, a stop is wanted."""
    out = s.open_exit()
    if out is None:
        return False
    is_past = trade.leaving == ExitReason.STOP and out.state in (OrderState.INTENT, OrderState.SENT)
    return is_past or out.state in RESTING_STATES


def _superseded(s: StrategyBook) -> list[Order]:
    """The stops beside the last that rests where a stop was last wanted and covers everything, but for later ones that
    are to rest there too."""
    if s.trade is None:
        return []
    stops, lots, ticks = s.stops(), s.lots_to_protect(), s.trade.stop_ticks
    for n in range(len(stops) - 1, -1, -1):
        stop = stops[n]
        if stop.state in RESTING_STATES and stop.remaining_lots >= lots and stop.trigger_ticks == ticks:
            return [*stops[:n], *(other for other in stops[n + 1 :] if other.trigger_ticks != ticks)]
    return []


def _may_exit(trade: OpenTrade, now_ms: int) -> bool:
    """Whether an exit may be asked for: each that came to nothing doubles the wait. One that seems to have been asked
    for long after now was asked by a clock that was set back since, and holds nothing."""
    tries = trade.tries(OrderRole.EXIT)
    wait_ms = min(_EXIT_AGAIN_MS << (tries - 1), _EXIT_AGAIN_MOST_MS) if tries else 0
    return abs(now_ms - trade.exit_asked_ms) >= wait_ms
