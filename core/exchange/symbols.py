"""Our symbols and ccxt's: BTCUSDT is BTC/USDT:USDT there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.settings import Settings


def normalise(symbol: str) -> str:
    """Our symbol however it is written: BTCUSDT, BTC/USDT:USDT, BTC_USDT or BTC-USDT."""
    pair = symbol.strip().upper().partition(":")[0]
    return "".join(character for character in pair if character not in "/_-")


def our_symbols(markets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Ours -> ccxt's, of all USDT-margined linear perpetuals in ccxt's `markets`; of two alike, the active one."""
    found: dict[str, str] = {}
    for unified, market in markets.items():
        if not (market.get("swap") and market.get("linear") and market.get("settle") == "USDT"):
            continue
        ours = f"{market['base']}{market['quote']}"
        if ours not in found or market.get("active"):
            found[ours] = unified
    return found


def with_exchange_symbols(settings: Settings) -> Settings:
    """The settings as a run on an exchange reads them: its symbols, however they are written, are those traded."""
    chosen = settings.exchange.symbols or settings.market.symbols
    symbols = tuple(dict.fromkeys(normalise(symbol) for symbol in chosen))
    return settings.model_copy(update={"market": settings.market.model_copy(update={"symbols": symbols})})
