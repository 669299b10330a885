"""A real exchange behind `core.ports.Venue`: orders are queued at once, and what became of them comes as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.domain.errors import RejectKind, UnavailableError, VenueRejectedError, VenueUnknownError
from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice, MarketEvent
from core.domain.orders import RESTING_STATES, Fill, Order, OrderState, with_state
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord, Record
from core.domain.regrid import factor, grid_of
from core.exchange.connection.limiter import Place
from core.exchange.connection.news import Topic
from core.exchange.connection.reachability import no_answer
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders import translate
from core.exchange.orders.known_orders import KnownOrders
from core.exchange.orders.outbox import Outbox
from core.exchange.orders.rows import RowReader, part, readable
from core.exchange.orders.translate import OffGridError, Seen, exact
from core.exchange.orders.turns import Turns
from core.exchange.orders.unreadable import Oddities
from core.ports import VenueEvent
from core.settings.schema import ExchangeSettings

log = logging.getLogger("quarterdeck.exchange")

_TRADES_A_PAGE = 1000
_WEEK_MS = 7 * 86_400_000


class ExchangeVenue:
    """Implements `core.ports.Venue`. Reads raise UnavailableError or VenueUnknownError where nothing is known, and
    DataError where the exchange tells what cannot be.

    `others_lots` are the signed lots of each symbol that others hold, as `Outside` found them last; `regrids` counts
    how often they, and ours, came to be counted in another grid. `off_grid` is news of a contract of which the exchange
    tells what its rules here do not allow, with the reason; `hedged` is news that hedge mode was met.
    """

    def __init__(self, wire: Wire, instruments: Mapping[str, Instrument], settings: ExchangeSettings) -> None:
        self.wire = wire
        self.instruments = dict(instruments)
        self.settings = settings
        self.rows = RowReader(wire)
        self.known = KnownOrders(wire.dialect)
        self.others_lots: dict[str, int] = {}
        self.turns = Turns(wire.clock)
        self.outbox = Outbox(wire, self.instruments, settings, self.others_lots, self.turns)
        self.oddities = Oddities(wire.health)
        self.regrids = 0
        self.off_grid: Topic[str, str] = Topic()
        self.hedged: Topic[()] = Topic()
        self._records: Sequence[Record] = ()

    def adopt(self, instrument: Instrument) -> None:
        """Go by these rules of a contract from now on: while nothing of it is under way, where they count more
        finely."""
        symbol = instrument.symbol
        by = factor(symbol, grid_of(self.instruments[symbol]), grid_of(instrument))
        self.instruments[symbol] = instrument
        if not by.is_one:
            self.known.rescale(symbol, by)
            self.others_lots[symbol] = self.others_lots.get(symbol, 0) * by.lots
            self.regrids += 1

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        self.known.learn(order)
        self.outbox.place(order)
        return ()

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        self.outbox.cancel(order)
        return ()

    async def on_market(self, event: MarketEvent) -> Sequence[VenueEvent]:
        return ()

    async def fetch_order(self, order: Order) -> Order | None:
        seen = await self.look(order)
        if seen is None:
            return None
        filled = order.filled_lots if seen.filled_lots is None else seen.filled_lots
        return with_state(order, seen.state, filled, seen.venue_order_id, self.wire.clock.now_ms(), seen.reason)

    async def fills_of(self, order: Order, timeout_ms: int | None = None) -> Sequence[Fill]:
        if not self.known.venue_ids(order.client_order_id):
            await self.look(order, timeout_ms)
        instrument = self.instruments[order.symbol]
        fills = []
        for row in await self._trades_of(order, timeout_ms):
            fill, finding = translate.fill_of(row, order, instrument)
            if finding:
                self.note_fee(finding)
            fills.append(fill)
        return fills

    async def positions_lots(self, *, protective: bool = False, timeout_ms: int | None = None) -> dict[str, int]:
        """Signed lots by symbol; flat ones left out. `timeout_ms` is for each try.

        In hedge mode the net of a contract tells of nobody's position: raises UnavailableError.
        """
        unified = [self.wire.unified(symbol) for symbol in self.instruments]
        rows = await self.wire.read("fetch_positions", unified, weight=5, protective=protective, timeout_ms=timeout_ms)
        found: dict[str, int] = {}
        for row in rows:
            symbol = self.wire.symbol(str(part(row).get("symbol")))
            if symbol in self.instruments:
                if part(row).get("hedged") is True and row.get("contracts"):
                    self.hedged.publish()
                    raise UnavailableError(f"{symbol}: hedge mode is on, and positions are not compared in it")
                try:
                    lots = translate.position_lots(self.rows.position(row), self.instruments[symbol])
                except OffGridError as error:
                    self.off_grid.publish(symbol, str(error))
                    raise
                if lots:
                    found[symbol] = found.get(symbol, 0) + lots
        return found

    async def holds_any(self, symbols: Collection[str]) -> bool:
        """Whether anybody has a position in one of `symbols`, in hedge mode on either side."""
        unified = [self.wire.unified(symbol) for symbol in symbols]
        rows = await self.wire.read("fetch_positions", unified, weight=5)
        return any(exact(self.rows.position(row)["contracts"], "a position") for row in rows)

    async def wallet_usdt(self) -> Decimal:
        return translate.wallet_usdt(await self.wire.read("fetch_balance", weight=5))

    def restore(self, records: Sequence[Record], last_bars: Sequence[Bar], last_prices: Sequence[FirstPrice]) -> None:
        """Learn whose orders are ours. What was under way when the journal ended may have been taken."""
        self._records = records
        newest: dict[str, Order] = {}
        for record in records:
            match record:
                case IntentRecord(order) | OrderUpdateRecord(_, order) | FillRecord(_, order):
                    newest.pop(order.client_order_id, None)
                    newest[order.client_order_id] = order
                case _:
                    pass
        # The open ones last: what is kept is the newest.
        for order in sorted(newest.values(), key=lambda order: order.is_open):
            self.known.learn(order)
            if order.venue_order_id and not self.wire.dialect.is_conditional(order):
                self.known.learn_venue_id(order, order.venue_order_id)
            if order.is_open:
                self.outbox.suspect(order)

    def take_records(self) -> Sequence[Record]:
        """What `restore` was given, once: it is long, and nobody needs it twice."""
        records, self._records = self._records, ()
        return records

    async def look(
        self, order: Order, timeout_ms: int | None = None, *, since_ms: int | None = None, urgent: bool = True
    ) -> Seen | None:
        """What the exchange knows of an order by its client id; None where it says that there is none.

        One that is known to have rested is looked for among the plain ones, too. `timeout_ms` is for each request. In
        a rate limit one that is not `urgent` waits for those that may be; an entry is taken for a position from
        `since_ms` on, of the steady clock.
        """
        order_id, params = self.wire.dialect.by_client_id(order)
        place = self.turns.of_question(order, since_ms) if urgent else None
        row = await self._find(order_id, order, params, timeout_ms, place)
        if row is None and self.wire.dialect.is_conditional(order) and order.state in RESTING_STATES:
            plain = {name: value for name, value in params.items() if name != "trigger"}
            row = await self._find(order_id, order, plain, timeout_ms, place) if plain != params else None
        if row is None:
            return None
        self.known.learn_row(order, row)
        seen = translate.seen_in(row, order, self.instruments[order.symbol])
        return await self._seen_child(order, seen, timeout_ms) if seen.ended_in_child else seen

    async def order_row(self, symbol: str, venue_id: str, timeout_ms: int | None = None) -> Row | None:
        """A plain order by the exchange's own id; None where there is none."""
        return await self._fetch(venue_id, symbol, {}, timeout_ms or self.protective_ms)

    async def _trades_of(self, order: Order, timeout_ms: int | None) -> list[Row]:
        """The trades of an order under every id that is known, oldest first."""
        rows: list[Row] = []
        for venue_id in self.known.venue_ids(order.client_order_id):
            page = await self._read(
                timeout_ms or self.protective_ms,
                "fetch_my_trades",
                self.wire.unified(order.symbol),
                None,
                _TRADES_A_PAGE,
                {"orderId": venue_id},
                weight=5,
                place=self.turns.of_question(order),
            )
            rows += [row for row in self._trade_rows(page) if row["order"] == venue_id]
        return sorted(rows, key=_by_time)

    async def trades_since(
        self, symbol: str, since_ms: int, timeout_ms: int | None = None, *, protective: bool = False
    ) -> list[Row]:
        """Every trade of the account in `symbol` from `since_ms` on, oldest first, ours and others'. `timeout_ms` is
        for each try of each request."""
        unified = self.wire.unified(symbol)
        rows: dict[str, Row] = {}
        while True:
            try:
                page = await self.wire.read(
                    "fetch_my_trades",
                    unified,
                    since_ms,
                    _TRADES_A_PAGE,
                    weight=5,
                    protective=protective,
                    timeout_ms=timeout_ms,
                )
            except VenueRejectedError as error:
                if self._is_gone(symbol, error):
                    return sorted(rows.values(), key=_by_time)
                raise
            told = self._trade_rows(page)
            fresh = [row for row in told if row["id"] not in rows]
            rows |= {row["id"]: row for row in fresh}
            if len(page) >= _TRADES_A_PAGE and told:
                newest_ms = max(row["timestamp"] for row in told)
                since_ms = newest_ms if fresh and newest_ms > since_ms else newest_ms + 1
            elif since_ms + _WEEK_MS < self.wire.clock.now_ms():
                since_ms += _WEEK_MS  # The exchange answers for a week at a time.
            else:
                return sorted(rows.values(), key=_by_time)

    async def open_rows(
        self,
        symbols: Sequence[str] = (),
        *,
        conditional_only: bool = False,
        protective: bool = False,
        timeout_ms: int | None = None,
    ) -> list[tuple[str, Row]]:
        """Every resting order, ours and others', with its symbol; of all symbols where none is named."""
        dialect = self.wire.dialect
        queries = [query for query in dialect.open_order_queries() if not conditional_only or query]
        found: list[tuple[str, Row]] = []
        for query in queries or dialect.open_order_queries():
            wanted: list[str | None] = [self.wire.unified(symbol) for symbol in symbols]
            for symbol, unified in zip(symbols or [""], wanted or [None], strict=True):
                weight = 1 if unified else 40
                try:
                    told = await self.wire.read(
                        "fetch_open_orders",
                        unified,
                        None,
                        None,
                        dict(query),
                        weight=weight,
                        protective=protective,
                        timeout_ms=timeout_ms,
                    )
                except VenueRejectedError as error:
                    if not self._is_gone(symbol, error):
                        raise
                    told = []
                rows = readable(told, self.rows.order, self.oddities.note_unreadable)
                found += [(self.wire.symbol(row["symbol"]), row) for row in rows]
        return found

    def _is_gone(self, symbol: str, error: VenueRejectedError) -> bool:
        """Whether nothing can be told of a contract because the exchange has taken it off: it says so, and its list
        does not have it. Where the list has it still, that is asked for anew, and the refusal is no answer."""
        if error.kind is not RejectKind.NO_CONTRACT or not symbol:
            return False
        if self.wire.is_listed(symbol):
            self.off_grid.publish(symbol, str(error))
            return False
        return True

    def _trade_rows(self, page: Any) -> list[Row]:
        return readable(page, self.rows.trade, self.oddities.note_unreadable)

    def note_fee(self, finding: str) -> None:
        if self.oddities.note("fees", "paid in another currency than USDT; turn off paying fees in BNB", finding):
            log.warning("%s", finding)

    async def _seen_child(self, order: Order, seen: Seen, timeout_ms: int | None) -> Seen:
        row = await self.order_row(order.symbol, seen.child_id, timeout_ms) if seen.child_id else None
        if row is None:
            return Seen(OrderState.EXPIRED, None, seen.venue_order_id, seen.child_id, reason="triggered, and gone")
        child = translate.seen_in(row, order, self.instruments[order.symbol])
        return Seen(child.state, child.filled_lots, seen.venue_order_id, seen.child_id, reason=child.reason)

    @property
    def protective_ms(self) -> int:
        """The time limit of a read that protection waits for."""
        return 2 * self.settings.protective_timeout_ms

    async def _find(
        self, order_id: str, order: Order, params: Row, timeout_ms: int | None, place: Callable[[], Place] | None
    ) -> Row | None:
        return await self._fetch(order_id, order.symbol, params, timeout_ms or self.protective_ms, place)

    async def _fetch(
        self,
        order_id: str,
        symbol: str,
        params: Row,
        timeout_ms: int | None,
        place: Callable[[], Place] | None = None,
    ) -> Row | None:
        unified = self.wire.unified(symbol)
        try:
            row = await self._read(timeout_ms, "fetch_order", order_id, unified, params, place=place)
        except VenueRejectedError as error:
            if error.kind is RejectKind.NOT_FOUND or self._is_gone(symbol, error):
                return None
            raise VenueUnknownError(str(error)) from None
        return self.rows.order(row)

    async def _read(
        self,
        timeout_ms: int | None,
        method: str,
        *args: Any,
        weight: int = 1,
        place: Callable[[], Place] | None = None,
    ) -> Any:
        """A read that what protects waits for has a time limit of its own: it is given up early, and asked again.

        Within a longer limit it is asked more than once: what was slow the first time may have been lost. While the
        exchange wants fewer requests it waits for its turn, which does not count.
        """
        if timeout_ms is None:
            return await self.wire.read(method, *args, weight=weight)
        try_ms = max(timeout_ms // 2, self.settings.protective_timeout_ms)
        try:
            async with asyncio.timeout(None if self.is_paced() else timeout_ms / 1000):
                return await self.wire.read(
                    method, *args, weight=weight, protective=True, place=place, timeout_ms=try_ms
                )
        except TimeoutError:
            raise UnavailableError(no_answer(timeout_ms, method)) from None

    def is_paced(self) -> bool:
        """Whether a rate limit is in force, in which one request a second goes out."""
        return self.wire.clock.now_ms() < self.wire.held_until_ms()


def _by_time(row: Row) -> tuple[int, int, str]:
    trade_id = str(row["id"])
    return int(row["timestamp"]), int(trade_id) if trade_id.isdecimal() else 0, trade_id
