"""The decision core: events in, commands out, no I/O.

Given the same settings and events it gives the same commands, to the byte. Records precede the orders they make
durable; the caller commits all records of one call before it sends any order of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from core.domain.errors import RejectKind
from core.domain.forecast import Forecast
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
from core.trader.alarms import on_alarm, on_health
from core.trader.deciding import Deciding
from core.trader.filling import Moved
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
from core.trader.open_trade import OpenTrade
from core.trader.operating import Operating
from core.trader.protection import Protection
from core.trader.sampling import Sampling
from core.trader.sending import Leaving, cancel, cancel_entries, journalled
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook
from core.trader.targets import leaves_some
from core.trader.traded import Traded
from core.trader.unexpected import found_again, is_overtaken, late_fill, lost_target, refused_fill, unasked_order


class Trader:
    """One account, its strategies, all symbols. `handle` is the only way to change it.

    `strategy` is the one that trades it, or the first of several; `beside` are the others, each for itself.
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
        beside: Sequence[Strategy] = (),
    ) -> None:
        self.account = account
        ids = Ids(account, id_form)
        self.settings = settings
        self._traded = Traded((strategy, *beside))
        self.state = TraderState(settings.account.initial_balance_usdt, instruments, retired, self._traded.names)
        self.guard = Guard(settings.limits, settings.market.interval_ms)
        self._leaving = Leaving(ids, self.state, self.guard, settings.limits.max_order_notional_usdt)
        limit_ms = settings.exchange.protection_limit_ms
        self.protection = Protection(ids, self.state, self.guard, self._traded, self._leaving, limit_ms)
        self._deciding = {
            one.name: Deciding(ids, self.state, self.guard, self._leaving, self.protection, settings, one)
            for one in (strategy, *beside)
        }
        self._sampling = Sampling(self.state, self.guard)
        self._operating = Operating(self.state, self.guard, self._leaving, self.protection, self._sampling)
        self._handlers: dict[type, Callable[[Any], list[Command]]] = {
            Bar: self._on_bar,
            FirstPrice: self._on_first_price,
            Timer: self._on_timer,
            Watch: self._on_watch,
            VenueHealth: partial(on_health, self.guard),
            Alarm: partial(on_alarm, self.guard),
            FundingDue: self._on_funding_due,
            WalletAdjustment: self._sampling.on_wallet,
            Forecast: self._on_forecast,
            Silence: self._on_silence,
            OrderUpdate: self._on_update,
            Fill: self._on_fill,
            FundingPayment: self._on_funding,
            OperatorCommand: self._operating.on_command,
        }

    def follow(self, strategy: Strategy) -> None:
        """Decide by this declaration from now on, in place of the one of its name, or else of the first. What is held
        and ordered stays as it is."""
        self._traded.follow(strategy)
        self.state.follow(self._traded.names)
        by_place = zip(self._traded.names, self._deciding.values(), strict=True)
        self._deciding = dict(by_place)
        self._deciding[strategy.name].follow(strategy)

    @property
    def strategy(self) -> Strategy:
        """What is decided by, or the first of several."""
        return self._first.strategy

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        return tuple(deciding.strategy for deciding in self._deciding.values())

    @property
    def decider(self) -> Decider:
        """How it decides on the outputs of a bar."""
        return self._first.decider

    def decider_of(self, strategy: str) -> Decider:
        """Raises KeyError for one that does not trade."""
        return self._deciding[strategy].decider

    @property
    def _first(self) -> Deciding:
        return next(iter(self._deciding.values()))

    def cooldown_ms(self, s: StrategyBook) -> int:
        """How long nothing is entered there after a trade."""
        return self._traded.of(s).cooldown_ms

    def _deciding_on(self, s: StrategyBook) -> Deciding:
        return self._deciding[self._traded.of(s).name]

    def decides_on(self, forecast: Forecast) -> bool:
        deciding = self._deciding.get(forecast.origin.strategy)
        return deciding is not None and deciding.decides_on(forecast)

    def lacks_bars(self, symbol: str) -> bool:
        """Whether a trade is held there whose exits must be told its bars again, as after a start."""
        return any(self._deciding_on(s).policies.lacks(s) for s in self.state.symbols[symbol].books.values())

    def recall_bars(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Tell them: from the one that the oldest was entered in to the newest that this trader was told, in order."""
        told = list(bars)
        for s in self.state.symbols[symbol].books.values():
            self._deciding_on(s).policies.recall(s, told)

    def hear(self, forecast: Forecast) -> None:
        """Know again what a part said; nothing is decided on it. Raises KeyError as `handle` does, and for one of a
        strategy that does not trade."""
        self._deciding[forecast.origin.strategy].hear(forecast)

    def newest(self, symbol: str, part: str, strategy: str = "") -> Forecast | None:
        """What a part of a strategy said last of a symbol, or of MARKET: of the first where none is named. Raises
        KeyError for one that does not trade."""
        deciding = self._deciding[strategy] if strategy else self._first
        return deciding.newest(symbol, part)

    def _on_forecast(self, forecast: Forecast) -> list[Command]:
        return self._deciding.get(forecast.origin.strategy, self._first).on_forecast(forecast)

    def _on_silence(self, silence: Silence) -> list[Command]:
        return self._deciding.get(silence.strategy, self._first).on_silence(silence)

    def adopt(self, instrument: Instrument) -> None:
        """Go by these rules of a contract from now on; what is held and open keeps its prices and quantities."""
        self.state.adopt(instrument)

    def handle(self, event: TraderEvent) -> list[Command]:
        """Raises KeyError for a symbol that the trader was not given."""
        return self._handlers[type(event)](event)

    def _on_bar(self, bar: Bar) -> list[Command]:
        symbol = self.state.symbols[bar.symbol]
        symbol.see_bar(bar.close, bar.close_time_ms)
        commands: list[Command] = [Journal(CursorRecord(bar.symbol, bar.open_time_ms))]
        for s in symbol.books.values():
            if s.lots:
                self._deciding_on(s).policies.see(s, bar)
                commands += self.protection.restore(s, bar.close_time_ms)
                commands += self.protection.targets.restore(s, bar.close_time_ms)
                if s.trade is not None and s.trade.is_parted:
                    # While a stop was on its way a nearer target may have closed a part of what it is for.
                    commands += self.protection.cut(s, bar.close_time_ms)
        return commands

    def _on_first_price(self, first: FirstPrice) -> list[Command]:
        self.state.symbols[first.symbol].see_price(first.price)
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
        s = self.state.symbols[update.symbol].with_order(update.client_order_id)
        order = None if s is None else s.orders.get(update.client_order_id) or found_again(s, update)
        state = news_in(update.state, order) if order is not None else None
        if s is None or order is None or state is None:
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
        if s.lots:
            commands += self._react(s, order, update)
        elif order.role is OrderRole.ENTRY:
            commands += self.protection.hear_entry(s, order, update.time_ms)
        return commands + self._operating.tell_flat(update.time_ms)

    def _react(self, s: StrategyBook, order: Order, update: OrderUpdate) -> list[Command]:
        """What news of an order, told in `update`, makes necessary for the position."""
        if order.is_open:
            return self.protection.retire(s, update.time_ms) if order.role is OrderRole.STOP else []
        if s.trade is None or s.trade.trade_id != order.trade_id:
            return self.protection.restore(s, update.time_ms)
        if order.role is OrderRole.STOP:
            is_past = update.kind is RejectKind.WOULD_TRIGGER and not order.is_ahead
            if order.filled_lots or is_past:
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
        symbol = self.state.symbols[fill.symbol]
        if is_overtaken(symbol, fill):
            return []
        commands: list[Command] = []
        own = symbol.with_order(fill.client_order_id)
        before = None if own is None else own.order(fill.client_order_id)
        if own is None or before is None:
            before = unasked_order(symbol, fill)
            self.state.apply_intent(before)
            commands.append(Journal(IntentRecord(before)))
        elif not 0 < fill.qty_lots <= before.remaining_lots:
            return self._refuse_fill(before, fill)
        order = apply_fill(before, fill)
        parts = self.state.apply_fill(fill, order)
        commands.append(Journal(FillRecord(fill, order)))
        for moved in parts:
            commands += self._tell_position(moved)
        if before.state is OrderState.REJECTED:
            commands += self._tell_once(late_fill(before, fill))
        elif before.state.is_terminal and order.is_open:
            commands += self._end_again(before, order, fill.time_ms)
        for moved in parts:
            commands += self._after_part(moved, order)
        return commands + self._operating.tell_flat(fill.time_ms)

    def _tell_position(self, moved: Moved) -> list[Command]:
        s, fill = moved.book, moved.fill
        if s.trade is not None and s.lots and (not moved.held or s.trade is not moved.left):
            self._deciding_on(s).policies.begin(s, s.trade)
        others = (one for one in self.state.symbols[fill.symbol].books.values() if one is not s)
        whose = s.strategy if len(self.state.strategies) > 1 or any(one.lots for one in others) else ""
        ended = moved.left.trade_id if whose and moved.left is not None else ""
        flat = Position(fill.symbol, 0, ZERO, 0, ended)
        position = s.position or flat
        return [Journal(PositionRecord(position, fill.time_ms, whose))]

    def _after_part(self, moved: Moved, order: Order) -> list[Command]:
        """What the part of a fill of `order` asks for in the book whose lots it moved."""
        s, fill, closed = moved.book, moved.fill, moved.closed
        is_own = s.strategy == order.origin.strategy
        commands: list[Command] = []
        if closed is not None:
            s.cooldown_until_ms = closed.exit_time_ms + self.cooldown_ms(s)
            commands.append(Journal(TradeRecord(closed)))
            symbol = self.state.symbols[fill.symbol]
            commands += journalled(lock_after_losses(self.guard, symbol, self.settings.limits, fill.time_ms))
            goes_on = order.client_order_id if order.role is OrderRole.ENTRY else ""
            rest = [o for o in s.orders.values() if o.client_order_id != goes_on]
            commands += cancel(self.state, rest, fill.time_ms, "position closed")
            if is_own and order.role is OrderRole.EXIT and moved.left is not None:
                commands += self._deciding_on(s).turn(s, order, moved.left, fill.time_ms)
        if is_own and order.role is OrderRole.ENTRY:
            return commands + self._after_entry(s, order, fill, moved.held, moved.left)
        if closed is None:
            commands += cancel_entries(self.state, s, fill.time_ms, "the position is being closed")
            if not is_own or order.role in (OrderRole.OUTSIDE, OrderRole.REDUCE) or leaves_some(s, order):
                commands += self.protection.cut(s, fill.time_ms)
        return commands + self.protection.restore(s, fill.time_ms)

    def _after_entry(
        self, s: StrategyBook, order: Order, fill: Fill, held: int, before: OpenTrade | None
    ) -> list[Command]:
        """What a fill of an entry asks for, where `held` lots of the trade `before` were held when it came."""
        if not s.lots:
            return []
        reason = self._unwanted(s, order, held, before)
        if reason:
            return self._leaving.leave(s, reason, fill.time_ms)
        if s.lots * order.side.sign > 0 >= held * order.side.sign:
            return self.protection.bracket(s, order, fill)
        cut = self.protection.cut(s, fill.time_ms) if order.place else []
        return cut + self.protection.restore(s, fill.time_ms)

    def _unwanted(self, s: StrategyBook, order: Order, held: int, before: OpenTrade | None) -> str:
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
        return [Journal(FundingRecord(payment)), *(Journal(TradeRecord(trade)) for trade in ended)]

    def _on_watch(self, watch: Watch) -> list[Command]:
        commands = self.protection.watch(watch.time_ms)
        ended = journalled(self.guard.expire(watch.time_ms))
        if ended and not commands:
            commands = [Journal(WatchRecord(watch.time_ms))]
        return commands + ended


def _is_of(trade: OpenTrade, order: Order) -> bool:
    """Whether the trade is the one that the entry was placed for, or one that a late fill of it began."""
    return trade.trade_id == order.trade_id or trade.trade_id.startswith(f"{order.trade_id}+")
