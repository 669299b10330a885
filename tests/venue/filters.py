"""A contract whose filters change while it trades: what is held, rests and was traded keeps its values."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from tests.venue.contracts import Contract, decimals
from tests.venue.exchange import Exchange
from tests.venue.market import Candle, SymbolMarket


def change_steps(exchange: Exchange, symbol: str, *, tick: str | None = None, lot: str | None = None) -> None:
    """From now on orders are taken in other ticks or lots: exchangeInfo says so, those off the grid are refused."""
    old = exchange.contracts[symbol]
    price_step, qty_step = Decimal(tick or old.tick_size * old.tick_step), Decimal(lot or old.lot_size * old.lot_step)
    tick_size, lot_size = _common(old.tick_size, price_step), _common(old.lot_size, qty_step)
    ticks, lots = int(old.tick_size / tick_size), int(old.lot_size / lot_size)
    new = replace(
        old,
        tick_size=tick_size,
        lot_size=lot_size,
        tick_step=int(price_step / tick_size),
        lot_step=int(qty_step / lot_size),
        price_precision=decimals(price_step),
        quantity_precision=decimals(qty_step),
        min_ticks=int(price_step / tick_size),
        max_ticks=old.max_ticks * ticks,
        min_lots=int(qty_step / lot_size),
        max_lots=old.max_lots * lots,
        max_market_lots=old.max_market_lots * lots,
        info=_told(old, price_step, qty_step),
    )
    exchange.contracts[symbol] = new
    _rescale_market(exchange.markets[symbol], new, ticks, lots)
    for position in exchange.ledger.positions.values():
        if position.contract.symbol == symbol:
            position.contract, position.lots = new, position.lots * lots
    for order in [*exchange.orders.values(), *exchange.algos.values()]:
        if order.symbol == symbol:
            order.contract, order.lots, order.price_ticks = new, order.lots * lots, order.price_ticks * ticks
    for order in exchange.orders.values():
        if order.symbol == symbol:
            order.filled_lots *= lots
    for algo in exchange.algos.values():
        if algo.symbol == symbol:
            algo.trigger_ticks *= ticks
    exchange.ledger.trades = [
        replace(
            trade,
            lots=trade.lots * lots,
            price_ticks=trade.price_ticks * ticks,
            position_after_lots=trade.position_after_lots * lots,
        )
        if trade.order.symbol == symbol
        else trade
        for trade in exchange.ledger.trades
    ]


def _told(contract: Contract, price_step: Decimal, qty_step: Decimal) -> dict[str, Any]:
    lot = {"stepSize": f"{qty_step:f}", "minQty": f"{qty_step:f}"}
    changed = {
        "PRICE_FILTER": {"tickSize": f"{price_step:f}", "minPrice": f"{price_step:f}"},
        "LOT_SIZE": lot,
        "MARKET_LOT_SIZE": lot,
    }
    return {
        **contract.info,
        "filters": [{**entry, **changed.get(entry["filterType"], {})} for entry in contract.info["filters"]],
        "pricePrecision": decimals(price_step),
        "quantityPrecision": decimals(qty_step),
    }


def _rescale_market(market: SymbolMarket, contract: Contract, ticks: int, lots: int) -> None:
    market.contract = contract
    market.bids, market.asks = ([[t * ticks, n * lots] for t, n in side] for side in (market.bids, market.asks))
    market.last_ticks *= ticks
    if market.told_book is not None:
        update_id, *sides = market.told_book
        bids, asks = ({t * ticks: n * lots for t, n in side.items()} for side in sides)
        market.told_book = update_id, bids, asks
    prints = (replace(seen, ticks=seen.ticks * ticks, lots=seen.lots * lots) for seen in market.prints)
    market.prints = deque(prints, maxlen=market.prints.maxlen)
    for candle in [*market.candles, *([market.candle] if market.candle else [])]:
        _rescale_candle(candle, ticks, lots)


def _rescale_candle(candle: Candle, ticks: int, lots: int) -> None:
    candle.open, candle.high, candle.low, candle.close = (
        price * ticks for price in (candle.open, candle.high, candle.low, candle.close)
    )
    candle.lots, candle.taker_buy_lots = candle.lots * lots, candle.taker_buy_lots * lots
    candle.quote, candle.taker_buy_quote = candle.quote * ticks * lots, candle.taker_buy_quote * ticks * lots


def _common(one: Decimal, other: Decimal) -> Decimal:
    a, b = Fraction(one), Fraction(other)
    found = Fraction(gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)
    assert lcm(found.denominator, 10**12) == 10**12
    return Decimal(found.numerator) / found.denominator
