from typing import Any
from urllib.parse import quote

import aiohttp
import ccxt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.domain.errors import RejectKind, UnavailableError, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.exchange.binanceusdm.codes import CODES
from core.exchange.connection.outcome import STATUS_NOTE, Failure, Fate, banned_until_ms, clean, failure_of

NOW_MS = 1_780_000_000_000
URL = "https://fapi.binance.com/fapi/v1/order?timestamp=1&recvWindow=5000&signature=" + "ab" * 32


def judge(error: BaseException, **changes: Any) -> Failure:
    return failure_of(error, "create_order", NOW_MS, CODES, secrets=(), **changes)


def told(kind: type[Exception], code: int, text: str = "no", status: int = 0) -> Exception:
    error = kind(f'binanceusdm {{"code":{code},"msg":"{text}"}}')
    if status:
        setattr(error, STATUS_NOTE, status)
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (told(ccxt.InsufficientFunds, -2019), RejectKind.NO_MARGIN),
        (told(ccxt.OrderImmediatelyFillable, -2021), RejectKind.WOULD_TRIGGER),
        (told(ccxt.InvalidOrder, -2022), RejectKind.REDUCE_ONLY),
        (told(ccxt.OrderNotFound, -2011), RejectKind.NOT_FOUND),
        (told(ccxt.OrderNotFound, -2013), RejectKind.NOT_FOUND),
        (told(ccxt.InvalidOrder, -4116), RejectKind.DUPLICATE_ID),
        (told(ccxt.MarginModeAlreadySet, -4046), RejectKind.NO_CHANGE),
        (told(ccxt.OperationRejected, -4059), RejectKind.NO_CHANGE),
        (told(ccxt.InvalidOrder, -4120), RejectKind.WRONG_ENDPOINT),
        (told(ccxt.AuthenticationError, -2014), RejectKind.NO_PERMISSION),
        (told(ccxt.AuthenticationError, -1022), RejectKind.NO_PERMISSION),
        (told(ccxt.InvalidOrder, -4164), RejectKind.FILTER),
        (told(ccxt.BadRequest, -4003), RejectKind.FILTER),
        (told(ccxt.BadRequest, -4005), RejectKind.FILTER),
        (told(ccxt.AuthenticationError, -4013), RejectKind.FILTER),
        (told(ccxt.InsufficientFunds, -4024), RejectKind.FILTER),
        (told(ccxt.BadRequest, -1111), RejectKind.PRECISION),
        (told(ccxt.OperationRejected, -4014), RejectKind.PRECISION),
        (told(ccxt.OperationRejected, -4023), RejectKind.PRECISION),
        (told(ccxt.OperationFailed, -2020), RejectKind.OTHER),
        (ccxt.NotSupported("mexc fetchX() is not supported yet"), RejectKind.NOT_SUPPORTED),
        (ccxt.DuplicateOrderId("x"), RejectKind.DUPLICATE_ID),
        (ccxt.InvalidOrder("apex ORDER duplicate client id"), RejectKind.DUPLICATE_ID),
        (ccxt.PermissionDenied("mexc no"), RejectKind.NO_PERMISSION),
        (ccxt.BadRequest("binanceusdm amount must be greater than minimum"), RejectKind.OTHER),
        (
            ccxt.InvalidOrder(
                "binanceusdm amount of BTC/USDT:USDT must be greater than minimum amount precision of 0.005"
            ),
            RejectKind.PRECISION,
        ),
        (ccxt.ExchangeNotAvailable(f"binanceusdm GET {URL} 404 Not Found <html>"), RejectKind.NOT_SUPPORTED),
    ],
)
def test_definite_refusals(error: Exception, kind: RejectKind) -> None:
    failure = judge(error)
    assert (failure.fate, failure.kind) == (Fate.REFUSED, kind)
    for raised in (failure.of_send(), failure.of_read()):
        assert isinstance(raised, VenueRejectedError)
        assert raised.kind is kind


def test_a_key_that_worked_and_is_refused_now_is_refused() -> None:
    # ccxt calls it DDoSProtection once a request of the key has succeeded.
    failure = judge(told(ccxt.DDoSProtection, -2015))
    assert (failure.fate, failure.kind) == (Fate.REFUSED, RejectKind.NO_PERMISSION)


@pytest.mark.parametrize(
    "error",
    [
        ccxt.RequestTimeout(f"binanceusdm POST {URL}"),
        ccxt.NetworkError(f"binanceusdm POST {URL}"),
        ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL}"),
        ccxt.BadResponse("binanceusdm answered with something that is not JSON"),
        told(ccxt.RequestTimeout, -1007),
        told(ccxt.OperationFailed, -1006),
        told(ccxt.OperationFailed, -1001),
        told(ccxt.OperationFailed, -1000, "Unknown error, please check your request or try again later.", 503),
        told(ccxt.ExchangeError, -9999, "Internal error", 500),
        ccxt.ExchangeNotAvailable(
            f"binanceusdm POST {URL} 503 Service Unavailable Unknown error, please check your request"
        ),
        ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL} 502 Bad Gateway <html>nginx</html>"),
        ccxt.RequestTimeout(f"binanceusdm POST {URL} 504 Gateway Timeout <html></html>"),
        AttributeError("'str' object has no attribute 'get'"),
        KeyError("orderId"),
        OSError("connection reset"),
    ],
)
def test_anything_not_definite_is_unknown(error: Exception) -> None:
    failure = judge(error)
    assert failure.fate is Fate.UNKNOWN
    assert isinstance(failure.of_send(), VenueUnknownError)
    assert type(failure.of_read()) is UnavailableError


