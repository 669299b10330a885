import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from core.domain.errors import SettingsError
from core.exchange.connection.client import build_client
from core.exchange.connection.keys import Keys
from core.exchange.dialects import EXCHANGES, dialect_of
from core.settings.schema import TESTNETS, parse_settings
from tests.core.exchange.wire_kit import exchange_settings

KEYS = Keys("the-api-key", "the-secret", "the-passphrase", "the-seeds")


def addresses(urls: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(urls, str):
        yield place, urls
    elif isinstance(urls, dict):
        for name, value in urls.items():
            yield from addresses(value, (*place, name))


def all_addresses(client: Any) -> dict[tuple[str, ...], str]:
    return {place: url for part in ("api", "test", "demo") for place, url in addresses(client.urls.get(part), (part,))}


@pytest.mark.parametrize("id_", EXCHANGES)
@pytest.mark.parametrize(
    ("base_url", "rest", "stream"),
    [("http://127.0.0.1:8080", "http", "ws"), ("https://stand-in.example", "https", "wss")],
)
def test_every_address_moves_and_keeps_its_path(id_: str, base_url: str, rest: str, stream: str) -> None:
    before = all_addresses(build_client(exchange_settings(id=id_), None, lambda: 0, dialect_of(id_)))
    after = all_addresses(build_client(exchange_settings(id=id_, base_url=base_url), None, lambda: 0, dialect_of(id_)))
    assert before.keys() == after.keys()
    for place, url in before.items():
        old, new = urlsplit(url), urlsplit(after[place])
        assert new.scheme == (stream if old.scheme in ("ws", "wss") else rest)
        assert new.netloc == urlsplit(base_url).netloc
        assert (new.path, new.query) == (old.path, old.query)


@pytest.mark.parametrize(
    ("id_", "place", "moved"),
    [
        ("binanceusdm", ("api", "fapiPrivate"), "http://h:1/fapi/v1"),
        ("binanceusdm", ("api", "fapiData"), "http://h:1/futures/data"),
        ("binanceusdm", ("api", "sapi"), "http://h:1/sapi/v1"),
        ("binanceusdm", ("api", "ws", "linear"), "ws://h:1/ws"),
        ("binanceusdm", ("api", "ws", "ws-api", "linear"), "ws://h:1/ws-fapi/v1"),
        ("binanceusdm", ("test", "fapiPublic"), "http://h:1/fapi/v1"),
        ("binanceusdm", ("demo", "ws", "linear"), "ws://h:1/ws"),
        ("mexc", ("api", "contract", "private"), "http://h:1/api/v1/private"),
        ("mexc", ("api", "ws", "swap"), "ws://h:1/edge"),
        ("apex", ("api", "private"), "http://h:1/api"),
        ("apex", ("api", "ws", "private"), "ws://h:1/realtime_private?v=2"),
        ("apex", ("test", "ws", "public"), "ws://h:1/realtime_public?v=2"),
    ],
)
def test_where_the_addresses_that_matter_go(id_: str, place: tuple[str, ...], moved: str) -> None:
    client = build_client(exchange_settings(id=id_, base_url="http://h:1"), None, lambda: 0, dialect_of(id_))
    assert all_addresses(client)[place] == moved


def test_what_is_asked_and_watched_goes_to_the_moved_address(monkeypatch: pytest.MonkeyPatch) -> None:
    class AskedError(Exception):
        pass

    async def remember(url: str, *_: Any, **__: Any) -> None:
        seen.append(url)
        raise AskedError

    async def ask(id_: str, section: str) -> None:
        client = build_client(
            exchange_settings(id=id_, base_url="http://127.0.0.1:1"), KEYS, lambda: 1_780_000_000_000, dialect_of(id_)
        )
        client.fetch = client.watch = client.watch_multiple = remember
        client.set_markets([market(id_)])
        for method, *args in (("fetch_time",), ("fetch_balance",), ("watch_ohlcv", "BTC/USDT:USDT", "1m")):
            with pytest.raises(AskedError):
                await getattr(client, method)(*args)
        await client.close()

    def market(id_: str) -> dict[str, Any]:
        return {
            "id": "BTCUSDT",
            "symbol": "BTC/USDT:USDT",
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "type": "swap",
            "swap": True,
            "contract": True,
            "linear": True,
            "inverse": False,
            "spot": False,
            "info": {"crossSymbolName": "BTCUSDT"},
            "lowercaseId": "btcusdt",
            "id2": "BTC-USDT",
        }

    for id_ in EXCHANGES:
        seen: list[str] = []
        asyncio.run(ask(id_, ""))
        assert len(seen) == 3
        assert {urlsplit(url).netloc for url in seen} == {"127.0.0.1:1"}
        assert [urlsplit(url).scheme for url in seen] == ["http", "http", "ws"]


def test_the_client_is_ours_to_limit_to_time_and_to_bound() -> None:
    for id_ in EXCHANGES:
        client = build_client(exchange_settings(id=id_), KEYS, lambda: 4242, dialect_of(id_))
        assert client.enableRateLimit is False
        assert client.milliseconds() == 4242
        assert client.seconds() == 4
        assert (client.apiKey, client.secret, client.password) == ("the-api-key", "the-secret", "the-passphrase")
        assert client.options["seeds"] == "the-seeds"
        assert client.has["fetchCurrencies"] is False
        assert client.options["defaultType"] == "swap"
        assert client.options["tradesLimit"] <= 1000
        assert client.options["OHLCVLimit"] <= 1000
        assert client.last_http_response is None


def test_futures_errors_are_known_at_any_address() -> None:
    client = build_client(exchange_settings(base_url="http://h:1"), None, lambda: 0, dialect_of("binanceusdm"))
    exact = client.exceptions["exact"]
    assert exact["-2019"].__name__ == "InsufficientFunds"
    assert exact["-2021"].__name__ == "OrderImmediatelyFillable"
    assert exact["-1021"].__name__ == "InvalidNonce"


@pytest.mark.parametrize(
    ("id_", "hosts"),
    [
        ("binanceusdm", {"fapiPrivate": "demo-fapi.binance.com", "ws linear": "fstream.binancefuture.com"}),
        ("apex", {"private": "testnet.omni.apex.exchange", "ws private": "qa-quote.omni.apex.exchange"}),
    ],
)
def test_a_testnet_has_the_test_hosts_of_ccxt_and_none_of_the_real_ones(id_: str, hosts: dict[str, str]) -> None:
    real = build_client(exchange_settings(id=id_), None, lambda: 0, dialect_of(id_))
    client = build_client(exchange_settings(id=id_, testnet=True), None, lambda: 0, dialect_of(id_))
    used = {" ".join(place): urlsplit(url).netloc for place, url in addresses(client.urls["api"])}
    assert {place: used[place] for place in hosts} == hosts
    assert not set(used.values()) & {urlsplit(url).netloc for _, url in addresses(real.urls["api"])}


@pytest.mark.parametrize("id_", TESTNETS)
def test_test_hosts_move_to_a_stand_in_as_well(id_: str) -> None:
    client = build_client(
        exchange_settings(id=id_, testnet=True, base_url="http://h:1"), None, lambda: 0, dialect_of(id_)
    )
    assert {urlsplit(url).netloc for _, url in addresses(client.urls["api"])} == {"h:1"}


def test_a_signed_request_goes_to_the_test_hosts_of_binance() -> None:
    client = build_client(exchange_settings(testnet=True), KEYS, lambda: 1_780_000_000_000, dialect_of("binanceusdm"))
    signed = client.sign("positionRisk", ["fapiPrivateV3"], "GET", {})
    assert signed["url"].startswith("https://demo-fapi.binance.com/fapi/v3/positionRisk?")


def test_an_exchange_without_test_hosts_is_refused_in_one_line() -> None:
    clients = {id_: build_client(exchange_settings(id=id_), None, lambda: 0, dialect_of(id_)) for id_ in EXCHANGES}
    assert {id_ for id_, client in clients.items() if client.urls.get("test") or client.urls.get("demo")} == set(
        TESTNETS
    )
    with pytest.raises(SettingsError) as caught:
        parse_settings({"exchange": {"id": "mexc", "testnet": True}}, "settings.toml")
    said = "exchange.testnet: mexc has no test hosts; set it to false, or exchange.id to one of binanceusdm, apex"
    assert str(caught.value) == f"settings.toml: {said}"


@pytest.mark.parametrize("url", ["http://stand-in.example", "http://10.0.0.1:8080", "http://127.0.0.1.example:80"])
def test_keys_go_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match="keys and orders go over https alone, or to this machine"):
        build_client(exchange_settings(base_url=url), KEYS, lambda: 0, dialect_of("binanceusdm"))
    build_client(exchange_settings(base_url=url), None, lambda: 0, dialect_of("binanceusdm"))


