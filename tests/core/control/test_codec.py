import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from msgspec.structs import replace

from core.control.codec import decode, encode, encode_line, read
from core.control.protocol import BlockView, Snapshot, StatusView
from core.domain.errors import UnavailableError
from tests.core.control.control_samples import SNAPSHOT, STATUS
from tests.core.control.made import made


def test_a_snapshot_survives_the_way_there_and_back() -> None:
    assert decode(Snapshot, json.loads(encode_line(SNAPSHOT))) == SNAPSHOT


@given(snapshot=made(Snapshot))
def test_any_snapshot_of_finite_numbers_survives(snapshot: Snapshot) -> None:
    assert read(Snapshot, encode_line(snapshot)) == snapshot
    assert decode(Snapshot, json.loads(encode_line(snapshot))) == snapshot


def test_decimals_stay_exact() -> None:
    exact = Decimal("0.1000000000000000000000000000000000000001")
    assert read(Decimal, encode(exact)) == exact


@pytest.mark.parametrize("odd", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_in_a_text_is_told_as_its_escape(odd: str) -> None:
    told = replace(STATUS, note=odd, blocks=(BlockView("x", odd, ""),))
    note = odd.encode("ascii", "backslashreplace").decode()
    assert read(StatusView, encode(told)) == replace(told, note=note, blocks=(BlockView("x", note, ""),))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_told_as_missing_and_never_read_as_one(number: float) -> None:
    assert read(StatusView, encode(replace(STATUS, feed_age_ms=number))).feed_age_ms is None
    with pytest.raises(UnavailableError, match=r"Expected `float`, got `null` - at `\$.equity_usdt`"):
        read(StatusView, encode(replace(STATUS, equity_usdt=number)))


def test_a_message_is_one_line_whatever_its_text_holds() -> None:
    line = encode_line(replace(STATUS, note="two\nlines and \u2028 more"))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


def test_keys_of_a_newer_engine_are_passed_over_and_of_an_older_one_take_their_default() -> None:
    row = json.loads(encode_line(STATUS))
    del row["speed"]
    assert decode(StatusView, row | {"new": 1}) == replace(STATUS, speed=0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "asleep"},
        {"as_of_ms": 1.5},
        {"as_of_ms": True},
        {"balance_usdt": "10"},
        {"balance_usdt": None},
        {"halts": 3},
        {"mode": 1},
    ],
)
def test_another_shape_is_said_in_one_line(change: dict[str, object]) -> None:
    with pytest.raises(UnavailableError, match=r"StatusView cannot be read .* same version"):
        decode(StatusView, json.loads(encode_line(STATUS)) | change)


def test_a_required_key_that_is_absent_is_said() -> None:
    row = json.loads(encode_line(STATUS))
    del row["mode"]
    with pytest.raises(UnavailableError, match="required field `mode`"):
        decode(StatusView, row)


@pytest.mark.parametrize("line", [b"", b"{", b"[" * 50_000, b"\xff", b'{"mode": "\\ud800"}', b"null", b"7"])
def test_what_is_no_message_is_said_in_one_line(line: bytes) -> None:
    with pytest.raises(UnavailableError) as caught:
        read(StatusView, line)
    assert str(caught.value).isprintable()


def test_what_has_no_json_form_is_not_sent() -> None:
    with pytest.raises(TypeError):
        encode_line({"x": object()})
