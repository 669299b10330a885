"""An exchange with a known market, and a client of the shape of ccxt.pro's in front of it, both in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from core.clock import ExchangeClock
from core.domain.errors import UnavailableError
from core.domain.market import Bar
from core.exchange.binanceusdm.words import WORDS
from core.exchange.connection.health import Health
from core.exchange.connection.wire import QuoteSource

MINUTE = 60_000
T0 = 1_799_971_200_000
"""A full hour, where the exchange's time begins: 2027-01-15T00:00Z."""


class LoopClock:
    def now_ms(self) -> int:
        return T0 + round(asyncio.get_running_loop().time() * 1_000)


class Candles:
    """ccxt's ArrayCacheByTimestamp."""

    def __init__(self) -> None:
        self.hashmap: OrderedDict[int, list[Any]] = OrderedDict()

    def append(self, row: list[Any]) -> None:
        if row[0] in self.hashmap:
            self.hashmap[row[0]][:] = row
        else:
            self.hashmap[row[0]] = row


class Connection:
    def __init__(self, client: FakeClient, url: str) -> None:
        self._client = client
        self.url = url
        self.futures: dict[str, asyncio.Future[Any]] = {}
        self.subscriptions: dict[str, bool] = {}
        self.error: Exception | None = None
        self.is_closed = False

    def resolve(self, result: Any, name: str) -> None:
        future = self.futures.pop(name, None)
        if future is not None and not future.done():
            future.set_result(result)

    def reject(self, error: Exception) -> None:
        for name in list(self.futures):
            future = self.futures.pop(name)
            if not future.done():
                future.set_exception(error)
                future.exception()

    async def close(self) -> None:
        self.is_closed = True
        for future in self.futures.values():
            future.cancel()