@pytest.mark.parametrize("url", ["https://h", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"])
def test_keys_go_over_tls_or_to_this_machine(url: str) -> None:
    assert (
        build_client(exchange_settings(base_url=url), KEYS, lambda: 0, dialect_of("binanceusdm")).apiKey == KEYS.api_key
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://fapi.binance.com@evil.example",
        "https://u:p@h",
        "https://a\\@b",
        "ftp://h",
        "https://[",
        "https://[::1",
        "https://[::::]",
        "https://h:99999",
        "http://127.0.0.1:80:90",
        "https://h\x1b[2J",
        "https://h\u202ey",
        "https://h\n",
    ],
)
def test_a_server_is_a_host_and_nothing_else(url: str) -> None:
    with pytest.raises(SettingsError, match="scheme, host and port of a test server and nothing else"):
        exchange_settings(base_url=url)


async def test_no_answer_sends_key_and_order_on_to_another_address() -> None:
    """A 307 asks for the same request, body and headers, at another address."""
    reached: list[str] = []

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append((await reader.readline()).decode())
        writer.close()

    async def hijacked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
        to = b"Location: http://127.0.0.1:%d/\r\n" % port
        writer.write(b"HTTP/1.1 307 Temporary Redirect\r\n" + to + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(other, "127.0.0.1") as elsewhere,
        await asyncio.start_server(hijacked, "127.0.0.1") as server,
    ):
        port = elsewhere.sockets[0].getsockname()[1]
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = build_client(
            exchange_settings(base_url=base_url), KEYS, lambda: 1_780_000_000_000, dialect_of("binanceusdm")
        )
        try:
            for asked in (client.fapiPrivateGetOrder, client.fapiPrivatePostOrder, client.fapiPublicGetTime):
                with pytest.raises(ccxt.NetworkError, match="redirect to another address, which is not followed"):
                    await asked({"symbol": "BTCUSDT"})
        finally:
            await client.close()
    assert reached == []
