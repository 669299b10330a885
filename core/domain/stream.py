"""What can be known of a market beside its bars: streams, and what was observed of them."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.quick import quick


@dataclass(frozen=True, slots=True)
class Field:
    """One number of an observation. `unit` is one of "usdt", "usd", "base" (units of the coin), "ratio", "share" (0 to
    1), "rate" (a fraction of notional), "pct" and "side" (1 buy, -1 sell); of a clock "minutes", "weekday" and
    "session"."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of observation. One that is older than `max_age_ms` at a decision is missing.

    `period_ms` is how long what a row tells of lasts from its time on, 0 where it tells of an instant. Of one that is
    not `is_steady` nothing may come for long: it tells of events, and silence is no hole.
    """

    name: str
    fields: tuple[Field, ...]
    max_age_ms: int
    period_ms: int = 0
    is_steady: bool = True


@quick
@dataclass(frozen=True, slots=True)
class Observation:
    """What was observed of a symbol. Times are UTC milliseconds: `time_ms` when it was so, or when its period began,
    and `known_ms`, never before it, from when on one could know.

    `values` are in the order of the stream's fields. `number` is the venue's own of what may happen several times in a
    millisecond, 0 where it has none; symbol, stream, time and number name one observation.
    """

    symbol: str
    stream: str
    time_ms: int
    known_ms: int
    values: tuple[float, ...]
    number: int = 0
