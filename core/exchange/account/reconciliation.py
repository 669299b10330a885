"""The account as the exchange tells it against the books: what can be explained becomes an event, the rest is shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.domain.errors import DataError, UnavailableError, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import RESTING_STATES, Order, OrderRole
from core.domain.plain import plain
from core.domain.records import LOTS, AdjustmentRecord, EquityRecord, FillRecord, Record
from core.domain.trading import EXACT
from core.exchange.account.income import Income
from core.exchange.connection.wire import Row
from core.exchange.orders import translate
from core.exchange.orders.books import Books
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.outside import Gap, Outside, is_moving
from core.exchange.orders.questions import Questions
from core.exchange.orders.resolver import Resolver
from core.trader.messages import WalletAdjustment

log = logging.getLogger("quarterdeck.exchange")

UNREAD = (UnavailableError, VenueUnknownError, VenueRejectedError, DataError)

_CONFIRM_S = 1.5
_CONFIRMATIONS = 3
_ROUNDS = 8
_OVERLAP_MS = 10_000
_FUNDING_SETTLES_MS = 60_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ExternalOrder:
    """An order on the account that is not ours: shown, never touched. None is an amount or a price that is not told,
    as where it closes whatever is held."""

    symbol: str
    order_id: str
    side: str
    type: str
    qty: float | None
    price: float | None


@dataclass(frozen=True, slots=True)
class _Difference:
    """What the exchange has beyond the books: in positions, less what others are known to hold, and in USDT."""

    gaps: tuple[Gap, ...] = ()
    wallet_usdt: Decimal = translate.ZERO
    newest_fill_ms: int = 0


class Reconciler:
    """`once` compares everything; `protection` looks at the stops alone."""

    def __init__(
        self, books: Books, incoming: Incoming, resolver: Resolver, outside: Outside, questions: Questions
    ) -> None:
        self._books = books
        self._venue = books.venue
        self._incoming = incoming
        self._resolver = resolver
        self._outside = outside
        self._questions = questions
        self._income = Income(books)
        self._clock = books.venue.wire.clock
        self._is_new = True
        self._trades_from_ms: dict[str, int] = {}
        self._suspects: dict[str, str] = {}
        self.external: tuple[ExternalOrder, ...] = ()

    def external_lots(self) -> Mapping[str, int]:
        """Signed lots that others hold on the account, as of the last look; flat symbols left out."""
        return self._outside.lots

    def restore(self, records: Sequence[Record]) -> None:
        """Learn from the journal until when the books were known to agree."""
        self._is_new = not any(isinstance(record, EquityRecord | FillRecord) for record in records)
        times = [self._books.agreed_ms] if self._is_new else []
        for record in records:
            match record:
                case EquityRecord(sample):
                    times.append(sample.time_ms)
                case FillRecord(fill):
                    self._trades_from_ms[fill.symbol] = max(fill.time_ms, self._trades_from_ms.get(fill.symbol, 0))
                    times.append(fill.time_ms)
                    self._books.note_fill_ms(fill.time_ms)
                case _:
                    pass
        self._books.note_agreed(max(times) - _OVERLAP_MS)
        self._income.restore(records, self._books.agreed_ms)

    async def once(self) -> bool:
        """Orders, then trades, then positions and wallet. False where the account moved all the while, or what became
        of an order is not known, so that nothing could be compared.

        Raises UnavailableError, VenueUnknownError, VenueRejectedError or DataError where the account cannot be read.
        """
        unexplained: _Difference | None = None
        seen = 0
        for _ in range(_ROUNDS):
            await self.take_in()
            found = await self._compare()
            if found is not None and not (found.gaps or found.wallet_usdt):
                return True
            if found is not None and not await self._explain(found):
                seen = seen + 1 if found == unexplained else 1
                unexplained = found
                if seen > (_CONFIRMATIONS if found.gaps else 1):
                    await self._account_for(found)
                    return True
            await asyncio.sleep(_CONFIRM_S)
        log.info("the account moved all the while: positions and wallet are compared later")
        return False

    async def take_in(self) -> None:
        """Orders and trades, without comparing what they come to."""
        await self._orders()
        for symbol in self._active():
            await self._take_trades(symbol)

    async def protection(self, timeout_ms: int | None) -> None:
        """Whether each position's stop rests at the exchange as it was ordered. `timeout_ms` is for each try to ask.

        In a rate limit every stop is asked for by itself, once: one answer tells what became of it, too.
        """
        held = [symbol for symbol, s in self._books.trader.state.symbols.items() if s.lots]
        if not held:
            return
        before = [order for order in self._books.open_orders() if order.symbol in held and _is_resting_stop(order)]
        try:
            rows = await self._venue.open_rows(held, conditional_only=True, protective=True, timeout_ms=timeout_ms)
        except VenueBusyError:
            await self._resolver.ask_once(before, insist=False)
        else:
            for order in before:
                self._resolver.note_read(order)
            self._check(before, rows)

    def _active(self) -> list[str]:
        """Where anything of ours can have been traded."""
        return [symbol for symbol, s in self._books.trader.state.symbols.items() if s.lots or s.orders]

    async def _take_trades(self, symbol: str, from_ms: int | None = None) -> list[Row]:
        known_ms = self._trades_from_ms.get(symbol, self._oldest_ms(symbol))
        from_ms = min(known_ms, known_ms if from_ms is None else from_ms) - _OVERLAP_MS
        started_ms = self._clock.now_ms()
        rows = await self._venue.trades_since(symbol, from_ms)
        await self._incoming.take(symbol, rows, asked=True)
        if self._incoming.waits:
            await self._incoming.identify()
        else:
            self._trades_from_ms[symbol] = started_ms
        return rows

    def _oldest_ms(self, symbol: str) -> int:
        orders = self._books.trader.state.symbols[symbol].orders.values()
        return min([order.created_ms for order in orders], default=self._books.agreed_ms)

    async def _orders(self) -> None:
        before = [order for order in self._books.open_orders() if order.state in RESTING_STATES]
        rows = await self._venue.open_rows()
        self.external = tuple(
            _external(symbol, row, self._venue.wire.dialect.words.kind(row))
            for symbol, row in rows
            if symbol not in self._venue.instruments or self._venue.known.of_order_row(symbol, row) is None
        )
        for symbol, row in rows:
            await self._books.note_stranger(symbol, row)
        listed = self._check(before, rows)
        for order, row in listed:
            seen = self._books.seen(order, row)
            if seen is not None and not await self._books.settle(order, seen, fetch=False):
                self._questions.ask(order)

    def _check(self, before: Iterable[Order], rows: Sequence[tuple[str, Row]]) -> list[tuple[Order, Row]]:
        """Ask about orders that should rest and are not listed; withdraw what rests and should not. The rows of ours.

        What rests wrongly is acted on when a second look shows the same.
        """
        listed: dict[str, tuple[Order, Row]] = {}
        for symbol, row in rows:
            ours = self._venue.known.of_order_row(symbol, row) if symbol in self._venue.instruments else None
            if ours is not None:
                listed[ours.client_order_id] = (self._books.order(ours), row)
        for order in before:
            if order.client_order_id not in listed and self._books.order(order).state is order.state:
                self._questions.ask(order)
        wrong: dict[str, str] = {}
        for client_id, (order, row) in listed.items():
            problem = self._problem(order, row)
            if problem and not self._venue.outbox.is_busy_with(client_id):
                wrong[client_id] = problem
                if self._suspects.get(client_id) == problem:
                    self._withdraw(order, problem)
        self._suspects = wrong
        return [pair for pair in listed.values() if self._books.is_open(pair[0])]

    def _problem(self, order: Order, row: Row) -> str:
        if not self._books.is_open(order):
            return f"it rests though it is {order.state} here"
        if order.role is not OrderRole.STOP or not self._venue.is_conditional(row):
            return ""
        s = self._books.trader.state.book_of(order)
        try:
            return translate.protects(row, order, s.instrument, abs(s.lots))
        except DataError as error:
            return str(error)

    def _withdraw(self, order: Order, problem: str) -> None:
        """Only ever what is ours. Its end, once it is told, makes the trader put a right one in its place."""
        log.error("%s %s withdrawn: %s (%s)", order.symbol, order.role, problem, order.client_order_id)
        try:
            self._venue.outbox.cancel(order)
        except VenueRejectedError as error:
            log.error("%s %s: %s: not withdrawn yet (%s)", order.symbol, order.role, error, order.client_order_id)

    async def _compare(self) -> _Difference | None:
        """None where the books moved meanwhile, or hold something of which nobody knows what became."""
        version, now_ms, odd = self._books.version, self._clock.now_ms(), self._venue.oddities.noted()
        theirs = await self._venue.positions_lots()
        wallet = await self._venue.wallet_usdt()
        if self._books.version != version or self._incoming.waits or any(map(is_moving, self._books.open_orders())):
            return None
        if self._is_new:
            # What is on an account before the first order of ours is another's.
            self._is_new = False
            await self._outside.note_first(theirs)
        gaps = tuple(self._outside.gaps(theirs))
        money = EXACT.subtract(wallet, self._books.trader.state.ledger.wallet_usdt)
        if not gaps and not money:
            self._books.note_agreed(now_ms)
            self._venue.oddities.settle(odd)
        return _Difference(gaps, money, self._books.newest_fill_ms)

    async def _explain(self, found: _Difference) -> bool:
        """Whether something was found that explains a part of the difference: then everything is compared anew."""
        version = self._books.version
        explained = [await self._outside.explain(gap) for gap in found.gaps]
        if found.wallet_usdt:
            await self._income.take_funding(self.external_lots())
        return any(explained) or self._books.version != version

    async def _account_for(self, found: _Difference) -> None:
        """Settle in the exchange's favour what nothing explains, visibly."""
        adjustments, now_ms = [], self._clock.now_ms()
        for gap in found.gaps:
            ours, theirs = str(gap.ours_lots), str(gap.net_lots - gap.others_lots)
            what = f"{LOTS}-{gap.symbol}-{now_ms}"
            adjustments.append(AdjustmentRecord(what, now_ms, gap.symbol, LOTS, ours, theirs))
            instrument = self._venue.instruments[gap.symbol]
            books, exchange = instrument.qty(gap.ours_lots), instrument.qty(gap.net_lots - gap.others_lots)
            log.error("%s: %s %s in the books, %s at the exchange", gap.symbol, books, instrument.base, exchange)
        await self._books.record(adjustments)
        for gap in found.gaps:
            await self._outside.concede(gap, f"{gap.symbol}-{found.newest_fill_ms}-{gap.ours_lots}-{gap.net_lots}")
        if adjustments:
            await self._pause()
        elif found.wallet_usdt:
            await self._adjust_wallet(found)

    async def _pause(self) -> None:
        now_ms = self._clock.now_ms()
        why = "reconciliation: the books differ"
        await self._books.tell(OperatorCommand(f"reconciliation-{now_ms}", Verb.PAUSE, "", why, now_ms))

    async def _adjust_wallet(self, found: _Difference) -> None:
        """Transfers and the like by their own ids; what is left then by an id of its own."""
        now_ms = self._clock.now_ms()
        holds = any(s.lots for s in self._books.trader.state.symbols.values())
        if holds and now_ms % _HOUR_MS < _FUNDING_SETTLES_MS:
            return  # Funding is in the wallet before it is in the history.
        left = found.wallet_usdt
        for adjustment in await self._income.others_since(self._books.agreed_ms):
            before = self._books.trader.state.ledger.wallet_usdt
            await self._books.tell(adjustment)
            left -= self._books.trader.state.ledger.wallet_usdt - before
        if left:
            # Each movement is booked, also one that is equal to an earlier one.
            wallet_id = self._books.trader.state.free_adjustment_id(f"wallet-{now_ms}")
            log.warning("the exchange's wallet is %s USDT beyond the books", left)
            await self._books.tell(WalletAdjustment(wallet_id, now_ms, left, "not explained by our orders"))
        self._books.note_agreed(now_ms)


def _is_resting_stop(order: Order) -> bool:
    return order.role is OrderRole.STOP and order.state in RESTING_STATES


def _external(symbol: str, row: Row, kind: str) -> ExternalOrder:
    return ExternalOrder(
        plain(symbol),
        plain(str(row.get("id") or "")),
        plain(str(row.get("side") or "")),
        plain(kind.lower()),
        translate.number_told(row.get("amount")),
        translate.number_told(row.get("triggerPrice")) or translate.number_told(row.get("price")),
    )
