"""Which resting orders an event reaches, and at what price: the venue's view of a bar, a first price and a quote.

The pessimistic sequence inside a bar is STOPS, LATE_STOPS, LIMITS, TARGETS, MARKETS. At a single price all but the
stops share one stage and go in arrival order.
"""

from __future__ import annotations

from typing import NamedTuple

from core.arithmetic.costs import slippage_bps, slipped_price
from core.arithmetic.fills import (
    is_beyond,
    limit_is_marketable,
    limit_trades_through,
    participation_share,
    stop_is_touched,
    target_is_touched,
    worse_price,
)
from core.domain.market import Bar
from core.domain.orders import OrderType
from core.venues.book import Book, Resting

STOPS, LATE_STOPS, LIMITS, TARGETS, MARKETS = range(5)


class Hit(NamedTuple):
    """A resting order that an event reaches. `price` is what it meets before slippage, in USDT."""

    stage: int
    resting: Resting
    price: float
    is_maker: bool


def hits_in_bar(book: Book, bar: Bar, first_price_delay_ms: int, latency_ms: int = 0) -> list[Hit]:
    """Orders that a closed bar reaches, in arrival order, each with its stage.

    An order is reached only by a bar that closed after it arrived. One that was there by the bar's first price met
    the whole range. Of a later one only the close is known to come after it: limits and take-profits have just that,
    while a stop counts as touched by the whole range (the worse assumption), at its trigger.
    """
    hits: list[Hit] = []
    close_ms = bar.close_time_ms
    for resting in book.resting.values():
        arrived_ms = resting.order.updated_ms + latency_ms
        if arrived_ms >= close_ms:
            continue
        whole = arrived_ms <= bar.open_time_ms + first_price_delay_ms
        low, high = (bar.low, bar.high) if whole else (bar.close, bar.close)
        sign, price = resting.sign, resting.price
        match resting.type:
            case OrderType.MARKET:
                hits.append(Hit(MARKETS, resting, bar.close, False))
            case OrderType.STOP_MARKET:
                if stop_is_touched(sign, price, bar.low, bar.high):
                    hits.append(Hit(STOPS, resting, worse_price(sign, price, bar.open) if whole else price, False))
            case OrderType.LIMIT:
                if limit_trades_through(sign, price, low, high):
                    hits.append(Hit(LIMITS, resting, price, True))
            case OrderType.TAKE_PROFIT_MARKET:
                if target_is_touched(sign, price, low, high):
                    hits.append(Hit(TARGETS, resting, price, False))
    if sum(hit.stage == TARGETS for hit in hits) > 1:
        # A price comes by the nearest first; volume may not reach for those behind.
        hits.sort(key=lambda hit: -hit.resting.sign * hit.price if hit.stage == TARGETS else 0.0)
    return hits


def hits_at_price(book: Book, time_ms: int, bid: float, ask: float, latency_ms: int = 0) -> list[Hit]:
    """Orders that a first price or a quote reaches: all of them take, a buy at `ask` and a sell at `bid`.

    Stops have the first stage, all others share the last. An order is reached from `latency_ms` after it was sent on.
    """
    hits: list[Hit] = []
    for resting in book.resting.values():
        if resting.order.updated_ms + latency_ms > time_ms:
            continue
        sign = resting.sign
        price = ask if sign > 0 else bid
        match resting.type:
            case OrderType.MARKET:
                hits.append(Hit(MARKETS, resting, price, False))
            case OrderType.STOP_MARKET:
                if stop_is_touched(sign, resting.price, price, price):
                    hits.append(Hit(STOPS, resting, price, False))
            case OrderType.LIMIT:
                if limit_is_marketable(sign, resting.price, price):
                    hits.append(Hit(MARKETS, resting, price, False))
            case OrderType.TAKE_PROFIT_MARKET:
                if target_is_touched(sign, resting.price, price, price):
                    hits.append(Hit(MARKETS, resting, price, False))
    return hits


def late_stop(hit: Hit, book: Book) -> Hit:
    """The hit, put behind the liquidation where that is nearer than this stop of the position."""
    resting = hit.resting
    is_late = hit.stage == STOPS and resting.sign * book.lots < 0
    is_late = is_late and is_beyond(book.liquidation, resting.sign, resting.price)
    return hit._replace(stage=LATE_STOPS) if is_late else hit


def fill_ticks(book: Book, hit: Hit, lots: int, volume: float, base_bps: float, impact_bps: float) -> int:
    """Price of a fill: a maker's own limit, else slipped, rounded against the order, no worse than a taker's limit."""
    limit, sign = hit.resting.order.price_ticks, hit.resting.sign
    if hit.resting.type is not OrderType.LIMIT or limit is None:
        return taking_ticks(book, sign, hit.price, lots, volume, base_bps, impact_bps)
    if hit.is_maker:
        return limit
    ticks = taking_ticks(book, sign, hit.price, lots, volume, base_bps, impact_bps)
    return min(ticks, limit) if sign > 0 else max(ticks, limit)


def taking_ticks(
    book: Book, sign: int, price: float, lots: int, volume: float, base_bps: float, impact_bps: float
) -> int:
    """`price` slipped by the share of `volume` that `lots` take, in ticks rounded against the order."""
    slip = slippage_bps(base_bps, impact_bps, participation_share(lots, book.lot_qty, volume))
    return book.adverse_ticks(slipped_price(price, sign, slip), sign)
