from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.progress import Progress
from tests.tui.fake_lab import CHOICES, FROM_MS, HOUR_MS, run_row, sweep_row
from tui.cli import cli
from tui.lab.form import KINDS, LabForm
from tui.lab.job import Job, job_row
from tui.lab.runs import REPORT_OPTIONS, Outcome
from tui.lab.settings import settings_problem
from tui.text.format import UNICODE
from tui.text.moments import parse_duration, parse_moment
from tui.text.table import row_text


def form(**texts: str) -> LabForm:
    made = LabForm()
    made.offer(CHOICES)
    made.text |= {name.rstrip("_"): text for name, text in texts.items()}
    return made


def test_the_defaults_are_a_run_that_can_start() -> None:
    made = form()
    assert made.problem() is None
    assert made.arguments() == ["backtest", "ema_cross", "--market", "imported", "--engine", "event"]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"symbols": "btcusdt FOO"}, "symbols: FOO has no candles; stored are BTCUSDT, ETHUSDT, SOLUSDT"),
        ({"from_": "yesterday"}, "from: 'yesterday' is no time; write 2025-06-05"),
        ({"from_": "2026-08-01"}, "from: no candles there; stored are 2026-06-01T12:00 to 2026-07-01T12:00"),
        ({"from_": "2026-06-10", "to": "2026-06-10"}, "to: must be after from (2026-06-10)"),
        ({"to": "2025-01-01"}, "to: no candles there; stored are"),
        ({"overrides": "fast_bars=5 slow_bars"}, "overrides: 'slow_bars' is not of the form key=value"),
        ({"overrides": "=5"}, "overrides: '=5' is not of the form key=value"),
        ({"kind": "sweep"}, "grid: nothing to try; write key=a,b,c here, or a number of trials"),
        ({"kind": "sweep", "grid": "fast_bars=5,,7"}, "grid: fast_bars has an empty value; write fast_bars=a,b,c"),
        ({"kind": "sweep", "trials": "0"}, "trials: '0' is no whole number of 1 or more"),
        ({"kind": "walkforward"}, "train: is missing; write 48h or 30d, or choose a preset"),
        ({"kind": "walkforward", "train": "2 weeks"}, "train: '2 weeks' is no duration; write 90m, 48h, 30d or 4w"),
        ({"seed": "x"}, "seed: 'x' is no whole number of 0 or more"),
        ({"jobs": "0"}, "jobs: '0' is no whole number of 1 or more"),
    ],
)
def test_what_is_wrong_is_one_line_with_field_and_mend(texts: dict[str, str], problem: str) -> None:
    found = form(**texts).problem()
    assert found is not None
    assert found.text.startswith(problem)
    assert found.text.startswith(found.field)
    assert "\n" not in found.text


def test_the_command_says_all_that_was_typed() -> None:
    made = form(
        symbols="btcusdt, ethusdt",
        from_="2026-06-10",
        to="2026-06-12T06:30",
        preset="48h-24h-60m",
        engine="sweep",
        overrides="fast_bars=5 limits.max_open_positions=2",
        seed="3",
        jobs="2",
        note="a first look",
    )
    assert made.problem() is None
    assert made.arguments() == [
        "backtest", "ema_cross", "--market", "imported", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT",
        "--from", str(parse_moment("2026-06-10")), "--to", str(parse_moment("2026-06-12T06:30")),
        "--preset", "48h-24h-60m", "--set", "fast_bars=5", "--set", "limits.max_open_positions=2", "--engine", "sweep",
        "--seed", "3", "--jobs", "2", "--note", "a first look",
    ]  # fmt: skip


