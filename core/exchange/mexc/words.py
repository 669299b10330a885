"""What MEXC tells in its own rows of contracts and candles."""

from __future__ import annotations

from collections.abc import Sequence

from core.exchange.connection.own_words import CandleSign, ContractTold, OwnWords, Row
from core.exchange.orders.rows import part


def contract(market: Row) -> ContractTold:
    return ContractTold(maintenance_margin_rate=part(market, "info").get("maintenanceMarginRate"))


def candle_signs(frame: Row) -> Sequence[CandleSign]:
    """Its candles open at a second; whether one has closed it does not say."""
    candle = frame["data"]
    return (CandleSign(candle["interval"], candle["symbol"], int(candle["t"]) * 1_000, int(frame["ts"]), None),)


WORDS = OwnWords(contract=contract, candle_signs=candle_signs)
