"""REST answers about the market: everything that needs no key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.market.intervals import INTERVALS_MS
from tests.venue.contracts import recorded_assets
from tests.venue.exchange import Exchange
from tests.venue.market import FUNDING_INTERVAL_MS, RECENT_TRADES, Candle, SymbolMarket, merge
from tests.venue.orders import Row
from tests.venue.refusals import RefusalError, integer

Params = Mapping[str, str]
MAX_KLINES = 1_500
HISTORY_MS = 30 * 86_400_000


def ping(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {}


def server_time(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"serverTime": now_ms}


def exchange_info(exchange: Exchange, params: Params, now_ms: int) -> Row:
    limits = [("REQUEST_WEIGHT", "MINUTE", 1, 2400), ("ORDERS", "MINUTE", 1, 1200), ("ORDERS", "SECOND", 10, 300)]
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in limits
        ],
        "exchangeFilters": [],
        "assets": recorded_assets(),
        "symbols": [contract.info for contract in exchange.contracts.values()],
    }


def klines(exchange: Exchange, params: Params, now_ms: int) -> list[Any]:
    market, interval_ms, candles = _candles(exchange, params, now_ms)
    return [market.kline_row(candle, interval_ms) for candle in candles]


def mark_klines(exchange: Exchange, params: Params, now_ms: int) -> list[Any]:
    market, interval_ms, candles = _candles(exchange, params, now_ms)
    since_ms = market.mark_candles_since_ms
    return [market.mark_kline_row(candle, interval_ms) for candle in candles if candle.open_ms >= since_ms]


def _candles(exchange: Exchange, params: Params, now_ms: int) -> tuple[SymbolMarket, int, list[Candle]]:
    market = exchange.markets[exchange.contract(params.get("symbol")).symbol]
    interval_ms = INTERVALS_MS.get(params.get("interval", ""))
    if interval_ms is None:
        raise RefusalError(-1120)
    limit = min(integer(params, "limit", 500), MAX_KLINES)
    end_ms = integer(params, "endTime") + 1 if params.get("endTime") else now_ms + 1
    if params.get("startTime"):
        start_ms = max(integer(params, "startTime"), market.first_candle_ms())
        start_ms += -start_ms % interval_ms
        end_ms = min(end_ms, start_ms + limit * interval_ms)
    else:
        start_ms = end_ms - 1 - (end_ms - 1) % interval_ms - (limit - 1) * interval_ms
    return market, interval_ms, merge(market.between(start_ms, end_ms), interval_ms)[:limit]


def depth(exchange: Exchange, params: Params, now_ms: int) -> Row:
    market = exchange.markets[exchange.contract(params.get("symbol")).symbol]
    limit = integer(params, "limit", 500)
    return {
        "lastUpdateId": market.update_id,
        "E": now_ms,
        "T": now_ms,
        "bids": level_texts(market, market.bids[:limit]),
        "asks": level_texts(market, market.asks[:limit]),
    }


def level_texts(market: SymbolMarket, levels: list[list[int]]) -> list[list[str]]:
    contract = market.contract
    return [[contract.price_text(ticks), contract.qty_text(lots)] for ticks, lots in levels if lots]


def agg_trades(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    market = exchange.markets[exchange.contract(params.get("symbol")).symbol]
    start_ms, end_ms = integer(params, "startTime", 0), integer(params, "endTime", now_ms)
    first_id, limit = integer(params, "fromId", 0), integer(params, "limit", 500)
    found = [trade for trade in market.prints if trade.trade_id >= first_id and start_ms <= trade.time_ms <= end_ms]
    found = found[:limit] if first_id or params.get("startTime") else found[-limit:]
    contract = market.contract
    return [
        {
            "a": trade.trade_id,
            "p": contract.price_text(trade.ticks),
            "q": contract.qty_text(trade.lots),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.is_buyer_maker,
        }
        for trade in found
    ]


def recent_trades(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    market = exchange.markets[exchange.contract(params.get("symbol")).symbol]
    contract = market.contract
    return [
        {
            "id": trade.trade_id,
            "price": contract.price_text(trade.ticks),
            "qty": contract.qty_text(trade.lots),
            "quoteQty": str(contract.notional(trade.lots, trade.ticks)),
            "time": trade.time_ms,
            "isBuyerMaker": trade.is_buyer_maker,
        }
        for trade in list(market.prints)[-min(integer(params, "limit", 500), RECENT_TRADES) :]
    ]


def book_row(market: SymbolMarket, now_ms: int) -> Row:
    contract = market.contract
    bid, ask = (market.bids or [[0, 0]])[0], (market.asks or [[0, 0]])[0]
    return {
        "lastUpdateId": market.update_id,
        "symbol": market.symbol,
        "bidPrice": contract.price_text(bid[0]),
        "bidQty": contract.qty_text(bid[1]),
        "askPrice": contract.price_text(ask[0]),
        "askQty": contract.qty_text(ask[1]),
        "time": now_ms,
    }


def price_row(market: SymbolMarket, now_ms: int) -> Row:
    return {"symbol": market.symbol, "price": market.contract.price_text(market.last_ticks), "time": now_ms}


def premium_row(market: SymbolMarket, now_ms: int) -> Row:
    mark = f"{market.mark:.8f}"
    return {
        "symbol": market.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": f"{market.funding_rate:.8f}",
        "interestRate": "0.00010000",
        "nextFundingTime": market.next_funding_ms(now_ms),
        "time": now_ms,
    }


def one_or_all(make: Any) -> Any:
    """A handler that answers one row for a symbol, or the rows of all."""

    def answer(exchange: Exchange, params: Params, now_ms: int) -> Any:
        if params.get("symbol"):
            return make(exchange.markets[exchange.contract(params["symbol"]).symbol], now_ms)
        return [make(market, now_ms) for market in exchange.markets.values()]

    return answer


def funding_rates(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    start_ms, end_ms = integer(params, "startTime", 0), integer(params, "endTime", now_ms)
    symbols = [exchange.contract(params["symbol"]).symbol] if params.get("symbol") else list(exchange.markets)
    rows = [row for symbol in symbols for row in exchange.markets[symbol].fundings]
    found = sorted(
        (row for row in rows if start_ms <= row["fundingTime"] <= end_ms), key=lambda row: row["fundingTime"]
    )
    limit = integer(params, "limit", 100)
    return found[:limit] if params.get("startTime") else found[-limit:]


def funding_info(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    return [
        {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": FUNDING_INTERVAL_MS // 3_600_000,
            "disclaimer": False,
        }
        for symbol in exchange.markets
    ]


def open_interest(exchange: Exchange, params: Params, now_ms: int) -> Row:
    contract = exchange.contract(params.get("symbol"))
    return {"openInterest": contract.qty_text(10_000_000), "symbol": contract.symbol, "time": now_ms}


def long_short_ratio(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    def row(symbol: str, time_ms: int) -> Row:
        long = _wave(time_ms)
        told = {"longShortRatio": f"{long / (1 - long):.4f}", "longAccount": f"{long:.4f}"}
        return {"symbol": symbol, **told, "shortAccount": f"{1 - long:.4f}", "timestamp": str(time_ms)}

    return _history(exchange, params, now_ms, row)


def open_interest_history(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    def row(symbol: str, time_ms: int) -> Row:
        contract, lots = exchange.contracts[symbol], round(10_000_000 * _wave(time_ms))
        value = contract.notional(lots, exchange.markets[symbol].last_ticks)
        told = {"sumOpenInterest": contract.qty_text(lots), "sumOpenInterestValue": str(value)}
        return {"symbol": symbol, **told, "timestamp": str(time_ms)}

    return _history(exchange, params, now_ms, row)


def taker_flow(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    def row(symbol: str, time_ms: int) -> Row:
        bought, sold = 100 * _wave(time_ms), 100 * (1 - _wave(time_ms))
        told = {"buySellRatio": f"{bought / sold:.4f}", "buyVol": f"{bought:.4f}", "sellVol": f"{sold:.4f}"}
        return {**told, "timestamp": str(time_ms)}

    return _history(exchange, params, now_ms, row)


def _history(exchange: Exchange, params: Params, now_ms: int, row: Callable[[str, int], Row]) -> list[Row]:
    """Of the periods that have begun, and not more than a month ago: those of a span, or the newest."""
    symbol, period_ms = exchange.contract(params.get("symbol")).symbol, INTERVALS_MS.get(params.get("period", ""))
    if period_ms is None:
        raise RefusalError(-1120)
    start_ms, end_ms = integer(params, "startTime", 0), integer(params, "endTime", now_ms)
    first_ms = max(start_ms, now_ms - HISTORY_MS)
    times = range(first_ms + -first_ms % period_ms, min(end_ms, now_ms) + 1, period_ms)
    return [row(symbol, time_ms) for time_ms in times[-integer(params, "limit", 30) :]]


def _wave(time_ms: int) -> float:
    """Something between 0.25 and 0.75 that only the time tells."""
    return 0.25 + time_ms // 60_000 % 997 / 1994
