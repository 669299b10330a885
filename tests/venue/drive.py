"""How the market moves and time passes: books, trades, candles, mark prices, funding, listen keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.domain.market import MINUTE_MS
from tests.venue import broadcast, matching
from tests.venue.exchange import Exchange
from tests.venue.market import SymbolMarket

SECOND_MS = 1_000
PRINT_LOTS = 10

Price = Decimal | float | str


@dataclass
class Pace:
    """When what is pushed next. `kline_push_ms` is how often an open candle that changed is told of, `mark_push_ms` how
    often mark prices and tickers are."""

    kline_push_ms: int = 2_000
    mark_push_ms: int = SECOND_MS
    due_ms: int = 0
    second_due_ms: int = 0
    kline_due_ms: int = 0


def advance(exchange: Exchange, pace: Pace, now_ms: int) -> None:
    """Everything that is due up to now, in the order of its time. Cheap where nothing is."""
    while pace.due_ms <= now_ms:
        due_ms = pace.due_ms or now_ms
        _close_candles(exchange, due_ms)
        if pace.kline_due_ms <= due_ms:
            pace.kline_due_ms = _after(due_ms, pace.kline_push_ms)
            _push_open_candles(exchange, due_ms)
        if pace.second_due_ms <= due_ms:
            pace.second_due_ms = _after(due_ms, pace.mark_push_ms)
            broadcast.every_second(exchange.hub, list(exchange.markets.values()), due_ms)
        exchange.hub.expire_listen_keys(due_ms)
        pace.due_ms = _after(due_ms, MINUTE_MS)
        if exchange.hub.connections:
            # While nobody listens only the candles count.
            pace.due_ms = min(pace.due_ms, pace.kline_due_ms, pace.second_due_ms)


def _after(time_ms: int, step_ms: int) -> int:
    return time_ms - time_ms % step_ms + step_ms


def _close_candles(exchange: Exchange, now_ms: int) -> None:
    minute = now_ms - now_ms % MINUTE_MS
    for market in exchange.markets.values():
        while market.candle is not None and market.candle.open_ms < minute:
            closed = market.close_candle(market.candle)
            broadcast.candle_closed(exchange.hub, market, closed.open_ms + MINUTE_MS)


def _push_open_candles(exchange: Exchange, now_ms: int) -> None:
    for market in exchange.markets.values():
        if market.is_candle_changed:
            market.is_candle_changed = False
            broadcast.candle_open(exchange.hub, market, now_ms)


def set_book(
    exchange: Exchange,
    symbol: str,
    bid: tuple[Price, Price | None],
    ask: tuple[Price, Price | None],
    last: Price | None,
    volume: Price | None,
    now_ms: int,
) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    sizes = [None if qty is None else contract.nearest_lots(qty) for _, qty in (bid, ask)]
    bids = market.ladder(contract.nearest_ticks(bid[0]), sizes[0], -1)
    asks = market.ladder(contract.nearest_ticks(ask[0]), sizes[1], 1)
    last_ticks = None if last is None else contract.nearest_ticks(last)
    lots = 0 if volume is None else contract.nearest_lots(volume)
    _move(exchange, market, bids, asks, last_ticks, lots, now_ms)


def set_depth(
    exchange: Exchange,
    symbol: str,
    bids: Sequence[tuple[Price, Price]],
    asks: Sequence[tuple[Price, Price]],
    now_ms: int,
) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    sides = [[[contract.nearest_ticks(p), contract.nearest_lots(q)] for p, q in levels] for levels in (bids, asks)]
    _move(exchange, market, sides[0], sides[1], None, 0, now_ms)


def _move(
    exchange: Exchange,
    market: SymbolMarket,
    bids: list[list[int]],
    asks: list[list[int]],
    last_ticks: int | None,
    lots: int,
    now_ms: int,
) -> None:
    """A new book: who rests is filled, the last price follows, the streams hear of it, stops trigger."""
    broadcast.before_change(exchange.hub, market)
    market.set_levels(bids, asks)
    matching.match_resting(exchange, market, now_ms)
    if last_ticks is None:
        best_bid, best_ask = market.bids[0][0], market.asks[0][0]
        last_ticks = min(max(market.last_ticks or best_bid, best_bid), best_ask)
    if lots or last_ticks != market.last_ticks or market.candle is None:
        is_sale = last_ticks <= market.bids[0][0]
        broadcast.trade(exchange.hub, market, market.print_trade(last_ticks, lots or PRINT_LOTS, is_sale, now_ms))
    broadcast.book(exchange.hub, market, now_ms)
    matching.trigger(exchange, market, now_ms)


def trade(exchange: Exchange, symbol: str, price: Price, qty: Price, is_buyer_maker: bool, now_ms: int) -> None:
    market, contract = exchange.markets[symbol], exchange.contracts[symbol]
    ticks, lots = contract.nearest_ticks(price), contract.nearest_lots(qty)
    broadcast.trade(exchange.hub, market, market.print_trade(ticks, lots, is_buyer_maker, now_ms))
    matching.match_print(exchange, market, ticks, lots, now_ms)
    matching.after_trades(exchange, market, now_ms)


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
        exchange.publish_account("FUNDING_FEE", amount, now_ms)
        total += amount
    return total
