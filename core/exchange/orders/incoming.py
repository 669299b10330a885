"""Trades of the account as they come, from the stream or by asking: each is ours, another's, or waits until it is
known whose it is."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass

from core.domain.errors import DataError, QuarterdeckError, UnavailableError
from core.domain.orders import Order, OrderRole, OrderState
from core.exchange.connection.wire import Row
from core.exchange.orders import translate
from core.exchange.orders.books import Books
from core.exchange.orders.known_orders import is_exchange_made
from core.exchange.orders.questions import FILLS_DUE_MS, Questions
from core.exchange.orders.signs import Signs
from core.home.log_episodes import Episodes

log = logging.getLogger("quarterdeck.exchange")

_MAX_WAITING = 1000
_MAX_HELD = 200
_PART = "trades"
_TRIGGER_TOLD_MS = 1500
"""A trigger may be told of later than the trade that it made, but not by more."""
_CLOCK_WRONG_MS = 2_500
"""By so much our idea of the exchange's time may be wrong for a moment."""
_TRY_EVERY_MS = 500
_REFUSALS = 20
"""So often the exchange may refuse to say whose an order is, until it is taken for another's."""
_ENDED_CANDIDATES = 4
_KEEP_CHILDLESS = 200
_KEEP_ASKED = 200


@dataclass(slots=True)
class _Question:
    """Whose a trade's order is: from when on a trigger that made it is told, asked again from, and how often the
    exchange refused to say. `was_read` tells that the order itself was, `is_told` that it says whose it is."""

    told_ms: int
    next_ms: int = 0
    refusals: int = 0
    was_read: bool = False
    is_told: bool = False


