"""Everything that happens between the trader and a real account, tied together for one engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from decimal import Decimal

from core.clock import Clock
from core.domain.errors import DataError, RejectKind, UnavailableError
from core.domain.orders import Order
from core.domain.records import AdjustmentRecord
from core.exchange.account.reconciliation import UNREAD, ExternalOrder, Reconciler
from core.exchange.account.setup import set_up_account
from core.exchange.account.stream import AccountStream
from core.exchange.account.watch import AccountWatch
from core.exchange.connection.health import Health
from core.exchange.connection.hysteresis import Steady
from core.exchange.connection.wire import Row
from core.exchange.markets.watch import ContractWatch
from core.exchange.orders.books import Books
from core.exchange.orders.close_net import NetCloser
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.known_orders import is_exchange_made
from core.exchange.orders.only_reducing import OnlyReducing
from core.exchange.orders.outside import Outside
from core.exchange.orders.resolver import FILLS_DUE_MS, Resolver
from core.exchange.orders.rows import part
from core.exchange.orders.venue import ExchangeVenue
from core.home.log_episodes import Episodes
from core.home.logbook import iso_utc
from core.ports import Venue
from core.settings.schema import Settings
from core.trader.messages import VenueHealth, Watch
from core.trader.stepping import Stepping
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")

_WATCH_S = 0.5
_IDLE_WATCH_S = 5.0
_PROTECTION_S = 3.0
_PROTECTION_AGAIN_S = 0.5
_POSITIONS_S = 3.0
_IDLE_POSITIONS_S = 1.0
_LOOK_AGAIN_S = 0.5
_LOOKS = 10
_SOON_S = 0.5
_COMPARE_AGAIN_S = 2.0
_AFTER_UNREADABLE_MS = 10_000
"""What the streams tell and nobody can read is looked for by asking, but not all the time."""
_PART = "reconciliation"


class AccountDesk:
    """`prepare` before the trader lives, `reconcile` once it knows its journal, `run` for as long as it trades."""

    def __init__(self, venue: ExchangeVenue, settings: Settings) -> None:
        self._venue = venue
        self._wire = venue.wire
        self._settings = settings
        self._reconciler: Reconciler | None = None
        self._look_soon = asyncio.Event()
        self._is_taken_in = asyncio.Event()
        self._sought_ms = 0
        self._unread = Episodes(log)
        self._account = AccountWatch(venue, settings, self._holds)
        self._only_reducing = OnlyReducing(venue.wire)
        self.stream = AccountStream(venue.wire, self._on_up)
        self.contracts = ContractWatch(venue.wire, settings, venue.adopt)

    @property
    def external_orders(self) -> tuple[ExternalOrder, ...]:
        """What others placed on the account, as of the last look."""
        return () if self._reconciler is None else self._reconciler.external

    @property
    def external_positions(self) -> dict[str, Decimal]:
        """Base units that others hold on the account, negative when short, by symbol."""
        if self._reconciler is None:
            return {}
        rules = self._venue.instruments
        return {symbol: rules[symbol].qty(lots) for symbol, lots in self._reconciler.external_lots().items()}

    async def prepare(self) -> None:
        """Set the account up. Raises RefusedError where it cannot be brought into the form that is asked for, and
        UnavailableError where that cannot be read."""
        await set_up_account(self._wire, self._venue.instruments, self._settings)

    def prepare_beside(self) -> None:
        """Leave it to `run` to read how the account is set up, for what a journal holds must be protected first."""
        self._account.begin_unread()

    async def reconcile(self, trader: Trader, venue: Venue, stepper: Stepping, now_ms: int) -> list[AdjustmentRecord]:
        """At a start, after `venue.restore`: take in what became of our open orders while nobody listened, and send at
        once what protects it. What cannot be asked now, and what cannot be explained, is left to `run`: until it has
        compared everything, no entry is made.
        """
        self._tie(trader, stepper)
        self._wire.health.report(_PART, "the account is being read")
        await stepper.step([VenueHealth(now_ms, self._wire.health.problem())], now_ms)
        await self._resolver.ask_once(list(self._books.open_orders()), insist=True)
        self._is_taken_in.set()
        return []

    async def run(self, trader: Trader, stepper: Stepping) -> None:
        """Send, listen and ask until canceled, from before `reconcile` on; compare once that is done."""
        self._tie(trader, stepper)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._venue.outbox.run(self._resolver))
            group.create_task(self._resolver.run())
            group.create_task(self.stream.run())
            group.create_task(self._follow_stream())
            group.create_task(self._account.run())
            group.create_task(self._reconcile())
            group.create_task(self._look_after_stops())
            group.create_task(self._look_for_others())
            group.create_task(self.contracts.run(trader, stepper))

    async def flatten_external(self, symbol: str) -> str:
        """Close the whole position of `symbol`, with what others hold of it, and cancel what they placed: only ever
        when the operator asks for it. Returns what was done and what is left.

        Raises VenueRejectedError, VenueUnknownError and UnavailableError.
        """
        if self._reconciler is None:
            raise UnavailableError("the account has not been read yet")
        return await NetCloser(self._books, self._outside, symbol).close()

    def _tie(self, trader: Trader, stepper: Stepping) -> None:
        if self._reconciler is not None:
            return
        self._books = Books(self._venue, trader, stepper, self._wire.clock)
        self._books.fill_was_asked_for = self.stream.expect
        self._venue.on_unreadable = self._books.note_unreadable
        self._venue.known.is_open = self._books.is_open
        self._incoming = Incoming(self._books)
        self._incoming.on_order = self._take_held
        self._outside = Outside(self._books, self._incoming)
        self._resolver = Resolver(self._books, self._incoming, self._outside)
        self._books.on_nothing_to_reduce, self._incoming.on_others = self._outside.ask, self._outside.heard
        self._books.on_entry_refused = self._entry_was_refused
        self.contracts.tie(trader, stepper)
        self._venue.on_off_grid = self.contracts.doubt
        self._venue.on_hedged = self._look_at_all_soon
        self.contracts.is_busy = self._venue.outbox.is_busy_in
        self.contracts.as_sent = self._venue.outbox.as_sent
        self._venue.outbox.on_filter = self.contracts.refused
        self._venue.outbox.is_shared = lambda symbol: symbol in self._outside.lots
        self._reconciler = Reconciler(self._books, self._incoming, self._resolver, self._outside)
        self._reconciler.restore(self._venue.records)
        self._outside.restore(self._venue.records)
        self._venue.on_finer = self._outside.rescale
        for order in self._books.open_orders():
            self._resolver.ask(order)
        self._venue.records = ()

    def _holds(self, symbol: str) -> bool:
        s = self._books.trader.state.symbols[symbol]
        return bool(s.lots or s.orders)

    def _entry_was_refused(self, order: Order, kind: RejectKind, reason: str) -> None:
        if kind is RejectKind.ONLY_REDUCING:
            self._only_reducing.note(order.symbol, reason)
        self._look_at_all_soon()

    def _look_at_all_soon(self) -> None:
        """With the account's settings: they may be the cause, and in hedge mode no position can be judged."""
        self._account.expect_change()
        self._look_soon.set()

    def _on_up(self) -> None:
        self._account.expect_change()
        self._wire.health.report(_PART, "the account is read again after a new connection")
        self._look_soon.set()

    async def _follow_stream(self) -> None:
        while True:
            await self.stream.has_rows.wait()
            self.stream.has_rows.clear()
            while self.stream.rows:
                try:
                    await self._take(*self.stream.rows.popleft())
                except DataError as error:
                    self._seek(error)

    def _seek(self, error: DataError) -> None:
        """A row of the stream that cannot be read: what it may have told is asked for."""
        self._books.note_unreadable(error)
        now_ms = self._wire.clock.now_ms()
        if now_ms - self._sought_ms >= _AFTER_UNREADABLE_MS:
            self._sought_ms = now_ms
            self._look_at_all_soon()

    async def _take(self, kind: str, row: Row) -> None:
        """Raises DataError where the row cannot be read."""
        if kind == "balance":
            if part(row, "info", "a").get("m") != "ORDER":
                self._account.expect_change()  # A change of the margin mode comes so, too.
                self._look_soon.set()  # Money moved otherwise than by trading.
            return
        if kind == "config":
            self._account.heard(row)
            self._look_soon.set()
            return
        if kind == "fill":
            trade = self._venue.rows.trade(row)
            await self._incoming.take(self._wire.symbol(trade["symbol"]), [trade])
            return
        row = self._venue.rows.order(row)
        symbol = self._wire.symbol(row["symbol"])
        order = self._venue.known.of_order_row(symbol, row)
        if order is None:
            if is_exchange_made(self._wire.dialect.client_id(row)):
                self._look_soon.set()  # ccxt does not take the executions of a liquidation for trades.
            self._incoming.hold(symbol, row)
            await self._books.note_stranger(symbol, row)
            return
        await self._take_order(order, row)
        await self._incoming.recognise()

    async def _take_held(self, row: Row) -> None:
        order = self._venue.known.of_order_row(self._wire.symbol(str(row["symbol"])), row)
        if order is not None:
            await self._take_order(order, row)

    async def _take_order(self, order: Order, row: Row) -> None:
        if not self._books.is_open(order):
            return
        seen = self._books.seen(order, row)
        if seen is not None and not await self._books.settle(order, seen, fetch=False):
            self._resolver.ask(order, in_ms=FILLS_DUE_MS)

    async def _reconcile(self) -> None:
        assert self._reconciler is not None
        await self._is_taken_in.wait()
        while True:
            self._look_soon.clear()
            wait_s = self._settings.exchange.reconcile_seconds
            try:
                if not await self._account.look():
                    pass
                elif await self._reconciler.once():
                    self._wire.health.report(_PART, "")
                    self._unread.passed("account", "the account is read again")
                else:
                    wait_s = min(wait_s, _COMPARE_AGAIN_S)
            except UNREAD as error:
                self._unread.failed("account", error, f"the account could not be read: {error}")
                self._wire.health.report(_PART, "the account cannot be read; clears when it can")
                wait_s = min(wait_s, 5.0)
            try:
                async with asyncio.timeout(wait_s):
                    await self._look_soon.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_SOON_S)

    async def _look_after_stops(self) -> None:
        assert self._reconciler is not None
        await self._is_taken_in.wait()
        was_read = True
        while True:
            await asyncio.sleep(_PROTECTION_S if was_read else _PROTECTION_AGAIN_S)
            try:
                # What was lost on its way is asked for again soon; where the exchange is slow, it is given time.
                await self._reconciler.protection(self._venue.protective_ms if was_read else None)
                was_read = True
                self._unread.passed("stops", "the stops are read back again")
            except UNREAD as error:
                was_read = False
                self._unread.failed("stops", error, f"the stops could not be read back: {error}")

    async def _look_for_others(self) -> None:
        """Look at the positions at every sign of others, and while anything is held also without: a sign may be
        lost."""
        await self._is_taken_in.wait()
        while True:
            is_held = any(s.lots for s in self._books.trader.state.symbols.values())
            try:
                async with asyncio.timeout(_POSITIONS_S if is_held else _IDLE_POSITIONS_S):
                    await self._outside.asked.wait()
            except TimeoutError:
                if not is_held:
                    continue
            self._outside.asked.clear()
            if self._account.is_hedged:
                continue
            if await self._differs_still():
                self._look_at_all_soon()
            self._outside.ask_again()

    async def _differs_still(self) -> bool:
        """Look until the positions agree with what is known; True where they do not, and no trade tells why."""
        agrees: bool | None = None
        for _ in range(_LOOKS):
            try:
                agrees = await self._outside.look()
                self._unread.passed("positions", "the positions are read again")
            except UNREAD as error:
                self._unread.failed("positions", error, f"the positions could not be read: {error}")
            if agrees:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        return agrees is False


