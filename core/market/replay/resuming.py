"""How far an account has taken the market in, and where its feed goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from core.domain.market import MINUTE_MS, FirstPrice
from core.domain.records import CursorRecord, FirstPriceRecord, Record
from core.market.replay.events import ReplayCursor
from core.ports import CandleStore


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far the market was taken in: open times of the newest bar and of the newest first price, by symbol, and that
    price itself where the journal has it: a minute that was open has no candle."""

    bars: dict[str, int]
    first_prices: dict[str, int]
    prices: dict[str, float] = field(default_factory=dict)


def rejoining(records: Sequence[Record], away: Collection[str]) -> list[Record]:
    """Without how far the market of the symbols that were `away` was taken in: of one that comes back nothing is made
    up for, it joins where the market is, as a new one does. One that was as far as any stays where it was: the market
    that it would join was told to it."""
    reached = {record.symbol: record.open_time_ms for record in records if isinstance(record, CursorRecord)}
    newest_ms = max(reached.values(), default=0)
    behind = {symbol for symbol in away if reached.get(symbol, 0) < newest_ms}
    return [r for r in records if not (isinstance(r, CursorRecord | FirstPriceRecord) and r.symbol in behind)]


def resume_point(records: Sequence[Record], symbols: Iterable[str]) -> ResumePoint:
    """Where each of `symbols` goes on. One that the account has not traded before joins where the newest is."""
    point = ResumePoint({}, {})
    for record in records:
        if isinstance(record, CursorRecord):
            point.bars[record.symbol] = record.open_time_ms
        elif isinstance(record, FirstPriceRecord):
            point.first_prices[record.symbol] = record.open_time_ms
            if record.price is not None:
                point.prices[record.symbol] = record.price
    for reached in (point.bars, point.first_prices):
        if reached:
            newest = max(reached.values())
            for symbol in symbols:
                reached.setdefault(symbol, newest)
    return point


def replay_cursors(point: ResumePoint, interval_ms: int) -> dict[str, ReplayCursor]:
    """Where each symbol's feed goes on. Funding of a minute is taken in with its bars, before its first prices."""
    cursors = {}
    for symbol in point.bars.keys() | point.first_prices.keys():
        bar_ms, first_ms = point.bars.get(symbol), point.first_prices.get(symbol)
        closed_ms = None if bar_ms is None else bar_ms + interval_ms
        reached_ms = max(ms for ms in (closed_ms, first_ms) if ms is not None)
        cursors[symbol] = ReplayCursor(bar_ms, first_ms, reached_ms + MINUTE_MS - 1)
    return cursors


async def newest_first_prices(
    candles: CandleStore, point: ResumePoint, interval_ms: int, delay_ms: int
) -> list[FirstPrice]:
    """The newest first price of each symbol that was matched, where it is newer than its newest bar."""
    found = []
    for symbol, open_ms in point.first_prices.items():
        if open_ms <= point.bars.get(symbol, -1):
            continue
        price = point.prices.get(symbol)
        if price is None:
            columns = await candles.bars(symbol, open_ms, open_ms + interval_ms)
            price = float(columns.open[0]) if len(columns.open) else None
        if price is not None:
            found.append(FirstPrice(symbol, open_ms + delay_ms, open_ms, price))
    return found
