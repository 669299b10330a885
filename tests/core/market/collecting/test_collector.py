"""Gatherings that are killed, cut off, stopped and full, against a loopback exchange in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.domain.errors import BadInputError
from core.market.streams import stream
from storage.data_admin import check_data, list_data
from tests.core.market.collecting.scene import ALL, BTC, HOUR_S, MINUTE, START_MS, Scene, holes_of, only, play
from tests.venue.server import Call, Fault
from tests.venue.venue import Response

PERIOD = 5 * MINUTE


def test_an_hour_that_is_killed_twice_has_no_hole_that_rest_could_fill_and_its_sizes_are_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(seconds=HOUR_S / 4, killed=True)
        scene.venue.tell_liquidation(BTC, "SELL", "90000", "1", scene.now_ms)
        await asyncio.sleep(400)
        await scene.gather(seconds=HOUR_S / 4, killed=True)
        scene.venue.tell_liquidation(BTC, "SELL", "90000", "1", scene.now_ms)
        await asyncio.sleep(700)
        await scene.gather(seconds=HOUR_S / 2)

    scene = play(tmp_path, act)
    market = scene.venue.exchange.markets[BTC]
    numbers = scene.numbers()
    assert holes_of(numbers) == []
    assert numbers[-1] >= market.prints[-1].trade_id - 4
    assert len(numbers) > 3_000
    values = scene.rows("SELECT number, time_ms FROM observations WHERE stream = 'trades'")
    assert set(values) <= {(done.trade_id, done.time_ms) for done in market.prints}
    for name in ("open_interest.5m", "long_short.5m", "taker_flow.5m"):
        times = scene.times(name)
        assert times == list(range(times[0], times[-1] + 1, PERIOD)), name
        assert len(times) >= 12
        assert scene.now_ms - times[-1] < 2 * PERIOD + MINUTE
    assert scene.rows("SELECT time_ms, rate FROM funding_rates") == [(START_MS + 150_000, "0.00010000")]
    assert [(row["stream"], row["missing_rows"]) for row in scene.report] == [(name, 0) for name in ALL]
    assert scene.of("trades")["holes"] == 0
    assert scene.of("trades")["filled"] > 650
    # What nobody tells again stays a hole, and is told as one: both times the process was dead, and a while more until
    # a silent stream is known to be alive.
    for name, least, most in (("book10", 18.3, 19.0), ("mark", 18.3, 19.0), ("liquidations", 18.3, 20.0)):
        assert scene.of(name)["holes"] == 2
        assert least <= scene.of(name)["missing_minutes"] <= most
    problems = {(p.symbol, p.kind) for p in check_data(scene.database)}
    assert problems == {(f"{BTC} {name}", "gap") for name in ("book10", "mark", "liquidations")}
    for row in scene.report:
        assert row["mb_a_day"] is not None
        assert row["rows"] >= row["came"] >= 0
    assert scene.of("book10")["mb_a_day"] > scene.of("trades")["mb_a_day"] > scene.of("mark")["mb_a_day"] * 0.5
    assert any("a hole of" in line and "REST" in line for line in scene.said)
    total_mb = sum(row["mb"] for row in scene.report)
    scene.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    file_mb = scene.database.path.stat().st_size / 1e6
    assert 0.8 * file_mb <= total_mb <= 1.4 * file_mb, (total_mb, file_mb)


def test_streams_that_are_cut_lose_no_trade_and_say_when_nobody_listened(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        gathering = asyncio.ensure_future(scene.gather(only("trades", "liquidations"), 600))
        await asyncio.sleep(120)
        scene.server.refuses_websockets = True
        await scene.server.cut()
        await asyncio.sleep(180)
        scene.server.refuses_websockets = False
        await gathering

    scene = play(tmp_path, act)
    assert holes_of(scene.numbers()) == []
    assert scene.of("trades")["filled"] > 150
    assert scene.of("liquidations")["holes"] == 1
    assert 2.9 <= scene.of("liquidations")["missing_minutes"] <= 4.0


def test_what_rest_does_not_have_any_more_stays_a_hole_and_is_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(only("trades"), 60)
        await asyncio.sleep(100)
        market = scene.venue.exchange.markets[BTC]
        gone = [done for done in market.prints if done.time_ms > START_MS + 90_000]
        market.prints.clear()
        market.prints.extend(done for done in gone if done.time_ms > START_MS + 120_000)
        await scene.gather(only("trades"), 60)

    scene = play(tmp_path, act)
    assert scene.of("trades")["holes"] == 1
    assert scene.of("trades")["missing_rows"] == len(holes_of(scene.numbers())) > 30
    (problem,) = check_data(scene.database)
    assert (problem.symbol, problem.count) == (f"{BTC} trades", scene.of("trades")["missing_rows"])


def test_rest_that_is_down_is_asked_again_until_the_hole_is_filled(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(only("trades"), 60)
        await asyncio.sleep(60)
        scene.server.fault = lambda call: Fault(drop_before=call.path.endswith("/aggTrades"))
        gathering = asyncio.ensure_future(scene.gather(only("trades"), 300))
        await asyncio.sleep(150)
        assert holes_of(scene.numbers())
        scene.server.fault = lambda call: Fault()
        await gathering

    scene = play(tmp_path, act)
    assert holes_of(scene.numbers()) == []


def test_a_fill_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(only("trades"), 30)
        await asyncio.sleep(4_000)
        scene.server.calls.clear()
        asked: list[str] = []

        def break_the_third(call: Call) -> Fault:
            if not call.path.endswith("/aggTrades"):
                return Fault()
            asked.append(call.params["fromId"])
            return Fault(drop_before=3 <= len(asked) <= 8)

        scene.server.fault = break_the_third
        await scene.gather(only("trades"), 300)
        # Each of the tries of a read that failed asks for the same.
        assert list(dict.fromkeys(asked)) == sorted(set(asked))
        assert asked.count(asked[0]) == 1

    scene = play(tmp_path, act)
    assert holes_of(scene.numbers()) == []


def test_a_hole_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    asked = only("trades", "long_short.5m")

    async def act(scene: Scene) -> None:
        await scene.gather(asked, 400)
        await asyncio.sleep(1_200)
        refused = Response(400, '{"code":-1130,"msg":"parameter startTime is invalid."}', {})
        scene.server.fault = lambda call: Fault(response=refused if call.path.endswith("/aggTrades") else None)
        await scene.gather(asked, 60)

    scene = play(tmp_path, act)
    assert any("is refused, and asked for after the next start" in line for line in scene.said)
    assert scene.of("long_short.5m")["holes"] == 0
    assert scene.of("trades")["holes"] == 1


def test_what_began_too_long_ago_is_left_at_every_start(tmp_path: Path) -> None:
    asked = only("trades", fill_ms=10 * MINUTE)

    async def act(scene: Scene) -> None:
        await scene.gather(asked, 30)
        await asyncio.sleep(1_200)
        scene.server.calls.clear()
        for _ in range(2):
            await scene.gather(asked, 30)
        assert all(int(call.params["fromId"]) > 5_001_000 for call in scene.server.calls if "fromId" in call.params)

    scene = play(tmp_path, act)
    assert any("stays a hole" in line for line in scene.said)
    assert len(holes_of(scene.numbers())) > 1_000


def test_reads_keep_to_their_ration(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(only("trades"), 30)
        await asyncio.sleep(3 * HOUR_S)
        scene.server.calls.clear()
        collector = await scene.gather(only("trades", weight_an_hour=1_200), 15 * 60)
        calls = [call for call in scene.server.calls if call.path.endswith("/aggTrades")]
        assert 10 <= len(calls) <= 16
        assert collector.spent == 20 * len(calls)

    scene = play(tmp_path, act)
    assert holes_of(scene.numbers()) == []


def test_a_disk_that_is_nearly_full_ends_it_with_all_stored_that_came(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        gathering = asyncio.ensure_future(scene.gather(only("trades", min_free_bytes=2_000_000)))
        await gathering
        assert scene.ended.startswith("1 MB are free on the disk, and 2 are to stay free")
        assert scene.numbers() == []
        gathering = asyncio.ensure_future(scene.gather(only("trades")))
        await asyncio.sleep(60)
        scene.free_bytes = 999
        await gathering

    scene = play(tmp_path, act)
    assert scene.ended.startswith("0 MB are free on the disk")
    assert len(scene.numbers()) >= 55
    assert scene.of("trades")["came"] == len(scene.numbers())


def test_rows_that_were_kept_long_enough_go_and_others_stay(tmp_path: Path) -> None:
    asked = only("trades", "book10", keep_ms={"trades": 20 * MINUTE})

    async def act(scene: Scene) -> None:
        await scene.gather(asked, 600)
        await asyncio.sleep(900)
        await scene.gather(asked, 60)

    scene = play(tmp_path, act)
    kept = [one for (one,) in scene.rows("SELECT min(time_ms) FROM observations GROUP BY stream ORDER BY stream")]
    assert kept[0] <= START_MS + 5_000
    assert kept[1] >= scene.now_ms - 20 * MINUTE - 65_000
    assert scene.of("trades")["forgotten"] > 200
    assert scene.of("trades")["rows"] == len(scene.numbers())
    assert {row.source for row in list_data(scene.database)} == {"binanceusdm live"}


def test_another_exchanges_market_is_not_mixed_in(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.rows(
            "INSERT INTO sources VALUES (1, 'mexc REST', 'x', 'candles', 0, ?, 60000, 0, 0, 1, 0, '') RETURNING 1", BTC
        )
        with pytest.raises(BadInputError, match="what is stored of it is of mexc, and that of binanceusdm is another"):
            await scene.gather(only("mark"), 10)

    play(tmp_path, act)


def test_each_transaction_is_preceded_by_a_turn_for_others_and_none_is_long(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.gather(only("trades", "mark"), 120)

    scene = play(tmp_path, act)
    assert scene.rests >= 55


def test_a_number_that_no_market_comes_to_is_no_hole(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        gathering = asyncio.ensure_future(scene.gather(only("trades"), 60))
        await asyncio.sleep(30)
        (connection,) = [c for c in scene.venue.connections if any("@aggTrade" in topic for topic in c.streams)]
        frame = f'"e":"aggTrade","E":1,"s":"{BTC}","a":900000000000,"p":"5","q":"1","T":{scene.now_ms},"m":true'
        connection.send(f"{{{frame}}}")
        scene.server.calls.clear()
        await gathering
        assert not [call for call in scene.server.calls if call.path.endswith("/aggTrades")]

    scene = play(tmp_path, act)
    assert any("number 900000000000 of trades does not follow" in line for line in scene.said)


def test_every_name_that_is_gathered_is_a_stream() -> None:
    assert all(stream(name).name == name for name in ALL)
