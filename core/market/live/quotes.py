"""Best bids and offers, mark prices, order books and trades as ccxt.pro caches them, made into ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.domain.market import Quote
from core.exchange.connection.own_words import OwnWords

BOOK_LEVELS = 10
KEPT_TRADES = 1_000
AHEAD_MS = 60_000
"""By how much a message may be ahead of our idea of the exchange's time."""

_WIDEST = 2.0
"""No market has an ask of so many times its bid."""


@dataclass(frozen=True, slots=True)
class BookTop:
    """The best levels of an order book, best first: (price in USDT, amount in ccxt's units). `time_ms` is its age's
    beginning, in the exchange's time."""

    symbol: str
    time_ms: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]

    def age_ms(self, now_ms: int) -> int:
        return now_ms - self.time_ms


@dataclass(frozen=True, slots=True)
class MarketTrade:
    """A trade between others. `side` is the taker's: buy or sell; the amount is in ccxt's units."""

    symbol: str
    time_ms: int
    trade_id: str
    side: str
    price: float
    amount: float


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """`next_funding_ms` is when funding is settled next; None where the exchange does not tell."""

    symbol: str
    time_ms: int
    price: float
    next_funding_ms: int | None


def quote_of(symbol: str, row: Mapping[str, Any], now_ms: int) -> Quote | None:
    """Of a ccxt ticker; one without a time of its own is of `now_ms`. None where bid, ask or time cannot be."""
    bid, ask, time_ms = _price(row.get("bid")), _price(row.get("ask")), row.get("timestamp") or now_ms
    if bid is None or ask is None or not bid <= ask <= _WIDEST * bid or not _is_past(time_ms, now_ms):
        return None
    return Quote(symbol, time_ms, bid, ask)


def mark_of(symbol: str, row: Mapping[str, Any], words: OwnWords, now_ms: int) -> MarkPrice | None:
    """Of a ccxt ticker of an exchange with these words; None where price or time cannot be."""
    price, time_ms = _price(row.get("markPrice")), row.get("timestamp")
    if price is None or not time_ms or not _is_past(time_ms, now_ms):
        return None
    next_ms = words.next_funding_ms(row)
    return MarkPrice(symbol, time_ms, price, next_ms if type(next_ms) is int and next_ms > 0 else None)


def book_top(symbol: str, book: Mapping[str, Any] | None) -> BookTop | None:
    """Of a ccxt order book; None before its snapshot, and where its best prices cross."""
    if not book or not book.get("timestamp") or not book["bids"] or not book["asks"]:
        return None
    bids, asks = _levels(book["bids"]), _levels(book["asks"])
    if bids[0][0] >= asks[0][0]:
        return None
    return BookTop(symbol, int(book["timestamp"]), bids, asks)


def trades_of(symbol: str, rows: Iterable[Mapping[str, Any]]) -> tuple[MarketTrade, ...]:
    """Of ccxt's cache, oldest first; rows without a time or a price are left out."""
    return tuple(
        MarketTrade(
            symbol,
            int(row["timestamp"]),
            str(row.get("id") or ""),
            str(row.get("side") or ""),
            float(row["price"]),
            float(row["amount"]),
        )
        for row in list(rows)[-KEPT_TRADES:]
        if row.get("timestamp") and _price(row.get("price")) is not None and row.get("amount") is not None
    )


def _is_past(time_ms: Any, now_ms: int) -> bool:
    """What an exchange tells of a time to come would stand for all that it tells until then."""
    return type(time_ms) is int and 0 < time_ms <= now_ms + AHEAD_MS


def _levels(side: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(level[0]), float(level[1])) for level in side[:BOOK_LEVELS])


def _price(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else None
