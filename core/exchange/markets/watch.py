"""The exchange's rules of each contract beside those that orders are made by.

They are read daily, when the exchange refuses an order by them, and when it tells what they do not allow: at most once
a minute. Until they agree the contract takes no entry. What only reduces is sent again by the new rules at once. Where
the exchange refuses what its own rules allow, its refusal is the truth: steps ten times larger count, until it tells
others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from core.domain.errors import QuarterdeckError, RefusedError, RejectKind, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.orders import Order
from core.domain.regrid import grid_of, working
from core.exchange.connection.wire import Wire
from core.exchange.markets.contracts import Terms, instrument_of
from core.exchange.orders.rows import UNREADABLE
from core.exchange.orders.venue import ExchangeVenue
from core.settings.schema import Settings
from core.trader.stepping import Stepping
from core.trader.symbol_state import SymbolState
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")

DAILY_MS = 86_400_000
AGAIN_MS = 60_000
"""Between two readings of the rules."""

_PART = "rules"
_PATIENCE_S = 3.0
_PENDING_S = 0.2
_MOST_LEARNED = 1000

Steps = tuple[Decimal, Decimal]

Keep = Callable[[Mapping[str, Instrument]], Awaitable[None]]
"""Makes the rules of all contracts durable, as those of everything that is journalled from now on."""


class Adopting(Protocol):
    """A venue that goes by a contract's new rules, once it is told them."""

    def adopt(self, instrument: Instrument) -> None: ...


@dataclass(frozen=True, slots=True)
class _Learned:
    """How many times coarser the exchange's steps proved to be than it tells."""

    ticks: int = 1
    lots: int = 1


