"""The streams that are known, by name.

One of instants is called as its family is, "funding". One whose rows are of a period names that behind a point,
"bars.15m": what 4 hours were is another stream than what 5 minutes were.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS, FundingRate
from core.domain.stream import Field, Observation, Stream
from core.market.intervals import INTERVALS_MS, LONGEST_FUNDING_MS, interval_text
from core.market.kinds import CANDLES, FUNDING, MARK, PRICE_KINDS

BARS = "bars"
TRADES = "trades"
BOOK = "book10"
MARK_NOW = "mark_price"
"""Under this kind the mark prices of instants are kept: "mark" are candles."""

FUNDING_TOLD_MS = MINUTE_MS
"""So long after the minute of its settlement a rate is known at the latest."""

_PERIODS = tuple(INTERVALS_MS)
_BAR_PERIODS = ("1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d")
_BOOK_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Instants:
    """A family of what is so at an instant. With `is_numbered` its rows have a number of the venue's own."""

    fields: tuple[Field, ...]
    max_age_ms: int
    is_steady: bool = True
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class Periods:
    """A family of what was so over a period, one of `names`. A row lasts until the one after the next begins, and
    `late_ms` more, in which that may still be on its way. With `only_grows` its values are totals."""

    fields: tuple[Field, ...]
    names: tuple[str, ...] = _PERIODS
    late_ms: int = 5 * MINUTE_MS
    only_grows: bool = False


def _fields(**units: str) -> tuple[Field, ...]:
    return tuple(Field(name, unit) for name, unit in units.items())


def _candle(unit: str) -> tuple[Field, ...]:
    return _fields(open=unit, high=unit, low=unit, close=unit)


def _book() -> tuple[Field, ...]:
    places = [(side, level) for side in ("bid", "ask") for level in range(1, _BOOK_LEVELS + 1)]
    return _fields(
        **{
            f"{side}_{what}_{level}": unit
            for side, level in places
            for what, unit in (("price", "usdt"), ("qty", "base"))
        }
    )


_OPEN_INTEREST = _fields(open_interest="base", open_interest_value="usdt")
_LONG_SHORT = Periods(_fields(long_share="share", short_share="share", ratio="ratio"))

INSTANTS = {
    FUNDING: Instants(_fields(funding_rate="rate"), LONGEST_FUNDING_MS + 10 * MINUTE_MS),
    MARK: Instants(_fields(mark_price="usdt", index_price="usdt"), MINUTE_MS),
    "open_interest": Instants(_OPEN_INTEREST, 10 * MINUTE_MS),
    "liquidations": Instants(_fields(side="side", price="usdt", qty="base"), 60 * MINUTE_MS, is_steady=False),
    TRADES: Instants(_fields(side="side", price="usdt", qty="base"), 60 * MINUTE_MS, is_steady=False, is_numbered=True),
    "quotes": Instants(
        _fields(bid_price="usdt", bid_qty="base", ask_price="usdt", ask_qty="base"), MINUTE_MS, is_numbered=True
    ),
    BOOK: Instants(_book(), MINUTE_MS, is_numbered=True),
}

PERIODS = {
    BARS: Periods((*_candle("usdt"), Field("volume", "base")), _BAR_PERIODS, late_ms=0),
    **{kind: Periods(_candle("rate" if kind == "premium" else "usdt"), late_ms=0) for kind in PRICE_KINDS},
    "open_interest": Periods(_OPEN_INTEREST),
    "long_short": _LONG_SHORT,
    "long_short_top": _LONG_SHORT,
    "taker_flow": Periods(_fields(buy_volume="base", sell_volume="base"), only_grows=True),
    "vendor_open_interest": Periods(_candle("usd")),
    "vendor_funding": Periods(_candle("pct")),
    "vendor_liquidations": Periods(_fields(long_usd="usd", short_usd="usd"), only_grows=True),
    "vendor_taker_flow": Periods(_fields(buy_usd="usd", sell_usd="usd"), only_grows=True),
    "vendor_long_short": Periods(_fields(long_pct="pct", short_pct="pct", ratio="ratio")),
}
"""Those of a vendor are over many venues, in dollars and percent."""

FAMILIES = tuple(dict.fromkeys((*PERIODS, *INSTANTS)))

BOUNDS = {
    "usdt": (0.0, inf),
    "usd": (0.0, inf),
    "base": (0.0, inf),
    "ratio": (0.0, inf),
    "share": (0.0, 1.0),
    "rate": (-1.0, 1.0),
    "pct": (-inf, inf),
    "side": (-1.0, 1.0),
}
"""What a value can be, by its unit, both ends included; a side is one of the ends."""

OBSERVED_KINDS = (
    MARK_NOW,
    *(family for family in FAMILIES if family not in (BARS, FUNDING, *PRICE_KINDS)),
)
"""What is kept as observations. Bars, candles of other prices and funding have tables of their own."""


def stream(name: str) -> Stream:
    """Raises BadInputError for a name that is none, with those that are."""
    family, _, period = name.partition(".")
    if family not in FAMILIES:
        raise BadInputError(f"stream {name!r} is unknown; the streams are {', '.join(map(_written, FAMILIES))}")
    if period and family in PERIODS and period in PERIODS[family].names:
        its = PERIODS[family]
        return Stream(name, its.fields, 2 * INTERVALS_MS[period] + its.late_ms, INTERVALS_MS[period])
    if period or family not in INSTANTS:
        periods = f", with one of {', '.join(PERIODS[family].names)}" if family in PERIODS else ""
        raise BadInputError(f"stream {name!r} is unknown; write {_written(family)}{periods}")
    one = INSTANTS[family]
    return Stream(name, one.fields, one.max_age_ms, is_steady=one.is_steady)


def funding_known_ms(time_ms: int) -> int:
    """From when on a rate that was settled then counts as known: an exchange tells it some seconds later."""
    return time_ms - time_ms % MINUTE_MS + FUNDING_TOLD_MS


def funding_observed(rate: FundingRate) -> Observation:
    """A rate as the market tells it, as what is stored of it is read."""
    return Observation(rate.symbol, FUNDING, rate.time_ms, funding_known_ms(rate.time_ms), (float(rate.rate),))


def stream_name(kind: str, period_ms: int) -> str:
    """Of what is stored as `kind`, of rows of a period in milliseconds; 0 of those of an instant."""
    family = {CANDLES: BARS, MARK_NOW: MARK}.get(kind, kind)
    return f"{family}.{interval_text(period_ms)}" if period_ms and family != FUNDING else family


def kind_of(name: str) -> tuple[str, int]:
    """As what kind, and of which period in milliseconds, a known stream is stored; 0 of an instant."""
    family, _, period = name.partition(".")
    if not period:
        return MARK_NOW if family == MARK else family, 0
    return CANDLES if family == BARS else family, INTERVALS_MS[period]


def bounds_text(unit: str) -> str:
    """What a value of a unit is, in words."""
    low, high = BOUNDS[unit]
    if unit == "side":
        return "a side is 1 or -1"
    if low == -inf:
        return "it is a number"
    return f"a {unit} is at least {low:g}" + ("" if high == inf else f" and at most {high:g}")


def _written(family: str) -> str:
    both = [family] if family in INSTANTS else []
    return " or ".join([*both, f"{family}.PERIOD"] if family in PERIODS else both)
