"""What the market tells who listens: trades, best prices, order book differences, candles, mark prices, tickers."""

from __future__ import annotations

from typing import Any

from core.domain.market import MINUTE_MS
from core.market.intervals import INTERVALS_MS
from tests.venue.market import Candle, Print, SymbolMarket, day_figures, merge
from tests.venue.streams import Hub

DEPTH_SPEEDS = ("", "@100ms", "@500ms", "@0ms")
Levels = list[list[int]]


def before_change(hub: Hub, market: SymbolMarket) -> None:
    """To be called before the book changes: somebody may want the difference."""
    if not _depth_streams(hub, market):
        market.told_book = None
    elif market.told_book is None:
        market.told_book = _copy(market)


def _copy(market: SymbolMarket) -> tuple[int, dict[int, int], dict[int, int]]:
    bids, asks = ({level[0]: level[1] for level in side} for side in (market.bids, market.asks))
    return market.update_id, bids, asks


def _depth_streams(hub: Hub, market: SymbolMarket) -> list[str]:
    name = market.stream_name
    return [stream for speed in DEPTH_SPEEDS if (stream := f"{name}@depth{speed}") in hub.listeners]


def book(hub: Hub, market: SymbolMarket, now_ms: int) -> None:
    """bookTicker, and the difference to the book told last."""
    stream = f"{market.stream_name}@bookTicker"
    if stream in hub.listeners:
        hub.publish(stream, book_ticker_event(market, now_ms))
    if market.told_book is None:
        return
    told_id, bids, asks = market.told_book
    market.told_book = _copy(market)
    event = {
        "e": "depthUpdate",
        "E": now_ms,
        "T": now_ms,
        "s": market.symbol,
        "U": told_id + 1,
        "u": market.update_id,
        "pu": told_id,
        "b": _changes(market, bids, market.told_book[1]),
        "a": _changes(market, asks, market.told_book[2]),
    }
    for stream in _depth_streams(hub, market):
        hub.publish(stream, event)


def _changes(market: SymbolMarket, before: dict[int, int], after: dict[int, int]) -> list[list[str]]:
    contract = market.contract
    changed = [(ticks, 0) for ticks in before if ticks not in after]
    changed += [(ticks, lots) for ticks, lots in after.items() if before.get(ticks) != lots]
    return [[contract.price_text(ticks), contract.qty_text(lots)] for ticks, lots in changed]


def book_ticker_event(market: SymbolMarket, now_ms: int) -> dict[str, Any]:
    contract, bid, ask = market.contract, market.bids[0], market.asks[0]
    return {
        "e": "bookTicker",
        "u": market.update_id,
        "s": market.symbol,
        "b": contract.price_text(bid[0]),
        "B": contract.qty_text(bid[1]),
        "a": contract.price_text(ask[0]),
        "A": contract.qty_text(ask[1]),
        "T": now_ms,
        "E": now_ms,
    }


def trade(hub: Hub, market: SymbolMarket, print_: Print) -> None:
    """The trade and aggTrade events of one public trade."""
    name, contract = market.stream_name, market.contract
    common = {"s": market.symbol, "p": contract.price_text(print_.ticks), "q": contract.qty_text(print_.lots)}
    if f"{name}@trade" in hub.listeners:
        event = {"e": "trade", "E": print_.time_ms, "T": print_.time_ms, "t": print_.trade_id, **common}
        hub.publish(f"{name}@trade", {**event, "X": "MARKET", "m": print_.is_buyer_maker})
    if f"{name}@aggTrade" in hub.listeners:
        event = {"e": "aggTrade", "E": print_.time_ms, "a": print_.trade_id, **common, "nq": common["q"]}
        numbers = {"f": print_.trade_id, "l": print_.trade_id, "T": print_.time_ms}
        hub.publish(f"{name}@aggTrade", {**event, **numbers, "m": print_.is_buyer_maker, "st": 1})