def test_a_sweep_and_a_walk_forward_take_their_own_fields_only() -> None:
    texts = {"grid": "fast_bars=5,10", "trials": "20", "train": "48h", "test": "24h", "anchored": "yes"}
    assert form(kind="sweep", **texts).arguments() == [
        "sweep", "ema_cross", "--market", "imported", "--grid", "fast_bars=5,10", "--objective", "sharpe",
        "--trials", "20",
    ]  # fmt: skip
    assert form(kind="walkforward", **texts).arguments() == [
        "walkforward", "ema_cross", "--market", "imported", "--grid", "fast_bars=5,10", "--objective", "sharpe",
        "--trials", "20", "--train", "48h", "--test", "24h", "--anchored",
    ]  # fmt: skip
    assert form(kind="backtest", **texts).arguments() == [
        "backtest",
        "ema_cross",
        "--market",
        "imported",
        "--engine",
        "event",
    ]


def test_holes_are_allowed_where_that_is_chosen_or_was() -> None:
    assert "--allow-holes" not in form().arguments()
    for kind in ("backtest", "sweep", "walkforward"):
        assert (
            form(kind=kind, grid="fast_bars=5", train="48h", test="24h", holes="yes").arguments()[-1] == "--allow-holes"
        )


def test_nothing_typed_is_lost_by_going_through_the_kinds() -> None:
    made = form(grid="fast_bars=5,10", train="48h", overrides="slow_bars=60")
    before = dict(made.text)
    for _ in KINDS:
        made.choose("kind", 1)
    assert made.text == before
    made.offer(CHOICES)
    assert made.text == before


def test_the_market_of_the_program_is_named_and_has_symbols_of_its_own() -> None:
    recorded = {"market": "recorded", "symbol": "XRPUSDT", "first_ms": FROM_MS, "last_ms": FROM_MS + HOUR_MS}
    both = CHOICES | {"symbols": [*CHOICES["symbols"], recorded]}
    made = LabForm()
    made.offer(both)
    assert made.text["market"] == "imported"
    made.text["symbols"] = "XRPUSDT"
    assert (found := made.problem()) is not None
    assert found.text == "symbols: XRPUSDT has no candles; stored are BTCUSDT, ETHUSDT, SOLUSDT"
    made.choose("market", 1)
    assert made.problem() is None
    assert made.arguments()[:6] == ["backtest", "ema_cross", "--market", "recorded", "--symbol", "XRPUSDT"]
    made.text |= {"symbols": "", "to": "2026-06-20"}
    assert made.problem() is None
    made.text["from"] = "2026-06-10"
    assert (found := made.problem()) is not None
    assert found.text == "from: no candles there; stored are 2026-06-01T12:00 to 2026-06-01T13:00"


def test_a_home_without_candles_of_its_own_begins_with_the_market_of_the_program() -> None:
    made = LabForm()
    made.offer(CHOICES | {"symbols": [{**CHOICES["symbols"][0], "market": "recorded"}]})
    assert made.arguments() == ["backtest", "ema_cross", "--market", "recorded", "--engine", "event"]
    made.text["market"] = "imported"
    made.offer(CHOICES)
    assert made.text["market"] == "imported"


def test_a_run_is_asked_for_again_on_its_own_market() -> None:
    made = form()
    made.fill(run_row("r0001", market="recorded"))
    assert made.text["market"] == "recorded"
    made.fill(run_row("r0001", market=None))
    assert made.text["market"] == "recorded"


def test_choices_go_round_both_ways() -> None:
    made = form()
    made.choose("strategy", 1)
    assert made.text["strategy"] == "scalper"
    made.choose("strategy", 1)
    assert made.text["strategy"] == "ema_cross"
    made.choose("preset", -1)
    assert made.text["preset"] == "6m-1m-1m"
    assert "6 months" in made.hint("preset")


@pytest.mark.parametrize("row", [run_row("r0001"), sweep_row("s0001")])
def test_a_stored_run_fills_the_form_with_what_it_was_asked(row: dict[str, object]) -> None:
    made = form(note="mine")
    made.fill(row)
    assert made.problem() is None
    arguments = made.arguments()
    assert arguments[:2] == [row["kind"], "ema_cross"]
    assert ["--from", str(FROM_MS)] == arguments[8:10]
    assert "fast_bars=5" in arguments
    assert ("--grid" in arguments) is (row["kind"] == "sweep")


