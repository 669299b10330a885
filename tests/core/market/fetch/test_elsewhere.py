"""The past of MEXC and Apex, by the genuine client on loopback: short pages, holes, and nothing before the listing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.domain.market import MINUTE_MS
from core.domain.progress import AT_ONCE
from core.market.fetch.fetching import NOWHERE, Fetch
from core.market.fetch.plan import DAY_MS
from storage.database import open_database
from storage.fetched import FetchedData
from tests.core.market.live.test_elsewhere import apex_row, wire_to
from tests.venue.apex import NOW_MS as APEX_NOW_MS
from tests.venue.apex import ApexLoopback
from tests.venue.loopback import Loopback
from tests.venue.mexc import NOW_MS as MEXC_NOW_MS
from tests.venue.mexc import MexcLoopback

BTC = "BTCUSDT"
HOLE = range(900, 1_600)
"""Minutes in the midst of which the exchange has nothing: longer than three pages of Apex."""


def minutes(now_ms: int) -> list[int]:
    """Two days of open times with a hole."""
    begin_ms = now_ms // DAY_MS * DAY_MS - 2 * DAY_MS
    return [begin_ms + index * MINUTE_MS for index in range(2 * 1440) if index not in HOLE]


def of_mexc(venue: MexcLoopback) -> None:
    times = minutes(MEXC_NOW_MS)
    venue.candles["BTC_USDT", "Min1"] = [[ms // 1000, 100, 101, 99, 100.5, 3] for ms in times]
    venue.marks["BTC_USDT", "Min1"] = [[ms // 1000, 100.1, 101.1, 99.1, 100.6, 0] for ms in times]
    venue.marks["BTC_USDT", "Day1"] = [row for row in venue.marks["BTC_USDT", "Min1"] if row[0] % (DAY_MS // 1000) == 0]
    venue.candles["BTC_USDT", "Day1"] = [[ms // 1000, 100, 101, 99, 100.5, 3] for ms in times if ms % DAY_MS == 0]
    venue.funding = [(ms, 0.0001) for ms in times if ms % (8 * 60 * MINUTE_MS) == 0]


def of_apex(venue: ApexLoopback) -> None:
    times = minutes(APEX_NOW_MS)
    venue.candles[BTC, "1"] = [apex_row(ms, "100.5", "3") for ms in times]
    venue.candles[BTC, "D"] = [apex_row(ms, "100.5", "3") | {"i": "D"} for ms in times if ms % DAY_MS == 0]
    venue.funding = [(ms, "0.0001") for ms in times if ms % (60 * MINUTE_MS) == 0]


@pytest.mark.parametrize(
    ("exchange", "make", "fill", "now_ms"),
    [("mexc", MexcLoopback, of_mexc, MEXC_NOW_MS), ("apex", ApexLoopback, of_apex, APEX_NOW_MS)],
)
async def test_all_that_there_is(
    tmp_path: Path,
    exchange: str,
    make: Callable[[], Loopback],
    fill: Callable[[Loopback], Awaitable[None]],
    now_ms: int,
) -> None:
    told: list[str] = []
    async with make() as venue, wire_to(exchange, venue, now_ms) as (wire, _):
        fill(venue)
        store = FetchedData(open_database(tmp_path / "quarterdeck.db"), now_ms, AT_ONCE)
        fetch = Fetch(exchange, wire, {}, None, store, now_ms, told.append, lambda _: None)
        times = minutes(now_ms)
        await fetch.run([BTC], MINUTE_MS, times[0] - 500 * DAY_MS, times[-1] + MINUTE_MS)
    rows = {(taken.kind, taken.source): taken.rows for taken in fetch.taken}
    settled = len(venue.funding)
    expected = {("candles", exchange): len(times), ("candles", NOWHERE): len(HOLE), ("funding", exchange): settled}
    if exchange == "mexc":
        expected |= {("mark", exchange): len(times), ("mark", NOWHERE): len(HOLE)}
    assert rows == expected
    assert f"BTCUSDT: {exchange} has it since" in told[0]
    assert ("BTCUSDT: apex does not tell past mark prices" in told) is (exchange == "apex")
    asked = sum("kline" in call.path for call in venue.calls)
    assert asked < 30
