"""Kinds of stored market data."""

from __future__ import annotations

CANDLES, FUNDING = "candles", "funding"
MARK = "mark"
PRICE_KINDS = (MARK, "index", "premium", "spot")
"""Of candles that are not of the contract's own trades."""
KINDS = (CANDLES, FUNDING, *PRICE_KINDS)
