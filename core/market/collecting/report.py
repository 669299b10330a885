"""What a gathering came to: rows, holes that are left, and what it takes of the disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from core.domain.market import MINUTE_MS
from core.domain.rows import Row
from core.exchange.dialects import observed_of
from core.market.collecting.collector import Collector, Gathering
from core.market.collecting.holes import Span, duration_ms, missed_periods, silences, unheard
from core.market.collecting.store import CollectStore, row_bytes
from core.market.kinds import FUNDING
from core.market.streams import stream

_DAY_MS = 1440 * MINUTE_MS
_LATE_MS = 5 * MINUTE_MS
"""A row of a period that is over may still be on its way for so long."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One stream of a symbol. `came` and `filled` (by REST) are rows of this gathering, `forgotten` were kept long
    enough, `rows` and `mb` are what is stored now. `holes` are those of the time that is looked back on: `missing_rows`
    of what has numbers or periods, `missing_minutes` of the rest, which nobody can fill. `mb_a_day` is None of a
    gathering of less than a minute."""

    symbol: str
    stream: str
    came: int
    filled: int
    forgotten: int
    lost: int
    holes: int
    missing_rows: int
    missing_minutes: float
    rows: int
    mb: float
    mb_a_day: float | None


async def gathered(
    collector: Collector, store: CollectStore, asked: Gathering, exchange: str, now_ms: int
) -> list[Row]:
    """A row a symbol and stream, as `Gathered` has them. Raises StorageError."""
    found = []
    for symbol in asked.symbols:
        for name in asked.streams:
            holes, rows, spans = await _holes(store, asked, exchange, symbol, name, now_ms)
            key = symbol, name
            came, filled = collector.told.stored[key], collector.told.filled[key]
            each = row_bytes(symbol, name, len(stream(name).fields))
            stored = await store.rows(symbol, name)
            elapsed_ms = now_ms - collector.since_ms
            a_day = came * each * _DAY_MS / elapsed_ms / 1e6 if elapsed_ms >= MINUTE_MS else None
            one = Gathered(
                symbol=symbol,
                stream=name,
                came=came,
                filled=filled,
                forgotten=collector.told.forgotten[key],
                lost=collector.lost[name],
                holes=holes,
                missing_rows=rows,
                missing_minutes=round(duration_ms(spans) / MINUTE_MS, 2),
                rows=stored,
                mb=round(stored * each / 1e6, 3),
                mb_a_day=None if a_day is None else round(a_day, 3),
            )
            found.append(asdict(one))
    return found


async def _holes(
    store: CollectStore, asked: Gathering, exchange: str, symbol: str, name: str, now_ms: int
) -> tuple[int, int, list[Span]]:
    """How many there are, how many rows are missing in them, and the spans of those that have no rows to count."""
    its, observed, from_ms = stream(name), observed_of(exchange), now_ms - asked.fill_ms
    if name == FUNDING:
        return 0, 0, []
    if name in observed.numbered:
        missed = await store.missed_numbers(symbol, name, from_ms)
        return len(missed), sum(one.count for one in missed), []
    if not its.is_steady:
        listened = await store.listened(symbol, name, from_ms)
        spans = unheard(listened, listened[0][0], now_ms - _LATE_MS) if listened else []
        return len(spans), 0, spans
    times = await store.times(symbol, name, from_ms)
    if not len(times):
        return 0, 0, []
    if its.period_ms:
        spans = missed_periods(times, int(times[0]), now_ms - its.period_ms - _LATE_MS, its.period_ms)
        return len(spans), duration_ms(spans) // its.period_ms, []
    spans = silences(times, int(times[0]), now_ms, its.max_age_ms)
    return len(spans), 0, spans