class Incoming:
    """`take` is given trade rows, `take_order` those of orders of ours; `identify` finds out whose the trades that wait
    are."""

    def __init__(self, books: Books, signs: Signs, questions: Questions) -> None:
        self._books = books
        self._venue = books.venue
        self._waiting: OrderedDict[tuple[str, str], tuple[str, Row]] = OrderedDict()
        self._held: OrderedDict[tuple[str, str], Row] = OrderedDict()
        self._signs = signs
        self._order_questions = questions
        self._questions: dict[tuple[str, str], _Question] = {}
        self._asked_ms: OrderedDict[str, int] = OrderedDict()
        self._round_ms = 0
        self._childless: deque[str] = deque(maxlen=_KEEP_CHILDLESS)
        self._identifying = asyncio.Lock()
        self._unread = Episodes(log)

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    async def take(self, symbol: str, rows: Iterable[Row], *, asked: bool = False) -> None:
        """Book the rows that are ours, in the order given; keep those of orders that are not known.

        `asked` tells that the stream did not bring them.
        """
        if symbol not in self._venue.instruments:
            return
        for row in rows:
            order = self._venue.known.of_trade_row(symbol, row)
            if order is not None:
                await self._book(order.client_order_id, symbol, row, asked=asked)
            elif is_exchange_made(client_id := self._venue.wire.dialect.client_id(row)):
                await self._book_forced(client_id, symbol, row)
            elif not self._venue.known.is_others(symbol, str(row.get("order") or "")):
                self._keep(symbol, row)
            elif not asked:
                self._signs.heard(symbol, row)

    async def take_order(self, order: Order, row: Row) -> None:
        """Take in what a row says of an order of ours; the fills that it lacks are asked for where they do not come."""
        if not self._books.is_open(order):
            return
        seen = self._books.seen(order, row)
        if seen is not None and not await self._books.settle(order, seen, fetch=False):
            self._order_questions.ask(order, in_ms=FILLS_DUE_MS)

    def hold(self, symbol: str, row: Row) -> None:
        """Keep the newest row of an order that is not known: it may be the child of one that has just triggered."""
        venue_id = str(row.get("id") or "")
        if self._venue.is_conditional(row) or symbol not in self._venue.instruments:
            return
        if not self._venue.known.is_others(symbol, venue_id):
            self._held.pop((symbol, venue_id), None)
            self._held[symbol, venue_id] = row
            if len(self._held) > _MAX_HELD:
                self._held.popitem(last=False)

    async def recognise(self) -> None:
        """Take in what waits and has become known: its trades first, then what its order came to."""
        known = self._venue.known
        waiting = [(symbol, str(row.get("order") or "")) for symbol, row in self._waiting.values()]
        for symbol, venue_id in dict.fromkeys([*waiting, *self._held]):
            if known.of_venue_id(symbol, venue_id) is not None:
                await self._release(symbol, venue_id)

    async def identify(self) -> None:
        """Ask for the orders of the trades that wait, and book those that are ours. Whoever asks while another does
        waits for those answers."""
        async with self._identifying:
            await self._identify()

    async def _identify(self) -> None:
        await self.recognise()
        now_ms = self._venue.wire.clock.steady_ms()
        orders: dict[tuple[str, str], Row] = {}
        for symbol, row in self._waiting.values():
            orders.setdefault((symbol, str(row.get("order") or "")), row)
        self._questions = {
            key: self._questions.get(key) or _Question(self._told_from_ms(orders[key])) for key in orders
        }
        is_broken = False
        for (symbol, venue_id), row in orders.items():
            # Another may have become known while one was asked for.
            question = self._questions.get((symbol, venue_id))
            if question is None or now_ms < question.next_ms:
                continue
            question.next_ms = now_ms + _TRY_EVERY_MS
            is_known = False
            try:
                is_known = await self._ask(symbol, venue_id, row, question)
                self._unread.passed(venue_id, f"{symbol}: whose order it is can be asked again ({venue_id})")
            except UnavailableError as error:
                is_broken = True
                line = f"{symbol}: {error}: whose order it is could not be asked ({venue_id})"
                self._unread.failed(venue_id, error, line)
            except QuarterdeckError as error:
                line = f"{symbol}: {error}: whose order it is cannot be told ({venue_id})"
                self._unread.failed(venue_id, error, line, logging.ERROR)
                question.refusals += 1
                if question.refusals >= _REFUSALS:
                    # Were it ours, the position tells.
                    self._venue.known.set_aside(symbol, venue_id)
                    is_known = True
            if is_known:
                await self._release(symbol, venue_id)
        if not is_broken:
            self._round_ms = self._venue.wire.clock.steady_ms()

    def _told_from_ms(self, row: Row) -> int:
        """From when on, of the steady clock, the exchange tells which of ours made a trade, if one did."""
        clock = self._venue.wire.clock
        age_ms = max(0, clock.now_ms() - int(row["timestamp"]) - _CLOCK_WRONG_MS)
        return clock.steady_ms() - age_ms + _TRIGGER_TOLD_MS

    async def _ask(self, symbol: str, venue_id: str, row: Row, question: _Question) -> bool:
        """Whether it is now known whose order it is: that of a triggered one of ours, ours by its client id, or, where
        all were asked once a trigger must be told, another's. All are asked at a time: of many that are turned away
        the last would wait for each before it."""
        candidates = self._candidates(symbol, str(row.get("side")))
        is_last = self._venue.wire.clock.steady_ms() >= question.told_ms
        # Once a round, whatever the number of trades that wait; one that broke off goes on where it was.
        from_ms = question.told_ms if is_last else self._round_ms
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(_tried(self._look(order)))
                for order in candidates
                if self._asked_ms.get(order.client_order_id, -1) < from_ms
            ]
            if not (question.was_read or self._venue.wire.dialect.client_id(row)):
                asked.append(group.create_task(_tried(self._read(symbol, venue_id, question))))
        if question.is_told or self._venue.known.of_venue_id(symbol, venue_id) is not None:
            return True
        failed = [error for task in asked if (error := task.result()) is not None]
        if failed:
            raise next((error for error in failed if isinstance(error, UnavailableError)), failed[0])
        if candidates and not is_last:
            return False
        log.info("%s: an order is not ours, its trades are not booked (%s)", symbol, venue_id)
        self._venue.known.set_aside(symbol, venue_id)
        return True

    async def _look(self, order: Order) -> None:
        """Whether one of ours has triggered."""
        asked_ms = self._venue.wire.clock.steady_ms()
        await self._venue.look(order)
        self._note_asked(order.client_order_id, asked_ms)
        if not self._books.is_open(order) and not self._venue.known.venue_ids(order.client_order_id):
            self._childless.append(order.client_order_id)

    async def _read(self, symbol: str, venue_id: str, question: _Question) -> None:
        """What the order itself tells of whose it is."""
        found = await self._venue.order_row(symbol, venue_id)
        if found is None:
            return
        question.was_read = True
        ours, client_id = self._venue.known.of_order_row(symbol, found), self._venue.wire.dialect.client_id(found)
        await self._books.note_stranger(symbol, found)
        if ours is not None:
            self._venue.known.learn_venue_id(ours, venue_id)
        elif is_exchange_made(client_id):
            for _, waiting in self._rows_of(symbol, venue_id):
                waiting["clientOrderId"] = client_id
        question.is_told = ours is not None or is_exchange_made(client_id)

    def _note_asked(self, client_order_id: str, asked_ms: int) -> None:
        self._asked_ms.pop(client_order_id, None)
        self._asked_ms[client_order_id] = asked_ms
        if len(self._asked_ms) > _KEEP_ASKED:
            self._asked_ms.popitem(last=False)

    def _candidates(self, symbol: str, side: str) -> list[Order]:
        """Conditional orders of ours that may have made the trade, the newest first."""
        s = self._books.trader.state.symbols[symbol]
        orders = [*_last_ended(s.ended.values()), *s.orders.values()]
        return [
            order
            for order in reversed(orders)
            if order.role in (OrderRole.STOP, OrderRole.TARGET)
            and order.state is not OrderState.REJECTED
            and order.side.value == side
            and not self._venue.known.venue_ids(order.client_order_id)
            and order.client_order_id not in self._childless
        ]

    async def _release(self, symbol: str, venue_id: str) -> None:
        self._questions.pop((symbol, venue_id), None)
        rows = self._rows_of(symbol, venue_id)
        for key, _ in rows:
            del self._waiting[key]
        self._tell(symbol)
        await self.take(symbol, [row for _, row in rows])
        held = self._held.pop((symbol, venue_id), None)
        if held is not None and self._venue.known.of_venue_id(symbol, venue_id) is not None:
            order = self._venue.known.of_order_row(symbol, held)
            if order is not None:
                await self.take_order(order, held)

    def _rows_of(self, symbol: str, venue_id: str) -> Sequence[tuple[tuple[str, str], Row]]:
        return [
            (key, row)
            for key, (where, row) in self._waiting.items()
            if where == symbol and str(row.get("order") or "") == venue_id
        ]

    async def _book_forced(self, client_id: str, symbol: str, row: Row) -> None:
        """A liquidation or deleveraging takes our position first; where we hold none it is of another's."""
        lots = self._books.trader.state.symbols[symbol].lots
        ended = self._books.trader.state.symbols[symbol].ended
        if client_id in ended or (lots and (lots > 0) == (row.get("side") == "sell")):
            await self._book(client_id, symbol, row)
        else:
            self._venue.known.set_aside(symbol, str(row.get("order") or ""))

    async def _book(self, client_order_id: str, symbol: str, row: Row, *, asked: bool = False) -> None:
        try:
            instrument, order = self._venue.instruments[symbol], self._venue.known.by_client_id(client_order_id)
            fill, finding = (
                translate.fill_in(row, client_order_id, instrument)
                if order is None
                else translate.fill_of(row, order, instrument)
            )
        except translate.OffGridError as error:
            self._venue.off_grid.publish(symbol, str(error))
            return
        except DataError as error:
            self._books.note_unreadable(error, f"trade {row.get('id')} of {symbol}")
            return
        if finding:
            self._venue.note_fee(finding)
        await (self._books.tell_asked(fill) if asked else self._books.tell(fill))

    def _keep(self, symbol: str, row: Row) -> None:
        self._waiting[symbol, str(row["id"])] = (symbol, dict(row))
        self._tell(symbol)
        if len(self._waiting) > _MAX_WAITING:
            (where, trade_id), _ = self._waiting.popitem(last=False)
            log.error("%s: too many trades of unknown orders wait, one is left to reconciliation (%s)", where, trade_id)
            self._tell(where)

    def _tell(self, symbol: str) -> None:
        """No entry while a trade waits: somebody may have closed what a turning one would close first, and all of it
        would be entered."""
        waits = any(where == symbol for where, _ in self._waiting.values())
        self._venue.wire.health.report(_PART, "a trade of which nobody knows yet whose it is" if waits else "", symbol)


def _last_ended(orders: Iterable[Order]) -> list[Order]:
    """The newest, in their order. The farther targets of a trade end with the first and count as one with it."""
    found: list[Order] = []
    counted = 0
    for order in reversed(list(orders)):
        counted += not order.place
        if counted > _ENDED_CANDIDATES:
            break
        found.append(order)
    return found[::-1]


async def _tried(asking: Awaitable[None]) -> QuarterdeckError | None:
    """What kept it from being asked."""
    try:
        await asking
    except QuarterdeckError as error:
        return error
    return None
