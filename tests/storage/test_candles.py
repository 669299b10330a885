from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
import pytest_asyncio

from core.domain.errors import DataError
from core.domain.market import Bar, FundingRate
from core.ports import SettledFunding
from storage.candles import SqliteCandles
from storage.data_admin import list_data
from storage.database import Database

MINUTE = 60_000
T0 = 1_748_995_200_000


def bar(minute: int, symbol: str = "BTCUSDT") -> Bar:
    return Bar(symbol, T0 + minute * MINUTE, MINUTE, 100.1, 101.0, 99.0, 100.0 + minute, 2.5)


@pytest_asyncio.fixture
async def candles(database: Database) -> AsyncIterator[SqliteCandles]:
    candles = await SqliteCandles.open(database)
    yield candles
    await candles.close()


async def test_bars_come_back_in_order_within_the_span(candles: SqliteCandles) -> None:
    await candles.append([bar(2), bar(0), bar(1), bar(0, "ETHUSDT")])
    await candles.append([bar(3)])
    found = await candles.bars("BTCUSDT", T0 + MINUTE, T0 + 3 * MINUTE)
    assert found.open_time_ms.tolist() == [T0 + MINUTE, T0 + 2 * MINUTE]
    assert found.close.tolist() == [101.0, 102.0]
    assert (found.open[0], found.high[0], found.low[0], found.volume[0]) == (100.1, 101.0, 99.0, 2.5)
    assert (found.symbol, found.interval_ms) == ("BTCUSDT", MINUTE)
    assert (found.open_time_ms.dtype, found.close.dtype) == ("int64", "float64")


async def test_an_empty_span_is_empty(candles: SqliteCandles) -> None:
    assert len((await candles.bars("BTCUSDT", 0, T0)).close) == 0
    assert await candles.span("BTCUSDT") is None
    assert await candles.funding("BTCUSDT", 0, T0) == []


async def test_the_span_ends_with_the_last_close(candles: SqliteCandles) -> None:
    await candles.append([bar(0), bar(4)])
    assert await candles.span("BTCUSDT") == (T0, T0 + 5 * MINUTE)


async def test_the_same_bar_again_changes_nothing(candles: SqliteCandles, database: Database) -> None:
    await candles.append([bar(0), bar(1)])
    await candles.append([bar(1), bar(2)])
    (row,) = list_data(database)
    assert (row.source, row.rows, row.first_ms, row.last_ms, row.is_synthetic) == (
        "stream",
        3,
        T0,
        T0 + 2 * MINUTE,
        False,
    )


async def test_of_a_bar_that_is_told_again_with_other_values_the_first_stands(
    candles: SqliteCandles, caplog: pytest.LogCaptureFixture
) -> None:
    assert await candles.append([bar(1)]) == [bar(1)]
    assert await candles.append([bar(0), replace(bar(1), close=100.5), bar(2)]) == [bar(0), bar(1), bar(2)]
    assert "BTCUSDT: the bar of" in caplog.text
    assert "was told again with other values; the first is kept" in caplog.text
    found = await candles.bars("BTCUSDT", 0, T0 + 10 * MINUTE)
    assert found.close.tolist() == [bar(n).close for n in range(3)]


async def test_a_bar_of_another_interval_is_refused(candles: SqliteCandles) -> None:
    with pytest.raises(DataError, match="does not belong to this store"):
        await candles.append([replace(bar(0), interval_ms=5 * MINUTE)])


async def test_a_missing_mark_price_is_the_price_of_that_time(candles: SqliteCandles, database: Database) -> None:
    with_price = T0 + 5
    in_a_gap = T0 + 3 * MINUTE
    before_all = T0 - 1
    await candles.append([bar(0), bar(1)])
    connection = database.connect_sync(durable=False)
    connection.executemany(
        "INSERT INTO funding_rates VALUES ('BTCUSDT', ?, '0.0001', ?, 1)",
        [(before_all, None), (with_price, None), (in_a_gap, None), (in_a_gap + 1, "77.7")],
    )
    connection.close()
    found = await candles.funding("BTCUSDT", 0, T0 + 10 * MINUTE)
    assert found == [
        FundingRate("BTCUSDT", with_price, Decimal("0.0001"), Decimal("100.1")),
        FundingRate("BTCUSDT", in_a_gap, Decimal("0.0001"), Decimal("101.0")),
        FundingRate("BTCUSDT", in_a_gap + 1, Decimal("0.0001"), Decimal("77.7")),
    ]


async def test_settled_funding_is_stored_once_with_the_digits_of_the_exchange(
    candles: SqliteCandles, database: Database
) -> None:
    await candles.append([bar(0)])
    with_mark = SettledFunding("BTCUSDT", T0 + 3, Decimal("0.00010000"), Decimal("100.70"))
    without = SettledFunding("BTCUSDT", T0 + 8 * 60 * MINUTE, Decimal("-0.00002"), None)
    await candles.append_funding([with_mark])
    await candles.append_funding([with_mark, without])
    assert await candles.funding("BTCUSDT", T0, T0 + 9 * 60 * MINUTE) == [
        FundingRate("BTCUSDT", T0 + 3, Decimal("0.00010000"), Decimal("100.70")),
        FundingRate("BTCUSDT", T0 + 8 * 60 * MINUTE, Decimal("-0.00002"), Decimal("100.0")),
    ]
    (row,) = (row for row in list_data(database) if row.kind == "funding")
    assert (row.source, row.interval, row.rows) == ("stream", "8h", 2)


async def test_of_a_funding_rate_that_is_told_again_the_first_stands(
    candles: SqliteCandles, caplog: pytest.LogCaptureFixture
) -> None:
    rate = SettledFunding("BTCUSDT", T0, Decimal("0.0001"), Decimal(100))
    await candles.append_funding([rate])
    await candles.append_funding([replace(rate, rate=Decimal("0.00010"))])
    assert caplog.text == "", "it is the same in other digits"
    await candles.append_funding([replace(rate, time_ms=T0 + 1), replace(rate, rate=Decimal("0.0002"))])
    assert "BTCUSDT: the funding of" in caplog.text
    assert await candles.funding("BTCUSDT", 0, T0 + MINUTE) == [
        FundingRate("BTCUSDT", T0, rate.rate, Decimal(100)),
        FundingRate("BTCUSDT", T0 + 1, rate.rate, Decimal(100)),
    ]
