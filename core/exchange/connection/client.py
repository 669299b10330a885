"""The ccxt.pro client of an exchange, set up to be limited, timed and addressed by us."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from core.domain.errors import SettingsError
from core.exchange.connection.keys import Keys
from core.exchange.connection.outcome import STATUS_NOTE
from core.exchange.connection.wire import Dialect
from core.settings.addresses import is_this_machine
from core.settings.schema import ExchangeSettings

RECV_WINDOW_MS = 5000
_CACHED_TRADES = 1000
_CACHED_OF_ACCOUNT = 100
"""How many orders, and fills, ccxt keeps: more than can come between two looks at them. Each is several kB."""

_CACHED_CANDLES = 60
_COMMON_OPTIONS: dict[str, Any] = {
    "defaultType": "swap",
    "recvWindow": RECV_WINDOW_MS,
    "tradesLimit": _CACHED_TRADES,
    "ordersLimit": _CACHED_OF_ACCOUNT,
    "OHLCVLimit": _CACHED_CANDLES,
    "fetchOpenOrders": {"warnWithoutSymbol": False},
}


def build_client(settings: ExchangeSettings, keys: Keys | None, now_ms: Callable[[], int], dialect: Dialect) -> Any:
    """The ccxt.pro client; nothing is sent yet. `now_ms` is the exchange's time, by which requests are signed. Raises
    SettingsError where keys would travel in the clear to another machine.

    ccxt's own limiter is off: requests go through `Requests`. Its own timeout stands behind ours.
    """
    pro, cache = importlib.import_module("ccxt.pro"), importlib.import_module("ccxt.async_support.base.ws.cache")
    config: dict[str, Any] = {
        "enableRateLimit": False,
        "timeout": 2 * max(settings.request_timeout_ms, 5000),
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        # As every program of this machine does; to this machine itself nothing goes by way of another.
        "aiohttp_trust_env": not is_this_machine(urlsplit(settings.base_url).hostname or ""),
        "options": {**_COMMON_OPTIONS, **dialect.client_options},
    }
    if keys is not None:
        _check_server(settings.base_url)
        config |= {"apiKey": keys.api_key, "secret": keys.secret, "password": keys.passphrase or None}
        if keys.seeds:
            config["options"]["seeds"] = keys.seeds
    client = getattr(pro, settings.id)(config)
    # By itself it would keep as many fills as trades of the market.
    client.myTrades = cache.ArrayCacheBySymbolById(_CACHED_OF_ACCOUNT)
    # Currencies are a signed call on some exchanges, and nothing here needs them.
    client.has["fetchCurrencies"] = False
    _follow_no_redirect(client)
    client.milliseconds = now_ms
    client.seconds = lambda: now_ms() // 1000
    client.microseconds = lambda: now_ms() * 1000
    # ccxt writes whole signed requests at DEBUG.
    client.logger.setLevel(logging.INFO)
    dialect.correct(client)
    if settings.testnet:
        _use_test_hosts(client)
    if settings.base_url:
        move(client, settings.base_url)
    return client


def attend(
    client: Any, observe: Callable[[int, Mapping[str, str], str, Any], None], why_unsent: Callable[[], str]
) -> None:
    """Watch over every request, also those that ccxt makes by itself (listen keys, snapshots of a stream).

    `observe` is shown status, headers, body and the body read as JSON of each answer. Nothing goes out while
    `why_unsent` says why, for that makes a ban longer, and no success passes whose body is not JSON: ccxt would make an
    order without an id of it.
    """
    from ccxt.base.errors import BadResponse, BaseError, DDoSProtection

    fetch, judge_body, judge_status = client.fetch, client.handle_errors, client.handle_http_status_code

    async def fetch_unless_held(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        if reason := why_unsent():
            raise DDoSProtection(f"{client.id} {reason}")
        return await fetch(url, method, headers, body)

    def handle_errors(
        status: int, reason: str, url: str, method: str, headers: Mapping[str, str], body: str, answer: Any, *rest: Any
    ) -> Any:
        observe(status, headers or {}, body or "", answer)
        try:
            judged = judge_body(status, reason or "", url, method, headers, body, answer, *rest)
            if judged is None:
                judge_status(status, reason or "", url, method, body or "")
            if status < 300 and answer is None and (body or "").strip():
                raise BadResponse(f"{client.id} answered with something that is not JSON")
        except BaseError as error:
            setattr(error, STATUS_NOTE, status)
            raise
        return judged

    client.fetch = fetch_unless_held
    client.handle_errors = handle_errors


def keep_contracts(client: Any, unified: Collection[str], tell: Callable[[set[str]], None]) -> None:
    """Let the contracts of these names, which may change meanwhile, stay known to `client` when the exchange takes them
    off: ccxt refuses every question that names one which it does not know, although it is of others, too. `tell` hears
    of all that the exchange lists, whenever it is asked."""
    set_markets = client.set_markets

    def set_and_keep(markets: Any, currencies: Any = None) -> Any:
        rows = list(markets.values() if isinstance(markets, Mapping) else markets)
        listed, known = {row["symbol"] for row in rows}, client.markets or {}
        tell(listed)
        return set_markets(
            [*rows, *(known[name] for name in unified if name in known and name not in listed)], currencies
        )

    client.set_markets = set_and_keep


def guard_frames(client: Any, unreadable: Callable[[Any, Exception], None]) -> None:
    """Keep every websocket of `client` listening whatever comes: `unreadable` is told of the connection and the error
    where ccxt cannot take a frame in, which would end its receiving without a word."""
    make = client.client

    def guarded(url: str) -> Any:
        is_new = url not in (client.clients or {})
        connection = make(url)
        if is_new:
            _guard(connection, unreadable)
        return connection

    client.client = guarded


def _guard(connection: Any, unreadable: Callable[[Any, Exception], None]) -> None:
    take = connection.handle_text_or_binary_message

    def taken(data: Any) -> None:
        try:
            take(data)
        except Exception as error:  # noqa: BLE001 - ccxt raises anything from a frame that it did not expect
            unreadable(connection, error)

    connection.handle_text_or_binary_message = taken


def move(client: Any, base_url: str) -> None:
    """Send every REST and websocket request of `client` to the scheme and host of `base_url`, paths kept."""
    for section in ("api", "test", "demo"):
        if client.urls.get(section):
            client.urls[section] = _moved(client.urls[section], base_url)
    # ApeX keeps the stream addresses that it made of the old ones.
    for cached in ("wsPublicUrl", "wsPrivateUrl"):
        client.options.pop(cached, None)


def _check_server(base_url: str) -> None:
    """Keys go over TLS, or to this machine."""
    server = urlsplit(base_url)
    if base_url and server.scheme != "https" and not is_this_machine(server.hostname or ""):
        raise SettingsError(
            f"exchange.base_url: {base_url}: keys and orders go over https alone, or to this machine (127.0.0.1); "
            "write https, or leave it empty"
        )


def _follow_no_redirect(client: Any) -> None:
    """An answer that sends a request on to another address would hand it the key and the signed body."""
    open_session = client.open

    def opened(*args: Any, **named: Any) -> None:
        open_session(*args, **named)
        session = client.session
        configs = getattr(session, "trace_configs", None)
        if client.own_session and configs is not None and not any(config is refusing for config in configs):
            configs.append(refusing)

    from aiohttp import TraceConfig
    from ccxt.base.errors import NetworkError

    async def refuse(*_: Any) -> None:
        raise NetworkError(f"{client.id} answered with a redirect to another address, which is not followed")

    refusing = TraceConfig()
    refusing.on_request_redirect.append(refuse)
    refusing.freeze()
    client.open = opened


def _moved(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, base_url) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    old, new = urlsplit(urls), urlsplit(base_url)
    scheme = new.scheme
    if old.scheme in ("ws", "wss"):
        scheme = "wss" if new.scheme == "https" else "ws"
    return urlunsplit((scheme, new.netloc, old.path, old.query, old.fragment))


def _use_test_hosts(client: Any) -> None:
    """Raises SettingsError where ccxt knows none."""
    if client.urls.get("demo"):
        # Binance gave its testnet for futures up for this, and ccxt refuses to sign requests to the old one.
        client.enable_demo_trading(True)
    elif client.urls.get("test"):
        client.set_sandbox_mode(True)
    else:
        raise SettingsError(f"exchange.testnet: {client.id} has no test hosts; set it to false")
