"""The decision core: events in, commands out, no I/O.

Given the same settings and events it gives the same commands, to the byte. Records precede the orders they make
durable; the caller commits all records of one call before it sends any order of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from core.domain.errors import RejectKind
from core.domain.forecast import MARKET, Forecast
from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice
from core.domain.operator import OperatorCommand
from core.domain.orders import (
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderUpdate,
    advance,
    apply_fill,
    news_in,
)
from core.domain.records import (
    AdjustmentRecord,
    CursorRecord,
    FillRecord,
    FundingRecord,
    IntentRecord,
    OrderUpdateRecord,
    PositionRecord,
    TradeRecord,
    WatchRecord,
)
from core.domain.trading import ExitReason, FundingPayment, Position
from core.settings.schema import Settings
from core.strategy.decision import Decider
from core.strategy.declaration import Strategy
from core.trader import limits
from core.trader.deciding import Deciding
from core.trader.guard import Guard
from core.trader.ids import NEWEST, Ids
from core.trader.invariants import check_state
from core.trader.ledger import ZERO
from core.trader.limits import Reading
from core.trader.locking import lock_after_losses
from core.trader.messages import (
    Alarm,
    Command,
    FundingDue,
    Journal,
    Silence,
    Timer,
    TraderEvent,
    VenueHealth,
    WalletAdjustment,
    Watch,
)
from core.trader.operating import Operating
from core.trader.protection import Protection
from core.trader.sampling import Sampling
from core.trader.sending import Leaving, cancel, cancel_entries, journalled
from core.trader.state import TraderState
from core.trader.symbol_state import OpenTrade, SymbolState
from core.trader.targets import leaves_some
from core.trader.unexpected import found_again, is_overtaken, late_fill, lost_target, refused_fill, unasked_order


class Trader:
    """One account, one strategy, all symbols. `handle` is the only way to change it.

    `retired` are those of `instruments` that are only remembered: they were traded once, and nothing of them is held.
    `id_form` is the form of ids in `core.trader.ids`.
    """

    def __init__(
        self,
        account: str,
        strategy: Strategy,
        settings: Settings,
        instruments: Mapping[str, Instrument],
        retired: Collection[str] = (),
        id_form: int = NEWEST,
    ) -> None:
        self.account = account
        ids = Ids(account, id_form)
        self.settings = settings
        self.state = TraderState(settings.account.initial_balance_usdt, instruments, retired)
        self.guard = Guard(settings.limits, settings.market.interval_ms)
        self._leaving = Leaving(ids, self.state, self.guard, settings.limits.max_order_notional_usdt)
        limit_ms = settings.exchange.protection_limit_ms
        self.protection = Protection(ids, self.state, self.guard, strategy, self._leaving, limit_ms)
        self._deciding = Deciding(ids, self.state, self.guard, self._leaving, self.protection, settings, strategy)
        self._sampling = Sampling(self.state, self.guard)
        self._operating = Operating(self.state, self.guard, self._leaving, self._sampling)
        self._handlers: dict[type, Callable[[Any], list[Command]]] = {
            Bar: self._on_bar,
            FirstPrice: self._on_first_price,
            Timer: self._on_timer,
            Watch: self._on_watch,
            VenueHealth: self._on_health,
            Alarm: self._on_alarm,
            FundingDue: self._on_funding_due,
            WalletAdjustment: self._sampling.on_wallet,
            Forecast: self._deciding.on_forecast,
            Silence: self._deciding.on_silence,
            OrderUpdate: self._on_update,
            Fill: self._on_fill,
            FundingPayment: self._on_funding,
            OperatorCommand: self._operating.on_command,
        }

    def follow(self, strategy: Strategy) -> None:
        """Decide by this declaration from now on. What is held and ordered stays as it is."""
        self.protection.strategy = strategy
        self._deciding.follow(strategy)

    @property
    def strategy(self) -> Strategy:
        """What is decided by."""
        return self._deciding.strategy

    @property
    def decider(self) -> Decider:
        """How it decides on the outputs of a bar."""
        return self._deciding.decider

    def decides_on(self, forecast: Forecast) -> bool:
        return self._deciding.decides_on(forecast)

    def lacks_bars(self, symbol: str) -> bool:
        """Whether a trade is held there whose exits must be told its bars again, as after a start."""
        return self._deciding.policies.lacks(self.state.symbols[symbol])

    def recall_bars(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Tell them: from the one that it was entered in to the newest that this trader was told, in order."""
        self._deciding.policies.recall(self.state.symbols[symbol], bars)

    def hear(self, forecast: Forecast) -> None:
        """Know again what a part said; nothing is decided on it. Raises KeyError as `handle` does."""
        self._deciding.hear(forecast)

    def newest(self, symbol: str, part: str) -> Forecast | None:
        """What a part of the strategy said last of a symbol, or of MARKET, of what is traded by."""
        if symbol == MARKET:
            return self.state.heard.get(part)
        return self._deciding.newest(self.state.symbols[symbol], part)

    def adopt(self, instrument: Instrument) -> None:
        """Go by these rules of a contract from now on; what is held and open keeps its prices and quantities."""
        self.state.adopt(instrument)

    def handle(self, event: TraderEvent) -> list[Command]:
        """Raises KeyError for a symbol that the trader was not given."""
        return self._handlers[type(event)](event)

    def _on_bar(self, bar: Bar) -> list[Command]:
        s = self.state.symbols[bar.symbol]
        s.mark = bar.close
        s.bar_close_ms = bar.close_time_ms
        commands: list[Command] = [Journal(CursorRecord(bar.symbol, bar.open_time_ms))]
        if s.lots:
            self._deciding.policies.see(s, bar)
            commands += self.protection.restore(s, bar.close_time_ms)
            commands += self.protection.targets.restore(s, bar.close_time_ms)
            if s.trade is not None and s.trade.is_parted:
                # While a stop was on its way a nearer target may have closed a part of what it is for.
                commands += self.protection.cut(s, bar.close_time_ms)
        return commands

    def _on_first_price(self, first: FirstPrice) -> list[Command]:
        self.state.symbols[first.symbol].mark = first.price
        return []

    def _on_timer(self, timer: Timer) -> list[Command]:
        now_ms = timer.time_ms
        if now_ms < self.state.sampled_ms:
            return []  # The bars of a symbol that is behind: what is measured is measured of the newest.
        commands = [*self._sampling.sample(now_ms), *journalled(self.guard.expire(now_ms))]
        readings = self.guard.measure_change(self.state, now_ms, self.state.symbols, by_timer=True)
        at_once = [reading for reading in readings if not reading.rule.by_timer]
        commands += self._leaving.heed(at_once, now_ms) + self._check(now_ms)
        return commands + self._note_by_timer(readings, now_ms)

    def _note_by_timer(self, readings: Iterable[Reading], now_ms: int) -> list[Command]:
        return journalled(self.guard.note([reading for reading in readings if reading.rule.by_timer], now_ms))

    def _on_funding_due(self, told: FundingDue) -> list[Command]:
        self.state.symbols[told.symbol].funding_due_ms = told.due_ms
        return self._note_by_timer(self.guard.measure(self.state, told.time_ms, (told.symbol,)), told.time_ms)

    def _check(self, now_ms: int) -> list[Command]:
        """An engine whose own books contradict each other enters nothing more."""
        broken = check_state(self.state)
        if not broken and self.guard.level(limits.INVARIANT) == "ok":
            return []
        return journalled(
            self.guard.check(
                limits.INVARIANT,
                "",
                float(len(broken)),
                1.0,
                breached=bool(broken),
                now_ms=now_ms,
                note="; ".join(broken[:3]),
            )
        )

    def _on_update(self, update: OrderUpdate) -> list[Command]:
        s = self.state.symbols[update.symbol]
        order = s.orders.get(update.client_order_id) or found_again(s, update)
        state = news_in(update.state, order) if order is not None else None
        if order is None or state is None:
            return []
        order = advance(
            order,
            state,
            update.time_ms,
            venue_order_id=update.venue_order_id,
            reason=update.reason if state.is_terminal else "",
        )
        is_lost = state.is_terminal and self.state.is_lost(order)
        self.state.apply_update(order, update.kind)
        if state is OrderState.SENT:
            return []
        commands: list[Command] = [Journal(OrderUpdateRecord(update, order))]
        if is_lost and order.role is OrderRole.TARGET and order.state is not OrderState.REJECTED:
            commands += self._tell_once(lost_target(order))
        commands += self._react(s, order, update) if s.lots else []
        return commands + self._operating.tell_flat(update.time_ms)

    def _react(self, s: SymbolState, order: Order, update: OrderUpdate) -> list[Command]:
        """What news of an order, told in `update`, makes necessary for the position."""
        if order.is_open:
            return self.protection.retire(s, update.time_ms) if order.role is OrderRole.STOP else []
        if s.trade is None or s.trade.trade_id != order.trade_id:
            return self.protection.restore(s, update.time_ms)
        if order.role is OrderRole.STOP:
            if order.filled_lots or update.kind is RejectKind.WOULD_TRIGGER:
                return self._leaving.leave(s, ExitReason.STOP, update.time_ms)
            return self.protection.restore(s, update.time_ms)
        if order.role is OrderRole.TARGET and update.kind is RejectKind.WOULD_TRIGGER:
            return self.protection.targets.take(s, order.place, update.time_ms)
        if order.role is OrderRole.ENTRY and (order.place or s.trade.ladder):
            # What it brings no more is not to be closed: of several targets each would take too much.
            return self.protection.cut(s, update.time_ms)
        if order.role is OrderRole.TARGET:
            cut = self.protection.cut(s, update.time_ms) if order.filled_lots else []
            return cut + self.protection.targets.restore(s, update.time_ms)
        return []

    def _on_fill(self, fill: Fill) -> list[Command]:
        if self.state.ledger.has_fill(fill.symbol, fill.fill_id):
            return []
        s = self.state.symbols[fill.symbol]
        if is_overtaken(s, fill):
            return []
        commands: list[Command] = []
        before = s.orders.get(fill.client_order_id) or s.ended.get(fill.client_order_id)
        if before is None:
            before = unasked_order(s, fill)
            self.state.apply_intent(before)
            commands.append(Journal(IntentRecord(before)))
        elif not 0 < fill.qty_lots <= before.remaining_lots:
            return self._refuse_fill(before, fill)
        order = apply_fill(before, fill)
        held, left = s.lots, s.trade
        closed = self.state.apply_fill(fill, order)
        if s.trade is not None and s.lots and (not held or s.trade is not left):
            self._deciding.policies.begin(s, s.trade)
        commands.append(Journal(FillRecord(fill, order)))
        position = self.state.ledger.positions.get(fill.symbol) or Position(fill.symbol, 0, ZERO, 0, "")
        commands.append(Journal(PositionRecord(position, fill.time_ms)))
        if before.state is OrderState.REJECTED:
            commands += self._tell_once(late_fill(before, fill))
        elif before.state.is_terminal and order.is_open:
            commands += self._end_again(before, order, fill.time_ms)
        if closed is not None:
            s.cooldown_until_ms = closed.exit_time_ms + self.strategy.cooldown_ms
            commands.append(Journal(TradeRecord(closed)))
            commands += journalled(lock_after_losses(self.guard, s, self.settings.limits, fill.time_ms))
            goes_on = order.client_order_id if order.role is OrderRole.ENTRY else ""
            rest = [o for o in s.orders.values() if o.client_order_id != goes_on]
            commands += cancel(self.state, rest, fill.time_ms, "position closed")
            if order.role is OrderRole.EXIT and left is not None:
                commands += self._deciding.turn(s, order, left, fill.time_ms)
        if order.role is OrderRole.ENTRY:
            return commands + self._after_entry(s, order, fill, held, left)
        if closed is None:
            commands += cancel_entries(self.state, s, fill.time_ms, "the position is being closed")
            if order.role in (OrderRole.OUTSIDE, OrderRole.REDUCE) or leaves_some(s, order):
                commands += self.protection.cut(s, fill.time_ms)
        return commands + self.protection.restore(s, fill.time_ms) + self._operating.tell_flat(fill.time_ms)

    def _after_entry(
        self, s: SymbolState, order: Order, fill: Fill, held: int, before: OpenTrade | None
    ) -> list[Command]:
        """What a fill of an entry asks for, where `held` lots of the trade `before` were held when it came."""
        if not s.lots:
            return self._operating.tell_flat(fill.time_ms)
        reason = self._unwanted(s, order, held, before)
        if reason:
            return self._leaving.leave(s, reason, fill.time_ms)
        if s.lots * order.side.sign > 0 >= held * order.side.sign:
            return self.protection.bracket(s, order, fill)
        cut = self.protection.cut(s, fill.time_ms) if order.place else []
        return cut + self.protection.restore(s, fill.time_ms)

    def _unwanted(self, s: SymbolState, order: Order, held: int, before: OpenTrade | None) -> str:
        """Why what an entry has just filled is to be left at once: it may be more than is intended on a side. Empty
        where it is what was decided on."""
        if order.created_ms <= s.flattened_ms:
            return ExitReason.FLATTEN
        if self.guard.closes_all():
            return ExitReason.LIMIT
        if s.trade is not None and s.trade.leaving:
            return s.trade.leaving
        if order.place and not held:
            return ExitReason.UNWANTED  # The trade that it was to be added to is over.
        is_of_another = held != 0 and before is not None and not _is_of(before, order)
        return ExitReason.UNWANTED if is_of_another or s.next_trade is not None else ""

    def _refuse_fill(self, order: Order, fill: Fill) -> list[Command]:
        """A fill that its order has no room for is of no order of ours: told, never booked, and nothing new is entered
        before an operator has looked."""
        refusal = refused_fill(order, fill)
        told = self._tell_once(refusal)
        if not told:
            return []
        fired = self.guard.check(
            limits.BOOKS, "", 1.0, 1.0, breached=True, now_ms=fill.time_ms, note=f"{fill.symbol}: {refusal.what}"
        )
        return [*told, *journalled(fired)]

    def _tell_once(self, difference: AdjustmentRecord) -> list[Command]:
        if difference.adjustment_id in self.state.adjustment_ids:
            return []
        self.state.note_adjustment(difference.adjustment_id)
        return [Journal(difference)]

    def _end_again(self, before: Order, order: Order, now_ms: int) -> list[Command]:
        """A late fill left part of an order that had ended open: the venue works on it no more."""
        update = OrderUpdate(
            order.client_order_id, order.symbol, before.state, now_ms, before.venue_order_id, before.reason
        )
        order = advance(order, update.state, now_ms)
        self.state.apply_update(order, update.kind)
        return [Journal(OrderUpdateRecord(update, order))]

    def _on_funding(self, payment: FundingPayment) -> list[Command]:
        if self.state.ledger.has_payment(payment.funding_id):
            return []
        ended = self.state.apply_funding(payment)
        again: list[Command] = [] if ended is None else [Journal(TradeRecord(ended))]
        return [Journal(FundingRecord(payment)), *again]

    def _on_health(self, health: VenueHealth) -> list[Command]:
        """Only that it comes to be unwell, and that it is well again, is an event; what else goes wrong meanwhile is
        not."""
        problem = health.problem
        return journalled(
            self.guard.check(
                limits.CONTRACT if health.symbol else limits.CONNECTION,
                health.symbol,
                1.0 if problem else 0.0,
                1.0,
                breached=bool(problem),
                now_ms=health.time_ms,
                note=problem,
            )
        )

    def _on_alarm(self, alarm: Alarm) -> list[Command]:
        rule = limits.RULES[alarm.limit]
        return journalled(
            self.guard.check(rule, alarm.symbol, 1.0, 1.0, breached=True, now_ms=alarm.time_ms, note=alarm.note)
        )

    def _on_watch(self, watch: Watch) -> list[Command]:
        commands = self.protection.watch(watch.time_ms)
        ended = journalled(self.guard.expire(watch.time_ms))
        if ended and not commands:
            commands = [Journal(WatchRecord(watch.time_ms))]
        return commands + ended


def _is_of(trade: OpenTrade, order: Order) -> bool:
    """Whether the trade is the one that the entry was placed for, or one that a late fill of it began."""
    return trade.trade_id == order.trade_id or trade.trade_id.startswith(f"{order.trade_id}+")
