"""Our symbols and ccxt's: BTCUSDT is BTC/USDT:USDT there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.domain.instrument import Instrument
from core.settings.schema import Settings


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


def market_row(client: Any, unified: str, instrument: Instrument) -> dict[str, Any]:
    """A contract as ccxt would have it in its `markets`."""
    lot = float(instrument.qty_step / instrument.contract_size)
    least, most = (float(instrument.lot_size * lots) for lots in (instrument.min_lots, instrument.max_lots))
    row: dict[str, Any] = client.safe_market_structure({
        "id": instrument.symbol,
        "symbol": unified,
        "base": instrument.base,
        "quote": "USDT",
        "settle": "USDT",
        "baseId": instrument.base,
        "quoteId": "USDT",
        "settleId": "USDT",
        "type": "swap",
        "spot": False,
        "swap": True,
        "future": False,
        "option": False,
        "contract": True,
        "linear": True,
        "inverse": False,
        "active": False,
        "contractSize": float(instrument.contract_size),
        "precision": {"amount": lot, "price": float(instrument.price_step)},
        "limits": {"amount": {"min": least, "max": most}, "cost": {"min": float(instrument.min_notional_usdt)}},
        "info": {},
    })  # fmt: skip
    return row


def with_exchange_symbols(settings: Settings) -> Settings:
    """The settings as a run on an exchange reads them: its symbols, however they are written, are those traded."""
    chosen = settings.exchange.symbols or settings.market.symbols
    symbols = tuple(dict.fromkeys(normalise(symbol) for symbol in chosen))
    return settings.model_copy(update={"market": settings.market.model_copy(update={"symbols": symbols})})
