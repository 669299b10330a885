"""Orders of which nobody knows what became: asked for until there is evidence, those that protect first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from core.domain.errors import (
    DataError,
    RejectKind,
    UnavailableError,
    VenueBusyError,
    VenueRejectedError,
    VenueUnknownError,
)
from core.domain.orders import Order, OrderRole, OrderState, OrderType
from core.domain.plain import plain
from core.exchange.connection.wire import Row
from core.exchange.orders.books import Books
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.outbox import is_protective
from core.exchange.orders.outside import Outside
from core.exchange.orders.questions import FILLS_DUE_MS, Question, Questions
from core.exchange.orders.turns import NOT_THERE
from core.home.log_episodes import Episodes

log = logging.getLogger("quarterdeck.exchange")

TICK_MS = 250
CALM_TICK_MS = 1000
"""How often the orders are looked at: while one of them should move, and while all rest."""

_ANSWER_DUE_MS = 500
_INTENT_QUIET_MS = 500
"""An intent is in the books before it is durable, and on its way only after that."""

_SENT_QUIET_MS = 4000
_MARKET_QUIET_MS = 1000
_PARTLY_QUIET_MS = 5000
"""How long orders may stay in states that should pass by themselves."""

_CANCEL_AGAIN_MS = 2000
_LONG_UNKNOWN_MS = 30_000
_TELL_UNKNOWN_MS = 120_000
_WAITS_MS = (250, 500, 1000, 1000, 1000, 1000, 2000)
_LATER_WAIT_MS = 5000
_URGENT_WAIT_MS = 500
_OVERDUE_WAIT_MS = 150
"""Between two questions about an order that may stand for a bare position, and about an exit that is to be sent again
as soon as the exchange says that it does not have it."""

_TRIES_IN_VAIN = 2
_MAX_ASKING = 8
_FOR_EVER_MS = 1 << 62
_PART = "orders"
_UNREAD = (UnavailableError, VenueUnknownError, VenueRejectedError, DataError)


class Resolver:
    """Implements `core.exchange.orders.outbox.Answers`: what an answer leaves open becomes a question, and is asked."""

    def __init__(self, books: Books, incoming: Incoming, outside: Outside, questions: Questions) -> None:
        self._books = books
        self._venue = books.venue
        self._incoming = incoming
        self._outside = outside
        self._clock = books.venue.wire.clock
        self._questions = questions
        self._asking: set[str] = set()
        self._news: dict[str, tuple[OrderState, int, int]] = {}
        self._is_stirring = False
        self._unread = Episodes(log)
        # What is on its way is looked after from then on, and not from the next look at what rests.
        books.venue.outbox.leaving.subscribe(questions.raised.set)

    async def placed(self, order: Order, row: Row) -> None:
        self._venue.known.learn_row(order, row)
        seen = self._books.seen(order, row)
        if seen is None:
            await self._books.update(order, OrderState.ACCEPTED, venue_order_id=plain(str(row.get("id") or "")))
            self._questions.ask(order, in_ms=FILLS_DUE_MS)
        elif not await self._books.settle(order, seen, fetch=False):
            self._questions.ask(order, in_ms=FILLS_DUE_MS, ended=seen if seen.state.is_terminal else None)

    async def refused(self, order: Order, error: VenueRejectedError, *, may_rest: bool) -> None:
        # Past a stop's price the position is left at market, whatever became of an earlier try: both only reduce, and
        # none of them rests.
        is_past = order.role is OrderRole.STOP and error.kind is RejectKind.WOULD_TRIGGER
        if may_rest and not is_past:
            await self._books.update(order, OrderState.UNKNOWN, str(error))
            self._questions.ask(order, refusal=error)
        else:
            await self._books.update(order, OrderState.REJECTED, str(error), kind=error.kind)

    async def unknown(self, order: Order, error: VenueUnknownError) -> None:
        log.warning("%s %s: %s (%s)", order.symbol, order.role, error, order.client_order_id)
        await self._books.update(order, OrderState.UNKNOWN, str(error))
        self._questions.ask(order)

    async def withdrawn(self, order: Order) -> None:
        await self._books.update(order, OrderState.CANCELED, "withdrawn before it was sent")

    async def canceled(self, order: Order, row: Row) -> None:
        if self._venue.wire.dialect.is_conditional(order):
            # What has triggered is refused; what has not has no fills.
            await self._books.update(order, OrderState.CANCELED, "canceled")
            return
        seen = self._books.seen(order, row)
        if seen is None or not seen.state.is_terminal or not await self._books.settle(order, seen, fetch=False):
            self._questions.ask(order)

    async def cancel_failed(self, order: Order, reason: str) -> None:
        log.info("%s %s: not canceled: %s (%s)", order.symbol, order.role, reason, order.client_order_id)
        self._questions.ask(order)

    async def ask_once(self, orders: Iterable[Order], *, insist: bool) -> None:
        """Ask about `orders` now. `run` asks again about what stays open, with `insist` also where nothing was told."""
        gate = asyncio.Semaphore(_MAX_ASKING)

        async def ask(order: Order) -> None:
            try:
                async with gate:
                    seen = await self._venue.look(order, self._venue.protective_ms)
                self.note_read(order)
                is_settled = seen is not None and await self._books.settle(order, seen, fetch=True)
                if not is_settled and order.client_order_id not in self._questions:
                    self._questions.ask(order)
            except _UNREAD as error:
                self._note_unread(order, error)
                if insist:
                    self._questions.ask(order)

        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(ask(order))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._look_around()
                for question in self._due():
                    self._asking.add(question.order.client_order_id)
                    group.create_task(self._resolve(question))
                if self._incoming.waits and "" not in self._asking:
                    self._asking.add("")
                    group.create_task(self._identify())
                await self._rest()

    async def _rest(self) -> None:
        now_ms = self._clock.steady_ms()
        waits = [q.next_ms - now_ms for q in self._questions.not_asked(self._asking) if not self._is_held_back(q.order)]
        wait_ms = max(0, min([*waits, TICK_MS if self._is_stirring or self._incoming.waits else CALM_TICK_MS]))
        if len(self._asking) >= _MAX_ASKING:
            wait_ms = TICK_MS
        self._questions.raised.clear()
        try:
            async with asyncio.timeout(max(wait_ms, 10) / 1000):
                await self._questions.raised.wait()
        except TimeoutError:
            pass

    def _due(self) -> list[Question]:
        now_ms = self._clock.steady_ms()
        due = [
            q
            for q in self._questions.not_asked(self._asking)
            if q.next_ms <= now_ms and not self._is_held_back(q.order)
        ]
        due.sort(key=lambda q: not is_protective(q.order))
        return due[: max(0, _MAX_ASKING - len(self._asking))]

    def _look_around(self) -> None:
        """Ask about every order that should have moved by itself and did not."""
        now_ms = self._clock.steady_ms()
        news: dict[str, tuple[OrderState, int, int]] = {}
        self._is_stirring = False
        for order in self._books.open_orders():
            cid = order.client_order_id
            state, filled, since_ms = self._news.get(cid, (order.state, order.filled_lots, now_ms))
            if (state, filled) != (order.state, order.filled_lots):
                since_ms = now_ms
            news[cid] = (order.state, order.filled_lots, since_ms)
            if cid in self._questions:
                continue
            if self._is_held_back(order):
                self._is_stirring = True
                continue
            if self._venue.known.by_client_id(cid) is None:
                continue  # Its intent is being made durable: it has not been handed over yet.
            canceling = cid in self._books.trader.state.symbols[order.symbol].canceling
            patience_ms = _CANCEL_AGAIN_MS if canceling else self._patience_ms(order)
            if self._venue.outbox.is_busy_with(cid):
                patience_ms = min(patience_ms, _ANSWER_DUE_MS)
            self._is_stirring = self._is_stirring or patience_ms < _FOR_EVER_MS
            if now_ms - since_ms >= patience_ms:
                news[cid] = (order.state, order.filled_lots, now_ms)
                self._questions.ask(order)
        self._news = news

    def _is_held_back(self, order: Order) -> bool:
        """Whether an answer is still to be waited for. One that is late may be lost with the order taken; in a rate
        limit what is sent may still wait for its turn, which a question would take, and what protects is sent again
        unasked. A withdrawal that waits for its own may wait long, and what it is to withdraw may be a position."""
        outbox, client_order_id = self._venue.outbox, order.client_order_id
        left_ms = outbox.left_ms(client_order_id)
        is_late = left_ms is not None and self._clock.steady_ms() - left_ms >= _ANSWER_DUE_MS
        if self._venue.is_paced():
            is_lost = is_late and order.role is OrderRole.ENTRY and not outbox.is_in_line(client_order_id)
            return self._is_idle(order) or (outbox.is_placing(client_order_id) and not is_lost)
        if left_ms is not None:
            return not is_late
        return outbox.is_busy_with(client_order_id)

    def _is_idle(self, order: Order) -> bool:
        """What only reduces can do nothing where nothing is held: what became of it is no question for a rate limit."""
        s = self._books.trader.state.symbols[order.symbol]
        return order.reduce_only and not s.lots and not self._books.may_reduce(order)

    def _patience_ms(self, order: Order) -> int:
        if order.state is OrderState.UNKNOWN:
            return 0
        if order.state is OrderState.INTENT:
            return _INTENT_QUIET_MS
        if order.state is OrderState.SENT:
            return _SENT_QUIET_MS
        if order.type is OrderType.MARKET:
            return _MARKET_QUIET_MS
        return _PARTLY_QUIET_MS if order.state is OrderState.PARTIALLY_FILLED else _FOR_EVER_MS

    async def _identify(self) -> None:
        try:
            await self._incoming.identify()
        finally:
            self._asking.discard("")

    async def _resolve(self, question: Question) -> None:
        cid = question.order.client_order_id
        order = self._books.order(question.order)
        question.again = False
        try:
            is_settled = not self._books.is_open(order) or await self._answer(order, question)
            if is_settled and not (question.again and self._books.is_open(order)):
                self._questions.settle(cid)
            else:
                self._put_off(question)
        finally:
            self._asking.discard(cid)
            self._report()
            self._questions.raised.set()

    async def _answer(self, order: Order, question: Question) -> bool:
        """Whether the question is settled."""
        outbox = self._venue.outbox
        asked_ms = self._clock.steady_ms()
        dead_ms, timeout_ms = outbox.dead_ms(order), self._patience_for_answer_ms(question)
        if self._venue.is_paced() and is_protective(order):
            # In a rate limit a question costs as much as sending it, and the answer may be lost as well.
            if self._may_be_sent_unasked(order, question):
                self._send_again(order)
                return False
            if self._may_be_sent_unasked(order, question, at_ms=dead_ms):
                return False
        try:
            # What has ended stays as it is: only its fills are asked for again.
            # Of an entry that the exchange did not have once there is hardly a position.
            seen = question.ended or await self._venue.look(
                order, timeout_ms, since_ms=question.since_ms, urgent=not question.was_absent
            )
            question.unanswered = max(0, question.unanswered - 1)
            if question.ended is None:
                self.note_read(order)
            if seen is None:
                if outbox.is_placing(order.client_order_id) or outbox.dead_ms(order) != dead_ms:
                    # It left while we asked: the answer is of before. An entry was not there when it should have been.
                    if order.role is OrderRole.ENTRY:
                        self._note_absent(order, question)
                    return False
                return await self._absent(self._books.order(order), question, asked_ms)
            question.was_absent = False
            question.ended = seen if seen.state.is_terminal else None
            done = await self._books.settle(order, seen, fetch=True, timeout_ms=timeout_ms)
        except (UnavailableError, VenueUnknownError) as error:
            self._note_unread(order, error, logging.INFO)
            question.unanswered += not isinstance(error, VenueBusyError)
            return self._without_evidence(order, question)
        except DataError as error:
            self._books.note_unreadable(error, order.client_order_id)
            return False
        except VenueRejectedError as error:
            self._note_unread(order, error, logging.ERROR)
            return False
        return self._after(self._books.order(order), question, done)

    def _note_unread(self, order: Order, error: Exception, level: int = logging.WARNING) -> None:
        line = f"{order.symbol} {order.role}: {error}: not asked for ({order.client_order_id})"
        self._unread.failed(order.client_order_id, error, line, level)

    def note_read(self, order: Order) -> None:
        """The exchange told of it."""
        self._unread.passed(order.client_order_id, f"{order.symbol} {order.role}: the exchange tells of it again")

    def _patience_for_answer_ms(self, question: Question) -> int:
        """Short at first where a position may stand bare meanwhile, longer where the exchange is slow."""
        settings = self._venue.settings
        if question.order.role is OrderRole.TARGET:
            return settings.request_timeout_ms
        shortest_ms = settings.protective_timeout_ms // 2
        return min(shortest_ms << min(question.unanswered, 8), settings.request_timeout_ms)

    def _after(self, order: Order, question: Question, done: bool) -> bool:
        """What evidence leaves to do: a cancel that did not work is made again, a market order must end."""
        if not self._books.is_open(order):
            return True
        now_ms = self._clock.steady_ms()
        if order.client_order_id in self._books.trader.state.symbols[order.symbol].canceling:
            self._cancel_again(order, question, now_ms)
            return False
        return done and order.type is not OrderType.MARKET

    def _without_evidence(self, order: Order, question: Question) -> bool:
        """The exchange cannot be asked. What can do no harm twice may be sent again all the same."""
        if self._may_be_sent_unasked(order, question):
            self._send_again(order)
        return False

    def _may_be_sent_unasked(self, order: Order, question: Question, at_ms: int | None = None) -> bool:
        """Whether it may be now, or at a time. What was refused already would be refused again."""
        return (
            order.state is OrderState.UNKNOWN
            and question.refusal is None
            and not self._venue.outbox.is_busy_with(order.client_order_id)
            and (self._venue.wire.dialect.is_conditional(order) or self._finds_nothing_left(order, at_ms))
            and self._books.is_wanted(order)
        )

    def _finds_nothing_left(self, order: Order, at_ms: int | None) -> bool:
        """Whether of two tries of an exit the later to arrive would be refused because nothing is left to reduce. In a
        rate limit nothing is entered that it could meet; else the earlier must be dead. A conditional order needs no
        such thing: under its id it can rest once only."""
        outbox, s = self._venue.outbox, self._books.trader.state.symbols[order.symbol]
        meets_none = self._venue.is_paced() and not s.entries()
        return (
            order.role is OrderRole.EXIT
            and order.remaining_lots >= abs(s.lots)
            and not outbox.is_shared(order.symbol)
            and (meets_none or (self._clock.steady_ms() if at_ms is None else at_ms) >= outbox.dead_ms(order))
        )

    async def _absent(self, order: Order, question: Question, asked_ms: int) -> bool:
        """The exchange, asked at `asked_ms`, says that there is no such order."""
        is_lost = question.was_absent and asked_ms >= self._venue.outbox.dead_ms(order)
        self._note_absent(order, question)
        if question.refusal and order.role is not OrderRole.ENTRY:
            await self._books.update(order, OrderState.REJECTED, str(question.refusal), kind=question.refusal.kind)
            return True
        if order.state in (OrderState.UNKNOWN, OrderState.SENT, OrderState.INTENT):
            if self._books.is_wanted(order):
                if not self._venue.wire.dialect.is_conditional(order) and not is_lost:
                    # A client id is unique among open orders only: a market order that is sent again while an earlier
                    # try is still on its way can be carried out twice.
                    return False
                if await self._is_in_vain(order):
                    reason = "never arrived, and nothing is left to reduce"
                    await self._books.update(order, OrderState.REJECTED, reason, kind=RejectKind.REDUCE_ONLY)
                    return True
                await self._books.update(order, OrderState.SENT)
                self._send_again(order)
                return True
            gone, reason = OrderState.REJECTED, str(question.refusal or "never arrived")
        else:
            gone, reason = OrderState.EXPIRED, "absent at the exchange"
        if not is_lost:
            return False
        await self._books.update(order, gone, reason)
        return not self._books.is_open(order)

    def _note_absent(self, order: Order, question: Question) -> None:
        if order.role is OrderRole.ENTRY and not question.was_absent:
            # There is hardly a position: its stop ahead lets those of others go first.
            self._venue.turns.note_vain(order.symbol, NOT_THERE)
        question.was_absent = True

    async def _is_in_vain(self, order: Order) -> bool:
        """Whether an exit of which the exchange has no try has nothing left to close: all may have been refused, and
        the answers lost. After one try nobody asks: it is sent again sooner."""
        if order.role is not OrderRole.EXIT or self._venue.outbox.tries(order.client_order_id) < _TRIES_IN_VAIN:
            return False
        try:
            return await self._outside.left_nothing_to(order)
        except _UNREAD as error:
            log.info("the positions could not be read: %s", error)
            return False

    def _send_again(self, order: Order) -> None:
        log.warning("%s %s: sent again (%s)", order.symbol, order.role, order.client_order_id)
        try:
            self._venue.outbox.place(order)
        except VenueRejectedError as error:
            log.error("%s %s: %s: not sent again yet (%s)", order.symbol, order.role, error, order.client_order_id)

    def _cancel_again(self, order: Order, question: Question, now_ms: int) -> None:
        if now_ms - question.canceled_ms < _CANCEL_AGAIN_MS or self._venue.outbox.is_busy_with(order.client_order_id):
            return
        question.canceled_ms = now_ms
        try:
            self._venue.outbox.cancel(order)
        except VenueRejectedError as error:
            log.error("%s %s: %s: not canceled yet (%s)", order.symbol, order.role, error, order.client_order_id)

    def _put_off(self, question: Question) -> None:
        now_ms = self._clock.steady_ms()
        order = self._books.order(question.order)
        if (
            order.state is OrderState.UNKNOWN
            and order.role is OrderRole.ENTRY
            and now_ms - question.since_ms > _LONG_UNKNOWN_MS
        ):
            self._cancel_again(order, question, now_ms)
        wait_ms = _WAITS_MS[question.asked] if question.asked < len(_WAITS_MS) else _LATER_WAIT_MS
        question.asked += 1
        if question.again:
            wait_ms = 0  # Something came of it while we asked: what we heard is of before.
        if order.role is not OrderRole.TARGET:
            # An entry may be a position without a stop.
            wait_ms = min(wait_ms, _URGENT_WAIT_MS)
        dead_in_ms = self._venue.outbox.dead_ms(order) - now_ms
        if dead_in_ms > 0:
            wait_ms = min(wait_ms, dead_in_ms)
        elif order.role is OrderRole.EXIT and order.state is OrderState.UNKNOWN:
            wait_ms = min(wait_ms, _OVERDUE_WAIT_MS)
        question.next_ms = now_ms + wait_ms

    def _report(self) -> None:
        now_ms = self._clock.steady_ms()
        late = [q.order for q in self._questions if now_ms - q.since_ms > _TELL_UNKNOWN_MS]
        text = ""
        if late:
            symbols = ", ".join(sorted({order.symbol for order in late}))
            text = f"what became of {len(late)} of {symbols} is unknown; clears when the exchange tells"
        self._venue.wire.health.report(_PART, text)
