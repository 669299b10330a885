"""A small market for the venue tests: two contracts, short ways to make events, and a journal's fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, Quote
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, OrderUpdate, Side, advance, apply_fill
from core.domain.origin import champion
from core.domain.trading import FundingPayment
from core.ports import VenueEvent
from core.venues.simulated import SimulatedVenue

T0 = 1_700_000_040_000 // MINUTE_MS * MINUTE_MS

AAA = Instrument(
    symbol="AAAUSDT",
    base="AAA",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    contract_size=Decimal(1),
    min_lots=2,
    max_lots=50_000,
    min_notional_usdt=Decimal(5),
    maker_fee_bps=Decimal(2),
    taker_fee_bps=Decimal(5),
    max_leverage=100,
    maintenance_margin_pct=Decimal("0.4"),
    liquidation_fee_bps=Decimal(125),
)
BBB = replace(
    AAA, symbol="BBBUSDT", base="BBB", tick_size=Decimal("0.01"), lot_size=Decimal(1), contract_size=Decimal("0.1")
)
INSTRUMENTS = {"AAAUSDT": AAA, "BBBUSDT": BBB}


def make_venue(**changes: Any) -> SimulatedVenue:
    """No slippage and room for all, so that a rule's test sees only its rule."""
    options: dict[str, Any] = {
        "slippage_bps": 0.0,
        "impact_bps": 0.0,
        "max_participation_pct": 10.0,
        "initial_balance_usdt": Decimal(10_000),
        "leverage": 10,
    }
    return SimulatedVenue(INSTRUMENTS, **(options | changes))


def bar(minute: int, low: float, high: float, close: float, *, first: float | None = None, volume: float = 1e6) -> Bar:
    """Bar of AAA that opened `minute` minutes after T0; it opens at its close unless `first` says otherwise."""
    opened = close if first is None else first
    return Bar(
        "AAAUSDT", T0 + minute * MINUTE_MS, MINUTE_MS, float(opened), float(high), float(low), float(close), volume
    )


def first_price(minute: int, price: float) -> FirstPrice:
    opened_ms = T0 + minute * MINUTE_MS
    return FirstPrice("AAAUSDT", opened_ms + 1000, opened_ms, price)


def quote(time_ms: int, bid: float, ask: float) -> Quote:
    return Quote("AAAUSDT", time_ms, bid, ask)


def order(
    client_order_id: str,
    side: Side,
    lots: int,
    kind: OrderType = OrderType.MARKET,
    *,
    price: int | None = None,
    trigger: int | None = None,
    reduce_only: bool = False,
    symbol: str = "AAAUSDT",
) -> Order:
    return Order(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        type=kind,
        role=OrderRole.EXIT if reduce_only else OrderRole.ENTRY,
        qty_lots=lots,
        created_ms=T0,
        trade_id="t",
        origin=champion("s"),
        price_ticks=price,
        trigger_ticks=trigger,
        reduce_only=reduce_only,
        state=OrderState.SENT,
    )


def holding(lots: int, price: float = 100.0, **changes: Any) -> SimulatedVenue:
    """A venue that saw bar 0 close at `price` and filled `lots` of AAA at the first price of bar 1, the same."""
    venue = make_venue(**changes)
    venue.on_market(bar(0, price, price, price))
    side = Side.BUY if lots > 0 else Side.SELL
    venue.submit(order("entry", side, abs(lots)), T0 + MINUTE_MS + 100)
    assert len(fills(venue.on_market(first_price(1, price)))) == 1
    return venue


AFTER_ENTRY_MS = T0 + MINUTE_MS + 1000


def protect(venue: SimulatedVenue, lots: int, trigger: int, *, name: str = "stop") -> None:
    """A reduce-only stop for a position of signed `lots`, placed as the entry's fill is learnt."""
    side = Side.SELL if lots > 0 else Side.BUY
    stop = order(name, side, abs(lots), OrderType.STOP_MARKET, trigger=trigger, reduce_only=True)
    venue.submit(stop, AFTER_ENTRY_MS)


def target(venue: SimulatedVenue, lots: int, trigger: int, *, now_ms: int = AFTER_ENTRY_MS) -> None:
    side = Side.SELL if lots > 0 else Side.BUY
    kind = OrderType.TAKE_PROFIT_MARKET
    venue.submit(order("target", side, abs(lots), kind, trigger=trigger, reduce_only=True), now_ms)


def fills(events: Iterable[VenueEvent]) -> list[Fill]:
    return [event for event in events if isinstance(event, Fill)]


def updates(events: Iterable[VenueEvent]) -> list[OrderUpdate]:
    return [event for event in events if isinstance(event, OrderUpdate)]


def told(events: Iterable[VenueEvent]) -> list[tuple[object, ...]]:
    """Events in short: (id, lots, ticks) for a fill, (id, state) for an update, (amount,) for funding."""
    short: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, Fill):
            short.append((event.client_order_id, event.qty_lots, event.price_ticks))
        elif isinstance(event, OrderUpdate):
            short.append((event.client_order_id, event.state))
        else:
            short.append((event.amount_usdt,))
    return short


class Journal:
    """What an engine would have committed: orders folded through the domain's own table, fills, payments, prices."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.payments: list[FundingPayment] = []
        self.last_bars: dict[str, Bar] = {}
        self.last_prices: dict[str, FirstPrice | Quote] = {}

    def sent(self, sent: Order) -> None:
        """Once for each id, unless the venue had refused it: then it is a new order, and the youngest."""
        known = self.orders.get(sent.client_order_id)
        if known is None or known.state is OrderState.REJECTED:
            self.orders.pop(sent.client_order_id, None)
            self.orders[sent.client_order_id] = sent

    def refused(self, client_order_id: str, time_ms: int) -> None:
        if self.orders[client_order_id].state is OrderState.SENT:
            self.orders[client_order_id] = advance(self.orders[client_order_id], OrderState.REJECTED, time_ms)

    def market(self, event: Bar | FirstPrice | Quote | FundingRate) -> None:
        if isinstance(event, Bar):
            self.last_bars[event.symbol] = event
        elif not isinstance(event, FundingRate):
            seen = self.last_prices.get(event.symbol)
            if seen is None or event.time_ms >= seen.time_ms:
                self.last_prices[event.symbol] = event

    def take(self, events: Sequence[VenueEvent]) -> None:
        for event in events:
            if isinstance(event, FundingPayment):
                self.payments.append(event)
                continue
            known = self.orders.get(event.client_order_id)
            if isinstance(event, Fill):
                self.fills.append(event)
                if known is not None:
                    self.orders[event.client_order_id] = apply_fill(known, event)
            elif known is not None and known.state is not event.state:
                self.orders[event.client_order_id] = advance(
                    known, event.state, event.time_ms, venue_order_id=event.venue_order_id, reason=event.reason
                )

    def restore(self, venue: SimulatedVenue) -> None:
        venue.restore(
            list(self.orders.values()),
            list(self.fills),
            list(self.payments),
            list(self.last_bars.values()),
            list(self.last_prices.values()),
        )
