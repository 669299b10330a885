"""A loop whose time jumps, and an exchange in memory under the genuine ccxt client."""

import asyncio
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from core.clock import ExchangeClock
from core.exchange.account.reading import NO_SWITCHES
from core.exchange.binanceusdm.codes import CODES
from core.exchange.binanceusdm.corrections import CLIENT_OPTIONS, correct_binanceusdm
from core.exchange.binanceusdm.doctor import ACCOUNT_FLAGS, KEY_RIGHTS
from core.exchange.binanceusdm.status import status_told
from core.exchange.binanceusdm.weights import BUDGET, weight_of
from core.exchange.binanceusdm.words import WORDS
from core.exchange.connection.client import build_client
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests
from core.exchange.dialects import dialect_of
from core.exchange.orders.ids import is_word_id
from core.settings.schema import ExchangeSettings, parse_settings

START_MS = 1_780_000_020_000
KEYS = Keys("apiKey0123456789abcdefghijklmnopqrstuvwxyz/+TAG1", "secret0123456789abcdefghijklmnopqrstuvwxyz/+=")
Result = TypeVar("Result")


class _Jump(selectors.SelectSelector):
    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.skipped_s += timeout
        return ready


class JumpLoop(asyncio.SelectorEventLoop):
    """Where nothing is ready, its time jumps to the next timer."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.skipped_s


_open_clients: list[Any] = []


def run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        with asyncio.Runner(loop_factory=JumpLoop) as runner:
            return runner.run(work)
    finally:
        while _open_clients:
            _open_clients.pop().session = None


class LoopClock:
    """A machine's clock that runs with the loop, `wrong_ms` off."""

    def __init__(self, wrong_ms: int = 0) -> None:
        self.wrong_ms = wrong_ms

    def now_ms(self) -> int:
        return START_MS + round(asyncio.get_running_loop().time() * 1000) + self.wrong_ms


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answer:
    body: Any = field(default_factory=dict)
    status: int = 200
    reason: str = "OK"
    headers: dict[str, str] = field(default_factory=dict)

    async def text(self, errors: str = "strict") -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)

    async def __aenter__(self) -> "Answer":
        self.headers = {"Content-Type": "application/json", **self.headers}
        return self

    async def __aexit__(self, *_: Any) -> None:
        return None


def error(code: int, text: str = "no", status: int = 400, **headers: str) -> Answer:
    return Answer({"code": code, "msg": text}, status, "Bad Request", headers)


Script = Callable[[Asked], Awaitable[Answer]]


class _Later:
    def __init__(self, coming: Awaitable[Answer]) -> None:
        self._coming = coming

    async def __aenter__(self) -> Answer:
        return await (await self._coming).__aenter__()

    async def __aexit__(self, *_: Any) -> None:
        return None


class Exchange:
    """Stands where the client's aiohttp session was. `script` answers what `time_ms` and `markets` do not."""

    def __init__(self, script: Script | None = None, round_trip_s: float = 0.02) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.headers: dict[str, str] = {}
        self.limits: list[dict[str, Any]] = []
        self.round_trip_s = round_trip_s
        self.clock = LoopClock()
        self.symbols: list[dict[str, Any]] = [symbol_row("BTC"), symbol_row("ETH")]

    def get(self, url: Any, **request: Any) -> _Later:
        return self._request("GET", url, **request)

    def post(self, url: Any, **request: Any) -> _Later:
        return self._request("POST", url, **request)

    def put(self, url: Any, **request: Any) -> _Later:
        return self._request("PUT", url, **request)

    def delete(self, url: Any, **request: Any) -> _Later:
        return self._request("DELETE", url, **request)

    def _request(self, method: str, url: Any, *, data: bytes | None, headers: dict[str, str], **_: Any) -> _Later:
        split = urlsplit(str(url))
        params = dict(parse_qsl(split.query) + parse_qsl((data or b"").decode()))
        return _Later(self._answer(Asked(method, split.path, params, dict(headers))))

    async def close(self) -> None:
        return None

    async def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        await asyncio.sleep(self.round_trip_s / 2)
        answer = await self._known(asked)
        await asyncio.sleep(self.round_trip_s / 2)
        return answer

    async def _known(self, asked: Asked) -> Answer:
        if asked.path.endswith("/exchangeInfo"):
            return Answer({"symbols": self.symbols, "rateLimits": self.limits})
        if self.script is not None and (answer := await self.script(asked)) is not None:
            return answer
        if asked.path.endswith("/v1/time"):
            return Answer({"serverTime": self.clock.now_ms()})
        return Answer({}, 404, "Not Found")


def symbol_row(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    }


def order_answer(asked: Asked) -> Answer:
    return Answer(
        {
            "orderId": 22542179,
            "clientOrderId": asked.params["newClientOrderId"],
            "symbol": asked.params["symbol"],
            "status": "NEW",
            "side": asked.params["side"],
            "type": asked.params["type"],
            "origQty": asked.params["quantity"],
            "executedQty": "0",
            "updateTime": START_MS,
        }
    )


def exchange_settings(**changes: Any) -> ExchangeSettings:
    return parse_settings({"exchange": changes}, "test").exchange


class PlainDialect:
    """Knows of nothing that is missing, and places no orders."""

    id = "binanceusdm"
    lacks = ()
    live_blockers = ()
    is_id = staticmethod(is_word_id)
    order_test = "fapiPrivatePostOrderTest"
    switches = NO_SWITCHES
    codes = CODES
    key_rights = KEY_RIGHTS
    account_flags = ACCOUNT_FLAGS
    budget = BUDGET
    client_options = CLIENT_OPTIONS
    correct = staticmethod(correct_binanceusdm)
    weight_of = staticmethod(weight_of)
    status_told = staticmethod(status_told)
    words = WORDS


async def wire_to(exchange: Exchange, wrong_ms: int = 0, keys: Keys | None = KEYS, **changes: Any) -> Requests:
    """Requests over the genuine client into `exchange`, its contracts loaded and its time not yet measured."""
    settings = exchange_settings(**changes)
    clock = ExchangeClock(LoopClock(wrong_ms))
    client = build_client(settings, keys, clock.now_ms, dialect_of(settings.id))
    client.own_session = False
    client.session = exchange
    _open_clients.append(client)
    health = Health()
    wire = Requests(client, PlainDialect(), clock, health, settings, keys.secrets() if keys else (), lambda: 0.5)  # type: ignore[arg-type]
    await wire.load_symbols(["BTCUSDT", "ETHUSDT"])
    exchange.asked.clear()
    return wire


ORDER = ("BTC/USDT:USDT", "limit", "buy", "0.001", "50000", {"newClientOrderId": "qd0123456789abcdef01234567"})