class ContractWatch:
    """`run` for as long as the engine trades. `account` is the venue where that is a real one: what it tells off the
    grid is heard, and what is on its way there waited for."""

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        venue: Adopting,
        keep: Keep,
        trader: Trader,
        stepper: Stepping,
        *,
        account: ExchangeVenue | None = None,
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._venue = venue
        self._keep = keep
        self._trader = trader
        self._stepper = stepper
        self._outbox = None if account is None else account.outbox
        self._read_ms: int | None = None
        self._asked: dict[str, tuple[RejectKind | None, Steps]] = {}
        self._pending: set[str] = set()
        self._learned: dict[str, _Learned] = {}
        self._told: dict[str, Instrument] = {}
        self._reading = asyncio.Lock()
        self._wake = asyncio.Event()
        if account is not None:
            account.off_grid.subscribe(self.doubt)

    async def refused(self, order: Order, sent: Order, error: VenueRejectedError) -> bool:
        """The exchange refused `order`, which went out as `sent`, by its rules. True where it goes out in another form
        now; only what reduces is worth it."""
        symbol = order.symbol
        self.doubt(symbol, f"{error}", error.kind)
        if not order.reduce_only:
            return False
        try:
            await self._read_if_due(_PATIENCE_S)
        except (QuarterdeckError, TimeoutError) as problem:
            log.error("%s: its rules could not be read: %s", symbol, problem or "no answer in time")
        if self._goes_out_otherwise(order, sent):
            if symbol not in self._pending:
                self._settled(symbol)
            return True
        while error.kind is RejectKind.PRECISION and await self._learn(symbol, error, has_price=_has_price(order)):
            if self._goes_out_otherwise(order, sent):
                return True
        return False

    def doubt(self, symbol: str, why: str, kind: RejectKind | None = None) -> None:
        """Read the rules again, and enter nothing there until they agree with ours."""
        known, steps = self._asked.get(symbol, (None, _steps(self._trader.state.symbols[symbol].instrument)))
        self._asked[symbol] = known or kind, steps
        self._wire.health.report(_PART, f"{why}; its rules are read again, clears when they agree with ours", symbol)
        self._wake.set()

    async def run(self) -> None:
        for s in self._trader.state.symbols.values():
            _say_what_is_off(s)
        daily_ms = self._wire.clock.steady_ms() + DAILY_MS
        while True:
            now_ms = self._wire.clock.steady_ms()
            due_ms = daily_ms
            if self._pending & self._asked.keys():
                await asyncio.sleep(_PENDING_S)
                await self._try_again()
                continue
            if self._asked:
                due_ms = now_ms if self._read_ms is None else self._read_ms + AGAIN_MS
            self._wake.clear()
            if now_ms < due_ms:
                try:
                    async with asyncio.timeout((due_ms - now_ms) / 1000):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                continue
            if now_ms >= daily_ms:
                daily_ms = now_ms + DAILY_MS
                self._learned.clear()
            await self._look()

    async def _try_again(self) -> None:
        """What was read and had to wait for orders under way."""
        for symbol in self._pending & self._asked.keys():
            await self._go_by(symbol, self._trader.state.symbols[symbol].instrument)
            if symbol not in self._pending:
                self._settled(symbol)

    async def _look(self) -> None:
        """Read the rules, and settle what was asked for."""
        asked = dict(self._asked)
        try:
            await self._read_if_due()
        except QuarterdeckError as error:
            self._read_ms = self._wire.clock.steady_ms()
            log.warning("the rules of the contracts could not be read: %s", error)
            return
        for symbol, (kind, steps) in asked.items():
            is_new = _steps(self._trader.state.symbols[symbol].instrument) != steps
            if kind is RejectKind.PRECISION and not is_new and symbol in self._asked:
                await self._learn(symbol, None, has_price=False)
            if symbol not in self._pending:
                self._settled(symbol)

    async def _read_if_due(self, patience_s: float | None = None) -> None:
        """Raises UnavailableError, VenueRejectedError and TimeoutError where nothing is told."""
        async with self._reading:
            now_ms = self._wire.clock.steady_ms()
            if self._read_ms is not None and now_ms - self._read_ms < AGAIN_MS:
                return
            async with asyncio.timeout(patience_s):
                await self._wire.read("load_markets", True, weight=5, protective=True)
            self._read_ms = now_ms
            for symbol in self._trader.state.traded:
                await self._take(symbol)

    async def _take(self, symbol: str) -> None:
        """Go by what the exchange tells of a contract now."""
        now = self._trader.state.symbols[symbol].instrument
        try:
            told = self._fresh(symbol, now)
        except (QuarterdeckError, *UNREADABLE) as error:
            log.error("%s: its rules cannot be read: %s", symbol, error)
            return
        if symbol in self._told and _steps(self._told[symbol]) != _steps(told):
            self._learned.pop(symbol, None)
        self._told[symbol] = told
        await self._go_by(symbol, now)

    def _fresh(self, symbol: str, now: Instrument) -> Instrument:
        terms = Terms(now.maker_fee_bps, now.taker_fee_bps, now.max_leverage, now.maintenance_margin_pct)
        market = self._wire.client.markets[self._wire.unified(symbol)]
        return instrument_of(symbol, market, terms, self._settings, self._wire.dialect.words.contract(market))

    async def _learn(self, symbol: str, error: VenueRejectedError | None, *, has_price: bool) -> bool:
        """Take the exchange's steps for ten times as large: of the quantity, or of the price where that was refused.
        False where that went on long enough."""
        known = self._learned.get(symbol, _Learned())
        names_price = any(f"({code})" in str(error) for code in self._wire.dialect.codes.of_price)
        of_price = has_price and (names_price or known.lots > known.ticks)
        learned = replace(known, ticks=known.ticks * 10) if of_price else replace(known, lots=known.lots * 10)
        if max(learned.ticks, learned.lots) > _MOST_LEARNED:
            return False
        self._learned[symbol] = learned
        now = self._trader.state.symbols[symbol].instrument
        log.warning("%s: the exchange refuses what its rules allow: coarser steps are tried", symbol)
        await self._go_by(symbol, now)
        return True

    async def _go_by(self, symbol: str, now: Instrument) -> None:
        learned = self._learned.get(symbol, _Learned())
        wanted = _under(_coarser(self._told.setdefault(symbol, now), learned), now)
        if wanted is None:
            text = "the exchange counts it in what this account cannot; close it there and start with another --home"
            self._wire.health.report(_PART, text, symbol)
            self._pending.add(symbol)
            self._asked.pop(symbol, None)
            return
        if wanted == now or await self._adopt(wanted):
            self._free(symbol)
        else:
            self._pending.add(symbol)
            self.doubt(symbol, "the exchange counts it more finely now, which waits until no order is on its way")

    def _free(self, symbol: str) -> None:
        if symbol in self._pending:
            self._pending.discard(symbol)
            if symbol not in self._asked:
                self._wire.health.report(_PART, "", symbol)

    async def _adopt(self, instrument: Instrument) -> bool:
        """From one step to the next, and durable before anything is decided by it. False where it has to wait: counts
        change while nothing is on its way."""
        async with self._stepper.lock:
            books = self._trader.state.symbols
            is_counted_anew = grid_of(books[instrument.symbol].instrument) != grid_of(instrument)
            if is_counted_anew and self._outbox is not None and self._outbox.is_busy_in(instrument.symbol):
                return False
            rules = {symbol: s.instrument for symbol, s in books.items()} | {instrument.symbol: instrument}
            await self._keep(rules)
            self._trader.adopt(instrument)
            self._venue.adopt(instrument)
        log.warning("%s: orders go out in steps of %s now", instrument.symbol, _told_steps(instrument))
        _say_what_is_off(books[instrument.symbol])
        return True

    def _goes_out_otherwise(self, order: Order, sent: Order) -> bool:
        try:
            now = order if self._outbox is None else self._outbox.as_sent(order)
        except VenueRejectedError:
            return True
        return _form(now) != _form(sent)

    def _settled(self, symbol: str) -> None:
        if self._asked.pop(symbol, self) is not self:
            self._wire.health.report(_PART, "", symbol)


