"""What a feed delivers: closed bars, first prices of a bar, quotes, funding rates, and what else is observed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.domain.quick import quick
from core.domain.stream import Observation

MINUTE_MS = 60_000


@quick
@dataclass(frozen=True, slots=True)
class Bar:
    """A closed candle. Times are UTC milliseconds; prices USDT, volume in base units."""

    symbol: str
    open_time_ms: int
    interval_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def close_time_ms(self) -> int:
        """The instant the bar closed: the open time of its successor."""
        return self.open_time_ms + self.interval_ms


@quick
@dataclass(frozen=True, slots=True)
class FirstPrice:
    """The first price of a bar that just opened: the earliest at which a signal of the bar before can fill."""

    symbol: str
    time_ms: int
    open_time_ms: int
    price: float


@dataclass(frozen=True, slots=True)
class Quote:
    symbol: str
    time_ms: int
    bid: float
    ask: float


@dataclass(frozen=True, slots=True)
class FundingRate:
    """A funding event of the market. `rate` is a fraction of notional; longs pay when it is positive.

    One that `is_assumed` stands in a history for a settlement that is missing: whatever is held pays it.
    """

    symbol: str
    time_ms: int
    rate: Decimal
    mark_price: Decimal
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class HoleAhead:
    """The bars of a symbol end at `time_ms`, the close of the last one, for longer than anything may be held or rest.
    Only a history knows that."""

    symbol: str
    time_ms: int


MarketEvent = Bar | FirstPrice | Quote | FundingRate | HoleAhead

Told = MarketEvent | Observation
"""What a feed tells: what a venue and a trader go by, and what is observed beside."""


@dataclass(frozen=True, slots=True)
class MarketBatch:
    """Market events of one instant. `due_ms` is the market's time of it: a bar's close, a first price's own time.

    Without `trading` the events are only taken in: they are too old to be decided on. `observed` is what was known
    before the events.
    """

    due_ms: int
    events: tuple[MarketEvent, ...]
    trading: bool = True
    observed: tuple[Observation, ...] = ()
