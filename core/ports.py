"""What the core needs from outside, stated as protocols and handed in at the composition root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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


NEVER = -1
"""The age of what was never known."""


@dataclass(frozen=True, slots=True)
class Lack:
    """An input that is missing at a close, since when it is too old; None where it was never known."""

    name: str
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of `symbol` at n closes, oldest first: `values` float64 (n, columns), called `names`, NaN where
    missing, and `ages_ms` int64 (n, inputs) at the close: 0 of the clock, NEVER where nothing was known. What is older
    than its input's `max_ages_ms` is missing; None is the age of an input that no silence makes missing.

    Of the whole market `values` are (n, symbols, columns) and `ages_ms` (n, symbols, inputs): an input is missing at a
    close where it is for every symbol."""

    symbol: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    close_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    ages_ms: NDArray[np.int64]
    max_ages_ms: tuple[int | None, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """The values (n,) of a column, as "funding.funding_rate". Raises ValueError for one that is not there."""
        return self.values[:, self.names.index(name)]

    def lacking(self, row: int) -> tuple[Lack, ...]:
        """The inputs of which nothing, or nothing that is new enough, was known at a close."""
        found = []
        for name, age_ms, oldest_ms in zip(self.inputs, self.newest_ms[row].tolist(), self.max_ages_ms, strict=True):
            if oldest_ms is not None and (age_ms == NEVER or age_ms > oldest_ms):
                known_ms = int(self.close_ms[row]) - age_ms
                found.append(Lack(name, None if age_ms == NEVER else known_ms + oldest_ms))
        return tuple(found)

    def is_lacking(self) -> NDArray[np.bool_]:
        """Of each row, whether any input is missing."""
        missing = self.close_ms < 0
        for ages_ms, oldest_ms in zip(self.newest_ms.T, self.max_ages_ms, strict=True):
            if oldest_ms is not None:
                missing = missing | (ages_ms == NEVER) | (ages_ms > oldest_ms)
        return missing

    @property
    def newest_ms(self) -> NDArray[np.int64]:
        """Of the whole market the least age of each input (n, inputs), NEVER where nothing was known of any symbol;
        else `ages_ms`."""
        if self.ages_ms.ndim == 2:
            return self.ages_ms
        # As a number without a sign, NEVER is the greatest.
        least: NDArray[np.int64] = self.ages_ms.view("uint64").min(axis=1).view("int64")
        return least

    def at(self, places: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Seen:
        """The rows of some places, or for which there is True."""
        told = (self.close_ms[places], self.values[places], self.ages_ms[places])
        return Seen(self.symbol, self.inputs, self.names, *told, self.max_ages_ms)


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Consecutive bars of one symbol, oldest first: `open_time_ms` int64, the others float64, of one length.

    `seen` is what was seen beside each of them, a row at its close, by a part that names inputs; None otherwise.
    """

    symbol: str
    interval_ms: int
    open_time_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    seen: Seen | None = field(default=None, kw_only=True)

    def at(self, places: slice | NDArray[np.int64] | NDArray[np.bool_]) -> BarColumns:
        """The bars of some places, or for which there is True, with what was seen beside them."""
        prices = (self.open[places], self.high[places], self.low[places], self.close[places], self.volume[places])
        seen = None if self.seen is None else self.seen.at(places)
        return BarColumns(self.symbol, self.interval_ms, self.open_time_ms[places], *prices, seen=seen)

    def beside(self, seen: Seen) -> BarColumns:
        """With what was seen at each close. Raises ValueError where those are other closes."""
        closes_ms = self.open_time_ms + self.interval_ms
        if len(closes_ms) != len(seen.close_ms) or (closes_ms != seen.close_ms).any():
            raise ValueError(f"{self.symbol}: what was seen is of other closes than its bars")
        return replace(self, seen=seen)


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


class ForecastStore(Protocol):
    async def forecasts(self, strategy: str, from_ms: int) -> list[Forecast]:
        """What the parts of a strategy said, by champions, of bars that closed at `from_ms` or later, as it was
        journalled."""
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
