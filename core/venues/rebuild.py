"""The simulated venue told again from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.clock import Clock
from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice
from core.domain.orders import Order
from core.domain.records import FillRecord, FundingRecord, IntentRecord, OrderUpdateRecord, Record
from core.ports import VenueEvent
from core.settings.schema import Settings
from core.venues.adapter import SimulatedVenueAdapter
from core.venues.simulated import SimulatedVenue


class JournalledVenue(SimulatedVenueAdapter):
    """A simulated venue that dies with its process and is rebuilt from the journal at the next start."""

    def adopt(self, instrument: Instrument) -> None:
        """Take new orders by these rules of a contract from now on; see `SimulatedVenue.adopt`."""
        self.venue.adopt(instrument)

    def restore(self, records: Sequence[Record], last_bars: Sequence[Bar], last_prices: Sequence[FirstPrice]) -> None:
        """Raises StorageError where the journal contradicts itself."""
        orders: dict[str, Order] = {}
        accepted: dict[str, None] = {}
        for record in records:
            if isinstance(record, (IntentRecord, OrderUpdateRecord, FillRecord)):
                order = record.order
                if order.venue_order_id:
                    accepted.setdefault(order.client_order_id)
                orders[order.client_order_id] = order
        self.venue.restore(
            [orders[client_id] for client_id in accepted],
            [record.fill for record in records if isinstance(record, FillRecord)],
            [record.payment for record in records if isinstance(record, FundingRecord)],
            last_bars,
            last_prices,
        )


class PaperVenue(JournalledVenue):
    """The same beside a live market: an order arrives when it is really sent, which is after the time that its bar is
    decided for, so that no price of before can fill it."""

    def __init__(self, venue: SimulatedVenue, clock: Clock) -> None:
        super().__init__(venue)
        self._clock = clock

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return await super().place(order, max(now_ms, self._clock.now_ms()))

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return await super().cancel(order, max(now_ms, self._clock.now_ms()))


def journalled_venue(instruments: Mapping[str, Instrument], settings: Settings) -> JournalledVenue:
    """Raises SettingsError where the leverage is more than an instrument allows."""
    return JournalledVenue(_simulated_venue(instruments, settings))


def paper_venue(instruments: Mapping[str, Instrument], settings: Settings, clock: Clock) -> PaperVenue:
    """Raises SettingsError where the leverage is more than an instrument allows."""
    return PaperVenue(_simulated_venue(instruments, settings), clock)


def _simulated_venue(instruments: Mapping[str, Instrument], settings: Settings) -> SimulatedVenue:
    costs = settings.costs
    return SimulatedVenue(
        dict(instruments),
        slippage_bps=costs.slippage_bps,
        impact_bps=costs.impact_bps,
        max_participation_pct=costs.max_participation_pct,
        initial_balance_usdt=settings.account.initial_balance_usdt,
        leverage=settings.account.leverage,
        first_price_delay_ms=settings.engine.first_price_delay_ms,
        latency_ms=settings.engine.paper_latency_ms if settings.mode == "paper" else 0,
    )
