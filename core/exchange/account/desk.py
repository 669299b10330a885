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
from core.exchange.account.at_work import DeskAtWork, put_to_work
from core.exchange.account.reconciliation import UNREAD, ExternalOrder
from core.exchange.account.setup import set_up_account
from core.exchange.account.stream import AccountStream
from core.exchange.account.watch import AccountWatch
from core.exchange.connection.health import Health
from core.exchange.connection.hysteresis import Steady
from core.exchange.connection.wire import Row
from core.exchange.markets.watch import Keep
from core.exchange.orders.close_net import NetCloser
from core.exchange.orders.known_orders import is_exchange_made
from core.exchange.orders.only_reducing import OnlyReducing
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
    """`prepare` before the trader lives, `reconcile` once it knows its journal, `run` for as long as it trades: what of
    it needs the trader is then `at_work`. `keep` is as `ContractWatch` has it."""

    def __init__(self, venue: ExchangeVenue, settings: Settings, keep: Keep) -> None:
        self._venue = venue
        self._wire = venue.wire
        self._settings = settings
        self._keep = keep
        self.at_work: DeskAtWork | None = None
        self._look_soon = asyncio.Event()
        self._is_taken_in = asyncio.Event()
        self._sought_ms = 0
        self._unread = Episodes(log)
        self._account = AccountWatch(venue, settings)
        self._only_reducing = OnlyReducing(venue.wire)
        self.stream = AccountStream(venue.wire, self._on_up)
        venue.hedged.subscribe(self._look_at_all_soon)

    @property
    def external_orders(self) -> tuple[ExternalOrder, ...]:
        """What others placed on the account, as of the last look."""
        return () if self.at_work is None else self.at_work.reconciler.external

    @property
    def external_positions(self) -> dict[str, Decimal]:
        """Base units that others hold on the account, negative when short, by symbol."""
        if self.at_work is None:
            return {}
        rules = self._venue.instruments
        return {symbol: rules[symbol].qty(lots) for symbol, lots in self.at_work.reconciler.external_lots().items()}

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
        work = self._put_to_work(trader, stepper)
        self._wire.health.report(_PART, "the account is being read")
        await stepper.step([VenueHealth(now_ms, self._wire.health.problem())], now_ms)
        await work.resolver.ask_once(list(work.books.open_orders()), insist=True)
        self._is_taken_in.set()
        return []

    async def run(self, trader: Trader, stepper: Stepping) -> None:
        """Send, listen and ask until canceled, from before `reconcile` on; compare once that is done."""
        work = self._put_to_work(trader, stepper)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._venue.outbox.run(work.resolver, work.contracts))
            group.create_task(work.resolver.run())
            group.create_task(self.stream.run())
            group.create_task(self._follow_stream(work))
            group.create_task(self._account.run(work.books.has_business_in))
            group.create_task(self._reconcile(work))
            group.create_task(self._look_after_stops(work))
            group.create_task(self._look_for_others(work))
            group.create_task(work.contracts.run())

    async def flatten_external(self, symbol: str) -> str:
        """Close the whole position of `symbol`, with what others hold of it, and cancel what they placed: only ever
        when the operator asks for it. Returns what was done and what is left.

        Raises VenueRejectedError, VenueUnknownError and UnavailableError.
        """
        if self.at_work is None:
            raise UnavailableError("the account has not been read yet")
        return await NetCloser(self.at_work.books, self.at_work.signs, symbol).close()

    def _put_to_work(self, trader: Trader, stepper: Stepping) -> DeskAtWork:
        if self.at_work is None:
            self.at_work = put_to_work(
                self._venue,
                self._settings,
                trader,
                stepper,
                keep=self._keep,
                fill_was_asked_for=self.stream.expect,
                entry_was_refused=self._entry_was_refused,
            )
        return self.at_work

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

    async def _follow_stream(self, work: DeskAtWork) -> None:
        while True:
            await self.stream.has_rows.wait()
            self.stream.has_rows.clear()
            while self.stream.rows:
                try:
                    await self._take(work, *self.stream.rows.popleft())
                except DataError as error:
                    self._seek(error)

    def _seek(self, error: DataError) -> None:
        """A row of the stream that cannot be read: what it may have told is asked for."""
        self._venue.oddities.note_unreadable(error)
        now_ms = self._wire.clock.now_ms()
        if now_ms - self._sought_ms >= _AFTER_UNREADABLE_MS:
            self._sought_ms = now_ms
            self._look_at_all_soon()

    async def _take(self, work: DeskAtWork, kind: str, row: Row) -> None:
        """Raises DataError where the row cannot be read."""
        if kind == "balance":
            if self._wire.dialect.words.moved_money(row):
                self._account.expect_change()  # A change of the margin mode comes so, too.
                self._look_soon.set()
            return
        if kind == "config":
            self._account.heard(row)
            self._look_soon.set()
            return
        if kind == "fill":
            trade = self._venue.rows.trade(row)
            await work.incoming.take(self._wire.symbol(trade["symbol"]), [trade])
            return
        row = self._venue.rows.order(row)
        symbol = self._wire.symbol(row["symbol"])
        order = self._venue.known.of_order_row(symbol, row)
        if order is None:
            if is_exchange_made(self._wire.dialect.client_id(row)):
                self._look_soon.set()  # ccxt does not take the executions of a liquidation for trades.
            work.incoming.hold(symbol, row)
            await work.books.note_stranger(symbol, row)
            return
        await work.incoming.take_order(order, row)
        await work.incoming.recognise()

    async def _reconcile(self, work: DeskAtWork) -> None:
        await self._is_taken_in.wait()
        while True:
            self._look_soon.clear()
            wait_s = self._settings.exchange.reconcile_seconds
            try:
                if not await self._account.look():
                    pass
                elif await work.reconciler.once():
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

    async def _look_after_stops(self, work: DeskAtWork) -> None:
        await self._is_taken_in.wait()
        was_read = True
        while True:
            await asyncio.sleep(_PROTECTION_S if was_read else _PROTECTION_AGAIN_S)
            try:
                # What was lost on its way is asked for again soon; where the exchange is slow, it is given time.
                await work.reconciler.protection(self._venue.protective_ms if was_read else None)
                was_read = True
                self._unread.passed("stops", "the stops are read back again")
            except UNREAD as error:
                was_read = False
                self._unread.failed("stops", error, f"the stops could not be read back: {error}")

    async def _look_for_others(self, work: DeskAtWork) -> None:
        """Look at the positions at every sign of others, and while anything is held also without: a sign may be
        lost."""
        await self._is_taken_in.wait()
        while True:
            is_held = any(s.lots for s in work.books.trader.state.symbols.values())
            try:
                async with asyncio.timeout(_POSITIONS_S if is_held else _IDLE_POSITIONS_S):
                    await work.signs.asked.wait()
            except TimeoutError:
                if not is_held:
                    continue
            work.signs.asked.clear()
            if self._account.is_hedged:
                continue
            if await self._differs_still(work):
                self._look_at_all_soon()
            work.signs.ask_again()

    async def _differs_still(self, work: DeskAtWork) -> bool:
        """Look until the positions agree with what is known; True where they do not, and no trade tells why."""
        agrees: bool | None = None
        for _ in range(_LOOKS):
            try:
                agrees = await work.outside.look()
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
            health.wait("")
            news[""] = problem
        elif not health.standing:
            until = iso_utc(now_ms + round(hold_s * 1000))[11:19]
            health.wait(f"well again; entries go on at {until} UTC if it stays so (it was {steady.last})")
        for symbol, is_wrong in sorted(news.items()):
            if is_wrong != told.get(symbol):
                told[symbol] = is_wrong
                await stepper.step([VenueHealth(now_ms, is_wrong, symbol)], now_ms)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold_s or None):
                await health.changed.wait()
