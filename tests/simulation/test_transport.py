"""Genuine ccxt over the in-memory network: what it makes of answers, failures and frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import ccxt.pro
import pytest
from ccxt.base import errors

from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.transport import (
    Answer,
    Delivery,
    Fate,
    Network,
    Outcome,
    RefusedConnectionError,
    attach,
    virtual_ccxt,
)

BTC = "BTC/USDT:USDT"
SERVER_TIME = Answer(200, '{"serverTime": 1700000000123}', {"Content-Type": "application/json"})


class EchoServer:
    """Answers every request with the time, and every kline subscription with the frames it is told to send."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.sends: list[Callable[[str], None]] = []
        self.closes: list[Callable[[int], None]] = []
        self.gone = 0
        self.refuse = False

    def rest(self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer:
        self.requests.append((method, path))
        return SERVER_TIME

    def connect(self, path: str, query: str, send: Callable[[str], None], close: Callable[[int], None]) -> EchoServer:
        if self.refuse:
            raise RefusedConnectionError(503)
        self.sends.append(send)
        self.closes.append(close)
        return self

    def receive(self, text: str) -> None:
        self.sends[-1](json.dumps({"result": None, "id": json.loads(text)["id"]}))

    def closed(self) -> None:
        self.gone += 1


class FixedWeather:
    def __init__(self) -> None:
        self.fate = Fate(Outcome.ANSWERED, 20, 30)
        self.copies = 1

    def request(self, method: str, path: str, params: str) -> Fate:
        return self.fate

    def answered(self, method: str, path: str, params: str, fate: Fate, answer: Answer | None) -> None: ...

    def handshake_ms(self, path: str) -> float | None:
        return 10

    def frames(self, path: str, text: str) -> list[Delivery]:
        return [Delivery(5, text)] * self.copies


class World:
    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.server = EchoServer()
        self.weather = FixedWeather()
        self.network = Network(loop, self.server, self.weather)
        self.client = ccxt.pro.binanceusdm({"enableRateLimit": False, "timeout": 5000, "apiKey": "k", "secret": "s"})
        self.client.set_markets([_market("BTC")])
        attach(self.client, self.network)


def _market(base: str) -> dict[str, Any]:
    return {
        "id": f"{base}USDT",
        "lowercaseId": f"{base}USDT".lower(),
        "symbol": f"{base}/USDT:USDT",
        "base": base,
        "quote": "USDT",
        "settle": "USDT",
        "baseId": base,
        "quoteId": "USDT",
        "settleId": "USDT",
        "type": "swap",
        "subType": "linear",
        "spot": False,
        "margin": False,
        "option": False,
        "future": False,
        "swap": True,
        "contract": True,
        "linear": True,
        "inverse": False,
        "active": True,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {},
        "info": {},
    }


def in_world(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        with virtual_ccxt(LoopClock(loop, 1_700_000_000_000)):
            world = World(loop)
            await test(world)
            await world.client.close()

    run_virtual(main, seed=1)


def test_an_answer_takes_the_time_of_both_ways() -> None:
    async def test(world: World) -> None:
        assert await world.client.fetch_time() == 1_700_000_000_123
        assert world.loop.time() == pytest.approx(0.05)

    in_world(test)


@pytest.mark.parametrize(
    ("outcome", "answer", "error", "carried_out", "took_s"),
    [
        (Outcome.LOST_ON_THE_WAY, None, errors.RequestTimeout, False, 5.0),
        (Outcome.ANSWER_LOST, None, errors.RequestTimeout, True, 5.0),
        (Outcome.RESET_ON_THE_WAY, None, errors.ExchangeNotAvailable, False, 0.05),
        (Outcome.RESET_AFTER, None, errors.ExchangeNotAvailable, True, 0.05),
        (Outcome.REPLACED, Answer(429, "{}"), errors.DDoSProtection, False, 0.05),
        (Outcome.REPLACED, Answer(418, "{}"), errors.DDoSProtection, False, 0.05),
        (Outcome.SPOILED, Answer(503, "Unknown error"), errors.ExchangeNotAvailable, True, 0.05),
        (Outcome.SPOILED, Answer(408, '{"code":-1007,"msg":"Timeout"}'), errors.RequestTimeout, True, 0.05),
    ],
)
def test_ccxt_tells_each_failure_as_it_would_of_a_real_one(
    outcome: Outcome, answer: Answer | None, error: type[Exception], carried_out: bool, took_s: float
) -> None:
    async def test(world: World) -> None:
        world.weather.fate = Fate(outcome, 20, 30, answer)
        with pytest.raises(error):
            await world.client.fetch_time()
        assert bool(world.server.requests) is carried_out
        assert world.loop.time() == pytest.approx(took_s)

    in_world(test)


def _kline(close: str) -> str:
    k = {"t": 60_000, "T": 119_999, "s": "BTCUSDT", "i": "1m", "o": "1", "c": close, "h": "9", "l": "1", "v": "1"}
    return json.dumps({"e": "kline", "E": 61_000, "s": "BTCUSDT", "k": {**k, "x": False}})


async def _watching(world: World) -> asyncio.Task[Any]:
    task = asyncio.create_task(world.client.watch_ohlcv(BTC, "1m"))
    await asyncio.sleep(1)
    return task


def test_frames_reach_who_watches() -> None:
    async def test(world: World) -> None:
        task = await _watching(world)
        world.server.sends[0](_kline("2.5"))
        assert (await task)[-1][4] == 2.5

    in_world(test)


def test_frames_that_come_together_are_drained_together() -> None:
    async def test(world: World) -> None:
        task = await _watching(world)
        for close in ("2", "3", "4"):
            world.server.sends[0](_kline(close))
        await task
        assert world.client.ohlcvs[BTC]["1m"][-1][4] == 4.0

    in_world(test)


@pytest.mark.parametrize("code", [1006, 1001])
def test_a_connection_that_ends_raises_where_one_watches_and_the_next_watch_opens_another(code: int) -> None:
    async def test(world: World) -> None:
        task = await _watching(world)
        world.server.closes[0](code)
        with pytest.raises(errors.NetworkError):
            await task
        task = await _watching(world)
        assert len(world.server.sends) == 2
        world.server.sends[1](_kline("7"))
        assert (await task)[-1][4] == 7.0

    in_world(test)


def test_a_clogged_connection_stays_silent_until_ccxt_misses_its_pongs() -> None:
    async def test(world: World) -> None:
        task = await _watching(world)
        world.network.sockets[0].clog()
        world.server.sends[0](_kline("2"))
        with pytest.raises(errors.RequestTimeout):
            await task
        assert 360 < world.loop.time() < 800

    in_world(test)


def test_a_refused_handshake_raises() -> None:
    async def test(world: World) -> None:
        world.server.refuse = True
        with pytest.raises(errors.NetworkError):
            await world.client.watch_ohlcv(BTC, "1m")

    in_world(test)


def test_nothing_reaches_a_process_that_was_cut_off() -> None:
    async def test(world: World) -> None:
        watching = await _watching(world)
        asking = asyncio.create_task(world.client.fetch_time())
        await asyncio.sleep(0.03)
        world.network.cut()
        world.server.sends[0](_kline("2"))
        await asyncio.sleep(2)
        assert world.server.requests
        assert world.server.gone == 1
        assert not asking.done()
        assert not watching.done()
        asking.cancel()
        watching.cancel()

    in_world(test)
