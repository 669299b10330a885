"""The way of news into the trader: one event a step, in the order in which it was learned."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from core.clock import Clock
from core.domain.errors import DataError, InvalidTransitionError, RejectKind
from core.domain.orders import RESTING_STATES, Fill, Order, OrderRole, OrderState, OrderUpdate, news_in
from core.domain.records import AdjustmentRecord
from core.exchange.connection.wire import Row
from core.exchange.orders import translate
from core.exchange.orders.signs import Signs
from core.exchange.orders.translate import Seen
from core.exchange.orders.venue import ExchangeVenue
from core.trader.limits import SECOND_ENGINE, STOP_REFUSED
from core.trader.messages import Alarm, TraderEvent
from core.trader.stepping import Stepping
from core.trader.strategy_book import StrategyBook
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")

_UNTOLD = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})
_KEEP_STRANGERS = 1000


class Books:
    """What the trader holds to be true of its orders, and how it is told what the exchange says. Implements
    `core.exchange.orders.turns.Held`.

    `version` counts what it was told: two readings of the account can be compared where it did not move between them.
    `agreed_ms` is until when they are known to agree with the exchange, `newest_fill_ms` the time of their newest fill.

    `fill_was_asked_for` is told of a fill that the stream should have brought, `entry_was_refused` of an entry, of the
    kind of its refusal and of the reason.
    """

    def __init__(
        self,
        venue: ExchangeVenue,
        trader: Trader,
        stepper: Stepping,
        clock: Clock,
        signs: Signs,
        *,
        fill_was_asked_for: Callable[[Fill], None],
        entry_was_refused: Callable[[Order, RejectKind, str], None],
    ) -> None:
        self.venue = venue
        self.trader = trader
        self._stepper = stepper
        self._clock = clock
        self._told = 0
        self._early: dict[str, Fill] = {}
        self._strangers: deque[str] = deque(maxlen=_KEEP_STRANGERS)
        self.agreed_ms = clock.now_ms()
        self.newest_fill_ms = 0
        self._signs = signs
        self._fill_was_asked_for = fill_was_asked_for
        self._entry_was_refused = entry_was_refused
        venue.known.keep_while(self.is_open)
        venue.turns.follow(self)

    @property
    def version(self) -> int:
        return self._told + self.venue.outbox.version + self.venue.regrids

    def note_agreed(self, time_ms: int) -> None:
        """Until `time_ms` they agree with the exchange."""
        self.agreed_ms = time_ms

    def note_fill_ms(self, time_ms: int) -> None:
        """There was a fill at `time_ms`."""
        self.newest_fill_ms = max(self.newest_fill_ms, time_ms)

    def order(self, order: Order) -> Order:
        """The order as the trader sees it now; as it was given where the trader has forgotten it."""
        s = self.trader.state.symbols[order.symbol].with_order(order.client_order_id)
        return (None if s is None else s.order(order.client_order_id)) or order

    def is_open(self, order: Order) -> bool:
        return order.client_order_id in self.trader.state.symbols[order.symbol].orders

    def has_business_in(self, symbol: str) -> bool:
        """Whether we have a position or an open order in a contract."""
        s = self.trader.state.symbols[symbol]
        return bool(s.lots or s.orders)

    def bare_since_ms(self, symbol: str) -> int | None:
        books = self.trader.state.symbols[symbol].books.values()
        bare = [since_ms for s in books if (since_ms := _bare_since_ms(s)) is not None]
        return min(bare, default=None)

    def is_covered(self, symbol: str) -> bool:
        books = self.trader.state.symbols[symbol].books.values()
        covered = [is_covered for s in books if (is_covered := _is_covered(s)) is not None]
        return bool(covered) and all(covered)

    def open_orders(self) -> Iterator[Order]:
        for s in self.trader.state.symbols.values():
            yield from list(s.orders.values())

    def is_wanted(self, order: Order) -> bool:
        """Whether an order that the exchange does not have should be put there still."""
        s = self.trader.state.book_of(order)
        if not self.is_open(order) or not order.reduce_only or order.client_order_id in s.canceling:
            return False
        return self.may_reduce(order)

    def may_reduce(self, order: Order) -> bool:
        """Whether there may be something for an order to reduce: what its strategy holds, or what an entry of which
        nobody knows what became may have opened."""
        s = self.trader.state.book_of(order)
        ahead = s.stop_ahead()
        is_ahead = ahead is not None and ahead.client_order_id == order.client_order_id
        return is_ahead or s.lots * order.side.sign < 0

    def _holds(self, order: Order) -> bool:
        return self.is_open(order) and bool(self.trader.state.book_of(order).lots)

    async def tell(
        self, event: TraderEvent, extra: Sequence[AdjustmentRecord] = (), alarms: Sequence[Alarm] = ()
    ) -> None:
        """Take in one event, and with it in one step `alarms` and the records `extra`. What the order's state cannot
        take is logged, and found by reconciliation. A fill that is told before those that it closes waits for them."""
        if isinstance(event, Fill) and self._is_early(event):
            self._early[event.fill_id] = event
            return
        events: list[TraderEvent] = [event, *alarms]
        now_ms = self._clock.now_ms()
        if isinstance(event, OrderUpdate | Fill):
            order = self.trader.state.symbols[event.symbol].orders.get(event.client_order_id)
            if isinstance(event, OrderUpdate) and (order is None or news_in(event.state, order) is None):
                return
            if order is not None and order.state is OrderState.INTENT and not _is_sent(event):
                events.insert(0, OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, now_ms))
        self._told += 1
        if isinstance(event, Fill):
            self.note_fill_ms(event.time_ms)
        try:
            await self._stepper.step(events, now_ms, extra)
        except InvalidTransitionError as error:
            self.note_unreadable(error, "an event")
        for fill in [fill for fill in self._early.values() if not self._is_early(fill)]:
            if self._early.pop(fill.fill_id, None) is not None:
                await self.tell(fill)

    def _is_early(self, fill: Fill) -> bool:
        """Whether an order that only reduces filled more than is known to be held, while an entry is open whose fills
        can explain it: these came first, and are asked for."""
        s = self.trader.state.symbols[fill.symbol]
        order = s.orders.get(fill.client_order_id) or s.ended.get(fill.client_order_id)
        if order is None or not order.reduce_only or fill.qty_lots <= max(0, -s.lots * fill.side.sign):
            return False
        return any(entry.side is not fill.side for entry in s.entries())

    async def tell_asked(self, fill: Fill) -> None:
        """Take in a fill that was asked for, and note that the stream should have told it."""
        is_known = self.trader.state.ledger.has_fill(fill.symbol, fill.fill_id) or fill.fill_id in self._early
        if not is_known:
            self._fill_was_asked_for(fill)
            await self.tell(fill)

    async def update(
        self,
        order: Order,
        state: OrderState,
        reason: str = "",
        venue_order_id: str = "",
        kind: RejectKind = RejectKind.OTHER,
    ) -> None:
        now_ms = self._clock.now_ms()
        update = OrderUpdate(order.client_order_id, order.symbol, state, now_ms, venue_order_id, reason, kind)
        alarms: tuple[Alarm, ...] = ()
        is_stop = order.role is OrderRole.STOP and not order.is_ahead
        if state is OrderState.REJECTED and is_stop and self._holds(order):
            # The next position would be left without one, too.
            alarms = (Alarm(now_ms, STOP_REFUSED.name, reason, order.symbol),)
        await self.tell(update, alarms=alarms)
        if kind is RejectKind.REDUCE_ONLY:
            self._signs.ask()
        elif state is OrderState.REJECTED and order.role is OrderRole.ENTRY:
            self._entry_was_refused(order, kind, reason)

    async def note_stranger(self, symbol: str, row: Row) -> None:
        """Raise the alarm, once for each order, where an order row is of another engine on the same key."""
        client_id = self.venue.known.stranger(row)
        if not client_id or client_id in self._strangers:
            return
        self._strangers.append(client_id)
        note = f"another engine trades on this key: an order of {symbol} is not of this journal ({client_id})"
        log.error("%s", note)
        await self.tell(Alarm(self._clock.now_ms(), SECOND_ENGINE.name, note))

    async def record(self, adjustments: Sequence[AdjustmentRecord]) -> None:
        if adjustments:
            await self._stepper.step((), self._clock.now_ms(), extra=adjustments)

    def seen(self, order: Order, row: Row) -> Seen | None:
        """What a row proves of `order`; None, said aloud, where it cannot be read."""
        try:
            return self.venue.seen_in(row, order)
        except translate.OffGridError as error:
            self.venue.off_grid.publish(order.symbol, str(error))
            return None
        except DataError as error:
            self.note_unreadable(error, order.client_order_id)
            return None

    def note_unreadable(self, error: DataError | InvalidTransitionError, found_in: str = "") -> None:
        """As `Oddities` does."""
        self.venue.oddities.note_unreadable(error, found_in)

    async def settle(self, order: Order, seen: Seen, *, fetch: bool, timeout_ms: int | None = None) -> bool:
        """Tell the trader what the exchange says of `order`, its fills first. True where nothing is left to ask.

        With `fetch` fills that are missing are asked for at once, each request for `timeout_ms` at most.
        """
        now = self.order(order)
        missing = seen.filled_lots is not None and seen.filled_lots > now.filled_lots
        if now.state in _UNTOLD and self.is_open(now) and (not seen.state.is_terminal or missing):
            await self.update(now, OrderState.ACCEPTED, venue_order_id=seen.venue_order_id)
        if seen.ended_in_child:
            return False
        if missing and fetch:
            try:
                fills = await self.venue.fills_of(now, timeout_ms)
            except translate.OffGridError as error:
                self.venue.off_grid.publish(now.symbol, str(error))
                return False
            except DataError as error:
                self.note_unreadable(error, now.client_order_id)
                return False
            for fill in fills:
                await self.tell_asked(fill)
            now = self.order(order)
            missing = seen.filled_lots is not None and seen.filled_lots > now.filled_lots
        if missing:
            return False
        if seen.state.is_terminal and seen.state is not OrderState.FILLED and self.is_open(now):
            await self.update(now, seen.state, seen.reason, seen.venue_order_id)
        return seen.state is not OrderState.FILLED or not self.is_open(now)


def _bare_since_ms(s: StrategyBook) -> int | None:
    ahead, entry = s.stop_ahead(), s.untold_entry()
    if ahead is not None and entry is not None and ahead.state not in RESTING_STATES:
        return entry.created_ms
    out = s.open_exit()
    return None if out is not None and out.state in RESTING_STATES else s.unprotected_since_ms


def _is_covered(s: StrategyBook) -> bool | None:
    """None where there is nothing to cover."""
    ahead, entry = s.stop_ahead(), s.untold_entry()
    if ahead is not None and entry is not None:
        return ahead.state in RESTING_STATES and ahead.remaining_lots >= entry.remaining_lots
    return s.is_covered() if s.lots else None


def _is_sent(event: TraderEvent) -> bool:
    return isinstance(event, OrderUpdate) and event.state is OrderState.SENT
