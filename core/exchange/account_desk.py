"""Everything that happens between the trader and a real account, tied together for one engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

from core.clock import Clock
from core.domain.errors import QuarterdeckError, UnavailableError
from core.domain.orders import Order
from core.domain.records import AdjustmentRecord
from core.exchange.account_setup import set_up_account
from core.exchange.account_stream import AccountStream
from core.exchange.books import Books
from core.exchange.contract_watch import ContractWatch
from core.exchange.health import Health
from core.exchange.incoming import Incoming
from core.exchange.known_orders import is_exchange_made
from core.exchange.reconciliation import UNREAD, ExternalOrder, Reconciler
from core.exchange.resolver import FILLS_DUE_MS, Resolver
from core.exchange.venue import ExchangeVenue
from core.exchange.wire import Row
from core.ports import Venue
from core.settings import Settings
from core.stepper import Stepper
from core.trader.messages import VenueHealth, Watch
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")

_WATCH_S = 0.5
_IDLE_WATCH_S = 5.0
_PROTECTION_S = 3.0
_PROTECTION_AGAIN_S = 0.5
_PREPARE_AGAIN_S = 30.0
_SOON_S = 0.5
_PART = "reconciliation"
_SETUP_PART = "account setup"


class AccountDesk:
    """`prepare` before the trader lives, `reconcile` once it knows its journal, `run` for as long as it trades."""

    def __init__(self, venue: ExchangeVenue, settings: Settings) -> None:
        self._venue = venue
        self._wire = venue.wire
        self._settings = settings
        self._reconciler: Reconciler | None = None
        self._look_soon = asyncio.Event()
        self._is_taken_in = asyncio.Event()
        self._prepares_beside = False
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
        """Set the account up. Raises RefusedError where it cannot be brought into the form that is asked for."""
        await set_up_account(self._wire, self._venue.instruments, self._settings)

    def prepare_beside(self) -> None:
        """Leave it to `run` to set the account up, for what a journal holds must be protected first."""
        self._prepares_beside = True

    async def reconcile(self, trader: Trader, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
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

    async def run(self, trader: Trader, stepper: Stepper) -> None:
        """Send, listen and ask until canceled, from before `reconcile` on; compare once that is done."""
        self._tie(trader, stepper)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._venue.outbox.run(self._resolver))
            group.create_task(self._resolver.run())
            group.create_task(self.stream.run())
            group.create_task(self._follow_stream())
            group.create_task(self._reconcile())
            group.create_task(self._look_after_stops())
            group.create_task(self.contracts.run(trader, stepper))
            if self._prepares_beside:
                group.create_task(self._prepare_beside())

    async def _prepare_beside(self) -> None:
        """Try until the account is set up; until then no entry is made."""
        while True:
            try:
                await self.prepare()
            except QuarterdeckError as error:
                log.error("%s", error)
                self._wire.health.report(_SETUP_PART, str(error))
                await asyncio.sleep(_PREPARE_AGAIN_S)
            else:
                self._wire.health.report(_SETUP_PART, "")
                return

    async def flatten_external(self, symbol: str) -> str:
        """Cancel what others placed on `symbol` and close what they hold, at market: only ever when the operator asks
        for it. Returns what was done.

        Raises VenueRejectedError, VenueUnknownError and UnavailableError.
        """
        if self._reconciler is None:
            raise UnavailableError("the account has not been read yet")
        return await self._reconciler.flatten_external(symbol)

    def _external_lots(self) -> Mapping[str, int]:
        return {} if self._reconciler is None else self._reconciler.external_lots()

    def _tie(self, trader: Trader, stepper: Stepper) -> None:
        if self._reconciler is not None:
            return
        self._books = Books(self._venue, trader, stepper, self._wire.clock)
        self._books.fill_was_asked_for = self.stream.expect
        self._venue.known.is_open = self._books.is_open
        self._incoming = Incoming(self._books)
        self._incoming.on_order = self._take_held
        self._resolver = Resolver(self._books, self._incoming)
        self.contracts.tie(trader, stepper)
        self._venue.on_off_grid = self.contracts.doubt
        self.contracts.is_busy = self._venue.outbox.is_busy_in
        self.contracts.as_sent = self._venue.outbox.as_sent
        self._venue.outbox.on_filter = self.contracts.refused
        self._venue.outbox.is_shared = lambda symbol: symbol in self._external_lots()
        self._reconciler = Reconciler(self._books, self._incoming, self._resolver)
        self._reconciler.restore(self._venue.records)
        self._venue.on_finer = self._reconciler.rescale
        for order in self._books.open_orders():
            self._resolver.ask(order)
        self._venue.records = ()

    def _on_up(self) -> None:
        self._wire.health.report(_PART, "the account is read again after a new connection")
        self._look_soon.set()

    async def _follow_stream(self) -> None:
        while True:
            await self.stream.has_rows.wait()
            self.stream.has_rows.clear()
            while self.stream.rows:
                await self._take(*self.stream.rows.popleft())

    async def _take(self, kind: str, row: Row) -> None:
        if kind == "balance":
            if ((row.get("info") or {}).get("a") or {}).get("m") != "ORDER":
                self._look_soon.set()  # Money moved otherwise than by trading.
            return
        symbol = self._wire.symbol(str(row["symbol"]))
        if kind == "fill":
            await self._incoming.take(symbol, [row])
            return
        order = self._venue.known.of_order_row(symbol, row)
        if order is None:
            if is_exchange_made(self._wire.dialect.client_id(row)):
                self._look_soon.set()  # ccxt does not take the executions of a liquidation for trades.
            self._incoming.hold(symbol, row)
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
                await self._reconciler.once()
            except UNREAD as error:
                log.warning("the account could not be read: %s", error)
                self._wire.health.report(_PART, "the account cannot be read; clears when it can")
                wait_s = min(wait_s, 5.0)
            else:
                self._wire.health.report(_PART, "")
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
            except UNREAD as error:
                was_read = False
                log.warning("the stops could not be read back: %s", error)


async def watch(trader: Trader, stepper: Stepper, clock: Clock) -> None:
    """Let the trader look after what protects its positions between two bars."""
    while True:
        is_busy = any(s.lots or s.orders for s in trader.state.symbols.values())
        await asyncio.sleep(_WATCH_S if is_busy else _IDLE_WATCH_S)
        now_ms = clock.now_ms()
        await stepper.step([Watch(now_ms)], now_ms)


async def health_watch(health: Health, stepper: Stepper, clock: Clock, symbols: Sequence[str] = ()) -> None:
    """Tell the trader of the health of the venue and of each contract of `symbols` at once, which may clear what an
    earlier process left behind, and whenever it changes."""
    told: dict[str, str] = {}
    while True:
        health.changed.clear()
        for symbol in ("", *symbols):
            problem = health.problem(symbol)
            if problem != told.get(symbol):
                told[symbol] = problem
                now_ms = clock.now_ms()
                await stepper.step([VenueHealth(now_ms, problem, symbol)], now_ms)
        await health.changed.wait()