def _form(order: Order) -> tuple[int, int | None, int | None]:
    return order.qty_lots, order.trigger_ticks, order.price_ticks


def _has_price(order: Order) -> bool:
    return order.trigger_ticks is not None or order.price_ticks is not None


def _steps(instrument: Instrument) -> Steps:
    return instrument.price_step, instrument.qty_step


def _told_steps(instrument: Instrument) -> str:
    return f"{instrument.price_step.normalize():f} USDT and {instrument.qty_step.normalize():f} {instrument.base}"


def _coarser(told: Instrument, by: _Learned) -> Instrument:
    lot_step = told.lot_step * by.lots
    return replace(
        told,
        tick_step=told.tick_step * by.ticks,
        lot_step=lot_step,
        min_lots=-(-told.min_lots // lot_step) * lot_step,
    )


def _under(fresh: Instrument, now: Instrument) -> Instrument | None:
    """The rules of `fresh`, counted so that all counts of now are whole numbers; None where that cannot be."""
    try:
        return working(fresh, [grid_of(now)])
    except RefusedError:
        return None


def _say_what_is_off(symbol: SymbolState) -> None:
    """What is held or rests and is no multiple of what orders are now."""
    rules = symbol.instrument
    for s in symbol.holders():
        if rest := abs(s.lots) % rules.lot_step:
            text = "%s: %s %s of what is held are less than a step; they are closed with the rest"
            log.warning(text, rules.symbol, f"{rules.qty(rest).normalize():f}", rules.base)
        stop = s.trade.stop_ticks if s.trade is not None else None
        if stop is not None and stop % rules.tick_step:
            text = "%s: its stop at %s stays; one placed anew would be at %s"
            later = rules.safe_ticks(stop, 1 if s.lots > 0 else -1)
            log.warning(text, rules.symbol, f"{rules.price(stop):f}", f"{rules.price(later):f}")
