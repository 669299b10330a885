"""What is missing comes from where it is to be had, once, and equals what the exchange had."""

from __future__ import annotations

import pytest

from core.domain.errors import BadInputError, DataError, RefusedError, UnavailableError
from core.domain.market import MINUTE_MS
from core.domain.progress import Manner
from core.market.fetch.fetching import NOWHERE
from storage.candles import CHUNK_ROWS
from storage.data_admin import check_data
from storage.fetched import FetchedData
from tests.core.market.fetch.desk import BTC, JUNE, JUNE_BARS, Desk
from tests.core.market.fetch.market import BEGIN_MS, DAY_MS, FUNDING_HEADER, NOW_MS, at
from tests.venue.server import Call, Fault

UNLISTED = BadInputError("GONEUSDT: binanceusdm has no USDT-margined perpetual of this name")


async def test_months_and_days_of_the_archive_and_the_rest_of_the_exchange(desk: Desk) -> None:
    span = (at("2025-05-31T23:00"), NOW_MS)
    found = await desk.fetch(span)
    assert found["candles", "monthly archive"] == (1, 30 * 1440)
    assert found["candles", "daily archive"] == (1, 1440)
    assert found["candles", "binanceusdm"] == (0, 60 + 300)
    assert ("candles", NOWHERE) not in found
    assert desk.bars() == desk.expected(*span)


async def test_what_is_stored_is_not_asked_for_again(desk: Desk) -> None:
    await desk.fetch(JUNE)
    desk.past.archive.asked.clear()
    before = desk.calls("/klines")
    found = await desk.fetch(JUNE)
    assert found == {("candles", "stored before"): (0, 30 * 1440)}
    assert not desk.past.archive.asked
    assert desk.calls("/klines") == before


async def test_the_open_candle_and_one_that_may_still_change_are_left_for_later(desk: Desk) -> None:
    await desk.fetch((at("2025-07-02T04:00"), NOW_MS + DAY_MS))
    assert desk.bars()[-1].open_time_ms == at("2025-07-02T04:59")


@pytest.mark.parametrize(("interval", "interval_ms"), [("5m", 5 * MINUTE_MS), ("1h", 60 * MINUTE_MS)])
async def test_longer_candles(desk: Desk, interval: str, interval_ms: int) -> None:
    desk.past.publish(BTC, interval, interval_ms)
    found = await desk.fetch((BEGIN_MS, NOW_MS), interval_ms)
    assert found["candles", "monthly archive"][0] == 1
    bars = desk.bars(interval_ms=interval_ms)
    assert [bar.open_time_ms for bar in bars] == list(range(BEGIN_MS, at("2025-07-02T05:00"), interval_ms))
    first = desk.expected(BEGIN_MS, BEGIN_MS + interval_ms)
    assert (bars[0].open, bars[0].close) == (first[0].open, first[-1].close)
    assert bars[0].high == max(bar.high for bar in first)
    assert bars[0].volume == pytest.approx(sum(bar.volume for bar in first))


async def test_what_the_archive_lacks_comes_from_the_exchange(desk: Desk) -> None:
    for name in [name for name in desk.past.archive.files if "2025-06-30" in name or "2025-06.zip" in name]:
        del desk.past.archive.files[name], desk.past.archive.checksums[name]
    found = await desk.fetch(JUNE)
    assert found["candles", "daily archive"] == (29, 29 * 1440)
    assert found["candles", "binanceusdm"] == (0, 1440)
    assert desk.bars() == desk.expected(*JUNE)


async def test_holes_within_a_file_are_asked_of_the_exchange(desk: Desk) -> None:
    market = desk.past.market(BTC)
    rows = [market.kline_row(candle) for candle in market.candles if JUNE[0] <= candle.open_ms < JUNE[1]]
    del rows[5_000:5_200], rows[9_000]
    desk.past.archive.publish("monthly/klines/BTCUSDT/1m", "BTCUSDT-1m-2025-06", rows)
    found = await desk.fetch(JUNE)
    assert found["candles", "binanceusdm"] == (0, 201)
    assert desk.bars() == desk.expected(*JUNE)


async def test_what_nobody_has_is_said(desk: Desk) -> None:
    market = desk.past.market(BTC)
    del market.candles[1_000:3_500], market.candle_times[1_000:3_500]
    desk.past.archive.checksums.clear()
    span = (BEGIN_MS, BEGIN_MS + 4 * DAY_MS)
    found = await desk.fetch(span)
    assert found["candles", NOWHERE] == (0, 2_500)
    assert len(desk.bars()) == 4 * 1440 - 2_500


async def test_without_an_archive_all_comes_from_the_exchange(desk: Desk) -> None:
    found = await desk.fetch(JUNE, archive=None)
    assert found["candles", "binanceusdm"] == (0, 30 * 1440)
    assert desk.bars() == desk.expected(*JUNE)


