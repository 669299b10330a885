"""What is said where a run's candles are not there: what is there instead, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.market.intervals import interval_text
from core.market.stored import Series, longer
from core.settings.values import INTERVALS_MINUTES, Market

TOLD_SERIES = 6
"""So many of the series that there are stand in the line that says what is missing."""

_IMPORT = "import some with: quarterdeck data import FILE"


def not_there(
    market: Market,
    interval_ms: int,
    symbols: Sequence[str],
    missing: Sequence[str],
    there: Sequence[Series],
    *,
    home: str,
    name_one: str,
    take_recorded: str,
) -> BadInputError:
    """What to raise where a run of `symbols` finds no bars of `missing` ones among the series that are `there`.
    `name_one` says where symbols are named, `take_recorded` how the other market is taken."""
    mends = [_IMPORT, f"take the market of the program with: {take_recorded}"] if market == "imported" else []
    if not there:
        return BadInputError(f"no candles are imported into {home}; {', or '.join(mends)}")
    interval = interval_text(interval_ms)
    if any(longer(series, interval_ms) for series in there):
        mends.insert(0, f"name one of {interval} {name_one}")
    if (other := next(_shared(symbols, there), None)) is not None:
        mends.insert(0, f"set market.interval_minutes to {other}")
    told = [f"{s.symbol} {interval_text(s.interval_ms)} {span_text(s.first_ms, s.last_ms)}" for s in there]
    more = f" and {len(told) - TOLD_SERIES} more" if len(told) > TOLD_SERIES else ""
    return BadInputError(
        f"no {interval} candles of {', '.join(missing)} are {market}, and market.interval_minutes is "
        f"{interval_ms // MINUTE_MS}; there are {'; '.join(told[:TOLD_SERIES])}{more}; {', or '.join(mends)}"
    )


def _shared(symbols: Sequence[str], there: Sequence[Series]) -> Iterator[int]:
    """The intervals of which every symbol has bars, in minutes, the shortest first."""
    for minutes in INTERVALS_MINUTES:
        able = {series.symbol for series in there if longer(series, minutes * MINUTE_MS)}
        if able.issuperset(symbols):
            yield minutes


def span_text(*times_ms: int) -> str:
    from core.home.logbook import iso_utc

    return " to ".join(iso_utc(time_ms)[:16].replace("T", " ") for time_ms in times_ms) + " UTC"
