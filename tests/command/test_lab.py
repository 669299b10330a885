"""The verbs of the lab, as real commands on real homes: what they leave, print and refuse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from core.lab.requests import EXPORT_FORMS
from tests.command import kit
from tests.command.in_process import command, told
from tests.strategies.packages import distribution

DAY_MS = 86_400_000
DAY = ("--from", "2025-06-06", "--to", "2025-06-07")
LABEL = "SYNTHETIC DATA: not performance"
PEEKING = """
import numpy as np

from core.domain.forecast import Output
from core.strategy.declaration import Part, Rule, Strategy


def scan(state, opens, highs, lows, closes, volumes, parameters):
    return np.append(1e4 * np.diff(closes) / closes[:-1], np.nan)


def decide(values, cost_bps, parameters):
    return 1 if values[0] > parameters[0] else -1 if values[0] < -parameters[0] else 0, 0.5


def build(settings):
    return Strategy(
        name="peeking", parts=(Part((Output("next", "bps"),), 10, Rule(scan, 1, ())),), decide=decide,
        parameters=(12.0,), stop_pct=1.0, target_pct=2.0, cooldown_ms=0, reverses=True,
    )
"""

Lab = Callable[..., Result]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, kit.Answer]:
    """A home that was not there, and what its first backtest said. From then on it names the recorded market itself."""
    home = tmp_path_factory.mktemp("lab") / "home"
    day = ("--market", "recorded", "--symbol", "SOLUSDT", *DAY)
    answer = kit.quarterdeck("backtest", "ema_cross", *day, "--home", home, "--json")
    (home / "settings.toml").write_text('[lab]\nmarket = "recorded"\n')
    return home, answer


@pytest.fixture
def lab(first: tuple[Path, kit.Answer], tmp_path: Path) -> Lab:
    """The command line on a copy of the home of `first`, which has the run r0001."""
    home = Path(shutil.copytree(first[0], tmp_path / "home"))
    return lambda *arguments: command(home, *arguments)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three made-up days of SOLUSDT and nothing else."""
    base = tmp_path_factory.mktemp("made-up")
    closes = 150.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-3, 3 * 1440)))
    lines = ["open_time,open,high,low,close,volume"]
    for minute, (opened, closed) in enumerate(zip([150.0, *closes[:-1]], closes, strict=True)):
        prices = (opened, max(opened, closed), min(opened, closed), closed)
        values = ",".join(f"{price:.2f}" for price in prices)
        lines.append(f"{1_735_689_600_000 + minute * 60_000},{values},1000")
    path = base / "SOLUSDT-1m.csv"
    path.write_text("\n".join(lines) + "\n")
    assert command(base / "home", "data", "import", path, "--synthetic").exit_code == 0
    return base / "home"


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two days of SOLUSDT between which three hours are missing and the price triples, and nothing else."""
    base = tmp_path_factory.mktemp("holed")
    closes = 150.0 * np.exp(np.cumsum(np.random.default_rng(8).normal(0.0, 1e-3, 2 * 1440)))
    closes[1440:] *= 3.0
    minutes = np.arange(2 * 1440) + np.where(np.arange(2 * 1440) < 1440, 0, 180)
    lines = ["open_time,open,high,low,close,volume"]
    for minute, close in zip(minutes.tolist(), closes.tolist(), strict=True):
        lines.append(
            f"{1_735_689_600_000 + minute * 60_000},{close:.2f},{close + 0.3:.2f},{close - 0.3:.2f},{close:.2f},1e5"
        )
    path = base / "SOLUSDT-1m.csv"
    path.write_text("\n".join(lines) + "\n")
    assert command(base / "home", "data", "import", path).exit_code == 0
    return base / "home"


@pytest.mark.parametrize(
    "verb",
    [
        ("backtest", "ema_cross"),
        ("backtest", "ema_cross", "--engine", "sweep"),
        ("sweep", "ema_cross", "--grid", "fast_bars=5,10", "--jobs", "1"),
        ("walkforward", "ema_cross", "--train", "12h", "--test", "6h"),
        ("check", "ema_cross", "--only", "costs"),
    ],
)
def test_a_period_with_a_hole_is_refused_and_labelled_where_it_is_allowed(
    holed: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    home = Path(shutil.copytree(holed, tmp_path / "home"))
    refused = command(home, *verb, "--symbol", "SOLUSDT")
    assert refused.exit_code == 2
    assert "SOLUSDT 2025-01-02 00:00 UTC to 2025-01-02 03:00 UTC (3 h)" in refused.stderr
    assert "--allow-holes" in refused.stderr
    assert command(home, "runs", "list", "--json").stdout.strip() == "[]"
    row = told(command(home, *verb, "--symbol", "SOLUSDT", "--allow-holes", "--json"))
    for named in ("HOLES", "JUMPS"):
        assert any(label.startswith(named) for label in row["labels"])
    before = ("--to", "2025-01-02")
    row = told(command(home, *verb, "--symbol", "SOLUSDT", *before, "--json"))
    assert not any(label.startswith("HOLES") for label in row["labels"])


def test_both_engines_agree_over_a_hole_and_every_form_says_so(holed: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(holed, tmp_path / "home"))
    held = ("--symbol", "SOLUSDT", "--allow-holes", "--set", "stop_pct=4.9", "--set", "target_pct=90", "--json")
    rows = [told(command(home, "backtest", "ema_cross", "--engine", engine, *held)) for engine in ("event", "sweep")]
    trades = []
    for row in rows:
        target = tmp_path / f"{row['run_id']}.json"
        assert command(home, "runs", "export", row["run_id"], "--form", "json", "--to", target).exit_code == 0
        exported = json.loads(target.read_text())
        assert exported["labels"][0].startswith("HOLES")
        trades.append(exported["trades"])
    assert [(t["entry_time_ms"], t["exit_time_ms"], t["exit_reason"]) for t in trades[0]] == [
        (t["entry_time_ms"], t["exit_time_ms"], t["exit_reason"]) for t in trades[1]
    ]
    hole_ms = 1_735_689_600_000 + DAY_MS
    assert not [t for t in trades[0] if t["entry_time_ms"] < hole_ms < t["exit_time_ms"]]
    assert [t["exit_time_ms"] for t in trades[0] if t["exit_reason"] == "hole"] == [hole_ms]
    assert rows[0]["final_usdt"] == pytest.approx(rows[1]["final_usdt"], abs=1e-6)
    assert abs(rows[0]["total_return_pct"]) < 10.0
    assert [(row["assumed_settlements"], row["assumed_usdt"]) for row in rows[1:]] == [
        (rows[0]["assumed_settlements"], rows[0]["assumed_usdt"])
    ]
    assert rows[0]["assumed_usdt"] < 0.0
    assert [label.partition(":")[0] for label in rows[0]["labels"]] == ["HOLES", "JUMPS", "FUNDING ASSUMED"]
    assert rows[0]["labels"][1].startswith(
        "JUMPS: prices moved by more than 30 times the recent volatility: SOLUSDT 2025-"
    )
    free = told(command(home, "backtest", "ema_cross", "--set", "costs.assumed_funding_bps=0", *held))
    assert (free["assumed_settlements"], free["assumed_usdt"]) == (rows[0]["assumed_settlements"], 0.0)
    assert [label.partition(":")[0] for label in free["labels"]] == ["HOLES", "JUMPS"]
    assert [jump["symbol"] for jump in rows[0]["breakdowns"]["price_jumps"]] == ["SOLUSDT"]
    page = tmp_path / "page.html"
    assert command(home, "runs", "export", "r1", "--form", "html", "--to", page).exit_code == 0
    assert "HOLES: positions were closed before a hole" in page.read_text()
    shown = command(home, "runs", "show", rows[0]["run_id"]).stdout
    assert shown.count("!!! HOLES") == shown.count("!!! JUMPS") == 2
    assert "price jumps" in shown.lower()
    assert "left out for holes" in shown
    found = json.loads(command(home, "data", "check", "--json").stdout)
    assert sorted(item["kind"] for item in found) == ["gap", "jump", "no_funding"]


def test_the_first_command_on_a_fresh_home_finds_the_market_that_it_names(first: tuple[Path, kit.Answer]) -> None:
    home, answer = first
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)
    assert (row["run_id"], row["status"], row["labels"]) == ("r0001", "complete", [])
    assert row["trades"] > 0
    assert row["market"] == "recorded"
    assert json.loads(command(home, "data", "list", "--json").stdout) == []
    assert kit.contents(home).keys() >= {"lab.db", "recorded/candles.db"}


def test_ctrl_c_keeps_what_was_run(lab: Lab, tmp_path: Path) -> None:
    process = kit.start(
        "backtest", "scalper", "--home", tmp_path / "home", "--settings", kit.SETTINGS, "--from", "2025-06-05",
        "--market", "recorded", "--set", "retrain_minutes=1440", "--progress", "json", "--json",
    )  # fmt: skip
    try:
        assert process.stderr is not None
        begun = False
        while not begun:
            line = process.stderr.readline()
            assert line, "the run ended before it could be stopped"
            progress = json.loads(line)
            begun = progress.get("unit") == "bars" and progress["done"] > 200
        at_work = kit.workers(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        answer = kit.finish(process)
    finally:
        kit.end(process)
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)
    assert row["status"] == "partial"
    assert row["labels"][-1].startswith("PARTIAL")
    assert "it is kept as r0002" in answer.err
    kit.assert_all_gone(at_work)
    assert not list((tmp_path / "home").glob("models-*"))
    kept = json.loads(lab("runs", "list", "--json").stdout)
    assert [(run["run_id"], run["status"]) for run in kept] == [("r0001", "complete"), ("r0002", "partial")]
    assert "PARTIAL" in lab("runs", "show", "r2").stdout


def test_made_up_data_is_labelled_wherever_a_run_is_shown(made_up: Path, tmp_path: Path) -> None:
    names = {
        "html": "a.html",
        "json": "a.json",
        "freqtrade": "a.zip",
        "quantstats": "a.csv",
        "csv": "c",
        "parquet": "p",
    }
    assert set(names) == set(EXPORT_FORMS)
    for name in ("c", "p"):
        (tmp_path / name).mkdir()
    exports = [word for form, name in names.items() for word in ("--export", f"{form}={tmp_path / name}")]
    shown = command(made_up, "backtest", "ema_cross", "--symbol", "SOLUSDT", *exports)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stderr.count("wrote ") >= len(names)
    assert shown.stdout.count(f"!!! {LABEL}") == 2
    for form in ("html", "json", "quantstats"):
        assert "SYNTHETIC" in (tmp_path / names[form]).read_text()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "SYNTHETIC" in " ".join(archive.namelist()) + "".join(
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".json")
        )
    tables = sorted((tmp_path / "c").rglob("*.csv"))
    assert tables
    assert all("SYNTHETIC" in path.read_text() for path in tables)
    columns = sorted((tmp_path / "p").rglob("*.parquet"))
    assert columns
    for path in columns:
        table = pq.read_table(path)
        assert "SYNTHETIC" in f"{path.name} {table.schema.metadata} {table.column_names}"

    assert command(made_up, "backtest", "ema_cross", "--symbol", "SOLUSDT", "--set", "fast_bars=5").exit_code == 0
    swept = command(made_up, "sweep", "ema_cross", "--symbol", "SOLUSDT", "--grid", "fast_bars=4,8", "--jobs", 1)
    for words in (["runs", "show", "r1"], ["runs", "compare", "r1", "r2"], ["check", "ema_cross", "--only", "costs"]):
        extra = ["--symbol", "SOLUSDT"] if words[0] == "check" else []
        assert f"!!! {LABEL}" in command(made_up, *words, *extra).stdout.replace("r0001: ", ""), words
    assert f"\n!!! {LABEL}\n!!! IN-SAMPLE" in swept.stdout
    listed = command(made_up, "runs").stdout.splitlines()
    assert all("SYNTHETIC" in line for line in listed[1:])
    assert len(listed) == 4


def test_kept_results_are_shown_compared_exported_and_deleted(lab: Lab, tmp_path: Path) -> None:
    second = told(lab("backtest", "ema_cross", "--symbol", "SOLUSDT", *DAY, "--set", "stop_pct=0.5", "--json"))
    assert second["overrides"] == [["stop_pct", 0.5]]
    assert second["trials"] == 2
    assert told(lab("runs", "show", "r2", "--json")) == second
    compared = lab("runs", "compare", "r1", "r0002").stdout
    assert ["ema_cross.stop_pct", "1", "0.5"] in [line.split() for line in compared.splitlines()]

    page = tmp_path / "page.html"
    assert lab("runs", "export", "r1", "--form", "html", "--to", page).exit_code == 0
    before = page.read_bytes()
    refused = lab("runs", "export", "r2", "--form", "html", "--to", page)
    assert (refused.exit_code, page.read_bytes()) == (1, before)
    assert lab("runs", "export", "r2", "--form", "html", "--to", page, "--overwrite").exit_code == 0
    assert page.read_bytes() != before

    unasked = lab("runs", "delete", "r1")
    assert (unasked.exit_code, unasked.stdout) == (1, "")
    assert lab("runs", "delete", "r1", "--yes").exit_code == 0
    assert [run["run_id"] for run in json.loads(lab("runs", "--json").stdout)] == ["r0002"]
    gone = lab("runs", "show", "r1")
    assert gone.exit_code == 2
    again = told(lab("backtest", "ema_cross", "--symbol", "SOLUSDT", *DAY, "--set", "stop_pct=0.7", "--json"))
    assert again["trials"] == 3, "what was deleted stays counted"


def test_a_search_and_a_walk_forward_count_what_they_tried(lab: Lab) -> None:
    period = ("--symbol", "SOLUSDT", "--from", "2025-06-06", "--to", "2025-06-10", "--jobs", 1)
    grid = ("--grid", "fast_bars=6,12", "--grid", "slow_bars=8:24:8")
    found = told(lab("sweep", "ema_cross", *period, *grid, "--json"))
    assert (found["run_id"], found["trials"]) == ("s0001", 6)
    assert [trial["state"] for trial in found["best"]].count("failed") == 1, "12 bars are not faster than 8"
    assert found["labels"] == ["IN-SAMPLE: parameters or model were chosen on this data"]
    best = [f"{key}={value}" for key, value in found["best"][0]["parameters"].items()]
    sets = [word for text in best for word in ("--set", text)]
    chosen = told(lab("backtest", "ema_cross", *period, *sets, "--json"))
    assert chosen["in_sample"]
    assert chosen["total_return_pct"] == pytest.approx(found["best"][0]["total_return_pct"], abs=1e-9)
    walked = told(lab("walkforward", "ema_cross", *period, *grid, "--train", "2d", "--test", "1d", "--json"))
    assert not walked["in_sample"]
    assert len(walked["breakdowns"]["folds"]) == 2
    assert walked["trials"] >= chosen["trials"]
    assert found["figures"]["failed_sets"] == 1
    counts = (found["figures"]["trials"], found["figures"]["alike_trials"])
    assert counts == (6, 5), "the first run was of one day, these are of four"


def test_a_walk_forward_counts_the_sets_of_its_folds(lab: Lab) -> None:
    period = ("--symbol", "SOLUSDT", "--from", "2025-06-10", "--to", "2025-06-13", "--jobs", 1)
    grid = ("--grid", "fast_bars=5,6,7", "--train", "2d", "--test", "1d")
    walked = told(lab("walkforward", "ema_cross", *period, *grid, "--json"))
    assert walked["trials"] == walked["figures"]["trials"] == 4, "three in the fold, and the plain one"
    assert walked["figures"]["alike_trials"] == 1, "those of the fold were tried on its training"


def test_of_four_days_no_probability_is_told_and_the_first_sentence_says_so(lab: Lab) -> None:
    period = ("--symbol", "SOLUSDT", "--from", "2025-06-06", "--to", "2025-06-10", "--jobs", 1)
    swept = lab("sweep", "ema_cross", *period, "--grid", "fast_bars=4,6")
    text = " ".join(swept.stdout.split())
    assert text.startswith(("The best of them loses after costs: ", "Not distinguishable from luck: "))
    assert text.count("needs 30 days, has 4") == 3
    run = told(lab("backtest", "ema_cross", *period, "--json"))
    named = ("sharpe", "sortino", "calmar", "cagr_pct", "volatility_pct", "psr", "dsr", "min_track_record_days")
    assert {run["figures"][name] for name in named} == {None}
    assert run["figures"]["sharpe_a_day"] is not None
    assert run["figures"]["random_entries"] == 200
    shown = lab("runs", "show", run["run_id"]).stdout
    assert " ".join(shown.split()).startswith(run["verdict"])
    best = [row["run_id"] for row in json.loads(lab("runs", "list", "--by", "sharpe", "--json").stdout)]
    of_sweep = told(lab("runs", "show", "s1", "--json"))["figures"]["sharpe_a_day"]
    assert (best.index("s0001") < best.index("r0002")) == (of_sweep > run["figures"]["sharpe_a_day"])


def test_what_is_tried_on_another_market_leaves_the_pool_as_it_was(lab: Lab) -> None:
    period = ("--from", "2025-06-06", "--to", "2025-06-10", "--jobs", 1)
    grid = ("--grid", "fast_bars=6,12", "--json")
    before = told(lab("sweep", "ema_cross", "--symbol", "SOLUSDT", *period, *grid))["figures"]
    assert lab("sweep", "ema_cross", "--symbol", "BTCUSDT", "--symbol", "SOLUSDT", *period, *grid).exit_code == 0
    after = told(lab("sweep", "ema_cross", "--symbol", "SOLUSDT", *period, *grid))["figures"]
    assert (before["trials"], after["trials"]) == (2, 2)
    assert (before["alike_trials"], after["alike_trials"]) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backtest", "ema_crss"], "no strategy is named ema_crss; known are ema_cross, scalper"),
        (["backtest", "ema_cross", "--symbol", "NOPEUSDT"], "no 1m candles of NOPEUSDT are recorded"),
        (["backtest", "ema_cross", "--from", "2025-06-01"], "is stored: the recorded candles go from 2025-06-04"),
        (["backtest", "ema_cross", "--to", "2025-06-15"], "goes beyond what is stored"),
        (
            ["backtest", "ema_cross", "--from", "2030-01-01"],
            "the period from 2030-01-01 00:00 UTC goes beyond what is stored: the recorded candles go from 2025-06-04 "
            "00:00 to 2025-06-14 00:00 UTC; choose --from and --to within, or import candles of that time and take "
            "--market imported",
        ),
        (["backtest", "ema_cross", "--to", "2020-01-01"], "the period to 2020-01-01 00:00 UTC goes beyond"),
        (["backtest", "ema_cross", "--from", "2024-01-01", "--to", "2024-01-02"], "goes beyond what is stored"),
        (["backtest", "scalper", "--from", "2025-06-05"], "choose a --from of 2025-06-06 00:00 UTC or later"),
        (["backtest", "scalper", "--preset", "6m-1m-1m"], "trains on the 180 d before its first trade, and stored are"),
        (["backtest", "scalper", "--engine", "sweep"], "has a model, which the sweep cannot train"),
        (["backtest", "ema_cross", "--set", "fast=3"], "ema_cross.fast: unknown key; did you mean fast_bars?"),
        (["backtest", "ema_cross", "--set", "fast_bars=x"], "ema_cross.fast_bars: Input should be a valid integer"),
        (["backtest", "ema_cross", "--set", "fast_bars"], "'fast_bars' is no KEY=VALUE"),
        (["backtest", "ema_cross", "--preset", "1d"], "'1d' is not one of '48h-24h-60m', '6m-1m-1m'"),
        (["sweep", "ema_cross"], "say what to try"),
        (["sweep", "ema_cross", "--grid", "fst=4,8"], "ema_cross.fst: unknown key"),
        (["sweep", "ema_cross", "--grid", "fast_bars=4,-8"], "--grid fast_bars=-8: ema_cross.fast_bars: Input"),
        (["sweep", "ema_cross", "--grid", "demo.seed=4,8"], "demo.seed: cannot be searched"),
        (["sweep", "scalper", "--trials", "3"], "with --predictions RUN"),
        (["sweep", "ema_cross", "--resume", "s9"], "s9: no such run"),
        (["walkforward", "ema_cross", "--train", "30d", "--test", "1d"], "has no room for 30 d of training"),
        (["check", "ema_cross", "--only", "luck"], "no check is called 'luck'; choose from look-ahead"),
        (["runs", "show", "r9"], "r9: no such run"),
        (["runs", "export", "r1", "--form", "html", "--to", "x.pdf"], "html needs a file that ends in .html"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_leaves_nothing(lab: Lab, arguments: list[str], said: str) -> None:
    result = lab(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("quarterdeck: ")
    assert said in line
    assert [run["run_id"] for run in json.loads(lab("runs", "--json").stdout)] == ["r0001"]


def test_check_answers_with_its_exit_code(first: tuple[Path, kit.Answer], tmp_path: Path) -> None:
    home = Path(shutil.copytree(first[0], tmp_path / "home"))
    path = distribution(tmp_path / "site", "peeking", "peeking = peeking_rule:build", {"peeking_rule": PEEKING})
    found = ("--home", home, "--symbol", "SOLUSDT", *DAY)
    clean = kit.start("check", "ema_cross", *found)
    peeking = kit.start("check", "peeking", *found, "--json", PYTHONPATH=f"{path}{os.pathsep}{kit.ROOT}")
    answer = kit.finish(clean)
    assert answer.code == 0, answer.out + answer.err
    assert "FAULT" not in answer.out
    answer = kit.finish(peeking)
    assert answer.code == 1, answer.err
    row = json.loads(answer.out)
    assert {item["check"] for item in row["checks"] if item["status"] == "fault"} == {"look-ahead"}
    assert row["faults"] == 1
