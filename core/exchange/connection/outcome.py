"""What a failed call to ccxt means: refused, turned away, unknown or unavailable; and a text of it without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from core.domain.errors import (
    QuarterdeckError,
    RejectKind,
    UnavailableError,
    VenueBusyError,
    VenueRejectedError,
    VenueUnknownError,
)
from core.domain.plain import plain
from core.exchange.connection.codes import Codes
from core.exchange.connection.reachability import cause_of
from core.home.logbook import iso_utc

_HIDDEN = "[hidden]"
_LONGEST_TEXT = 200
_BUSY_AGAIN_MS = 1000
_SLOW_AGAIN_MS = 10_000

_NO_SUCH_ENDPOINT = frozenset({404, 405, 410, 501})

STATUS_NOTE = "http_status"
"""The attribute under which an error of ccxt carries the HTTP status of the answer that caused it."""

_KINDS_BY_CLASS = (
    ("BadSymbol", RejectKind.NO_CONTRACT),
    ("OrderNotFound", RejectKind.NOT_FOUND),
    ("DuplicateOrderId", RejectKind.DUPLICATE_ID),
    ("OrderImmediatelyFillable", RejectKind.WOULD_TRIGGER),
    ("InsufficientFunds", RejectKind.NO_MARGIN),
    ("NoChange", RejectKind.NO_CHANGE),
    ("AuthenticationError", RejectKind.NO_PERMISSION),
    ("NotSupported", RejectKind.NOT_SUPPORTED),
)

_TOO_FINE = "must be greater than minimum amount precision"
"""What ccxt refuses by itself, by the steps that it read last."""

_BODY = re.compile(r"\{.*\}", re.DOTALL)
_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')
_STATUS = re.compile(r"^\w+ (?:(?:GET|POST|PUT|DELETE|PATCH) \S+ )?([1-5]\d\d) ")
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s/?#'\"]*([^\s?#'\"]*)[^\s'\"]*")
_ASSIGNED = re.compile(
    r"(?i)\b(signature|apikey|api[_-]?key|secret|passphrase|password|listenkey|seeds?|x-mbx-apikey|timestamp|recvwindow)"
    r"(['\"]?\s*[=:]\s*['\"]?)[^\s&,;'\"}]+"
)
_LONG_TOKEN = re.compile(r"[A-Za-z0-9+/=_%-]{40,}")


class Fate(Enum):
    """What became of a request that failed. STALE: turned away unread, because of its timestamp."""

    REFUSED = "refused"
    STALE = "stale"
    BUSY = "busy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """`status` is the HTTP status and `code` the exchange's own; 0 where there was none. `kind` counts for REFUSED,
    `retry_ms` for BUSY (the exchange's time). `text` is one clean line."""

    fate: Fate
    text: str
    kind: RejectKind = RejectKind.OTHER
    status: int = 0
    code: int = 0
    retry_ms: int = 0

    def of_send(self, sent_ms: int | None = None) -> QuarterdeckError:
        """The error to raise for a request that changes something, and that left at `sent_ms`."""
        if self.fate is Fate.REFUSED:
            return VenueRejectedError(self.text, self.kind)
        if self.fate is Fate.UNKNOWN:
            return VenueUnknownError(self.text, sent_ms)
        return VenueBusyError(self.text, self.retry_ms, is_stale=self.fate is Fate.STALE)

    def of_read(self) -> QuarterdeckError:
        """The error to raise for a request that changes nothing."""
        if self.fate is Fate.UNKNOWN:
            return UnavailableError(self.text)
        return self.of_send()


def failure_of(
    error: BaseException, what: str, now_ms: int, codes: Codes, *, secrets: Iterable[str], blocked_until_ms: int = 0
) -> Failure:
    """Judge what ccxt, or our own timeout, raised for the call `what`, by the exchange's own `codes`. Anything not
    definite is UNKNOWN.

    `blocked_until_ms` is the time that the exchange last named for coming back.
    """
    raw = str(error)
    status, code, message = _told(error, raw)
    fate = _fate(error, status, code, raw, codes)
    is_limit = status in (418, 429) or (code != 0 and code == codes.too_many)
    said = clean(message, secrets) or type(error).__name__
    text = f"{what}: {said}" + (f" ({code})" if code else f" (HTTP {status})" if status else "")
    if not status and (cause := cause_of(error)):
        text = f"{clean(cause, secrets)} ({what})"
    retry_ms = 0
    if fate in (Fate.BUSY, Fate.STALE):
        retry_ms = _retry_ms(raw, now_ms, blocked_until_ms, is_limit=is_limit)
    if fate is Fate.BUSY and is_limit:
        # First, for the rest may be long: what the exchange says of a ban fills a line.
        text = f"free again at {_moment(retry_ms, now_ms)} UTC: {text}"
    if code in codes.ways_out:
        text += f"; {codes.ways_out[code]}"
    kind = _kind(error, status, code, codes) if fate is Fate.REFUSED else RejectKind.OTHER
    return Failure(fate, text, kind, status, code, retry_ms)


def _moment(time_ms: int, now_ms: int) -> str:
    """HH:MM:SS, with the day before it where that is another than today."""
    day, clock = iso_utc(time_ms)[:10], iso_utc(time_ms)[11:19]
    return clock if day == iso_utc(now_ms)[:10] else f"{day} {clock}"


def banned_until_ms(body: str) -> int | None:
    """The time that the text of a 418 or 429 names, if it does."""
    found = _BANNED_UNTIL.search(body)
    return int(found[1]) if found else None


def clean(text: str, secrets: Iterable[str]) -> str:
    """One short plain line without addresses, queries, signatures or any of `secrets` (longest first)."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    text = _ADDRESS.sub(lambda found: found[1] or "/", text)
    text = _ASSIGNED.sub(rf"\1\2{_HIDDEN}", text)
    text = _LONG_TOKEN.sub(_HIDDEN, text)
    text = plain(" ".join(re.sub(r"<[^>]*>", " ", text).split()))
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."


def _told(error: BaseException, raw: str) -> tuple[int, int, str]:
    """HTTP status, the exchange's code and its message, as far as the error holds them."""
    found = _STATUS.match(raw)
    status = int(getattr(error, STATUS_NOTE, 0) or (found[1] if found else 0))
    body = _BODY.search(raw)
    if body is not None:
        try:
            answer = json.loads(body[0])
        except (ValueError, RecursionError):
            named = _CODE.search(raw)
            return status, int(named[1]) if named else 0, raw
        if isinstance(answer, dict):
            code_text = str(answer.get("code", ""))
            code = int(code_text) if re.fullmatch(r"-?\d{1,9}", code_text) else 0
            message = answer.get("msg") or answer.get("message") or raw
            return status, code, str(message)
    return status, 0, raw


def _fate(error: BaseException, status: int, code: int, raw: str, codes: Codes) -> Fate:
    from ccxt.base import errors as ccxt

    if code in codes.kinds:
        return Fate.REFUSED
    if code in codes.stale or (isinstance(error, ccxt.InvalidNonce) and not isinstance(error, ccxt.ChecksumError)):
        return Fate.STALE
    if status in (418, 429) or code in codes.busy or isinstance(error, ccxt.ExchangeClosedByUser):
        return Fate.BUSY
    if code in codes.unknown:
        return Fate.UNKNOWN
    if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection | ccxt.OnMaintenance):
        return Fate.BUSY
    if status in _NO_SUCH_ENDPOINT:
        return Fate.REFUSED
    if status == 403 or (status == 503 and "service unavailable" in _after_reason(raw)):
        return Fate.BUSY
    # ccxt makes a plain ExchangeError of an answer that broke off, and of a server's own failure that names a code.
    if isinstance(error, ccxt.ExchangeError) and status < 500 and not _is_transport(error.__cause__):
        return Fate.REFUSED
    return Fate.UNKNOWN


