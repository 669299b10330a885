"""The streams beside bars of MEXC: the genuine ccxt.pro client on loopback, fed with its own messages."""

from __future__ import annotations

import asyncio

import pytest

from core.domain.stream import Observation
from core.market.live.observing import LiveStreams, live_names
from tests.core.market.live.test_elsewhere import MEXC_NOW_MS, topics, wire_to
from tests.venue.mexc import MexcLoopback, pushed


@pytest.mark.usefixtures("only_loopback")
async def test_mark_and_index_of_mexc_come_with_its_ticker() -> None:
    names = live_names("mexc", ["mark"])
    async with MexcLoopback() as venue, wire_to("mexc", venue, MEXC_NOW_MS) as (wire, clock):
        assert isinstance(venue, MexcLoopback)
        streams = LiveStreams(wire, ["BTCUSDT"], names)
        running = asyncio.create_task(streams.run())
        await venue.until(lambda: "ticker.BTC_USDT" in topics(venue))
        clock.advance_to(MEXC_NOW_MS + 40)
        await venue.push_quote("BTC_USDT", 31198.5, 31199.0, MEXC_NOW_MS)
        found = await streams.taken()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    told = pushed("Ticker")["data"]
    values = (told["fairPrice"], told["indexPrice"])
    assert found == [Observation("BTCUSDT", "mark", MEXC_NOW_MS, MEXC_NOW_MS + 40, values)]
