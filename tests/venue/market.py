"""One contract's market: order book, last and mark price, trades and candles, all moved from outside."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.domain.market import MINUTE_MS, Bar
from tests.venue.contracts import Contract

FUNDING_INTERVAL_MS = 8 * 3_600_000
DAY_MS = 86_400_000
RECENT_TRADES = 1_000
KEPT_TRADES = 20_000
"""That aggTrades finds by their numbers."""
LEVELS = 20


@dataclass(slots=True)
class Candle:
    """A one-minute candle in ticks and lots; `quote` is the sum of ticks times lots."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    quote: int = 0
    count: int = 0
    taker_buy_lots: int = 0
    taker_buy_quote: int = 0
    first_id: int = -1
    last_id: int = -1

    def take(self, ticks: int, lots: int, is_buyer_maker: bool, trade_id: int) -> None:
        self.high = max(self.high, ticks)
        self.low = min(self.low, ticks)
        self.close = ticks
        self.lots += lots
        self.quote += ticks * lots
        self.count += 1
        if not is_buyer_maker:
            self.taker_buy_lots += lots
            self.taker_buy_quote += ticks * lots
        if self.first_id < 0:
            self.first_id = trade_id
        self.last_id = trade_id


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade."""

    trade_id: int
    ticks: int
    lots: int
    is_buyer_maker: bool
    time_ms: int


@dataclass
class SymbolMarket:
    """Levels are [ticks, lots], best first. Without a `told_mark` the mark price follows the last price.

    `told_book` is what the order book streams told last: update id, bids and asks. Of candles the newest
    `candles_kept` stay; the mark price's are told since a time, `mark_above_ticks` above those of the trades.
    """

    contract: Contract
    bids: list[list[int]] = field(default_factory=list)
    asks: list[list[int]] = field(default_factory=list)
    last_ticks: int = 0
    told_mark: Decimal | None = None
    told_book: tuple[int, dict[int, int], dict[int, int]] | None = None
    candles_kept: int = 10_000
    mark_above_ticks: int = 0
    mark_candles_since_ms: int = 0
    funding_rate: Decimal = Decimal("0.0001")
    fundings: list[dict[str, Any]] = field(default_factory=list)
    update_id: int = 1_000
    next_trade_id: int = 5_000_001
    prints: deque[Print] = field(default_factory=lambda: deque(maxlen=KEPT_TRADES))
    candles: list[Candle] = field(default_factory=list)
    candle_times: list[int] = field(default_factory=list)
    candle: Candle | None = None
    is_candle_changed: bool = False

    def __post_init__(self) -> None:
        self.symbol = self.contract.symbol
        self.stream_name = self.symbol.lower()

    @property
    def mark(self) -> Decimal:
        return self.told_mark if self.told_mark is not None else self.contract.price(self.last_ticks)

    def mark_ticks(self) -> int:
        return self.last_ticks if self.told_mark is None else self.contract.nearest_ticks(self.told_mark)

    def set_levels(self, bids: list[list[int]], asks: list[list[int]]) -> None:
        """Raises ValueError on an empty or crossed book."""
        if not bids or not asks or bids[0][0] >= asks[0][0]:
            raise ValueError(f"{self.symbol}: the book is empty or crossed: bids {bids[:1]}, asks {asks[:1]}")
        self.bids, self.asks = bids, asks
        self.update_id += 1

    def ladder(self, best_ticks: int, lots: int | None, step: int) -> list[list[int]]:
        """A side of the book from its best price: without a size, so deep that no order exhausts it."""
        size = self.contract.max_lots * 10 if lots is None else lots
        return [[ticks, size] for ticks in range(best_ticks, best_ticks + step * LEVELS, step) if ticks > 0]

    def print_trade(self, ticks: int, lots: int, is_buyer_maker: bool, now_ms: int) -> Print:
        """A trade happened: last price, candle and tape follow."""
        trade = Print(self.next_trade_id, ticks, lots, is_buyer_maker, now_ms)
        self.next_trade_id += 1
        self.last_ticks = ticks
        self.prints.append(trade)
        minute = now_ms - now_ms % MINUTE_MS
        if self.candle is None:
            self.candle = Candle(minute, ticks, ticks, ticks, ticks)
        self.candle.take(ticks, lots, is_buyer_maker, trade.trade_id)
        self.is_candle_changed = True
        return trade

    def close_candle(self, closed: Candle) -> Candle:
        """Close the open candle and begin the next one, which has no trade yet and stands at the last close."""
        self._store(closed)
        close = closed.close
        self.candle = Candle(closed.open_ms + MINUTE_MS, close, close, close, close)
        self.is_candle_changed = False
        return closed

    def load(self, bars: Iterable[Bar]) -> None:
        """Take one-minute bars of the past, in time order and before everything known so far."""
        contract, known = self.contract, (self.candles, self.candle_times)
        self.candles, self.candle_times = [], []
        for bar in bars:
            prices = [contract.nearest_ticks(price) for price in (bar.open, bar.high, bar.low, bar.close)]
            lots = contract.nearest_lots(bar.volume)
            self._store(Candle(bar.open_time_ms, *prices, lots, lots * prices[3], min(lots, 100), lots // 2))
        self.candles += known[0]
        self.candle_times += known[1]
        if not self.last_ticks and self.candles:
            self.last_ticks = self.candles[-1].close

    def _store(self, candle: Candle) -> None:
        self.candles.append(candle)
        self.candle_times.append(candle.open_ms)
        surplus = len(self.candles) - self.candles_kept
        if surplus > self.candles_kept // 10:
            del self.candles[:surplus], self.candle_times[:surplus]

    def between(self, start_ms: int, end_ms: int) -> list[Candle]:
        """Candles that opened in [start, end), the open one included."""
        low, high = bisect_left(self.candle_times, start_ms), bisect_left(self.candle_times, end_ms)
        found = self.candles[low:high]
        if self.candle is not None and start_ms <= self.candle.open_ms < end_ms:
            found.append(self.candle)
        return found

    def first_candle_ms(self) -> int:
        if self.candle_times:
            return self.candle_times[0]
        return self.candle.open_ms if self.candle else 0

    def next_funding_ms(self, now_ms: int) -> int:
        return now_ms - now_ms % FUNDING_INTERVAL_MS + FUNDING_INTERVAL_MS

    def kline_row(self, candle: Candle, interval_ms: int = MINUTE_MS) -> list[Any]:
        """A row of GET klines."""
        contract = self.contract
        unit = contract.tick_size * contract.lot_size
        return [
            candle.open_ms,
            contract.price_text(candle.open),
            contract.price_text(candle.high),
            contract.price_text(candle.low),
            contract.price_text(candle.close),
            contract.qty_text(candle.lots),
            candle.open_ms + interval_ms - 1,
            str(unit * candle.quote),
            candle.count,
            contract.qty_text(candle.taker_buy_lots),
            str(unit * candle.taker_buy_quote),
            "0",
        ]

    def mark_kline_row(self, candle: Candle, interval_ms: int = MINUTE_MS) -> list[Any]:
        """A row of GET markPriceKlines: of no trades, but with a count of what it was made of."""
        prices = (candle.open, candle.high, candle.low, candle.close)
        texts = [self.contract.price_text(ticks + self.mark_above_ticks) for ticks in prices]
        return [candle.open_ms, *texts, "0", candle.open_ms + interval_ms - 1, "0", 60, "0", "0", "0"]


def merge(candles: Sequence[Candle], interval_ms: int) -> list[Candle]:
    """One-minute candles joined into longer ones, aligned to the interval."""
    if interval_ms == MINUTE_MS:
        return list(candles)
    joined: list[Candle] = []
    for candle in candles:
        open_ms = candle.open_ms - candle.open_ms % interval_ms
        if not joined or joined[-1].open_ms != open_ms:
            joined.append(Candle(open_ms, candle.open, candle.high, candle.low, candle.close))
        whole = joined[-1]
        whole.high = max(whole.high, candle.high)
        whole.low = min(whole.low, candle.low)
        whole.close = candle.close
        whole.lots += candle.lots
        whole.quote += candle.quote
        whole.count += candle.count
        whole.taker_buy_lots += candle.taker_buy_lots
        whole.taker_buy_quote += candle.taker_buy_quote
        if candle.last_id >= 0:
            whole.first_id = candle.first_id if whole.first_id < 0 else whole.first_id
            whole.last_id = candle.last_id
    return joined


def day_figures(market: SymbolMarket, now_ms: int) -> dict[str, Any]:
    """The last 24 hours, as GET ticker/24hr tells them."""
    contract = market.contract
    day = merge(market.between(now_ms - DAY_MS, now_ms + 1), MINUTE_MS)
    first = day[0].open if day else market.last_ticks
    lots, quote = sum(candle.lots for candle in day), sum(candle.quote for candle in day)
    change = market.last_ticks - first
    unit = contract.tick_size * contract.lot_size
    return {
        "symbol": market.symbol,
        "priceChange": contract.price_text(change),
        "priceChangePercent": f"{100 * change / first:.3f}" if first else "0.000",
        "weightedAvgPrice": contract.price_text(quote // lots if lots else market.last_ticks),
        "lastPrice": contract.price_text(market.last_ticks),
        "lastQty": contract.qty_text(market.prints[-1].lots if market.prints else 0),
        "openPrice": contract.price_text(first),
        "highPrice": contract.price_text(max((candle.high for candle in day), default=first)),
        "lowPrice": contract.price_text(min((candle.low for candle in day), default=first)),
        "volume": contract.qty_text(lots),
        "quoteVolume": str(unit * quote),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": market.prints[0].trade_id if market.prints else 0,
        "lastId": market.prints[-1].trade_id if market.prints else 0,
        "count": sum(candle.count for candle in day),
    }
