"""How the market moves and time passes: books, trades, candles, mark prices, funding, listen keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.domain.market import MINUTE_MS
from core.market.intervals import INTERVALS_MS
from tests.venue import matching
from tests.venue.exchange import Exchange
from tests.venue.market import Print, SymbolMarket, merge
from tests.venue.rest_market import day_ticker

SECOND_MS = 1_000
PRINT_LOTS = 10
LADDER_STEP = 1

Price = Decimal | float | str


@dataclass
class Pace:
    """When what is pushed next. `kline_push_ms` is how often an open candle that changed is told of."""

    kline_push_ms: int = 2_000
    mark_push_ms: int = 1_000
    due_ms: int = 0
    mark_due_ms: int = 0
    kline_due_ms: int = 0


def advance(exchange: Exchange, pace: Pace, now_ms: int) -> None:
    """Everything that is due up to now, in the order of its time. Cheap where nothing is."""
    while pace.due_ms <= now_ms:
        due_ms = pace.due_ms or now_ms
        _close_candles(exchange, due_ms)
        if pace.kline_due_ms <= due_ms:
            pace.kline_due_ms = _after(due_ms, pace.kline_push_ms)
            _push_open_candles(exchange, due_ms)
        if pace.mark_due_ms <= due_ms:
            pace.mark_due_ms = _after(due_ms, pace.mark_push_ms)
            _push_marks(exchange, due_ms)
        exchange.hub.expire_listen_keys(due_ms)
        pace.due_ms = _after(due_ms, MINUTE_MS)
        if exchange.hub.connections:
            # While nobody listens only the candles count.
            pace.due_ms = min(pace.due_ms, pace.kline_due_ms, pace.mark_due_ms)


def _after(time_ms: int, step_ms: int) -> int:
    return time_ms - time_ms % step_ms + step_ms


def _close_candles(exchange: Exchange, now_ms: int) -> None:
    minute = now_ms - now_ms % MINUTE_MS
    for market in exchange.markets.values():
        while market.candle is not None and market.candle.open_ms < minute:
            closed = market.close_candle()
            if closed is not None:
                _publish_candle(exchange, market, closed.open_ms + MINUTE_MS)


def _publish_candle(exchange: Exchange, market: SymbolMarket, now_ms: int) -> None:
    """The closing push of every interval that ends at `now_ms`, and the state of the longer ones."""
    for interval, interval_ms in INTERVALS_MS.items():
        stream = f"{market.symbol.lower()}@kline_{interval}"
        if stream not in exchange.hub.listeners:
            continue
        start = now_ms - MINUTE_MS - (now_ms - MINUTE_MS) % interval_ms
        whole = merge(market.between(start, now_ms), interval_ms)
        if whole:
            is_closed = now_ms % interval_ms == 0
            exchange.hub.publish(stream, market.kline_event(whole[-1], is_closed, now_ms, interval, interval_ms))


def _push_open_candles(exchange: Exchange, now_ms: int) -> None:
    for market in exchange.markets.values():
        if market.candle is None or not market.is_candle_changed:
            continue
        market.is_candle_changed = False
        for interval, interval_ms in INTERVALS_MS.items():
            stream = f"{market.symbol.lower()}@kline_{interval}"
            if stream in exchange.hub.listeners:
                start = now_ms - now_ms % interval_ms
                whole = merge(market.between(start, now_ms + 1), interval_ms)[-1]
                exchange.hub.publish(stream, market.kline_event(whole, False, now_ms, interval, interval_ms))


def _push_marks(exchange: Exchange, now_ms: int) -> None:
    listeners = exchange.hub.listeners
    for market in exchange.markets.values():
        name = market.symbol.lower()
        if not market.last_ticks:
            continue
        every_third = now_ms // SECOND_MS % 3 == 0
        for stream in (f"{name}@markPrice@1s", f"{name}@markPrice"):
            if stream in listeners and (stream.endswith("1s") or every_third):
                exchange.hub.publish(stream, mark_event(market, now_ms))
        if f"{name}@ticker" in listeners:
            exchange.hub.publish(f"{name}@ticker", ticker_event(market, now_ms))
    if "!markPrice@arr@1s" in listeners:
        rows = [mark_event(market, now_ms) for market in exchange.markets.values() if market.last_ticks]
        exchange.hub.publish("!markPrice@arr@1s", rows)


def mark_event(market: SymbolMarket, now_ms: int) -> dict[str, object]:
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


def ticker_event(market: SymbolMarket, now_ms: int) -> dict[str, object]:
    row = day_ticker(market, now_ms)
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


def set_book(
    exchange: Exchange,
    symbol: str,
    bid: tuple[Price, Price | None],
    ask: tuple[Price, Price | None],
    last: Price | None,
    now_ms: int,
) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    sizes = [None if qty is None else contract.nearest_lots(qty) for _, qty in (bid, ask)]
    bid_ticks, ask_ticks = contract.nearest_ticks(bid[0]), contract.nearest_ticks(ask[0])
    bids = market.ladder(bid_ticks, sizes[0], -LADDER_STEP)
    asks = market.ladder(ask_ticks, sizes[1], LADDER_STEP)
    last_ticks = None if last is None else contract.nearest_ticks(last)
    _move(exchange, market, bids, asks, last_ticks, now_ms)


def set_depth(
    exchange: Exchange,
    symbol: str,
    bids: Sequence[tuple[Price, Price]],
    asks: Sequence[tuple[Price, Price]],
    now_ms: int,
) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    sides = [[[contract.nearest_ticks(p), contract.nearest_lots(q)] for p, q in levels] for levels in (bids, asks)]
    _move(exchange, market, sides[0], sides[1], None, now_ms)


def _move(
    exchange: Exchange,
    market: SymbolMarket,
    bids: list[list[int]],
    asks: list[list[int]],
    last_ticks: int | None,
    now_ms: int,
) -> None:
    """A new book: who rests is filled, the last price follows, the streams hear of it, stops trigger."""
    before, before_id = (market.bids, market.asks), market.update_id
    market.set_levels(bids, asks)
    matching.match_resting(exchange, market, now_ms)
    if last_ticks is None:
        last_ticks = min(max(market.last_ticks or bids[0][0], bids[0][0]), asks[0][0])
    if last_ticks != market.last_ticks or market.candle is None:
        _print(exchange, market, last_ticks, PRINT_LOTS, last_ticks <= bids[0][0], now_ms)
    publish_book(exchange, market, before, before_id, now_ms)
    matching.trigger(exchange, market, now_ms)


def trade(exchange: Exchange, symbol: str, price: Price, qty: Price, is_buyer_maker: bool, now_ms: int) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    ticks, lots = contract.nearest_ticks(price), contract.nearest_lots(qty)
    _print(exchange, market, ticks, lots, is_buyer_maker, now_ms)
    matching.match_print(exchange, market, ticks, lots, now_ms)
    matching.after_trades(exchange, market, now_ms)


def _print(exchange: Exchange, market: SymbolMarket, ticks: int, lots: int, is_buyer_maker: bool, now_ms: int) -> None:
    publish_print(exchange, market, market.print_trade(ticks, lots, is_buyer_maker, now_ms))


def publish_print(exchange: Exchange, market: SymbolMarket, trade: Print) -> None:
    """The public trade and aggTrade events of one trade."""
    hub, name, contract = exchange.hub, market.symbol.lower(), market.contract
    common = {"s": market.symbol, "p": contract.price_text(trade.ticks), "q": contract.qty_text(trade.lots)}
    if f"{name}@trade" in hub.listeners:
        event = {"e": "trade", "E": trade.time_ms, "T": trade.time_ms, "t": trade.trade_id, **common}
        hub.publish(f"{name}@trade", {**event, "X": "MARKET", "m": trade.is_buyer_maker})
    if f"{name}@aggTrade" in hub.listeners:
        event = {"e": "aggTrade", "E": trade.time_ms, "a": trade.trade_id, **common, "nq": common["q"]}
        numbers = {"f": trade.trade_id, "l": trade.trade_id, "T": trade.time_ms}
        hub.publish(f"{name}@aggTrade", {**event, **numbers, "m": trade.is_buyer_maker, "st": 1})


def publish_book(
    exchange: Exchange,
    market: SymbolMarket,
    before: tuple[list[list[int]], list[list[int]]],
    before_id: int,
    now_ms: int,
) -> None:
    """bookTicker and the difference to the book before, for who listens."""
    hub, name, contract = exchange.hub, market.symbol.lower(), market.contract
    if f"{name}@bookTicker" in hub.listeners:
        bid, ask = market.bids[0], market.asks[0]
        event = {
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
        hub.publish(f"{name}@bookTicker", event)
    for stream in (f"{name}@depth", f"{name}@depth@100ms", f"{name}@depth@500ms", f"{name}@depth@0ms"):
        if stream in hub.listeners:
            event = {
                "e": "depthUpdate",
                "E": now_ms,
                "T": now_ms,
                "s": market.symbol,
                "U": before_id + 1,
                "u": market.update_id,
                "pu": before_id,
                "b": _changes(market, before[0], market.bids),
                "a": _changes(market, before[1], market.asks),
            }
            hub.publish(stream, event)


def _changes(market: SymbolMarket, before: list[list[int]], after: list[list[int]]) -> list[list[str]]:
    contract, old, new = market.contract, dict(map(tuple, before)), dict(map(tuple, after))
    gone = [[ticks, 0] for ticks in old if ticks not in new]
    changed = [[ticks, lots] for ticks, lots in new.items() if old.get(ticks) != lots]
    return [[contract.price_text(ticks), contract.qty_text(lots)] for ticks, lots in gone + changed]


def fund(exchange: Exchange, symbol: str, rate: Decimal, mark: Decimal, now_ms: int) -> Decimal:
    """Positions of the symbol pay or receive; each payment is an income row and an ACCOUNT_UPDATE."""
    market = exchange.markets[symbol]
    row = {"symbol": symbol, "fundingTime": now_ms, "fundingRate": f"{rate:.8f}", "markPrice": f"{mark:.8f}"}
    market.fundings.append(row)
    market.funding_rate = rate
    total = Decimal(0)
    for (name, _), position in list(exchange.ledger.positions.items()):
        if name != symbol or not position.lots:
            continue
        amount = exchange.ledger.pay_funding(position, rate, mark, exchange.next_tran_id(), now_ms)
        exchange.publish_account("FUNDING_FEE", [], amount, now_ms)
        total += amount
    return total
