"""What recorded frames of the exchange tell, by way of the genuine client."""

from __future__ import annotations

from typing import Any

import pytest

from core.exchange.binanceusdm.observed import OBSERVED
from core.exchange.markets.observed import Told
from tests.venue.conftest import Desk, desk

__all__ = ["desk"]

BTC = "BTC/USDT:USDT"
FRAMES: list[tuple[str, dict[str, Any], Told]] = [
    (
        "trades",
        {"e": "aggTrade", "E": 1786171884624, "a": 3404749954, "s": "BTCUSDT", "p": "64990.90", "q": "0.002",
         "nq": "0.002", "f": 7960913511, "l": 7960913511, "T": 1786171884471, "m": True, "st": 1},
        Told(BTC, 1786171884471, (-1.0, 64990.9, 0.002), 3404749954),
    ),
    (
        "trades",
        {"e": "aggTrade", "E": 1752193668853, "a": 2782814634, "s": "BTCUSDT", "p": "115239.90", "q": "0.070",
         "f": 6460726680, "l": 6460726680, "T": 1752193668763, "m": False},
        Told(BTC, 1752193668763, (1.0, 115239.9, 0.07), 2782814634),
    ),
    (
        "mark",
        {"e": "markPriceUpdate", "E": 1761731536000, "s": "SOLUSDT", "p": "194.36713158", "P": "194.24338995",
         "i": "194.44842105", "r": "-0.00003843", "T": 1761753600000},
        Told("SOL/USDT:USDT", 1761731536000, (194.36713158, 194.44842105)),
    ),
    (
        "mark",
        {"e": "markPriceUpdate", "E": 1788936948001, "s": "BTCUSDT", "p": "79107.36658171", "ap": "79107.36658171",
         "P": "79176.63756423", "i": "79139.09565217", "r": "0.00008359", "T": 1788940800000, "st": 1},
        Told(BTC, 1788936948001, (79107.36658171, 79139.09565217)),
    ),
    (
        # Its last fill was smaller than what was liquidated in all.
        "liquidations",
        {"e": "forceOrder", "E": 1791565603055, "o": {
            "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.190", "p": "82338.30", "ap": "82651.90",
            "X": "FILLED", "l": "0.155", "z": "0.190", "T": 1791565602120, "ps": "BTCUSDT", "st": 1}},
        Told(BTC, 1791565602120, (-1.0, 82651.9, 0.19)),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "frame", "told"), FRAMES)
async def test_a_recorded_frame_is_told_in_the_streams_own_fields(
    desk: Desk, name: str, frame: dict[str, Any], told: Told
) -> None:
    await desk.client.load_markets()
    pushed = OBSERVED.pushed[name]
    connection = desk.client.client("ws://127.0.0.1:9/market/ws/1")
    getattr(desk.client, pushed.handler)(connection, frame)
    assert list(pushed.read(desk.client, frame)) == [told]


async def test_single_trades_are_not_taken_for_aggregate_ones(desk: Desk) -> None:
    await desk.client.load_markets()
    frame = {"e": "trade", "E": 1742583237873, "T": 1742583237873, "s": "BTCUSDT", "t": 6126585299, "p": "84088.00",
             "q": "0.002", "X": "MARKET", "m": False}  # fmt: skip
    desk.client.handle_trade(desk.client.client("ws://127.0.0.1:9/public/ws/1"), frame)
    assert list(OBSERVED.pushed["trades"].read(desk.client, frame)) == []