def test_times_and_durations() -> None:
    assert (
        parse_moment(" 2026-06-01T12:00 ") == FROM_MS == parse_moment(str(FROM_MS)) == parse_moment("2026-06-01T14+02")
    )
    assert parse_moment("2026-13-01") is None
    assert parse_duration("48h") == 48 * HOUR_MS == parse_duration("2d")
    assert parse_duration("48") is None


def test_settings_are_checked_by_their_own_rules() -> None:
    assert settings_problem("overrides", "ema_cross", [("fast_bars", "5")], None) == ""
    text = settings_problem("overrides", "ema_cross", [("fast_bers", "5")], None)
    assert text.startswith("overrides: ")
    assert "fast_bers" in text


def test_a_job_counts_down_by_the_pace_of_its_stage() -> None:
    job = Job("backtest ema_cross", 0)
    assert job.left_ms(0) is None
    job = job.at(Progress(100, 1000, "slots"), 1_000)
    assert job.left_ms(1_000) is None
    job = job.at(Progress(400, 1000, "slots"), 4_000)
    assert job.left_ms(4_000) == 6_000
    assert "40% 400/1,000 slots ETA 6.0s" in row_text(job_row(job, 4_000, 120, UNICODE))
    job = job.at(Progress(1, 10, "folds"), 5_000)
    assert job.left_ms(5_000) is None
    assert "ETA -" in row_text(job_row(job, 5_000, 120, UNICODE))
    job = job.at(Progress(12, 0, "trials"), 6_000)
    assert "12 trials, 6.0s" in row_text(job_row(job, 6_000, 120, UNICODE))


def test_an_ended_job_tells_its_warnings() -> None:
    outcome = Outcome("partial", "r0007", labels=("SYNTHETIC DATA: not performance", "PARTIAL: stopped"))
    text = row_text(job_row(Job("backtest x", 0, outcome=outcome), 0, 120, UNICODE))
    assert "r0007 partial  SYNTHETIC DATA  PARTIAL" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", ["none", "48h-24h-60m"])
def test_the_command_line_takes_what_the_form_says(kind: str, preset: str, tmp_path: Path) -> None:
    made = form(
        kind=kind,
        preset=preset,
        symbols="BTCUSDT ETHUSDT",
        from_="2026-06-10",
        to="2026-06-12T06:30",
        engine="sweep" if kind == "backtest" else "event",
        overrides="fast_bars=5",
        grid="fast_bars=5,10 slow_bars=30:60:15",
        trials="20",
        objective="calmar",
        train="1.5d",
        test="4w",
        embargo="90m",
        anchored="yes",
        seed="3",
        jobs="2",
        predictions="r0001",
        note="a first look",
    )
    assert made.problem() is None
    verb, *arguments = made.arguments()
    context = cli.commands[verb].make_context(verb, [*arguments, "--home", str(tmp_path), *REPORT_OPTIONS])
    told = context.params
    assert told["symbols"] == ("BTCUSDT", "ETHUSDT")
    assert told["from_ms"] == parse_moment("2026-06-10")
    assert told["overrides"] == (("fast_bars", 5),)
    assert told["preset"] == (None if preset == "none" else preset)
    assert (told["seed"], told["jobs"], told["predictions"], told["note"]) == (3, 2, "r0001", "a first look")
    assert (told["as_json"], told["progress"]) == (True, "json")
    if kind != "backtest":
        assert told["grid"] == (("fast_bars", (5, 10)), ("slow_bars", (30, 45, 60)))
        assert (told["trials"], told["objective"]) == (20, "calmar")
    if kind == "walkforward":
        assert told["train_ms"] == parse_duration(made.text["train"]) == 36 * HOUR_MS
        assert (told["test_ms"], told["embargo_ms"], told["anchored"]) == (672 * HOUR_MS, 90 * 60_000, True)
