import json

import pytest

from core.domain.operator import Verb
from core.home.folder import EngineLock, Home
from tests.tui.cli.fakes import Quarterdeck, RunningEngine


@pytest.mark.parametrize("verb", ["pause", "halt"])
def test_verbs_that_lower_risk_act_at_once(quarterdeck: Quarterdeck, engine: RunningEngine, verb: str) -> None:
    result = quarterdeck(verb)
    assert (result.exit_code, result.stdout) == (0, f"{verb} done\n")
    ((asked, symbol, operator),) = engine.control.asked
    assert (asked, symbol) == (Verb(verb), "")
    assert operator.startswith("cli:")


@pytest.mark.parametrize("arguments", [["resume"], ["flatten"], ["flatten", "BTCUSDT"]])
def test_without_a_terminal_what_needs_a_yes_is_refused(
    quarterdeck: Quarterdeck, engine: RunningEngine, arguments: list[str]
) -> None:
    result = quarterdeck(*arguments, answer="y\n")
    assert result.exit_code == 1
    assert result.stderr == "quarterdeck: not done: there is no terminal to ask on; add --yes\n"
    assert engine.control.asked == []


def test_yes_is_enough_without_a_terminal(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    assert quarterdeck("flatten", "btcusdt", "--yes").exit_code == 0
    assert quarterdeck("resume", "--yes").exit_code == 0
    assert [asked[:2] for asked in engine.control.asked] == [(Verb.FLATTEN, "BTCUSDT"), (Verb.RESUME, "")]


def test_what_a_console_holds_is_taken_over_on_purpose_alone(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    engine.lease.claim("console", "free")
    refused = quarterdeck("resume", "--yes")
    assert refused.exit_code == 1
    assert "console holds the write lease; take it over (W in a console, or --take-over)" in refused.stderr
    assert engine.control.asked == []
    assert quarterdeck("flatten", "--yes").exit_code == quarterdeck("halt").exit_code == 0
    assert engine.lease.writer() == "console"
    assert quarterdeck("resume", "--yes", "--take-over").exit_code == 0
    assert engine.lease.writer() == ""


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("answer", "code", "asked"), [("y\n", 0, 1), ("\n", 1, 0), ("n\n", 1, 0), ("", 1, 0)])
def test_on_a_terminal_the_operator_is_asked_and_the_default_is_no(
    quarterdeck: Quarterdeck, engine: RunningEngine, answer: str, code: int, asked: int
) -> None:
    result = quarterdeck("flatten", answer=answer)
    assert result.exit_code == code
    assert "Close ALL positions at market and pause? [y/N]" in result.stderr
    assert len(engine.control.asked) == asked


@pytest.mark.usefixtures("engine")
def test_a_refusal_of_the_engine_ends_with_1(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("flatten", "NOPE", "--yes")
    assert result.exit_code == 1
    assert result.stderr == "quarterdeck: NOPE: no such symbol\n"
    told = quarterdeck("flatten", "NOPE", "--yes", "--json")
    assert json.loads(told.stdout)["accepted"] is False


def test_what_others_placed_is_flattened_only_when_it_is_asked_for(
    quarterdeck: Quarterdeck, engine: RunningEngine
) -> None:
    assert quarterdeck("flatten", "--yes").exit_code == 0
    assert quarterdeck("flatten", "--include-external", "--yes").exit_code == 0
    assert engine.control.external == [False, True]


@pytest.mark.usefixtures("terminal")
def test_the_question_says_that_others_are_included(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    result = quarterdeck("flatten", "--include-external", answer="\n")
    assert result.exit_code == 1
    assert "with orders and positions that OTHERS placed in this account? [y/N]" in result.stderr
    assert engine.control.asked == []


@pytest.mark.parametrize("arguments", [["pause"], ["halt"], ["resume", "--yes"], ["flatten", "--yes"]])
def test_without_an_engine_steering_ends_with_3(quarterdeck: Quarterdeck, home: Home, arguments: list[str]) -> None:
    result = quarterdeck(*arguments)
    assert result.exit_code == 3
    told = f"quarterdeck: {home.root}: no engine runs here; start one with `quarterdeck run`"
    otherwise = "; where no engine can, `quarterdeck panic` closes a live account at the exchange"
    assert result.stderr == f"{told}{otherwise if arguments[0] == 'flatten' else ''}\n"


@pytest.mark.parametrize("arguments", [["pause"], ["flatten", "--yes"]])
def test_an_engine_that_does_not_listen_yet_leaves_a_way_out(
    quarterdeck: Quarterdeck, home: Home, arguments: list[str]
) -> None:
    with EngineLock(home):
        result = quarterdeck(*arguments)
    assert result.exit_code == 3
    assert "does not listen yet or no longer; try again" in result.stderr
    assert ("`quarterdeck panic`" in result.stderr) is (arguments[0] == "flatten")


def test_one_trade_is_closed_or_a_part_of_it(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    assert quarterdeck("close", "plain-BTCUSDT-7").stdout == "close done\n"
    assert quarterdeck("close", "btcusdt", "--share", "33.3").exit_code == 0
    told = json.loads(quarterdeck("close", "BTCUSDT", "--share", "100", "--json").stdout)
    assert (told["accepted"], told["message"]) == (True, "close done")
    assert {asked[0] for asked in engine.control.asked} == {Verb.CLOSE}
    assert engine.control.given == [
        {"trade": "plain-BTCUSDT-7"},
        {"trade": "btcusdt", "share_pct": "33.3"},
        {"trade": "BTCUSDT", "share_pct": "100"},
    ]


def test_the_stop_of_a_trade_goes_where_it_was_written(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    assert quarterdeck("move-stop", "plain-BTCUSDT-7", "59000.10").exit_code == 0
    assert engine.control.asked[0][0] is Verb.MOVE_STOP
    assert engine.control.given == [{"trade": "plain-BTCUSDT-7", "price": "59000.10"}]


def test_a_stop_that_may_be_loosened_needs_the_write_lease(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    engine.lease.claim("console", "free")
    refused = quarterdeck("move-stop", "t1", "59000")
    assert (refused.exit_code, engine.control.asked) == (1, [])
    assert "console holds the write lease" in refused.stderr
    assert quarterdeck("close", "t1").exit_code == 0
    assert quarterdeck("move-stop", "t1", "59000", "--take-over").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["close"], "Missing argument 'TRADE'"),
        (["close", "t1", "--share", "0"], "'0' is no share; write percent, above 0 and 100 at most, as 50"),
        (["close", "t1", "--share", "100.1"], "'100.1' is no share"),
        (["close", "t1", "--share=-5"], "'-5' is no share"),
        (["close", "t1", "--share", "nan"], "'nan' is no share"),
        (["move-stop", "t1"], "Missing argument 'PRICE'"),
        (["move-stop", "t1", "0.0"], "'0.0' is no price; write a number above 0, as 61250.5"),
        (["move-stop", "t1", "1e5"], "'1e5' is no price"),
        (["move-stop", "--", "t1", "-5"], "'-5' is no price"),
    ],
)
def test_a_bad_act_on_a_trade_ends_with_2_and_the_mend(
    quarterdeck: Quarterdeck, engine: RunningEngine, arguments: list[str], told: str
) -> None:
    result = quarterdeck(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert engine.control.asked == []


@pytest.mark.parametrize("arguments", [["close", "t1"], ["move-stop", "t1", "5"]])
def test_without_an_engine_an_act_on_a_trade_ends_with_3(quarterdeck: Quarterdeck, arguments: list[str]) -> None:
    result = quarterdeck(*arguments)
    assert result.exit_code == 3
    assert "no engine runs here" in result.stderr


def test_a_symbol_is_locked_for_so_long_and_for_a_reason(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    assert quarterdeck("lock", "btcusdt", "--for", "2h", "--reason", "news").exit_code == 0
    assert quarterdeck("lock", "ETHUSDT").exit_code == 0
    assert quarterdeck("unlock", "btcusdt").exit_code == 0
    assert [asked[:2] for asked in engine.control.asked] == [
        (Verb.LOCK, "BTCUSDT"),
        (Verb.LOCK, "ETHUSDT"),
        (Verb.UNLOCK, "BTCUSDT"),
    ]
    assert engine.control.given == [{"for_ms": 7_200_000, "reason": "news"}, {"reason": ""}, {}]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lock"], "Missing argument 'SYMBOL'"),
        (["lock", "BTCUSDT", "--for", "soon"], "'soon' is no duration; write 90m, 48h, 30d or 4w"),
        (["lock", "BTCUSDT", "--reason", "x" * 300], "length <= 200"),
    ],
)
def test_a_bad_lock_ends_with_2_and_the_mend(
    quarterdeck: Quarterdeck, engine: RunningEngine, arguments: list[str], told: str
) -> None:
    result = quarterdeck(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert engine.control.asked == []
