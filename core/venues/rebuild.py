"""The simulated venue told again from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice
from core.domain.orders import Order
from core.domain.records import FillRecord, FundingRecord, IntentRecord, OrderUpdateRecord, Record
from core.settings import Settings
from core.venues.adapter import SimulatedVenueAdapter
from core.venues.simulated import SimulatedVenue


class JournalledVenue(SimulatedVenueAdapter):
    """A simulated venue that dies with its process and is rebuilt from the journal at the next start."""

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


def journalled_venue(instruments: Mapping[str, Instrument], settings: Settings) -> JournalledVenue:
    """Raises SettingsError where the leverage is more than an instrument allows."""
    costs = settings.costs
    return JournalledVenue(
        SimulatedVenue(
            dict(instruments),
            slippage_bps=costs.slippage_bps,
            impact_bps=costs.impact_bps,
            max_participation_pct=costs.max_participation_pct,
            initial_balance_usdt=settings.account.initial_balance_usdt,
            leverage=settings.account.leverage,
            first_price_delay_ms=settings.engine.first_price_delay_ms,
            latency_ms=settings.engine.paper_latency_ms if settings.mode == "paper" else 0,
        )
    )