async def test_an_archive_out_of_reach_is_left_out_and_told(desk: Desk) -> None:
    desk.past.archive.statuses.append(403)
    found = await desk.fetch(JUNE)
    assert found["candles", "binanceusdm"] == (0, 30 * 1440)
    assert "the archive is left out: 127.0.0.1" in desk.told[-1]


async def test_without_the_exchange_the_archive_gives_what_it_has(desk: Desk) -> None:
    away = UnavailableError("the exchange is away")
    found = await desk.fetch((at("2025-06-01"), NOW_MS), wire=None, unlisted={BTC: away})
    assert found["candles", "monthly archive"] == (1, 30 * 1440)
    assert found["candles", "daily archive"] == (1, 1440)
    assert found["candles", NOWHERE] == (0, 300)
    assert found["funding", "monthly archive"] == (1, 90)
    assert [row[2] for row in desk.funding()] == [f"{50_100 + 8 * index}.5" for index in range(90)]


async def test_funding_of_the_archive_without_mark_prices_has_none(desk: Desk) -> None:
    del desk.past.archive.checksums["monthly/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2025-06.zip"]
    await desk.fetch(JUNE, wire=None, unlisted={BTC: UnavailableError("away")})
    assert [row[2] for row in desk.funding()] == [None] * 90


async def test_a_time_without_funding_is_said(desk: Desk) -> None:
    fundings = desk.past.market(BTC).fundings
    fundings[:] = [row for row in fundings if row["fundingTime"] >= at("2025-06-21")]
    await desk.fetch(JUNE)
    assert desk.told == ["BTCUSDT: no funding is told from 2025-06-01T00:00Z to 2025-06-21T00:00Z"]


async def test_a_file_whose_storing_was_ended_is_taken_again_to_its_end(desk: Desk) -> None:
    chunks = iter([False, False, True])
    manner = Manner(lambda: None, lambda _: None, lambda: next(chunks))
    with pytest.raises(RefusedError):
        await desk.fetch(JUNE, store=FetchedData(desk.database, NOW_MS, manner))
    assert JUNE_BARS / 2 < len(desk.bars()) < JUNE_BARS
    assert "unfinished" in [problem.kind for problem in check_data(desk.database)]
    found = await desk.fetch(JUNE)
    assert found["candles", "monthly archive"] == (1, JUNE_BARS - 2 * CHUNK_ROWS)
    assert check_data(desk.database) == []
    assert desk.bars() == desk.expected(*JUNE)


@pytest.mark.parametrize("exchange", ["mexc", "apex"])
async def test_two_exchanges_never_make_one_market(desk: Desk, exchange: str) -> None:
    await desk.fetch((JUNE[0], JUNE[0] + DAY_MS))
    with pytest.raises(BadInputError, match=f"BTCUSDT: what is stored of it is of binanceusdm, and that of {exchange}"):
        await desk.fetch((JUNE[0], JUNE[0] + 2 * DAY_MS), exchange=exchange)
    assert len(desk.bars()) == 1440


async def test_what_only_the_exchange_told_is_a_market_too(desk: Desk) -> None:
    await desk.fetch((JUNE[0], JUNE[0] + DAY_MS), archive=None)
    with pytest.raises(BadInputError, match="is another market"):
        await desk.fetch((JUNE[0], JUNE[0] + 2 * DAY_MS), exchange="mexc")


async def test_a_contract_that_is_listed_after_the_period_brings_nothing(desk: Desk) -> None:
    desk.wire.client.markets["BTC/USDT:USDT"]["created"] = at("2026-01-01")
    assert await desk.fetch(JUNE) == {}
    assert desk.progress[-1].total == 0


async def test_without_both_the_exchange_s_error_is_told(desk: Desk) -> None:
    with pytest.raises(UnavailableError, match="the exchange is away"):
        await desk.fetch(JUNE, wire=None, archive=None, unlisted={BTC: UnavailableError("the exchange is away")})


async def test_a_contract_that_is_gone_comes_from_the_archive(desk: Desk) -> None:
    market = desk.past.market(BTC)
    rows = [market.kline_row(candle) for candle in market.candles if JUNE[0] <= candle.open_ms < JUNE[1]]
    desk.past.archive.publish("monthly/klines/GONEUSDT/1m", "GONEUSDT-1m-2025-06", rows)
    found = await desk.fetch(JUNE, symbols=["GONEUSDT"], unlisted={"GONEUSDT": UNLISTED})
    assert found["candles", "monthly archive"] == (1, 30 * 1440)


async def test_a_contract_that_nobody_knows_is_bad_input(desk: Desk) -> None:
    with pytest.raises(BadInputError, match="no USDT-margined perpetual of this name"):
        await desk.fetch(JUNE, symbols=["GONEUSDT"], unlisted={"GONEUSDT": UNLISTED})