async def watch(trader: Trader, stepper: Stepping, clock: Clock) -> None:
    """Let the trader look after what protects its positions between two bars."""
    while True:
        is_busy = any(s.lots or s.orders for s in trader.state.symbols.values())
        await asyncio.sleep(_WATCH_S if is_busy else _IDLE_WATCH_S)
        now_ms = clock.now_ms()
        await stepper.step([Watch(now_ms)], now_ms)


async def health_watch(health: Health, stepper: Stepping, clock: Clock, symbols: Sequence[str] = ()) -> None:
    """Tell the trader of the health of the venue and of each contract of `symbols` at once, which may clear what an
    earlier process left behind, and whenever it changes; that the venue is well again only once that lasts
    (`Steady`)."""
    loop = asyncio.get_running_loop()
    steady = Steady(loop.time())
    told: dict[str, str] = {}
    while True:
        health.changed.clear()
        problem, now_ms = health.problem(), clock.now_ms()
        hold_s = steady.hold_s(problem, loop.time())
        news = {symbol: health.problem(symbol) for symbol in symbols}
        if not hold_s:
            health.standing, news[""] = "", problem
        elif not health.standing:
            until = iso_utc(now_ms + round(hold_s * 1000))[11:19]
            health.standing = f"well again; entries go on at {until} UTC if it stays so (it was {steady.last})"
        for symbol, is_wrong in sorted(news.items()):
            if is_wrong != told.get(symbol):
                told[symbol] = is_wrong
                await stepper.step([VenueHealth(now_ms, is_wrong, symbol)], now_ms)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold_s or None):
                await health.changed.wait()
