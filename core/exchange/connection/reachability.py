"""Why a request did not reach an exchange, or its archive, in one line with the mend."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Way:
    """To whom a request went: `place` where the error does not tell it, and the setting that says so."""

    place: str = "the exchange"
    setting: str = "exchange.base_url"

    @property
    def mend(self) -> str:
        return f"check this machine's network and firewall, and {self.setting}"


TO_EXCHANGE = Way()
BY_PROXY = "the proxy does not let us through; check the proxy of this machine's environment"


def cause_of(error: BaseException, way: Way = TO_EXCHANGE) -> str:
    """What stood between us and the exchange, and the mend; empty where the connection was not what failed.

    Hosts and ports are named, paths and queries never.
    """
    import aiohttp

    chain = list(_chain(error))
    if any(isinstance(one, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) for one in chain):
        return BY_PROXY
    place = _place(chain) or way.place
    return next((told for one in chain if (told := _told(one, place, way))), "")


def no_answer(timeout_ms: int, what: str) -> str:
    """The same for our own time limit on the call `what`."""
    return f"no answer within {timeout_ms} ms; {TO_EXCHANGE.mend} ({what})"


def broken_off(way: Way, place: str = "") -> str:
    return f"{place or way.place} broke the connection off; {way.mend}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, the innermost first: that one says most."""
    found: list[BaseException] = []
    while error is not None and len(found) < _DEEPEST:
        found.append(error)
        inner = getattr(error, "os_error", None)
        if isinstance(error, BaseExceptionGroup):
            inner = error.exceptions[0]
        error = error.__cause__ or error.__context__ or (inner if isinstance(inner, BaseException) else None)
    return reversed(found)


def _place(chain: list[BaseException]) -> str:
    """HOST:PORT of the connection that failed, where the error tells it."""
    for one in chain:
        host, port = getattr(one, "host", None), getattr(one, "port", None)
        if isinstance(host, str) and host:
            return f"{host}:{port}" if port else host
    return ""


def _told(error: BaseException, place: str, way: Way) -> str:
    import aiohttp

    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or "it could not be verified"
        return f"the TLS certificate of {place} is not trusted ({why}); check this machine's clock and certificates"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", "") or "no reason told"
        return f"TLS with {place} failed ({why}); check {way.setting}, and what stands between"
    if isinstance(error, socket.gaierror):
        host = place.rpartition(":")[0] or place
        return f"the name of {host} is not resolved; check this machine's network and DNS, and {way.setting}"
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses the connection; {way.mend}"
    if isinstance(error, TimeoutError):
        return f"{place} gives no answer in time; {way.mend}"
    if isinstance(error, ConnectionResetError | aiohttp.ServerDisconnectedError):
        return broken_off(way, place)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{place} cannot be reached ({error.strerror or error.os_error.strerror}); {way.mend}"
    return ""