def test_an_answer_that_broke_off_is_unknown_though_ccxt_calls_it_an_exchange_error() -> None:
    error = ccxt.ExchangeError(f"binanceusdm POST {URL}")
    assert judge(error).fate is Fate.REFUSED
    error.__cause__ = aiohttp.ClientPayloadError("Response payload is not completed")
    assert judge(error).fate is Fate.UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        ccxt.DDoSProtection('binanceusdm 429 Too Many Requests {"code":-1003,"msg":"Too many requests."}'),
        ccxt.DDoSProtection("binanceusdm 418 I'm a teapot"),
        ccxt.RateLimitExceeded("mexc 510"),
        told(ccxt.OperationFailed, -1008, "Server is currently overloaded", 503),
        told(ccxt.RateLimitExceeded, -1015),
        ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL} 503 Service Unavailable Service Unavailable."),
        ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL} 403 Forbidden <html>"),
        ccxt.OnMaintenance("binanceusdm system maintenance"),
        ccxt.ExchangeClosedByUser("binanceusdm instance was closed by the user"),
    ],
)
def test_what_was_turned_away_had_no_effect_and_says_when_to_come_again(error: Exception) -> None:
    failure = judge(error)
    assert failure.fate is Fate.BUSY
    for raised in (failure.of_send(), failure.of_read()):
        assert isinstance(raised, VenueBusyError)
        assert NOW_MS < raised.retry_ms <= NOW_MS + 10_000
    later = judge(error, blocked_until_ms=NOW_MS + 77_000).of_send()
    assert isinstance(later, VenueBusyError)
    assert later.retry_ms == NOW_MS + 77_000


def test_an_answer_that_nests_without_end_is_only_text() -> None:
    deep = ccxt.ExchangeError('binanceusdm {"code":-1000,"msg":' + 50_000 * "[" + "}")
    assert judge(deep).fate is Fate.UNKNOWN


def test_a_ban_is_read_from_the_text() -> None:
    body = '{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1780000600000."}'
    assert banned_until_ms(body) == 1_780_000_600_000
    failure = judge(ccxt.DDoSProtection(f"binanceusdm 418 I'm a teapot {body}"))
    assert failure.retry_ms == 1_780_000_600_000


@pytest.mark.parametrize("code", [-1021, -5028])
def test_a_wrong_time_was_turned_away_unread(code: int) -> None:
    failure = judge(told(ccxt.InvalidNonce if code == -1021 else ccxt.InvalidOrder, code))
    assert failure.fate is Fate.STALE
    assert isinstance(failure.of_send(), VenueBusyError)


def test_a_torn_order_book_is_not_a_wrong_time() -> None:
    assert judge(ccxt.ChecksumError("binanceusdm book")).fate is Fate.UNKNOWN


def test_the_text_says_what_the_exchange_said_and_no_more() -> None:
    assert judge(told(ccxt.InsufficientFunds, -2019, "Margin is insufficient.")).text == (
        "create_order: Margin is insufficient. (-2019)"
    )
    error = ccxt.ExchangeNotAvailable(f"binanceusdm POST {URL} 502 Bad Gateway <html><b>nginx</b></html>")
    assert judge(error).text == "create_order: binanceusdm POST /fapi/v1/order 502 Bad Gateway nginx (HTTP 502)"


def test_plain_words_about_keys_stay_readable() -> None:
    assert clean("apikey sign error; check your API-key format", ()) == "apikey sign error; check your API-key format"
    assert clean("signature=abc&timestamp=17", ()) == "signature=[hidden]&timestamp=[hidden]"


PLANTED = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=8, max_size=90)
PLACES = (
    "binanceusdm POST https://fapi.binance.com/fapi/v1/order?apiKey={}&signature=00",
    'binanceusdm {{"code":-2015,"msg":"Invalid {}, or permissions."}}',
    "mexc GET https://api.mexc.com/api/v1/private?x={} 502 Bad Gateway {}",
    "headers X-MBX-APIKEY: {}",
    "{}",
    "cut <b>{}</b>{}",
)


@given(secret=PLANTED, place=st.sampled_from(PLACES), spelled=st.booleans())
def test_no_planted_secret_is_left_in_a_text(secret: str, place: str, spelled: bool) -> None:
    written = quote(secret, safe="") if spelled else secret
    raw = place.replace("{{", "{").replace("}}", "}").replace("{}", written)
    assume(secret not in f"create_order: {raw.replace(written, '')} (-2015) (HTTP 502) ...")
    secrets = sorted({secret, quote(secret, safe="")}, key=len, reverse=True)
    for text in (
        clean(raw, secrets),
        failure_of(ccxt.ExchangeError(raw), "create_order", NOW_MS, CODES, secrets=secrets).text,
        str(failure_of(ccxt.NetworkError(raw), "create_order", NOW_MS, CODES, secrets=secrets).of_send()),
    ):
        assert secret not in text.replace("[hidden]", "\0")
        assert written not in text.replace("[hidden]", "\0")


@given(signature=st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_signature_is_hidden_though_nobody_registered_it(signature: str) -> None:
    for raw in (
        f"binanceusdm GET https://fapi.binance.com/fapi/v3/account?timestamp=1&signature={signature}",
        f"headers {{'APEX-SIGNATURE': '{signature}'}}",
        f"listenKey {signature} expired",
    ):
        assert signature not in failure_of(ccxt.NetworkError(raw), "x", NOW_MS, CODES, secrets=()).text


@given(text=st.text(max_size=2000))
def test_a_text_is_one_short_line(text: str) -> None:
    said = clean(text, ())
    assert len(said) <= 200
    assert said.splitlines() in ([said], [])
