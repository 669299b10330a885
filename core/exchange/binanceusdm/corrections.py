"""What ccxt gets wrong of Binance USD-M futures, put right in the client itself."""

from __future__ import annotations

from typing import Any

CLIENT_OPTIONS = {
    "fetchCurrencies": False,
    "adjustForTimeDifference": False,
    "warnOnFetchOpenOrdersWithoutSymbol": False,
    "setMarginMode": {"throwMarginModeAlreadySet": False},
}


def correct_binanceusdm(client: Any) -> None:
    """ccxt picks the table of USD-M errors by the address of the request, which it knows only of Binance's own."""
    client.exceptions["exact"] = {**client.exceptions["exact"], **client.exceptions["linear"]["exact"]}
