"""What Apex tells in its own rows of contracts and candles."""

from __future__ import annotations

from collections.abc import Sequence

from core.exchange.connection.own_words import CandleSign, ContractTold, OwnWords, Row
from core.exchange.orders.rows import part


def contract(market: Row) -> ContractTold:
    """A row names its rate in one of two ways."""
    told = part(market, "info")
    return ContractTold(told.get("maintenanceMarginRate") or told.get("baselineMaintenanceMarginRate"))


def candle_signs(frame: Row) -> Sequence[CandleSign]:
    _, interval, market_id = frame["topic"].split(".")
    signs = []
    for candle in frame["data"]:
        is_closed = candle.get("confirm")
        told_ms = int(candle.get("timestamp") or candle.get("time") or candle["start"])
        times = int(candle["start"]), told_ms
        signs.append(CandleSign(interval, market_id, *times, None if is_closed is None else bool(is_closed)))
    return signs


def stream_id(market: Row) -> str:
    """BTC-USDT in requests is BTCUSDT in streams."""
    return str(market.get("id2") or market["id"])


WORDS = OwnWords(contract=contract, candle_signs=candle_signs, stream_id=stream_id)
