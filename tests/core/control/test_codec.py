import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.control.codec import decode, encode_line
from core.control.protocol import Snapshot, StatusView
from core.domain.errors import UnavailableError
from tests.core.control.control_samples import SNAPSHOT, STATUS


def test_a_snapshot_survives_the_way_there_and_back() -> None:
    assert decode(Snapshot, json.loads(encode_line(SNAPSHOT))) == SNAPSHOT


@given(snapshot=st.builds(Snapshot, status=st.just(STATUS), seq=st.integers()) | st.from_type(Snapshot))
def test_any_snapshot_of_finite_numbers_survives(snapshot: Snapshot) -> None:
    line = encode_line(snapshot)
    if b"NaN" not in line:
        assert decode(Snapshot, json.loads(line)) == snapshot


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
    with pytest.raises(UnavailableError, match="KeyError: 'mode'"):
        decode(StatusView, row)


def test_a_type_without_a_reading_is_a_mistake_of_ours() -> None:
    @dataclass
    class Odd:
        value: set[int]

    with pytest.raises(TypeError, match=r"set\[int\] has no reading"):
        decode(Odd, {"value": []})


def test_what_has_no_json_form_is_not_sent() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        encode_line({"x": {1}})