def _after_reason(raw: str) -> str:
    """The body of an answer: "Service Unavailable" is also the standing name of every HTTP 503."""
    return raw.lower().partition(" 503 ")[2].removeprefix("service unavailable").strip()


def _is_transport(cause: BaseException | None) -> bool:
    return cause is not None and type(cause).__module__.partition(".")[0] in ("aiohttp", "builtins", "asyncio")


def _kind(error: BaseException, status: int, code: int, codes: Codes) -> RejectKind:
    if code in codes.kinds:
        return codes.kinds[code]
    if not code and status in _NO_SUCH_ENDPOINT:
        return RejectKind.NOT_SUPPORTED
    names = {parent.__name__ for parent in type(error).__mro__}
    for name, kind in _KINDS_BY_CLASS:
        if name in names:
            return kind
    if _TOO_FINE in str(error):
        return RejectKind.PRECISION
    for told, kind in codes.texts.items():
        if str(error).endswith(told):
            return kind
    return RejectKind.DUPLICATE_ID if "duplicate" in str(error).lower() else RejectKind.OTHER


def _retry_ms(raw: str, now_ms: int, blocked_until_ms: int, *, is_limit: bool) -> int:
    """What the exchange named, of its text and what it named last the later; a guess only where it named nothing."""
    named_ms = max(banned_until_ms(raw) or 0, blocked_until_ms)
    if named_ms > now_ms and is_limit:
        return named_ms
    return max(named_ms, now_ms + (_SLOW_AGAIN_MS if is_limit else _BUSY_AGAIN_MS))
