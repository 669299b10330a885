"""Why a request did not reach an exchange, in one line with the mend."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

_NETWORK = "check this machine's network and firewall, and exchange.base_url"
_DEEPEST = 10


def cause_of(error: BaseException) -> str:
    """What stood between us and the exchange, and the mend; empty where the connection was not what failed.

    Hosts and ports are named, paths and queries never.
    """
    import aiohttp

    chain = list(_chain(error))
    if any(isinstance(one, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) for one in chain):
        return "the proxy does not let us through; check the proxy of this machine's environment"
    return next((told for one in chain if (told := _told(one, _place(chain)))), "")


def no_answer(timeout_ms: int, what: str) -> str:
    """The same for our own time limit on the call `what`."""
    return f"no answer within {timeout_ms} ms; {_NETWORK} ({what})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, the innermost first: that one says most."""
    found: list[BaseException] = []
    while error is not None and len(found) < _DEEPEST:
        found.append(error)
        inner = getattr(error, "os_error", None)
        error = error.__cause__ or error.__context__ or (inner if isinstance(inner, BaseException) else None)
    return reversed(found)


def _place(chain: list[BaseException]) -> str:
    """HOST:PORT of the connection that failed, as far as it is told."""
    for one in chain:
        host, port = getattr(one, "host", None), getattr(one, "port", None)
        if isinstance(host, str) and host:
            return f"{host}:{port}" if port else host
    return "the exchange"


def _told(error: BaseException, place: str) -> str:
    import aiohttp

    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or "it could not be verified"
        return f"the TLS certificate of {place} is not trusted ({why}); check this machine's clock and certificates"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", "") or "no reason told"
        return f"TLS with {place} failed ({why}); check exchange.base_url, and what stands between"
    if isinstance(error, socket.gaierror):
        host = place.rpartition(":")[0] or place
        return f"the name of {host} is not resolved; check this machine's network and DNS, and exchange.base_url"
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses the connection; {_NETWORK}"
    if isinstance(error, TimeoutError):
        return f"{place} gives no answer in time; {_NETWORK}"
    if isinstance(error, ConnectionResetError | aiohttp.ServerDisconnectedError):
        return f"{place} broke the connection off; {_NETWORK}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{place} cannot be reached ({error.strerror or error.os_error.strerror}); {_NETWORK}"
    return ""
