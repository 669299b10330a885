"""What the core needs from outside, stated as protocols and handed in at the composition root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.forecast import Forecast
from core.domain.market import Bar, FundingRate, MarketEvent
from core.domain.orders import Fill, Order, OrderUpdate
from core.domain.records import Record
from core.domain.stream import Observation
from core.domain.trading import FundingPayment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VenueEvent = OrderUpdate | Fill | FundingPayment


class Venue(Protocol):
    """Where orders go.

    `place` and `cancel` return what the venue answered at once; later events come from `on_market`
    (simulated) or a private stream (exchange). They raise VenueRejectedError on a definite refusal and
    VenueUnknownError when the outcome is not known.
    """

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]: ...

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]: ...

    async def on_market(self, event: MarketEvent) -> Sequence[VenueEvent]: ...

    async def fetch_order(self, order: Order) -> Order | None:
        """The venue's view of an order by its client id; None when the venue never saw it."""
        ...

    async def fills_of(self, order: Order) -> Sequence[Fill]: ...

    async def positions_lots(self) -> dict[str, int]:
        """Signed lots by symbol, flat symbols left out."""
        ...

    async def wallet_usdt(self) -> Decimal: ...


class Journal(Protocol):
    """The durable record. `commit` is atomic: after it returns, all records survive a crash; before, none need."""

    async def commit(self, records: Sequence[Record]) -> None: ...

    async def load(self) -> list[Record]:
        """Every record that tells the trader's state, in the order it was committed."""
        ...


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Consecutive bars of one symbol, oldest first: `open_time_ms` int64, the others float64, of one length."""

    symbol: str
    interval_ms: int
    open_time_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ObservationColumns:
    """Observations of one symbol and stream, in order of time, then number: times and numbers int64 (n,), `values`
    float64 (n, fields) in the order of the stream's fields."""

    symbol: str
    stream: str
    time_ms: NDArray[np.int64]
    known_ms: NDArray[np.int64]
    number: NDArray[np.int64]
    values: NDArray[np.float64]

    def at(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> ObservationColumns:
        """The rows of some places, or for which there is True."""
        times = (self.time_ms[places], self.known_ms[places], self.number[places])
        return ObservationColumns(self.symbol, self.stream, *times, self.values[places])


@dataclass(frozen=True, slots=True)
class SettledFunding:
    """A funding rate as the exchange settled it, a fraction of notional; `mark_price` None where it gave none."""

    symbol: str
    time_ms: int
    rate: Decimal
    mark_price: Decimal | None


class CandleStore(Protocol):
    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        """Bars with from_ms <= open time < to_ms, oldest first (may be empty)."""
        ...

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        """Store closed bars. Returns them as they stand now: of one that was stored before, the first is kept."""
        ...

    async def append_funding(self, rates: Sequence[SettledFunding]) -> None:
        """Store settled rates; of one that was stored before, the first is kept."""
        ...

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]: ...

    async def span(self, symbol: str) -> tuple[int, int] | None:
        """First open time and last close time stored, or None."""
        ...


class ObservationStore(Protocol):
    async def close(self) -> None: ...

    async def append(self, observations: Sequence[Observation]) -> None:
        """Store what came; of what was stored before, the first is kept."""
        ...

    async def observations(self, symbol: str, stream: str, from_ms: int, to_ms: int) -> ObservationColumns:
        """Those with from_ms <= time < to_ms (may be empty), of every known stream."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """`version` is empty when no model was made; `passed` tells whether validation lets it trade."""

    symbol: str
    strategy: str
    version: str
    passed: bool
    note: str
    metrics: dict[str, float]


class Forecaster(Protocol):
    """The learning side as the engine sees it: stateless calls answered by worker processes."""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        """One answer for each (window, model version); None where the window is not full."""
        ...

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        """Fit, validate and store one version from the bars of `window`."""
        ...

    async def warm_up(self) -> None:
        """Make the first answers as quick as the later ones. Raises ModelError when that fails."""
        ...

    def describe(self) -> dict[str, Any]: ...