async def test_what_comes_before_the_listing_is_not_asked_for(desk: Desk) -> None:
    desk.wire.client.markets["BTC/USDT:USDT"]["created"] = at("2025-06-30T12:00")
    found = await desk.fetch(JUNE)
    assert found["candles", "binanceusdm"] == (0, 720)
    assert ("candles", NOWHERE) not in found
    assert not desk.past.archive.asked
    assert "BTCUSDT: binanceusdm has it since 2025-06-30T12:00" in desk.told[0]


async def test_a_period_in_which_there_was_nothing_is_bad_input(desk: Desk) -> None:
    with pytest.raises(BadInputError, match="have no candles of 1m from 2025-05-20"):
        await desk.fetch((at("2025-05-20"), at("2025-05-21")))


async def test_funding_with_its_mark_prices(desk: Desk) -> None:
    found = await desk.fetch(JUNE)
    told = [row for row in desk.past.market(BTC).fundings if JUNE[0] <= row["fundingTime"] < JUNE[1]]
    assert found["funding", "binanceusdm"] == (0, len(told))
    assert [(time_ms, float(rate), float(mark)) for time_ms, rate, mark in desk.funding()] == [
        (row["fundingTime"], float(row["fundingRate"]), float(row["markPrice"])) for row in told
    ]


async def test_a_settlement_is_stored_once_whoever_tells_it(desk: Desk) -> None:
    """The archive and the exchange write its time with other milliseconds."""
    told = [row for row in desk.past.market(BTC).fundings if JUNE[0] <= row["fundingTime"] < JUNE[1]]
    rates = [(row["fundingTime"] + 9, 8, row["fundingRate"]) for row in told]
    desk.past.archive.publish("monthly/fundingRate/BTCUSDT", "BTCUSDT-fundingRate-2025-06", rates, FUNDING_HEADER)
    await desk.fetch(JUNE, wire=None, unlisted={BTC: UnavailableError("away")})
    before = desk.funding()
    await desk.fetch(JUNE)
    assert desk.funding() == before


async def test_a_settlement_told_with_another_rate_is_refused(desk: Desk) -> None:
    await desk.fetch((JUNE[0], JUNE[0] + DAY_MS))
    row = next(row for row in desk.past.market(BTC).fundings if row["fundingTime"] >= JUNE[0])
    row["fundingRate"] = "0.00430000"
    with pytest.raises(DataError, match=r"BTCUSDT: the funding of 2025-06-01.* find out which is right"):
        await desk.fetch((JUNE[0], JUNE[0] + 2 * DAY_MS))


async def test_candles_that_contradict_what_is_stored_are_refused(desk: Desk) -> None:
    await desk.fetch((JUNE[0], JUNE[0] + DAY_MS))
    market = desk.past.market(BTC)
    rows = [market.kline_row(candle) for candle in market.candles if JUNE[0] <= candle.open_ms < JUNE[1]]
    rows[700][4] = rows[700][2]
    desk.past.archive.publish("monthly/klines/BTCUSDT/1m", "BTCUSDT-1m-2025-06", rows)
    with pytest.raises(DataError, match="is stored with other values"):
        await desk.fetch(JUNE)
    assert len(desk.bars()) == 1440


async def test_a_checksum_that_does_not_match_ends_it_and_keeps_what_came_before(desk: Desk) -> None:
    desk.past.archive.checksums["monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-06.zip"] = "ab" * 32
    with pytest.raises(DataError, match="does not match its checksum"):
        await desk.fetch((at("2025-05-31"), JUNE[1]))
    assert desk.bars() == desk.expected(at("2025-05-31"), at("2025-06-01"))


async def test_what_the_exchange_told_before_it_fell_silent_is_kept(desk: Desk) -> None:
    def fault(call: Call) -> Fault:
        return Fault(drop_before=call.path.endswith("/klines") and desk.calls("/klines") > 3)

    desk.past.server.fault = fault
    with pytest.raises(UnavailableError):
        await desk.fetch(JUNE, archive=None)
    kept = desk.bars()
    assert kept == desk.expected(JUNE[0], JUNE[0] + 3_000 * MINUTE_MS)
    desk.past.server.fault = lambda _: Fault()
    found = await desk.fetch(JUNE, archive=None)
    assert found["candles", "binanceusdm"] == (0, 30 * 1440 - len(kept))
    assert desk.bars() == desk.expected(*JUNE)


async def test_progress_goes_up_to_all_that_was_missing(desk: Desk) -> None:
    await desk.fetch((at("2025-05-31T12:00"), NOW_MS))
    done = [told.done for told in desk.progress]
    assert done == sorted(done)
    assert {told.total for told in desk.progress} == {done[-1]}
    assert done[-1] == 720 + 31 * 1440 + 300
