"""The simulated venue of demo, paper and backtest: synchronous, deterministic, sans-IO.

Its whole state can be told from what it was sent and what it answered, so a journal of both rebuilds it (`restore`).
Where a bar leaves open what happened inside it, the worse is assumed; the rules stand where they are applied:
which orders an event reaches and in what sequence in `matching`, when and at what price in `core.arithmetic.fills`.

Volume: between the closes of two bars of a symbol, its orders share at most `max_participation_pct` of the earlier
bar's volume at first prices and quotes; inside a bar they share that part of its own, of which those that open a
position have only what first prices and quotes of the bar have left: no entry takes more than its part of a bar. The
cap is at least one lot if there was any volume. Without any, nothing fills but stops and liquidations, which then fill
whole at full impact: a position must not be spared a loss because the data are thin. Before a symbol's first bar there
is no cap, and every fill pays full impact. A touched stop always fills at least one lot, so that "has begun to fill"
and "was triggered" are one fact; its rest goes on as a market order at the following events. Liquidations know no cap.

Fees and funding are rounded half-even to 1e-8 USDT, each fill and payment for itself. A liquidation pays the
liquidation fee instead of the taker fee, and no insurance fund bears what its loss exceeds the margin by.

Where a history has a hole ahead, a position is closed at the last price: as a market order would be, but whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from core.arithmetic.cost_basis import USDT_QUANTUM
from core.arithmetic.fills import worse_price
from core.domain.errors import SettingsError, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice, FundingRate, HoleAhead, MarketEvent, Quote
from core.domain.orders import (
    HOLE_PREFIX,
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderUpdate,
    Side,
    advance,
    apply_fill,
)
from core.domain.quick import quick
from core.domain.regrid import factor, grid_of
from core.domain.trading import ASSUMED_PREFIX, FundingPayment
from core.ports import VenueEvent
from core.venues.account import VenueAccount
from core.venues.answers import LIQUIDATION_PREFIX, accepted, closing_order, update_of
from core.venues.book import Book, rest
from core.venues.filters import check_order
from core.venues.matching import (
    LATE_STOPS,
    LIMITS,
    MARKETS,
    STOPS,
    Hit,
    fill_ticks,
    hits_at_price,
    hits_in_bar,
    late_stop,
    taking_ticks,
)
from core.venues.restoring import Beginning, restore_account

NO_POSITION = "reduce-only: no position left to reduce"
NO_MARKET = "no price follows: the history has a hole here"
_UNCAPPED = 1 << 62


@quick
@dataclass(frozen=True, slots=True)
class _Seen:
    """What one event showed of the market, and how much of it may be taken.

    Sellers saw `low` at worst and `first_bid` first, buyers `high` and `first_ask`. `volume` is the reference in base
    units, `cap_lots` what is left of it for this event. `spent_lots` were filled in the same bar before: what opens a
    position has only the rest.
    """

    time_ms: int
    low: float
    high: float
    first_bid: float
    first_ask: float
    volume: float
    cap_lots: int
    spent_lots: int = 0


class SimulatedVenue:
    """One-way positions, isolated margin at one leverage. `first_price_delay_ms` is how late a bar's first price comes:
    an order that arrives within that time of a bar's open met the whole bar. An order, or what a partial fill left of
    one, is under way for `latency_ms` before anything can reach it.

    Raises SettingsError where `leverage` is more than an instrument allows.
    """

    def __init__(
        self,
        instruments: dict[str, Instrument],
        *,
        slippage_bps: float,
        impact_bps: float,
        max_participation_pct: float,
        initial_balance_usdt: Decimal,
        leverage: int,
        first_price_delay_ms: int = 1000,
        latency_ms: int = 0,
    ) -> None:
        for symbol, instrument in instruments.items():
            if leverage > instrument.max_leverage:
                raise SettingsError(
                    f"account.leverage: {leverage} is above the {instrument.max_leverage} that {symbol} allows"
                )
        self._instruments = dict(instruments)
        self._slippage_bps = slippage_bps
        self._impact_bps = impact_bps
        self._max_participation_pct = max_participation_pct
        self._initial_balance_usdt = initial_balance_usdt
        self._leverage = leverage
        self._first_price_delay_ms = first_price_delay_ms
        self._latency_ms = latency_ms
        self._account = self._new_account()

    def _new_account(self) -> VenueAccount:
        books = {symbol: Book(item, self._leverage) for symbol, item in self._instruments.items()}
        return VenueAccount(books, self._initial_balance_usdt)

    def adopt(self, instrument: Instrument) -> None:
        """Take new orders by these rules of a contract from now on. What is held and rests keeps its prices and
        quantities."""
        symbol = instrument.symbol
        by = factor(symbol, grid_of(self._instruments[symbol]), grid_of(instrument))
        self._instruments[symbol] = instrument
        self._account.adopt(instrument, by)

    def submit(self, order: Order, now_ms: int) -> list[VenueEvent]:
        """Take an order. A known client id answers that order's present state and never makes a second order.

        Raises VenueRejectedError, and keeps nothing, where a rule of the contract, the margin or the position refuses.
        """
        known = self._account.orders.get(order.client_order_id)
        if known is not None:
            return [update_of(known)]
        book = self._account.books.get(order.symbol)
        if book is None:
            raise VenueRejectedError(f"order {order.client_order_id}: {order.symbol} is not traded here")
        own = next((p for p in (LIQUIDATION_PREFIX, HOLE_PREFIX) if order.client_order_id.startswith(p)), None)
        if own is not None:
            raise VenueRejectedError(f"order {order.client_order_id}: ids in {own} are the venue's own")
        order = accepted(order, now_ms)
        check_order(order, book, self._account.books.values(), self._account.wallet_usdt)
        self._account.orders[order.client_order_id] = order
        book.resting[order.client_order_id] = rest(order, book.instrument)
        return [update_of(order)]

    def cancel(self, client_order_id: str, now_ms: int) -> list[VenueEvent]:
        """Cancel an open order; a finished one answers its present state.

        Raises VenueRejectedError for an id that the venue does not know.
        """
        order = self._account.orders.get(client_order_id)
        if order is None:
            raise VenueRejectedError(f"order {client_order_id}: the venue does not know it, nothing to cancel")
        if not order.is_open:
            return [update_of(order)]
        return [self._close(order, OrderState.CANCELED, now_ms, "canceled on request")]

    def positions_lots(self) -> dict[str, int]:
        """Signed lots by symbol, flat symbols left out."""
        return {symbol: book.lots for symbol, book in self._account.books.items() if book.lots}

    def positions_cost_usdt(self) -> dict[str, Decimal]:
        """Signed cost of what is open, by symbol, flat symbols left out."""
        return {symbol: book.cost_usdt for symbol, book in self._account.books.items() if book.lots}

    def wallet_usdt(self) -> Decimal:
        """Initial balance plus realised profit and funding, less fees; without unrealised profit."""
        return self._account.wallet_usdt

    def order(self, client_order_id: str) -> Order | None:
        """The venue's view of an order; None where it never took one of this id."""
        return self._account.orders.get(client_order_id)

    def open_orders(self) -> list[Order]:
        """By symbol, then arrival."""
        return [resting.order for book in self._account.books.values() for resting in book.resting.values()]

    def fills_of(self, client_order_id: str) -> list[Fill]:
        return list(self._account.fills.get(client_order_id, ()))

    def liquidation_price(self, symbol: str) -> float | None:
        """In USDT; None where nothing is held or no price can liquidate it (long without leverage)."""
        book = self._account.books.get(symbol)
        return book.liquidation if book is not None and book.lots and book.liquidation > 0.0 else None

    def on_market(self, event: MarketEvent) -> list[VenueEvent]:
        """Match an event. A bar, price or funding that is not newer than what was seen changes nothing, nor does one of
        a symbol that is not traded here."""
        book = self._account.books.get(event.symbol)
        if book is None:
            return []
        if type(event) is Bar:
            return self._on_bar(book, event)
        if type(event) is FirstPrice:
            return self._on_price(book, event.time_ms, event.price, event.price)
        if type(event) is Quote:
            return self._on_price(book, event.time_ms, event.bid, event.ask)
        if type(event) is FundingRate:
            return self._on_funding(book, event)
        if type(event) is HoleAhead:
            return self._on_hole(book, event.time_ms)
        raise TypeError(f"not a market event: {event!r}")

    def _on_bar(self, book: Book, bar: Bar) -> list[VenueEvent]:
        last = book.last_bar
        if last is not None and bar.open_time_ms <= last.open_time_ms:
            return []
        spent_lots = book.spent_lots(bar.open_time_ms, bar.close_time_ms)
        book.see_bar(bar)
        if not book.resting and not book.lots:
            return []
        hits = hits_in_bar(book, bar, self._first_price_delay_ms, self._latency_ms) if book.resting else []
        if not hits and not book.is_liquidated_by(bar.low, bar.high, bar.close_time_ms):
            return []
        seen = _Seen(
            time_ms=bar.close_time_ms,
            low=bar.low,
            high=bar.high,
            first_bid=bar.open,
            first_ask=bar.open,
            volume=bar.volume,
            cap_lots=book.cap_lots(bar.volume, self._max_participation_pct),
            spent_lots=spent_lots,
        )
        held = book.lots != 0 and book.changed_ms <= bar.open_time_ms + self._first_price_delay_ms
        return self._match(book, hits, seen, held)

    def _on_price(self, book: Book, time_ms: int, bid: float, ask: float) -> list[VenueEvent]:
        if not book.see_price(time_ms, bid, ask):
            return []
        if not book.resting and not book.lots:
            return []
        hits = hits_at_price(book, time_ms, bid, ask, self._latency_ms) if book.resting else []
        if not hits and not book.is_liquidated_by(bid, ask, time_ms):
            return []
        volume, cap_lots = 0.0, _UNCAPPED
        if book.last_bar is not None:
            volume = book.last_bar.volume
            cap_lots = book.cap_lots(volume, self._max_participation_pct)
            cap_lots = max(0, cap_lots - book.spent_lots())
        return self._match(book, hits, _Seen(time_ms, bid, ask, bid, ask, volume, cap_lots), True)

    def _on_funding(self, book: Book, rate: FundingRate) -> list[VenueEvent]:
        funding_id = f"{ASSUMED_PREFIX if rate.is_assumed else 'funding-'}{rate.symbol}-{rate.time_ms}"
        if not book.lots or funding_id in self._account.paid:
            return []
        lots = abs(book.lots) if rate.is_assumed else book.lots
        amount = -book.instrument.qty(lots) * rate.mark_price * rate.rate
        payment = FundingPayment(
            funding_id=funding_id,
            symbol=rate.symbol,
            time_ms=rate.time_ms,
            rate=rate.rate,
            mark_price=rate.mark_price,
            position_lots=book.lots,
            amount_usdt=amount.quantize(USDT_QUANTUM, ROUND_HALF_EVEN),
        )
        self._account.pay(payment)
        return [payment]

    def _on_hole(self, book: Book, time_ms: int) -> list[VenueEvent]:
        """Close what is held, whole, at the last price, and end what rests."""
        events: list[VenueEvent] = []
        last = book.last_bar
        if last is not None and book.lots:
            side = Side.SELL if book.lots > 0 else Side.BUY
            lots, symbol = abs(book.lots), book.instrument.symbol
            order = closing_order(f"{HOLE_PREFIX}{symbol}-{time_ms}", symbol, side, lots, time_ms, OrderRole.HOLE)
            events.append(update_of(order))
            ticks = taking_ticks(book, side.sign, last.close, lots, last.volume, self._slippage_bps, self._impact_bps)
            self._book_fill(book, order, lots, ticks, book.instrument.taker_fee_bps, False, time_ms, events)
        events += [
            self._close(resting.order, OrderState.EXPIRED, time_ms, NO_MARKET) for resting in [*book.resting.values()]
        ]
        return events

    def _match(self, book: Book, hits: list[Hit], seen: _Seen, held: bool) -> list[VenueEvent]:
        """Fill what was hit, stage by stage. Liquidation comes after the stops that should have prevented it, before
        those beyond its price, and again after the limits that may have opened what the same range liquidates. `held`:
        the position met `seen.first_*`.
        """
        events: list[VenueEvent] = []
        cap_lots = seen.cap_lots
        if book.is_liquidated_by(seen.low, seen.high, seen.time_ms):
            hits = [late_stop(hit, book) for hit in hits]
        for stage in range(STOPS, MARKETS + 1):
            for hit in hits:
                if hit.stage == stage:
                    cap_lots -= self._fill_hit(book, hit, seen, cap_lots, events)
            if stage <= LIMITS:
                self._liquidate(book, seen, held, events)
        return events

    def _fill_hit(self, book: Book, hit: Hit, seen: _Seen, cap_lots: int, events: list[VenueEvent]) -> int:
        """Fill one order as far as position and volume allow; returns the lots that used up volume."""
        order = hit.resting.order
        wanted = order.remaining_lots
        if order.reduce_only:
            wanted = min(wanted, book.reducible_lots(hit.resting.sign))
            if not wanted:
                events.append(self._close(order, OrderState.EXPIRED, seen.time_ms, NO_POSITION))
                return 0
        room_lots = cap_lots if order.reduce_only else cap_lots - seen.spent_lots
        lots = min(wanted, max(0, room_lots))
        if hit.stage in (STOPS, LATE_STOPS):
            lots = wanted if seen.volume <= 0.0 else min(wanted, max(book.instrument.lot_step, lots))
        if not lots:
            return 0
        instrument = book.instrument
        fee_bps = instrument.maker_fee_bps if hit.is_maker else instrument.taker_fee_bps
        ticks = fill_ticks(book, hit, lots, seen.volume, self._slippage_bps, self._impact_bps)
        order = self._book_fill(book, order, lots, ticks, fee_bps, hit.is_maker, seen.time_ms, events)
        book.spend(seen.time_ms, lots)
        if order.is_open:
            hit.resting.refresh(order)
            if order.reduce_only and not book.reducible_lots(hit.resting.sign):
                events.append(self._close(order, OrderState.EXPIRED, seen.time_ms, NO_POSITION))
        else:
            del book.resting[order.client_order_id]
        return lots

    def _liquidate(self, book: Book, seen: _Seen, held: bool, events: list[VenueEvent]) -> None:
        """Close a position whose liquidation price was reached: there, or at the first price where that was worse and
        the position met it; slipped, and whole whatever the volume."""
        if not book.is_liquidated_by(seen.low, seen.high, seen.time_ms):
            return
        side = Side.SELL if book.lots > 0 else Side.BUY
        price = book.liquidation
        if held:
            price = worse_price(side.sign, price, seen.first_ask if side is Side.BUY else seen.first_bid)
        lots, symbol = abs(book.lots), book.instrument.symbol
        order = closing_order(self._liquidation_id(symbol, seen.time_ms), symbol, side, lots, seen.time_ms)
        events.append(update_of(order))
        ticks = taking_ticks(book, side.sign, price, lots, seen.volume, self._slippage_bps, self._impact_bps)
        fee_bps = book.instrument.liquidation_fee_bps
        self._book_fill(book, order, lots, ticks, fee_bps, False, seen.time_ms, events)

    def _liquidation_id(self, symbol: str, time_ms: int) -> str:
        first = client_order_id = f"{LIQUIDATION_PREFIX}{symbol}-{time_ms}"
        again = 1
        while client_order_id in self._account.orders:
            again += 1
            client_order_id = f"{first}-{again}"
        return client_order_id

    def _book_fill(
        self,
        book: Book,
        order: Order,
        lots: int,
        ticks: int,
        fee_bps: Decimal,
        is_maker: bool,
        time_ms: int,
        events: list[VenueEvent],
    ) -> Order:
        """Make the fill, take it into order, position and wallet; returns the order after it."""
        fee = book.instrument.notional_usdt(lots, ticks) * fee_bps / 10_000
        fill = Fill(
            fill_id=f"{order.client_order_id}:{order.filled_lots + lots}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            qty_lots=lots,
            price_ticks=ticks,
            fee_usdt=fee.quantize(USDT_QUANTUM, ROUND_HALF_EVEN),
            is_maker=is_maker,
            time_ms=time_ms,
        )
        order = apply_fill(order, fill)
        self._account.orders[order.client_order_id] = order
        self._account.take_fill(book, fill)
        events.append(fill)
        return order

    def _close(self, order: Order, state: OrderState, time_ms: int, reason: str) -> OrderUpdate:
        order = advance(order, state, time_ms, reason=reason)
        self._account.orders[order.client_order_id] = order
        del self._account.books[order.symbol].resting[order.client_order_id]
        return update_of(order)

    def restore(
        self,
        orders: Iterable[Order],
        fills: Iterable[Fill],
        payments: Iterable[FundingPayment],
        last_bars: Iterable[Bar],
        last_prices: Iterable[FirstPrice | Quote] = (),
        before: Beginning | None = None,
    ) -> None:
        """Forget everything and take up the state that a journal tells, behind what stands for its beginning.

        `orders` are the journal's newest value of each order, in the order the venue accepted them; those the venue
        never accepted (no venue order id, no fills) are passed over. `fills` and `payments` are all that lie behind
        `before`, in their order.
        `last_bars` and `last_prices` hold the newest event of each symbol that the venue has matched; a first price
        or quote older than its symbol's last bar has no effect. Liquidation orders need not be among `orders`: they
        are told by their fills. Raises StorageError where orders, fills and instruments contradict each other.
        """
        account = self._new_account()
        restore_account(account, orders, fills, payments, last_bars, last_prices, before)
        self._account = account
