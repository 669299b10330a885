"""`collect`: what it asks for, and what it says of what came."""

from __future__ import annotations

import json

import pytest

from core.control.requests import CollectRequest
from core.domain.errors import UnavailableError
from tests.tui.cli.fakes import COLLECTED, FakeRuntime, Quarterdeck


def test_what_is_asked_for(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    result = quarterdeck(
        "collect", "BTCUSDT", "ETHUSDT", "--streams", "trades, book10,open_interest.15m", "--exchange", "mexc",
        "--for", "90m", "--min-free-disk", "500",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    streams = ("trades", "book10", "open_interest.15m")
    assert runtime.collects == [CollectRequest(("BTCUSDT", "ETHUSDT"), streams, "mexc", 5_400_000, 500, None)]


def test_the_rest_is_left_to_the_settings(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    assert quarterdeck("collect", "BTCUSDT", "--streams", "mark").exit_code == 0
    assert runtime.collects == [CollectRequest(("BTCUSDT",), ("mark",))]


def test_the_table_says_what_came_and_stderr_what_it_takes(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("collect", "BTCUSDT", "--streams", "trades")
    assert [line.split()[:3] for line in result.stdout.splitlines()[1:]] == [
        ["BTCUSDT", "trades", "120"],
        ["BTCUSDT", "mark", "60"],
    ]
    assert "gathering trades of BTCUSDT from binanceusdm" in result.stderr
    assert "about 28.9 MB a day; 51,200 MB are free" in result.stderr


def test_json_is_all_of_it(quarterdeck: Quarterdeck) -> None:
    assert json.loads(quarterdeck("collect", "BTCUSDT", "--streams", "trades", "--json").stdout) == COLLECTED


def test_what_ended_it_early_is_one_line_and_a_refusal_behind_the_table(
    quarterdeck: Quarterdeck, runtime: FakeRuntime
) -> None:
    runtime.collected = {**COLLECTED, "stopped": "10 MB are free on the disk"}
    result = quarterdeck("collect", "BTCUSDT", "--streams", "trades")
    assert result.exit_code == 1
    assert "120" in result.stdout
    assert "quarterdeck: 10 MB are free on the disk" in result.stderr


def test_an_exchange_out_of_reach_is_exit_code_3(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = UnavailableError("no answer")
    assert quarterdeck("collect", "BTCUSDT", "--streams", "trades").exit_code == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--streams", "trades"), "Missing argument"),
        (("BTCUSDT",), "Missing option '--streams'"),
        (("BTCUSDT", "--streams", "trades,"), "has an empty name"),
        (("BTCUSDT", "--streams", "trades", "--for", "soon"), "is no duration"),
        (("BTCUSDT", "--streams", "trades", "--exchange", "nowhere"), "'nowhere' is not one of"),
        (("BTCUSDT", "--streams", "trades", "--min-free-disk", "-1"), "is not in the range"),
    ],
)
def test_a_wish_that_cannot_be_is_bad_usage(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, words: tuple[str, ...], told: str
) -> None:
    result = quarterdeck("collect", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not runtime.collects
