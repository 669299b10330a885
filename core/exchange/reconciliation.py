"""The account as the exchange tells it against the books: what can be explained becomes an event, the rest is shown."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.errors import DataError, UnavailableError, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType
from core.domain.records import AdjustmentRecord, EquityRecord, FillRecord, Record
from core.domain.regrid import Factor
from core.domain.trading import EXACT
from core.exchange import translate
from core.exchange.books import Books
from core.exchange.income import Income
from core.exchange.incoming import Incoming
from core.exchange.resolver import Resolver
from core.exchange.wire import Row
from core.recovery import LOTS
from core.trader.messages import WalletAdjustment

log = logging.getLogger("quarterdeck.exchange")

EXTERNAL_LOTS = "external position lots"
UNREAD = (UnavailableError, VenueUnknownError, VenueRejectedError, DataError)

_CONFIRM_S = 1.5
_ROUNDS = 6
_OVERLAP_MS = 10_000
_FUNDING_SETTLES_MS = 60_000
_HOUR_MS = 3_600_000
_SETTLED = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class ExternalOrder:
    """An order on the account that is not ours: shown, never touched. Amount and price as the exchange tells them."""

    symbol: str
    order_id: str
    side: str
    type: str
    qty: str
    price: str


@dataclass(frozen=True, slots=True)
class _Difference:
    """What the exchange has beyond the books: lots by symbol, those of others left out, and USDT."""

    lots: dict[str, int] = field(default_factory=dict)
    wallet_usdt: Decimal = translate.ZERO
    newest_fill_ms: int = 0


class Reconciler:
    """`once` compares everything; `protection` looks at the stops alone."""

    def __init__(self, books: Books, incoming: Incoming, resolver: Resolver) -> None:
        self._books = books
        self._venue = books.venue
        self._incoming = incoming
        self._resolver = resolver
        self._income = Income(books)
        self._clock = books.venue.wire.clock
        self._external_lots: dict[str, int] = {}
        self._is_new = True
        self._agreed_ms = self._clock.now_ms()
        self._trades_from_ms: dict[str, int] = {}
        self._suspects: dict[str, str] = {}
        self.external: tuple[ExternalOrder, ...] = ()

    def restore(self, records: Sequence[Record]) -> None:
        """Learn from the journal what others held on the account, and until when the books were known to agree."""
        self._is_new = not any(isinstance(record, EquityRecord | FillRecord) for record in records)
        times = [self._agreed_ms] if self._is_new else []
        for record in records:
            match record:
                case AdjustmentRecord(symbol=symbol, what=what, theirs=theirs) if what == EXTERNAL_LOTS:
                    self._external_lots[symbol] = int(theirs)
                case EquityRecord(sample):
                    times.append(sample.time_ms)
                case FillRecord(fill):
                    self._trades_from_ms[fill.symbol] = max(fill.time_ms, self._trades_from_ms.get(fill.symbol, 0))
                    times.append(fill.time_ms)
                    self._books.newest_fill_ms = max(self._books.newest_fill_ms, fill.time_ms)
                case _:
                    pass
        self._agreed_ms = max(times) - _OVERLAP_MS
        self._income.restore(records, self._agreed_ms)

    async def once(self) -> list[AdjustmentRecord]:
        """Orders, then trades, then positions and wallet. Returns what was found and could not be explained.

        Raises UnavailableError, VenueUnknownError, VenueRejectedError or DataError where the account cannot be read.
        """
        for _ in range(_ROUNDS):
            await self.take_in()
            found = await self._compare()
            if found is not None and not (found.lots or found.wallet_usdt):
                return []
            await asyncio.sleep(_CONFIRM_S)
            if found is not None and found == await self._compare() and not await self._explain(found):
                return await self._account_for(found)
        log.info("the account moved all the while: positions and wallet are compared later")
        return []

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
            self._check(before, rows)

    def external_lots(self) -> dict[str, int]:
        """Signed lots that others hold on the account, as of the last look; flat symbols left out."""
        return {symbol: lots for symbol, lots in self._external_lots.items() if lots}

    def rescale(self, symbol: str, by: Factor) -> None:
        """Count what others hold in a grid that is `by` times finer."""
        self._external_lots[symbol] = self._external_lots.get(symbol, 0) * by.lots

    async def flatten_external(self, symbol: str) -> str:
        """Cancel the orders of others on `symbol` and close their share of the position at market."""
        wire, instrument = self._venue.wire, self._venue.instruments[symbol]
        unified, canceled = wire.unified(symbol), 0
        for _, row in await self._venue.open_rows([symbol]):
            if self._venue.known.of_order_row(symbol, row) is None:
                params = {"trigger": True} if translate.is_conditional_row(row) else {}
                await wire.send("cancel_order", str(row["id"]), unified, params, protective=True)
                canceled += 1
        net = (await self._venue.positions_lots()).get(symbol, 0)
        theirs = net - self._books.trader.state.symbols[symbol].lots
        lots = min(abs(theirs), abs(net)) if theirs * net > 0 else 0
        if lots:
            side = "sell" if net > 0 else "buy"
            amount = f"{instrument.lot_size * lots:f}"
            params = {"reduceOnly": True}
            await wire.send("create_order", unified, "market", side, amount, None, params, protective=True)
        return f"{symbol}: {canceled} orders of others canceled, {lots} lots of theirs closed"

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
        return min([order.created_ms for order in orders], default=self._agreed_ms)

    async def _orders(self) -> None:
        before = [order for order in self._books.open_orders() if order.state in _SETTLED]
        rows = await self._venue.open_rows()
        self.external = tuple(
            _external(symbol, row)
            for symbol, row in rows
            if symbol not in self._venue.instruments or self._venue.known.of_order_row(symbol, row) is None
        )
        listed = self._check(before, rows)
        for order, row in listed:
            seen = self._books.seen(order, row)
            if seen is not None and not await self._books.settle(order, seen, fetch=False):
                self._resolver.ask(order)

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
                self._resolver.ask(order)
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
        if order.role is not OrderRole.STOP or not translate.is_conditional_row(row):
            return ""
        s = self._books.trader.state.symbols[order.symbol]
        try:
            return translate.protects(row, order, s.instrument, abs(s.lots))
        except DataError as error:
            return str(error)

    def _withdraw(self, order: Order, problem: str) -> None:
        """Only ever what is ours. Its end, once it is told, makes the trader put a right one in its place."""
        log.error("%s %s of %s is withdrawn: %s", order.role, order.client_order_id, order.symbol, problem)
        try:
            self._venue.outbox.cancel(order)
        except VenueRejectedError as error:
            log.error("%s of %s is not withdrawn yet: %s", order.client_order_id, order.symbol, error)

    async def _compare(self) -> _Difference | None:
        """None where the books moved meanwhile, or hold something of which nobody knows what became."""
        version, now_ms = self._books.version, self._clock.now_ms()
        theirs = await self._venue.positions_lots()
        wallet = await self._venue.wallet_usdt()
        if self._books.version != version or self._incoming.waits or any(map(_is_moving, self._books.open_orders())):
            return None
        state = self._books.trader.state
        if self._is_new:
            await self._note_first(theirs)
        lots = {
            symbol: left
            for symbol, s in state.symbols.items()
            if (left := theirs.get(symbol, 0) - s.lots - self._external_lots.get(symbol, 0))
        }
        money = EXACT.subtract(wallet, state.ledger.wallet_usdt)
        if not lots and not money:
            self._agreed_ms = now_ms
        return _Difference(lots, money, self._books.newest_fill_ms)

    async def _note_first(self, theirs: dict[str, int]) -> None:
        """What is on an account before the first order of ours is another's."""
        self._is_new = False
        for symbol, lots in theirs.items():
            ours = self._books.trader.state.symbols[symbol].lots
            await self._note_external(symbol, lots - ours, "first")

    async def _note_external(self, symbol: str, lots: int, ref: str) -> None:
        before = self._external_lots.get(symbol, 0)
        if lots == before:
            return
        self._external_lots[symbol] = lots
        record = AdjustmentRecord(
            f"external-{symbol}-{ref}", self._clock.now_ms(), symbol, EXTERNAL_LOTS, str(before), str(lots)
        )
        log.warning("%s: others hold %d lots on this account, %d before", symbol, lots, before)
        await self._books.record([record])

    async def _explain(self, found: _Difference) -> bool:
        """Whether something was found that explains a part of the difference: then everything is compared anew."""
        version = self._books.version
        for symbol, lots in found.lots.items():
            rows = await self._take_trades(symbol, self._agreed_ms)
            if self._books.version != version or self._incoming.waits:
                return True
            others = [row for row in rows if self._is_others(symbol, row) and int(row["timestamp"]) > self._agreed_ms]
            moved = sum(
                translate.lots_of(row["amount"], self._venue.instruments[symbol]) * (1 if row["side"] == "buy" else -1)
                for row in others
            )
            if others and moved == lots:
                before = self._external_lots.get(symbol, 0)
                await self._note_external(symbol, before + lots, str(others[-1]["id"]))
                return True
        if found.wallet_usdt:
            await self._income.take_funding(self._external_lots)
        return self._books.version != version

    def _is_others(self, symbol: str, row: Row) -> bool:
        known = self._venue.known
        return known.of_trade_row(symbol, row) is None and known.is_others(symbol, str(row.get("order") or ""))

    async def _account_for(self, found: _Difference) -> list[AdjustmentRecord]:
        """Settle in the exchange's favour what nothing explains, visibly."""
        adjustments = []
        for symbol, lots in found.lots.items():
            ours = self._books.trader.state.symbols[symbol].lots
            theirs = ours + self._external_lots.get(symbol, 0) + lots
            what = f"position lots-{symbol}-{found.newest_fill_ms}-{ours}-{theirs}"
            adjustments.append(AdjustmentRecord(what, self._clock.now_ms(), symbol, LOTS, str(ours), str(theirs)))
        await self._books.record(adjustments)
        for record in adjustments:
            log.error("%s: %s lots in the books, %s at the exchange", record.symbol, record.ours, record.theirs)
            lots = self._external_lots.get(record.symbol, 0) + found.lots[record.symbol]
            await self._note_external(record.symbol, lots, record.adjustment_id)
        if adjustments:
            await self._pause()
        elif found.wallet_usdt:
            await self._adjust_wallet(found)
        return adjustments

    async def _pause(self) -> None:
        now_ms = self._clock.now_ms()
        why = "reconciliation: the books differ"
        await self._books.tell(OperatorCommand(f"reconciliation-{now_ms}", Verb.PAUSE, "", why, now_ms))

    async def _adjust_wallet(self, found: _Difference) -> None:
        """Transfers and the like by their own ids; what is left then by an id made of the figures themselves."""
        now_ms = self._clock.now_ms()
        holds = any(s.lots for s in self._books.trader.state.symbols.values())
        if holds and now_ms % _HOUR_MS < _FUNDING_SETTLES_MS:
            return  # Funding is in the wallet before it is in the history.
        left = found.wallet_usdt
        for adjustment in await self._income.others_since(self._agreed_ms):
            before = self._books.trader.state.ledger.wallet_usdt
            await self._books.tell(adjustment)
            left -= self._books.trader.state.ledger.wallet_usdt - before
        if left:
            ours = self._books.trader.state.ledger.wallet_usdt
            figures = f"{ours}|{EXACT.add(ours, left)}|{found.newest_fill_ms}"
            wallet_id = "wallet-" + hashlib.blake2b(figures.encode(), digest_size=12).hexdigest()
            log.warning("the exchange's wallet is %s USDT beyond the books", left)
            await self._books.tell(WalletAdjustment(wallet_id, now_ms, left, "not explained by our orders"))
        self._agreed_ms = now_ms


def _is_resting_stop(order: Order) -> bool:
    return order.role is OrderRole.STOP and order.state in _SETTLED


def _is_moving(order: Order) -> bool:
    """Whether the order may have traded without our knowing yet."""
    return order.state not in _SETTLED or order.type is OrderType.MARKET


def _external(symbol: str, row: Row) -> ExternalOrder:
    info = row.get("info") or {}
    price = row.get("triggerPrice") or row.get("price") or ""
    kind = info.get("orderType") or row.get("type") or ""
    return ExternalOrder(
        symbol,
        str(row.get("id") or ""),
        str(row.get("side") or ""),
        str(kind).lower(),
        str(row.get("amount") or ""),
        str(price),
    )
