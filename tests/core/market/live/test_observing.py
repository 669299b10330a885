"""The streams beside bars through genuine ccxt.pro, over loopback sockets, against an exchange of the real protocol."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from core.clock import ExchangeClock
from core.domain.errors import BadInputError
from core.domain.stream import Observation
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.health import Health
from core.exchange.connection.requests import Requests, open_wire
from core.exchange.dialects import EXCHANGES, observed_of
from core.market.live.observing import LiveStreams, live_names, live_streams
from core.market.streams import MARK_NOW, OBSERVED_KINDS, stream
from core.settings.schema import parse_settings
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.transport import virtual_ccxt
from tests.venue.server import Fault, VenueServer
from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

BTC, ETH = "BTCUSDT", "ETHUSDT"
START_MS = 1_780_012_650_000
MINUTE = 60_000
PERIOD = 5 * MINUTE
ALL = ("funding", "trades", "book10", "mark", "liquidations", "open_interest.5m", "long_short.5m", "taker_flow.5m")


@dataclass
class Scene:
    server: VenueServer
    wire: Requests
    streams: LiveStreams
    told: list[tuple[int, Observation]] = field(default_factory=list)

    @property
    def venue(self) -> BinanceVenue:
        return self.server.venue

    @property
    def now_ms(self) -> int:
        return self.server.now_ms()

    def of(self, name: str, symbol: str = BTC) -> list[Observation]:
        return [one for _, one in self.told if (one.stream, one.symbol) == (name, symbol)]

    async def take(self) -> None:
        while True:
            found = await self.streams.taken()
            self.told += [(self.now_ms, one) for one in found]

    def send(self, name: str, text: str) -> None:
        """Text that the exchange says on the connection of a stream."""
        connections = [c for c in self.venue.connections if any(name in topic for topic in c.streams)]
        for connection in connections:
            connection.send(text)
        assert connections


def play(names: Sequence[str], act: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    async def main(loop: VirtualLoop) -> Scene:
        clock = LoopClock(loop, START_MS)
        venue = BinanceVenue([BTC, ETH], start_ms=START_MS)
        walk = RandomWalk(venue, (BTC, ETH), random.Random(7), history_minutes=10)
        walk.begin(START_MS)

        async def move() -> None:
            while True:
                walk.step(clock.now_ms())
                await asyncio.sleep(0.5)

        with virtual_ccxt(clock):
            async with VenueServer(venue, clock.now_ms) as server:
                settings = parse_settings({"exchange": {"base_url": server.base_url}}, "test")
                wire = await open_wire(settings, None, ExchangeClock(clock), Health(), BinanceUsdm(), (BTC, ETH))
                scene = Scene(server, wire, LiveStreams(wire, (BTC, ETH), names))
                tasks = [asyncio.ensure_future(job) for job in (move(), scene.streams.run(), scene.take())]
                try:
                    await act(scene)
                finally:
                    for task in tasks:
                        task.cancel()
                    ended = await asyncio.gather(*tasks, return_exceptions=True)
                    await wire.close()
                assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
        return scene

    return run_virtual(main, real_io=True)


def test_every_stream_of_the_exchange_is_told_in_its_own_fields_and_no_earlier_than_it_was_known() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(20)
        for n in range(3):
            scene.venue.tell_liquidation(ETH, "BUY" if n == 1 else "SELL", "3000.5", f"1.{n}", scene.now_ms)
            await asyncio.sleep(1)
        await asyncio.sleep(6 * 60)

    scene = play(ALL, act)
    for name in ALL:
        for symbol in (BTC, ETH):
            found = scene.of(name, symbol)
            assert found or (name, symbol) == ("liquidations", BTC), name
            period_ms = stream(name).period_ms
            assert all(one.known_ms >= one.time_ms + period_ms for one in found), name
            assert all(len(one.values) == len(stream(name).fields) for one in found), name
    assert all(0 <= now - one.known_ms <= 1_000 for now, one in scene.told)
    assert [one.values for one in scene.of("liquidations", ETH)] == [
        (-1, 3000.5, 1.0),
        (1, 3000.5, 1.1),
        (-1, 3000.5, 1.2),
    ]
    (rate,) = scene.of("funding")
    assert (rate.time_ms, rate.values) == (START_MS + 150_000, (0.0001,))
    assert [one.time_ms % PERIOD for one in scene.of("taker_flow.5m")] == [0, 0]


def test_trades_come_whole_and_books_and_marks_once_a_second() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(60)

    scene = play(("trades", "book10", "mark"), act)
    market = scene.venue.exchange.markets[BTC]
    trades = scene.of("trades")
    contract = market.contract
    truth = []
    for done in market.prints:
        values = -1 if done.is_buyer_maker else 1, float(contract.price(done.ticks)), float(contract.qty(done.lots))
        truth += [(done.trade_id, done.time_ms, values)] if done.trade_id >= trades[0].number else []
    assert [(one.number, one.time_ms, one.values) for one in trades] == truth
    assert len(trades) > 100
    for name in ("book10", "mark"):
        times = [one.known_ms for one in scene.of(name)]
        assert 50 <= len(times) <= 60
        assert all(earlier // 1_000 < later // 1_000 for earlier, later in pairwise(times))
    last = scene.of("book10")[-1].values
    assert last[0::2][:10] == tuple(sorted(last[0::2][:10], reverse=True))
    assert last[20] > last[0]


TRADE = '{"e":"aggTrade","E":1,"s":"BTCUSDT","m":true,'
FORCED = '{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT",'
MARK = '{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","i":"1","T":1,'


def test_what_comes_once_a_second_is_not_passed_over_where_it_comes_a_little_early() -> None:
    late_ms = (340, 300, 390, 310, 360, 305)

    async def act(scene: Scene) -> None:
        await asyncio.sleep(15)
        scene.venue.pace.mark_push_ms = 60 * MINUTE
        await asyncio.sleep(2)
        for n, late in enumerate(late_ms):
            await asyncio.sleep((1_000 - scene.now_ms % 1_000 + late) / 1_000)
            scene.send("@markPrice", MARK % scene.now_ms + f'"p":"{100 + n}"}}')
        await asyncio.sleep(0.1)

    found = play(("mark",), act).of("mark")
    assert [one.values[0] for one in found[-len(late_ms) :]] == [100.0 + n for n in range(len(late_ms))]


def test_a_book_too_thin_for_ten_levels_is_told_and_its_stream_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def act(scene: Scene) -> None:
        thin = [("95000", "1")], [("95000.1", "1")]
        for _ in range(60):
            scene.venue.set_depth(BTC, *thin, scene.now_ms)
            scene.venue.set_depth(ETH, [("3000", "1")], [("3000.01", "1")], scene.now_ms)
            await asyncio.sleep(0.5)
        assert scene.streams.pushed["book10"].cuts == 0

    play(("book10",), act)
    assert "ValueError: a side of the book has fewer than 10 levels (1 so far)" in caplog.text


@pytest.mark.parametrize(
    ("name", "topic", "text", "said"),
    [
        ("trades", "@aggTrade", TRADE + '"a":1,"p":"-5","q":"1","T":%d}', "price"),
        ("trades", "@aggTrade", TRADE + '"a":"x","p":"5","q":"1","T":%d}', "x"),
        ("trades", "@aggTrade", TRADE + '"a":1,"p":"5","q":"1","T":9%d}', "time"),
        ("trades", "@aggTrade", TRADE + '"a":1,"p":"5","q":"0","T":%d}', "qty"),
        ("liquidations", "@forceOrder", FORCED + '"S":"UP","z":"1","l":"1","ap":"2","T":%d}}', "up"),
        ("liquidations", "@forceOrder", FORCED + '"S":"BUY","z":"1","l":"1","ap":"0","T":%d}}', "price"),
        ("mark", "@markPrice", MARK + '"p":"1e300"}', "mark_price"),
        ("mark", "@markPrice", MARK + '"p":"nan"}', "mark_price"),
    ],
)
def test_a_row_that_cannot_be_is_one_line_and_the_next_is_taken(
    name: str, topic: str, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(15)
        before = len(scene.of(name))
        scene.send(topic, text % scene.now_ms if "%d" in text else text)
        await asyncio.sleep(3)
        scene.venue.tell_liquidation(BTC, "SELL", "95000", "1", scene.now_ms)
        await asyncio.sleep(3)
        assert len(scene.of(name)) > before
        assert scene.streams.pushed[name].cuts == 0

    scene = play((name,), act)
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert said in line
    assert all(one.values[1] not in (-5.0, 5.0) for one in scene.of("trades"))


def test_a_stream_that_is_cut_comes_again_and_what_was_silent_and_alive_is_not_cut() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(90)
        assert scene.streams.pushed["liquidations"].cuts == 0
        heard_ms = scene.streams.pushed["liquidations"].heard_until_ms
        assert heard_ms is not None
        assert scene.now_ms - heard_ms <= 20_000
        await scene.server.cut()
        await asyncio.sleep(0.5)
        assert scene.streams.pushed["liquidations"].heard_until_ms is None
        await asyncio.sleep(30)
        assert scene.streams.pushed["liquidations"].heard_until_ms is not None
        before = len(scene.of("book10"))
        await asyncio.sleep(10)
        assert len(scene.of("book10")) >= before + 9

    play(("liquidations", "book10"), act)


def test_a_connection_that_answers_no_ping_is_cut() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(20)
        (connection,) = [c for url, c in scene.wire.client.clients.items() if "/market/" in url]

        async def ping() -> None:
            """Nothing comes back."""

        connection.connection.ping = ping
        await asyncio.sleep(30)
        assert scene.streams.pushed["liquidations"].cuts == 1
        assert scene.streams.pushed["liquidations"].heard_until_ms is not None

    play(("liquidations",), act)


def test_rows_of_periods_follow_each_other_through_an_hour_in_which_the_exchange_is_down() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(7 * 60)
        assert len(scene.of("long_short.5m")) == 2
        scene.server.fault = lambda call: Fault(drop_before=call.path.startswith("/futures/data"))
        await asyncio.sleep(3_600)
        scene.server.fault = lambda call: Fault()
        await asyncio.sleep(120)

    scene = play(("long_short.5m",), act)
    times = [one.time_ms for one in scene.of("long_short.5m")]
    assert times == list(range(times[0], times[-1] + 1, PERIOD))
    assert scene.now_ms - times[-1] < 2 * PERIOD


def test_who_takes_too_slowly_loses_the_newest_and_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("core.market.live.observing.ROOM", 5)
    monkeypatch.setattr(Scene, "take", lambda self: asyncio.sleep(3_600))

    async def act(scene: Scene) -> None:
        await asyncio.sleep(30)
        found = await scene.streams.taken()
        assert len(found) == 5
        assert [one.number for one in found if one.symbol == BTC] == sorted(
            one.number for one in found if one.symbol == BTC
        )
        assert scene.streams.lost["trades"] > 50

    play(("trades",), act)
    assert "trades: nobody takes what comes as fast as it does: 1 observations were lost" in caplog.text


def test_the_seam_gives_what_was_named_and_ends_with_its_consumer() -> None:
    async def act(scene: Scene) -> None:
        client, found = scene.wire.client, []
        before = client.handle_trade
        async with aclosing(live_streams(scene.wire, (ETH,), ("trades", "mark"))) as told:
            async for one in told:
                found.append(one)
                if len(found) == 20:
                    break
            assert client.handle_trade != before
        assert {one.stream for one in found} == {"trades", "mark"}
        assert {one.symbol for one in found} == {ETH}
        assert client.handle_trade == before
        with pytest.raises(BadInputError, match="stream open_interest: binanceusdm does not tell it live"):
            await anext(aiter(live_streams(scene.wire, (ETH,), ("open_interest",))))

    play(("liquidations",), act)


def test_names_are_those_of_the_exchange_or_refused_in_a_line() -> None:
    assert live_names("binanceusdm", ["open_interest", "trades", "open_interest.5m"], short=True) == (
        "open_interest.5m",
        "trades",
    )
    for exchange_id, name, said in (
        ("binanceusdm", "open_interest", "without its value in USDT; take open_interest.5m"),
        ("binanceusdm", "open_interest.3m", "tells it of 5m, 15m"),
        ("binanceusdm", "bars.1m", "has no such stream; it tells funding, trades, book10, mark"),
        ("binanceusdm", "trades.1h", "unknown"),
        ("binanceusdm", "news", "stream 'news' is unknown"),
        ("mexc", "trades", "stream trades: mexc does not tell it live: it tells its trades without numbers"),
        ("apex", "liquidations", "apex does not tell it live: it does not tell them; it tells funding"),
    ):
        with pytest.raises(BadInputError, match=said):
            live_names(exchange_id, [name])


@pytest.mark.parametrize("exchange_id", EXCHANGES)
def test_of_every_stream_that_can_be_gathered_an_exchange_has_it_or_says_why_not(exchange_id: str) -> None:
    observed = observed_of(exchange_id)
    wanted = {"mark" if kind == MARK_NOW else kind for kind in OBSERVED_KINDS if not kind.startswith("vendor_")}
    assert wanted == {*observed.pushed, *observed.histories, *observed.lacks}
    for name, history in observed.histories.items():
        for period in history.periods:
            assert stream(f"{name}.{period}").fields
    for name in observed.pushed:
        assert stream(name).period_ms == 0
    assert set(observed.numbered) <= set(observed.pushed)
