"""What an engine is put together from, and what it asks of a real exchange's side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.clock import EngineClock
from core.control.protocol import ExternalOrderView
from core.domain.market import Bar, FirstPrice, MarketBatch, Quote
from core.domain.records import AdjustmentRecord, Record
from core.engine.lag import PERIOD_S
from core.engine.pacing import Pacer
from core.engine.recovery import Remembered, reconcile
from core.engine.settlements import Settlements
from core.engine.stepper import Stepper
from core.engine.warm_up import Aside, at_once
from core.home.logbook import Logbook
from core.market.replay.resuming import ResumePoint
from core.ports import CandleStore, Forecaster, ForecastStore, Journal, ObservationStore, Venue
from core.trader.trader import Trader


class RestorableVenue(Venue, Protocol):
    """A venue that lives in this process and is told its state again at start."""

    def restore(
        self, records: Sequence[Record], last_bars: Sequence[Bar], last_prices: Sequence[FirstPrice]
    ) -> None: ...


Reconcile = Callable[[Trader, Venue, Stepper, int], Awaitable[list[AdjustmentRecord]]]
"""Brings trader and venue to agree at a start; returns the differences found, already journalled."""


Attendant = Callable[[Trader, Stepper], Coroutine[Any, Any, None]]
"""Works beside the market for as long as the engine runs; what it learns goes through the stepper."""


class RealTime(Protocol):
    """What only an engine in real time has: looked at for every snapshot, never by a decision."""

    def quotes(self) -> Mapping[str, Quote]:
        """The newest of each symbol."""
        ...

    def fed_ms(self) -> int | None:
        """The exchange's time of its newest news; None before any."""
        ...

    def exchange(self) -> str:
        """Its id."""
        ...

    def problem(self) -> str:
        """What is wrong with the way to the exchange; empty when all is well."""
        ...

    def clock_offset_ms(self) -> float:
        """The exchange's clock less this machine's."""
        ...

    def external(self) -> tuple[ExternalOrderView, ...]:
        """What others placed in the account."""
        ...

    def holds(self) -> str:
        """What keeps orders that close from going out at once, and until when; empty where nothing does."""
        ...

    def report(self, part: str, problem: str) -> None:
        """Say what forbids entries; with an empty text, that it has passed."""
        ...

    async def flatten_external(self, symbol: str) -> str:
        """Close it, of one symbol or, with an empty one, of all; one line of what was done and what is not certain."""
        ...


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What an engine is put together from. `records` is the loaded journal, behind what is `remembered` of it where its
    beginning need not be told again; `start_ms` is where a new account begins.

    `trade_from_ms` is where a resumed account does: earlier bars are walked through without new entries.
    `feed` opens the market behind a resume point. `end_with_feed` ends the run when the recorded market does.
    `attendants` run beside it, from before the books are compared; `followers` only from after that, and
    `beside` once what is held is protected, or after some seconds. `real_time` is
    None for a recorded market. `lag_period_s` is how often the loop's lag is measured. `aside` is where rules are shown
    the past. `forecasters` are those of the strategy's models, by part. `observations` are those of the market, for a
    strategy whose parts name inputs, `forecasts` those of the journal, for one whose parts see each other.
    `settlements` are those of a recorded market, where a limit asks when funding is settled next.
    """

    mode: str
    source: str
    trader: Trader
    venue: RestorableVenue
    journal: Journal
    records: Sequence[Record]
    candles: CandleStore
    forecasters: Mapping[str, Forecaster]
    feed: Callable[[ResumePoint], AsyncIterator[MarketBatch]]
    clock: EngineClock
    pacer: Pacer
    logbook: Logbook
    start_ms: int
    trade_from_ms: int
    end_with_feed: bool
    publish_hz: float
    reconcile: Reconcile = reconcile
    attendants: Sequence[Attendant] = ()
    followers: Sequence[Attendant] = ()
    beside: Sequence[Attendant] = ()
    real_time: RealTime | None = None
    lag_period_s: float = PERIOD_S
    aside: Aside = at_once
    remembered: Remembered | None = None
    observations: ObservationStore | None = None
    forecasts: ForecastStore | None = None
    settlements: Settlements | None = None


@dataclass(frozen=True, slots=True)
class Recollection:
    """What a start knows by itself: how many `records` it was told and how many `before` them a checkpoint stood for,
    its time, the newest bar of each symbol, and what the journal contradicts."""

    records: int
    before: int
    now_ms: int
    last_bars: Sequence[Bar]
    differences: Sequence[AdjustmentRecord]
