"""The simulated venue behind the async Venue protocol."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from core.domain.market import MarketEvent
from core.domain.orders import Fill, Order
from core.ports import VenueEvent
from core.venues.simulated import SimulatedVenue


class SimulatedVenueAdapter:
    """Answers at once and never raises VenueUnknownError: nothing lies between engine and venue."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self.venue = venue

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return self.venue.submit(order, now_ms)

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return self.venue.cancel(order.client_order_id, now_ms)

    async def on_market(self, event: MarketEvent) -> Sequence[VenueEvent]:
        return self.venue.on_market(event)

    async def fetch_order(self, order: Order) -> Order | None:
        return self.venue.order(order.client_order_id)

    async def fills_of(self, order: Order) -> Sequence[Fill]:
        return self.venue.fills_of(order.client_order_id)

    async def positions_lots(self) -> dict[str, int]:
        return self.venue.positions_lots()

    async def wallet_usdt(self) -> Decimal:
        return self.venue.wallet_usdt()