class FakeClient:
    """`dead` connections take a subscription and never say anything again; `refuses` new ones are refused."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.exchange = exchange
        self.has = {"watchOHLCVForSymbols": True, "watchMarkPrices": True}
        self.timeframes = {"1m": "1m"}
        self.options: dict[str, Any] = {}
        self.clients: dict[str, Connection] = {}
        self.ohlcvs: dict[str, dict[str, Candles]] = {}
        self.bidsasks: dict[str, dict[str, Any]] = {}
        self.tickers: dict[str, dict[str, Any]] = {}
        self.orderbooks: dict[str, Any] = {}
        self.trades: dict[str, Any] = {}

    def market(self, unified: str) -> dict[str, Any]:
        return {"id": unified.replace("/USDT:USDT", "USDT")}

    async def watch_ohlcv_for_symbols(self, pairs: list[list[str]]) -> Any:
        return await self._watch("candles", [f"ohlcv::{name}::{frame}" for name, frame in pairs])

    async def watch_bids_asks(self, names: list[str]) -> Any:
        return await self._watch("quotes", [f"bidask:bookTicker@{name}" for name in names])

    async def watch_mark_prices(self, names: list[str]) -> Any:
        return await self._watch("marks", [f"markPrice:markPrice@{name}" for name in names])

    async def _watch(self, url: str, names: list[str]) -> Any:
        if url not in self.clients:
            if self.exchange.refuses:
                raise ConnectionError("refused")
            self.clients[url] = Connection(self, url)
            self.exchange.openings += 1
        connection = self.clients[url]
        connection.subscriptions.update(dict.fromkeys(names, True))
        race = [connection.futures.setdefault(name, asyncio.get_running_loop().create_future()) for name in names]
        await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
        return next(future for future in race if future.done()).result()

    def handle_ohlcv(self, connection: Connection, message: dict[str, Any]) -> None:
        kline = message["k"]
        unified = self.exchange.unified(kline["s"])
        row = [kline["t"], *(float(kline[key]) for key in "ohlcv")]
        self.ohlcvs.setdefault(unified, {}).setdefault("1m", Candles()).append(row)
        connection.resolve(row, f"ohlcv::{unified}::1m")

    def deliver(self, url: str, message: dict[str, Any]) -> None:
        """A frame arrives, as far as there is a connection that still hears."""
        connection = self.clients.get(url)
        if connection is None or connection in self.exchange.dead:
            return
        if url == "candles":
            self.handle_ohlcv(connection, message)
            return
        unified = self.exchange.unified(message["s"])
        if url == "quotes":
            self.bidsasks[unified] = {"bid": message["b"], "ask": message["a"], "timestamp": message["E"]}
            connection.resolve(message, f"bidask:bookTicker@{unified}")
        else:
            self.tickers[unified] = {"markPrice": message["p"], "timestamp": message["E"], "info": message}
            connection.resolve(message, f"markPrice:markPrice@{unified}")


class FakeExchange:
    """The market: one trade a second and symbol, at prices that only the second tells. It is the Wire, too."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self.clock = ExchangeClock(LoopClock())
        self.health = Health()
        self.dialect: Any = type(
            "Dialect", (), {"id": "binanceusdm", "quotes": QuoteSource.BEST_PRICES, "words": WORDS}
        )()
        self.client: Any = FakeClient(self)
        self.dead: set[Connection] = set()
        self.refuses = False
        self.is_down = False
        self.openings = 0
        self.reads: list[tuple[int, str, str]] = []
        self.absent: dict[str, set[int]] = {}
        self.idle: set[tuple[str, int]] = set()
        self.funded: list[tuple[str, int]] = []
        self.next_funding_ms = T0 + 8 * 60 * MINUTE
        self.drop: Any = lambda url, message: False
        self.delay_s: Any = lambda url, message: 0.0
        self.times = 1
        self.closing_sign = True

    def unified(self, symbol: str) -> str:
        return f"{symbol.removesuffix('USDT')}/USDT:USDT"

    def symbol(self, unified: str) -> str:
        return unified.replace("/USDT:USDT", "USDT")

    def row(self, symbol: str, open_ms: int, until_ms: int) -> list[Any] | None:
        """The candle as of `until_ms`; None before its first trade. A minute of `idle` has none at all."""
        if (symbol, open_ms) in self.idle:
            price = self.price(symbol, open_ms - 1_000)
            return [open_ms, price, price, price, price, 0.0]
        prices = [self.price(symbol, at_ms) for at_ms in range(open_ms, min(until_ms, open_ms + MINUTE), 1_000)]
        if not prices:
            return None
        return [open_ms, prices[0], max(prices), min(prices), prices[-1], 0.5 * len(prices)]

    def price(self, symbol: str, at_ms: int) -> float:
        second = at_ms // 1_000
        return 100.0 + len(symbol) + (second * 7919 + sum(map(ord, symbol)) * 31) % 997 / 100.0

    def final(self, symbol: str, open_ms: int) -> Bar:
        row = self.row(symbol, open_ms, open_ms + MINUTE)
        assert row is not None
        return Bar(symbol, open_ms, MINUTE, *row[1:])

    async def read(self, method: str, *args: Any, weight: int = 1, **kwargs: Any) -> Any:
        self.reads.append((self.clock.now_ms(), method, str(args[:1])))
        await asyncio.sleep(0.05)
        if self.is_down:
            raise UnavailableError("no answer")
        answer = {
            "fetch_time": self._time,
            "fetch_ohlcv": self._klines,
            "fetch_funding_rate_history": self._funding,
            "fetch_bids_asks": self._tops,
        }[method](*args)
        await asyncio.sleep(0.05)
        return answer

    async def send(self, method: str, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    def _time(self) -> int:
        return LoopClock().now_ms()

    def _klines(self, unified: str, frame: str, since_ms: int, limit: int) -> list[list[Any]]:
        symbol, now_ms = self.symbol(unified), self._time()
        opens = [at_ms for at_ms in range(since_ms, now_ms + 1, MINUTE) if at_ms not in self.absent.get(symbol, ())]
        rows = [self.row(symbol, at_ms, now_ms) for at_ms in opens[:limit]]
        return [row for row in rows if row is not None]

    def _funding(self, unified: str, since_ms: int, limit: int) -> list[dict[str, Any]]:
        return [
            {"symbol": unified, "timestamp": at_ms, "fundingRate": 0.0001,
             "info": {"fundingRate": "0.00010000", "markPrice": "101.5"}}
            for symbol, at_ms in self.funded
            if self.unified(symbol) == unified and since_ms <= at_ms <= self._time() - 3_000
        ]  # fmt: skip

    def _tops(self, names: list[str]) -> dict[str, dict[str, Any]]:
        return {name: dict(self.client.bidsasks.get(name, {})) for name in names}

    async def run(self) -> None:
        """Publish: candles each second, their closing frames 40 ms after, best prices and mark prices each second."""
        loop = asyncio.get_running_loop()
        while True:
            now_ms = self._time()
            open_ms = now_ms - now_ms % MINUTE
            for symbol in self.symbols:
                if now_ms == open_ms:
                    self._publish_candle(symbol, open_ms - MINUTE, now_ms + 40, is_closed=True)
                else:
                    self._publish_candle(symbol, open_ms, now_ms, is_closed=False)
                price = self.price(symbol, now_ms - 1_000)
                self._publish("quotes", {"s": symbol, "b": price - 0.1, "a": price + 0.1, "E": now_ms})
                self._publish("marks", {"e": "markPriceUpdate", "s": symbol, "p": price, "E": now_ms,
                                        "T": self.next_funding_ms})  # fmt: skip
            next_s = (now_ms - T0) // 1_000 + 1
            await asyncio.sleep(next_s - loop.time())

    def _publish_candle(self, symbol: str, open_ms: int, told_ms: int, *, is_closed: bool) -> None:
        row = self.row(symbol, open_ms, told_ms)
        if row is None or open_ms in self.absent.get(symbol, ()) or (row[5] == 0 and not is_closed):
            return
        kline = {"t": open_ms, "s": symbol, "i": "1m", **dict(zip("ohlcv", row[1:], strict=True))}
        if self.closing_sign:
            kline["x"] = is_closed
        self._publish("candles", {"e": "kline", "E": told_ms, "s": symbol, "k": kline})

    def _publish(self, url: str, message: dict[str, Any]) -> None:
        if self.drop(url, message):
            return
        late_s = max(0.0, (message["E"] - self._time()) / 1_000) + self.delay_s(url, message)
        for _ in range(self.times):
            asyncio.get_running_loop().call_later(late_s, self.client.deliver, url, message)

    def cut_streams(self) -> None:
        """Every connection is closed by the exchange."""
        for url, connection in list(self.client.clients.items()):
            del self.client.clients[url]
            connection.reject(ConnectionError("closed by the exchange"))

    def stall(self, url: str) -> None:
        """A connection stays open and is never heard again."""
        self.dead.add(self.client.clients[url])
