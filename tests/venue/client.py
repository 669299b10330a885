"""A genuine ccxt.pro client pointed at a loopback server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro

from tests.venue.venue import API_KEY, API_SECRET


def make_client(base_url: str, now_ms: Callable[[], int], **options: Any) -> ccxt.pro.binanceusdm:
    """A client whose every address lies at `base_url` and whose time is `now_ms`."""
    client = ccxt.pro.binanceusdm(
        {
            "apiKey": API_KEY,
            "secret": API_SECRET,
            "enableRateLimit": False,
            "options": {"fetchOpenOrders": {"warnWithoutSymbol": False}, **options},
        }
    )
    client.urls["api"] = _moved(client.urls["api"], base_url)
    # ccxt picks the futures' error classes by address, which is no longer Binance's.
    exceptions = client.exceptions
    exceptions["exact"] = {**exceptions["exact"], **exceptions["linear"]["exact"]}
    client.milliseconds = now_ms
    client.timeout_on_exit = 0
    return client


def _moved(addresses: Any, base_url: str) -> Any:
    if isinstance(addresses, dict):
        return {name: _moved(address, base_url) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    parts = urlsplit(addresses)
    base = base_url.replace("http", "ws", 1) if parts.scheme.startswith("ws") else base_url
    return base + parts.path
