"""Keys, signatures, the clock, and the limits on requests."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode

import pytest

from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue, Response

T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    return BinanceVenue(["BTCUSDT"])


def ask(venue: BinanceVenue, key: str = API_KEY, secret: str = API_SECRET, now_ms: int = T0, **params: str) -> Response:
    text = urlencode({"timestamp": str(T0), **params})
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers = {"X-MBX-APIKEY": key} if key else {}
    return venue.http("GET", f"/fapi/v3/balance?{text}&signature={signature}", "", headers, now_ms)


def test_the_right_key_and_signature_are_let_in(venue: BinanceVenue) -> None:
    answer = ask(venue)
    assert (answer.status, answer.json()[0]["balance"]) == (200, "10000.00000000")
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "5"


@pytest.mark.parametrize(
    ("key", "secret", "status", "code"),
    [("", API_SECRET, 401, -2014), ("a" * 64, API_SECRET, 401, -2015), (API_KEY, "wrong", 400, -1022)],
)
def test_wrong_keys_and_signatures_are_turned_away(
    venue: BinanceVenue, key: str, secret: str, status: int, code: int
) -> None:
    answer = ask(venue, key, secret)
    assert (answer.status, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(("offset_ms", "is_let_in"), [(-999, True), (-1_000, False), (5_000, True), (5_001, False)])
def test_requests_outside_the_window_are_too_early_or_too_late(
    venue: BinanceVenue, offset_ms: int, is_let_in: bool
) -> None:
    answer = ask(venue, now_ms=T0 + offset_ms)
    assert answer.status == (200 if is_let_in else 400)
    if not is_let_in:
        assert answer.json()["code"] == -1021
    venue.checks_time = False
    assert ask(venue, now_ms=T0 + offset_ms).status == 200


def test_a_minute_s_weight_is_bounded_and_going_on_is_banned(venue: BinanceVenue) -> None:
    venue.limits.weight_limit = 20
    answers = [ask(venue) for _ in range(16)]
    assert [answer.status for answer in answers] == [200] * 4 + [429] * 10 + [418] * 2
    assert answers[4].headers["Retry-After"] == "60"
    assert answers[15].headers["Retry-After"] == "120"
    later = T0 + 119_999
    assert ask(venue, now_ms=later, timestamp=str(later)).status == 418
    later = T0 + 120_000
    assert ask(venue, now_ms=later, timestamp=str(later)).status == 200


def test_a_new_minute_forgives(venue: BinanceVenue) -> None:
    venue.limits.weight_limit = 5
    assert [ask(venue).status for _ in range(2)] == [200, 429]
    later = T0 + 60_000
    assert ask(venue, now_ms=later, timestamp=str(later)).status == 200


def test_an_unknown_path_is_not_found(venue: BinanceVenue) -> None:
    assert venue.http("GET", "/fapi/v1/nothing", "", {}, T0).status == 404


def test_a_malformed_number_is_a_bad_request_not_a_crash(venue: BinanceVenue) -> None:
    answer = venue.http("GET", "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=many", "", {}, T0)
    assert (answer.status, answer.json()["code"]) == (400, -1102)