def liquidation(hub: Hub, market: SymbolMarket, side: str, ticks: int, lots: int, now_ms: int) -> None:
    """The forced close of somebody's position, done."""
    price, qty = market.contract.price_text(ticks), market.contract.qty_text(lots)
    order = {"s": market.symbol, "S": side, "o": "LIMIT", "f": "IOC", "q": qty, "p": price, "ap": price}
    order = {**order, "X": "FILLED", "l": qty, "z": qty, "T": now_ms}
    hub.publish(f"{market.stream_name}@forceOrder", {"e": "forceOrder", "E": now_ms, "o": order})


def candle_closed(hub: Hub, market: SymbolMarket, now_ms: int) -> None:
    """The closing push of every interval that ends at `now_ms`, and the state of the longer ones."""
    for interval, interval_ms, stream in _candle_streams(hub, market):
        start_ms = now_ms - MINUTE_MS - (now_ms - MINUTE_MS) % interval_ms
        whole = merge(market.between(start_ms, now_ms), interval_ms)
        if whole:
            hub.publish(stream, kline_event(market, whole[-1], now_ms % interval_ms == 0, now_ms, interval))


def candle_open(hub: Hub, market: SymbolMarket, now_ms: int) -> None:
    for interval, interval_ms, stream in _candle_streams(hub, market):
        start_ms = now_ms - now_ms % interval_ms
        whole = merge(market.between(start_ms, now_ms + 1), interval_ms)
        hub.publish(stream, kline_event(market, whole[-1], False, now_ms, interval))


def _candle_streams(hub: Hub, market: SymbolMarket) -> list[tuple[str, int, str]]:
    name = market.stream_name
    return [
        (interval, interval_ms, stream)
        for interval, interval_ms in INTERVALS_MS.items()
        if (stream := f"{name}@kline_{interval}") in hub.listeners
    ]


def kline_event(market: SymbolMarket, candle: Candle, is_closed: bool, now_ms: int, interval: str) -> dict[str, Any]:
    row = market.kline_row(candle, INTERVALS_MS[interval])
    return {
        "e": "kline",
        "E": now_ms,
        "s": market.symbol,
        "k": {
            "t": row[0],
            "T": row[6],
            "s": market.symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": row[1],
            "c": row[4],
            "h": row[2],
            "l": row[3],
            "v": row[5],
            "n": row[8],
            "x": is_closed,
            "q": row[7],
            "V": row[9],
            "Q": row[10],
            "B": "0",
        },
    }


def every_second(hub: Hub, markets: list[SymbolMarket], now_ms: int) -> None:
    """Mark prices (those without @1s every third second) and tickers."""
    known = [market for market in markets if market.last_ticks]
    for market in known:
        name = market.stream_name
        if f"{name}@markPrice@1s" in hub.listeners:
            hub.publish(f"{name}@markPrice@1s", mark_event(market, now_ms))
        if f"{name}@markPrice" in hub.listeners and now_ms // 1_000 % 3 == 0:
            hub.publish(f"{name}@markPrice", mark_event(market, now_ms))
        if f"{name}@ticker" in hub.listeners:
            hub.publish(f"{name}@ticker", ticker_event(market, now_ms))
    if "!markPrice@arr@1s" in hub.listeners:
        hub.publish("!markPrice@arr@1s", [mark_event(market, now_ms) for market in known])


def mark_event(market: SymbolMarket, now_ms: int) -> dict[str, Any]:
    mark = f"{market.mark:.8f}"
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": market.symbol,
        "p": mark,
        "ap": mark,
        "P": mark,
        "i": mark,
        "r": f"{market.funding_rate:.8f}",
        "T": market.next_funding_ms(now_ms),
        "st": 1,
    }


def ticker_event(market: SymbolMarket, now_ms: int) -> dict[str, Any]:
    row = day_figures(market, now_ms)
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": market.symbol,
        "p": row["priceChange"],
        "P": row["priceChangePercent"],
        "w": row["weightedAvgPrice"],
        "c": row["lastPrice"],
        "Q": row["lastQty"],
        "o": row["openPrice"],
        "h": row["highPrice"],
        "l": row["lowPrice"],
        "v": row["volume"],
        "q": row["quoteVolume"],
        "O": row["openTime"],
        "C": row["closeTime"],
        "F": row["firstId"],
        "L": row["lastId"],
        "n": row["count"],
        "st": 1,
    }
