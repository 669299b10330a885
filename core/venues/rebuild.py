"""The simulated venue told again from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.clock import Clock
from core.domain.instrument import Instrument
from core.domain.market import Bar, FirstPrice
from core.domain.orders import Order
from core.domain.records import FillRecord, FundingRecord, IntentRecord, OrderUpdateRecord, Record
from core.ports import VenueEvent
from core.settings.schema import Settings
from core.trader.ledger import Book
from core.trader.memory import Seen, TraderMemory
from core.venues.adapter import SimulatedVenueAdapter
from core.venues.restoring import Beginning
from core.venues.simulated import SimulatedVenue


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a trader remembers of a journal's beginning, with the ids that it took in, and how many of the records that
    a venue is told lie in that beginning."""

    memory: TraderMemory
    seen: Seen
    told: int


class JournalledVenue(SimulatedVenueAdapter):
    """A simulated venue that dies with its process and is rebuilt from the journal at the next start, from `before` on
    where that stands for its beginning."""

    def __init__(self, venue: SimulatedVenue, before: Checkpoint | None = None) -> None:
        super().__init__(venue)
        self._before = before

    def adopt(self, instrument: Instrument) -> None:
        """Take new orders by these rules of a contract from now on; see `SimulatedVenue.adopt`."""
        self.venue.adopt(instrument)

    def restore(self, records: Sequence[Record], last_bars: Sequence[Bar], last_prices: Sequence[FirstPrice]) -> None:
        """Raises StorageError where the journal contradicts itself."""
        told = 0 if self._before is None else self._before.told
        earlier, behind = records[:told], records[told:]
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
            [record.fill for record in behind if isinstance(record, FillRecord)],
            [record.payment for record in behind if isinstance(record, FundingRecord)],
            last_bars,
            last_prices,
            None if self._before is None else _beginning(self._before, earlier, behind),
        )


def _beginning(before: Checkpoint, earlier: Sequence[Record], behind: Sequence[Record]) -> Beginning:
    filled: dict[str, int] = {}
    for record in earlier:
        if isinstance(record, (IntentRecord, OrderUpdateRecord, FillRecord)):
            filled[record.order.client_order_id] = record.order.filled_lots
    for record in behind:
        # Of an order that ended so long ago that nobody knows it any more: what it had before its first news.
        if isinstance(record, (IntentRecord, OrderUpdateRecord)):
            filled.setdefault(record.order.client_order_id, record.order.filled_lots)
        elif isinstance(record, FillRecord):
            filled.setdefault(record.order.client_order_id, record.order.filled_lots - record.fill.qty_lots)
    return Beginning(
        before.memory.balances[Book.WALLET],
        before.memory.net(),
        filled,
        [record.fill for record in earlier if isinstance(record, FillRecord)],
        before.seen.payments,
    )


class PaperVenue(JournalledVenue):
    """The same beside a live market: an order arrives when it is really sent, which is after the time that its bar is
    decided for, so that no price of before can fill it."""

    def __init__(self, venue: SimulatedVenue, clock: Clock, before: Checkpoint | None = None) -> None:
        super().__init__(venue, before)
        self._clock = clock

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return await super().place(order, max(now_ms, self._clock.now_ms()))

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return await super().cancel(order, max(now_ms, self._clock.now_ms()))


def journalled_venue(
    instruments: Mapping[str, Instrument], settings: Settings, before: Checkpoint | None = None
) -> JournalledVenue:
    """Raises SettingsError where the leverage is more than an instrument allows."""
    return JournalledVenue(_simulated_venue(instruments, settings), before)


def paper_venue(
    instruments: Mapping[str, Instrument], settings: Settings, clock: Clock, before: Checkpoint | None = None
) -> PaperVenue:
    """Raises SettingsError where the leverage is more than an instrument allows."""
    return PaperVenue(_simulated_venue(instruments, settings), clock, before)


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
