"""What stood between us and an exchange, in one line that begins with the cause and ends with the mend."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import ccxt
import pytest

from core.clock import ExchangeClock, SystemClock
from core.domain.errors import UnavailableError
from core.exchange.binanceusdm.codes import CODES
from core.exchange.connection.health import Health
from core.exchange.connection.outcome import Fate, failure_of
from core.exchange.connection.reachability import cause_of
from core.exchange.connection.requests import open_wire
from core.exchange.dialects import dialect_of
from core.settings.schema import parse_settings

NOW_MS = 1_780_000_000_000
URL = "https://fapi.example/fapi/v1/order?timestamp=1&signature=" + "ab" * 32
KEY: Any = SimpleNamespace(host="fapi.example", port=443, ssl=True, is_ssl=True)


def wrapped(cause: BaseException, kind: type[Exception] = ccxt.ExchangeNotAvailable) -> Exception:
    """As ccxt raises it."""
    error = kind(f"binanceusdm POST {URL}")
    error.__cause__ = cause
    return error


def verification() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")),
            "fapi.example:443 refuses the connection; check this machine's network and firewall",
        ),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name or service not known")),
            "the name of fapi.example is not resolved; check this machine's network and DNS",
        ),
        (socket.gaierror(-3, "Temporary failure"), "the name of the exchange is not resolved; check this machine's"),
        (
            aiohttp.ClientConnectorCertificateError(KEY, verification()),
            "the TLS certificate of fapi.example:443 is not trusted (certificate has expired); check this",
        ),
        (
            aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            "TLS with fapi.example:443 failed",
        ),
        (
            aiohttp.ClientProxyConnectionError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
            "the proxy does not let us through; check the proxy",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "Network is unreachable")),
            "fapi.example:443 cannot be reached (Network is unreachable); check this machine's network",
        ),
        (TimeoutError(), "the exchange gives no answer in time; check this machine's network"),
        (aiohttp.ServerDisconnectedError(), "the exchange broke the connection off; check this machine's network"),
    ],
)
def test_the_cause_comes_first_and_the_mend_after_it(cause: BaseException, told: str) -> None:
    failure = failure_of(wrapped(cause), "create_order", NOW_MS, CODES, secrets=())
    assert failure.fate is Fate.UNKNOWN
    assert failure.text.startswith(told)
    assert failure.text.endswith("(create_order)")
    assert "signature" not in failure.text
    assert "/fapi/v1" not in failure.text


def test_what_is_no_matter_of_the_connection_has_no_such_cause() -> None:
    assert cause_of(ccxt.InsufficientFunds('binanceusdm {"code":-2019,"msg":"Margin is insufficient."}')) == ""
    assert cause_of(wrapped(aiohttp.ClientPayloadError("not completed"))) == ""
    assert cause_of(KeyError("orderId")) == ""


async def test_a_port_where_nobody_listens_is_told_by_the_genuine_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = parse_settings({"exchange": {"base_url": f"http://127.0.0.1:{port}"}}, "test")
    with pytest.raises(UnavailableError) as caught:
        await open_wire(settings, None, ExchangeClock(SystemClock()), Health(), dialect_of("binanceusdm"), ["BTCUSDT"])
    assert str(caught.value) == (
        f"127.0.0.1:{port} refuses the connection; check this machine's network and firewall, and exchange.base_url "
        "(fetch_time)"
    )


async def test_a_name_that_does_not_exist_is_told_by_the_genuine_client() -> None:
    settings = parse_settings({"exchange": {"base_url": "http://no-such-exchange.invalid"}}, "test")
    with pytest.raises(UnavailableError) as caught:
        await open_wire(settings, None, ExchangeClock(SystemClock()), Health(), dialect_of("binanceusdm"), ["BTCUSDT"])
    assert str(caught.value) == (
        "the name of no-such-exchange.invalid is not resolved; check this machine's network and DNS, and "
        "exchange.base_url (fetch_time)"
    )


async def test_the_proxy_of_the_environment_is_asked_and_its_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    settings = parse_settings({"exchange": {"base_url": "https://no-such-exchange.invalid"}}, "test")
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        with pytest.raises(UnavailableError, match="the proxy does not let us through") as caught:
            await open_wire(
                settings, None, ExchangeClock(SystemClock()), Health(), dialect_of("binanceusdm"), ["BTCUSDT"]
            )
    assert asked[0].startswith(b"CONNECT no-such-exchange.invalid:443"), caught.value


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        (-1022, "the secret does not belong to the API key: copy both again"),
        (-2014, "the API key is not whole: copy it again"),
        (-2015, "check the key, its rights and the addresses that it may be used from"),
    ],
)
def test_a_key_that_is_refused_comes_with_its_mend(code: int, mend: str) -> None:
    error = ccxt.AuthenticationError(f'binanceusdm {{"code":{code},"msg":"no."}}')
    assert failure_of(error, "fetch_balance", NOW_MS, CODES, secrets=()).text == f"fetch_balance: no. ({code}); {mend}"


@pytest.mark.parametrize(
    ("until_ms", "told"),
    [(NOW_MS + 600_000, "20:36:40 UTC"), (NOW_MS + 86_400_000, "2026-05-29 20:26:40 UTC")],
)
def test_a_ban_says_until_when(until_ms: int, told: str) -> None:
    body = f'{{"code":-1003,"msg":"Way too many requests; IP banned until {until_ms}."}}'
    failure = failure_of(
        ccxt.DDoSProtection(f"binanceusdm 418 I'm a teapot {body}"), "fetch_time", NOW_MS, CODES, secrets=()
    )
    assert failure.text.startswith(f"free again at {told}: fetch_time: Way too many requests")
