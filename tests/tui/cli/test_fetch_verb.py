"""`data fetch`: what it asks for, and what it says of what came."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from core.clock import SystemClock
from core.domain.errors import DataError
from core.home.folder import Home
from core.settings.schema import ExchangeSettings
from tests.tui.cli.fakes import FETCHED, FakeRuntime, Quarterdeck
from tui.cli.fetch_verb import EXCHANGES, LAST_MS

DAY_MS = 86_400_000
JUNE_MS = 1_748_736_000_000


def test_the_exchanges_are_those_of_the_settings() -> None:
    assert get_args(ExchangeSettings.model_fields["id"].annotation) == EXCHANGES


def test_what_is_asked_for(quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home) -> None:
    result = quarterdeck(
        "data", "fetch", "BTCUSDT", "ETHUSDT", "--interval", "5m", "--from", "2025-06-01", "--to", "2025-06-03",
        "--exchange", "mexc",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    asked = runtime.fetches[0]
    assert asked.symbols == ("BTCUSDT", "ETHUSDT")
    assert (asked.interval, asked.exchange) == ("5m", "mexc")
    assert (asked.from_ms, asked.to_ms) == (JUNE_MS, JUNE_MS + 2 * DAY_MS)


@pytest.mark.parametrize(("words", "length_ms"), [((), LAST_MS), (("--last", "2d"), 2 * DAY_MS)])
def test_the_last_days(quarterdeck: Quarterdeck, runtime: FakeRuntime, words: tuple[str, ...], length_ms: int) -> None:
    before_ms = SystemClock().now_ms()
    assert quarterdeck("data", "fetch", "BTCUSDT", *words).exit_code == 0
    asked = runtime.fetches[0]
    assert before_ms <= asked.from_ms + length_ms <= SystemClock().now_ms()
    assert (asked.interval, asked.to_ms, asked.exchange) == ("1m", None, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--last", "2d", "--from", "2025-06-01"), "not both"),
        (("--to", "2025-06-01"), "--to needs --from"),
        (("--from", "2025-06-02", "--to", "2025-06-02"), "holds no time that has passed"),
        (("--from", "2999-01-01"), "holds no time that has passed"),
        (("--last", "0d"), "holds no time that has passed"),
        (("--interval", "7m"), "'7m' is not one of"),
        (("--exchange", "nowhere"), "'nowhere' is not one of"),
        (("--last", "soon"), "is no duration"),
    ],
)
def test_a_wish_that_cannot_be_is_bad_usage(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, words: tuple[str, ...], told: str
) -> None:
    result = quarterdeck("data", "fetch", "BTCUSDT", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not runtime.fetches


def test_no_symbol_is_bad_usage(quarterdeck: Quarterdeck) -> None:
    assert quarterdeck("data", "fetch").exit_code == 2


def test_it_says_what_came_from_where_the_rules_and_what_the_check_found(
    quarterdeck: Quarterdeck, runtime: FakeRuntime
) -> None:
    result = quarterdeck("data", "fetch", "BTCUSDT")
    assert "monthly archive" in result.stdout
    assert "rules of binanceusdm: tick 0.1, lot 0.001, at least 50 USDT; not told" in result.stderr
    assert "data check finds no problem" in result.stderr
    runtime.fetched = {**FETCHED, "problems": [{"symbol": "BTCUSDT", "kind": "gap", "count": 3}]}
    result = quarterdeck("data", "fetch", "BTCUSDT")
    assert result.exit_code == 0
    assert "data check finds 1:\nsymbol" in result.stderr
    assert json.loads(quarterdeck("data", "fetch", "BTCUSDT", "--json").stdout) == runtime.fetched


def test_an_exchange_out_of_reach_ends_with_3(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.fetched = {**FETCHED, "left_out": "the name of the exchange is not resolved"}
    assert quarterdeck("data", "fetch", "BTCUSDT").exit_code == 3


def test_what_is_refused_is_one_line(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = DataError("BTCUSDT-1m-2025-06.zip: does not match its checksum; fetch again later")
    result = quarterdeck("data", "fetch", "BTCUSDT")
    assert result.exit_code == 2
    assert result.stderr.startswith("quarterdeck: BTCUSDT-1m-2025-06.zip: does not match")
    assert result.stderr.count("\n") == 1
