from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from core.home.folder import Home
from core.lab.requests import BacktestRequest, CheckRequest, SweepRequest, ValidateRequest, WalkForwardRequest
from core.lab.run.presets import DAY_MS, HOUR_MS
from tests.tui.cli.fake_lab import BEST, CHECKS, LOSES, SUMMARY, SWEEP, SYNTHETIC, FakeLab
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck
from tui.cli.lab_text import RUN_COLUMNS, check_text, fitting, sweep_text, validation_text
from tui.cli.output import table
from tui.cli.progress import STOPPING
from tui.lab.settings import read_value

MIDNIGHT_MS = 1_748_995_200_000  # 2025-06-04


@pytest.fixture
def lab(runtime: FakeRuntime) -> FakeLab:
    return runtime.the_lab


def test_a_backtest_hands_the_lab_one_request(quarterdeck: Quarterdeck, lab: FakeLab, tmp_path: Path) -> None:
    result = quarterdeck(
        "backtest", "ema_cross", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT", "--from", "2025-06-04",
        "--to", "2025-06-05", "--set", "fast_bars=12", "--set", "costs.slippage_bps=0.5", "--set", "exit=reverse",
        "--preset", "48h-24h-60m", "--engine", "sweep", "--jobs", "3", "--seed", "9", "--note", "first",
        "--settings", str(tmp_path / "s.toml"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert lab.requests == [
        BacktestRequest(
            strategy="ema_cross",
            settings_path=tmp_path / "s.toml",
            symbols=("BTCUSDT", "ETHUSDT"),
            from_ms=MIDNIGHT_MS,
            to_ms=MIDNIGHT_MS + DAY_MS,
            overrides=(("fast_bars", 12), ("costs.slippage_bps", 0.5), ("exit", "reverse")),
            preset="48h-24h-60m",
            engine="sweep",
            seed=9,
            jobs=3,
            note="first",
        )
    ]


def test_what_is_not_named_is_left_to_the_settings(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    assert quarterdeck("backtest", "ema_cross").exit_code == 0
    assert lab.requests == [BacktestRequest("ema_cross")]


def test_the_summary_is_printed_with_its_labels(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("backtest", "ema_cross")
    assert result.stdout.startswith("It loses after costs: -0.96 %; next: ")
    assert "\nrun           r0001\n" in result.stdout
    assert f"!!! {SYNTHETIC}" in result.stdout
    assert "9,903.50" in result.stdout


def test_json_is_all_that_stdout_has(quarterdeck: Quarterdeck, lab: FakeLab, tmp_path: Path) -> None:
    lab.signal_at = {1: signal.SIGINT}
    result = quarterdeck("backtest", "ema_cross", "--json", "--export", f"csv={tmp_path}")
    row = json.loads(result.stdout)
    assert (row["status"], row["sharpe"], row["labels"]) == ("partial", None, [SYNTHETIC])


@pytest.mark.parametrize("verb", ["backtest", "sweep", "walkforward"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_keeps_a_partial_result(
    quarterdeck: Quarterdeck, lab: FakeLab, verb: str, number: signal.Signals
) -> None:
    lab.signal_at = {2: number}
    before = signal.getsignal(number)
    needed = {"sweep": ["--trials", "5"], "walkforward": ["--train", "2d", "--test", "1d"]}
    result = quarterdeck(verb, "ema_cross", *needed.get(verb, []))
    assert result.exit_code == 0, result.output
    assert lab.stopped_at == 2
    assert result.stderr.splitlines()[0] == STOPPING
    assert "PARTIAL; it is kept as" in result.stderr
    assert signal.getsignal(number) is before


def test_two_signals_abort(quarterdeck: Quarterdeck, lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.signal_at = {1: signal.SIGINT, 2: signal.SIGTERM}
    run = lab._run
    monkeypatch.setattr(lab, "_run", lambda request, row, progress, stop: run(request, row, progress, lambda: False))
    before = signal.getsignal(signal.SIGTERM)
    result = quarterdeck("backtest", "ema_cross")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{STOPPING}\n\nAborted!\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_for_a_program_is_one_object_a_line(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    lab.signal_at = {0: signal.SIGINT}
    lines = [
        json.loads(line) for line in quarterdeck("backtest", "ema_cross", "--progress", "json").stderr.splitlines()
    ]
    assert lines[0] == {"done": 0, "total": 4, "unit": "bars", "note": ""}
    assert [set(line) for line in lines[1:]] == [{"message"}] * 2


def test_the_end_is_told_to_a_program(quarterdeck: Quarterdeck) -> None:
    last = quarterdeck("sweep", "ema_cross", "--trials", "3", "--progress", "json").stderr.splitlines()[-1]
    assert json.loads(last)["done"] == 4


def test_a_failed_run_ends_with_1(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    lab.status = "failed"
    assert quarterdeck("backtest", "ema_cross").exit_code == 1


def test_exports_are_written_and_told(quarterdeck: Quarterdeck, lab: FakeLab, tmp_path: Path) -> None:
    page, folder = tmp_path / "a.html", tmp_path / "out"
    result = quarterdeck("backtest", "ema_cross", "--export", f"html={page}", "--export", f"csv={folder}")
    assert lab.exported == [("r0001", "html", page, False), ("r0001", "csv", folder, False)]
    assert result.stderr == f"wrote {page}\nwrote {folder}\n"


def test_a_file_that_is_there_is_refused_before_the_run(quarterdeck: Quarterdeck, lab: FakeLab, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("precious")
    result = quarterdeck("backtest", "ema_cross", "--export", f"html={page}")
    assert (result.exit_code, lab.requests) == (1, [])
    assert "add --overwrite" in result.stderr
    assert quarterdeck("backtest", "ema_cross", "--export", f"html={page}", "--overwrite").exit_code == 0
    assert lab.exported == [("r0001", "html", page, True)]


def test_a_sweep_over_a_grid(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    result = quarterdeck(
        "sweep", "ema_cross", "--grid", "fast_bars=5:20:5", "--grid", "ema_cross.stop_pct=0.1:0.5:0.1",
        "--grid", "exit=bracket,reverse", "--objective", "calmar",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    grid = (
        ("fast_bars", (5, 10, 15, 20)),
        ("ema_cross.stop_pct", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("exit", ("bracket", "reverse")),
    )
    assert lab.requests == [SweepRequest(BacktestRequest("ema_cross", engine="sweep"), grid, objective="calmar")]
    assert result.stdout.splitlines()[:2] == [LOSES, f"!!! {SYNTHETIC}"]
    last = result.stdout.splitlines()[-1].split()
    assert last[:3] == [str(BEST["number"]), "5", "9"]
    assert last[-1] == "10,100.00"


def test_a_sweep_that_goes_on(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    assert quarterdeck("sweep", "ema_cross", "--resume", "s1", "--trials", "50", "--jobs", "2").exit_code == 0
    run = BacktestRequest("ema_cross", engine="sweep", jobs=2)
    assert lab.requests == [SweepRequest(run, trials=50, resume="s1")]


@pytest.mark.parametrize(
    "given", [["--grid", "a=1,2"], ["--from", "2025-06-04"], ["--seed", "1"], ["--objective", "sharpe"]]
)
def test_a_sweep_goes_on_as_it_began(quarterdeck: Quarterdeck, lab: FakeLab, given: list[str]) -> None:
    result = quarterdeck("sweep", "ema_cross", "--resume", "s1", *given)
    assert (result.exit_code, lab.requests) == (2, [])
    assert result.stderr == f"quarterdeck: --resume goes on as the sweep began; leave out {given[0]}\n"


def test_a_walk_forward(quarterdeck: Quarterdeck, lab: FakeLab) -> None:
    result = quarterdeck(
        "walkforward",
        "ema_cross",
        "--train",
        "30d",
        "--test",
        "1.5d",
        "--anchored",
        "--embargo",
        "1h",
        "--trials",
        "20",
    )
    assert result.exit_code == 0, result.output
    run = BacktestRequest("ema_cross")
    assert lab.requests == [WalkForwardRequest(run, 30 * DAY_MS, 36 * HOUR_MS, True, HOUR_MS, trials=20)]
    assert quarterdeck("walkforward", "scalper", "--preset", "6m-1m-1m").exit_code == 0


@pytest.mark.parametrize(("faults", "code"), [(0, 0), (2, 1)])
def test_a_check_tells_its_verdict_by_the_exit_code(
    quarterdeck: Quarterdeck, lab: FakeLab, faults: int, code: int
) -> None:
    row = {"check": "costs", "status": "fault", "detail": "2 fills\nfree", "mend": "charge them", "figures": {}}
    lab.checked = CHECKS | {"faults": faults, "verdict": "so it is", "checks": [*CHECKS["checks"], row]}
    result = quarterdeck("check", "ema_cross", "--symbol", "BTCUSDT", "--only", "costs")
    assert result.exit_code == code
    assert lab.requests == [CheckRequest(BacktestRequest("ema_cross", symbols=("BTCUSDT",)), ("costs",))]
    lines = result.stdout.splitlines()
    assert lines[0] == f"!!! {SYNTHETIC}"
    assert lines[1].split() == ["strategy", "ema_cross"]
    told = [line.split() for line in lines]
    assert told[6][:2] == ["look-ahead", "CLEAN"]
    assert told[7] == ["costs", "FAULT", "2", "fills", "free"]
    assert lines[-2:] == ["to do, costs: charge them", "so it is"]
    assert json.loads(quarterdeck("check", "ema_cross", "--json").stdout)["faults"] == faults


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backtest"], "Missing argument 'STRATEGY'"),
        (["backtest", "x", "--set", "fast"], "'fast' is no KEY=VALUE"),
        (["backtest", "x", "--set", "=3"], "'=3' is no KEY=VALUE"),
        (["backtest", "x", "--engine", "fast"], "'fast' is not one of 'event', 'sweep'"),
        (["backtest", "x", "--preset", "b"], "'b' is not one of '48h-24h-60m'"),
        (["backtest", "x", "--from", "2025-06-05", "--to", "2025-06-05"], "--from must lie before --to"),
        (["backtest", "x", "--symbol", "A", "--symbol", "A"], "names one symbol twice"),
        (["backtest", "x", "--export", "pdf=a"], "forms are html, csv"),
        (["backtest", "x", "--jobs", "0"], "0 is not in the range"),
        (["sweep", "x"], "say what to try"),
        (["sweep", "x", "--grid", "a=5:20"], "write a=5:20:STEP"),
        (["sweep", "x", "--grid", "a=20:5:5"], "names no values"),
        (["sweep", "x", "--grid", "a=5:20:0"], "names no values"),
        (["sweep", "x", "--grid", "a=1,2,1"], "names a value twice"),
        (["sweep", "x", "--grid", "a=1,,2"], "names an empty value"),
        (["sweep", "x", "--grid", "a=0:1e9:1"], "is more than 10,000 values; take a larger step"),
        (["sweep", "x", "--grid", "a=1:2:1e-12"], "is more than 10,000 values; take a larger step"),
        (["sweep", "x", "--grid", "a=1,2", "--grid", "a=3,4"], "--grid names one key twice"),
        (["walkforward", "x", "--train", "30d"], "--train 30d --test 7d"),
        (["walkforward", "x", "--train", "30", "--test", "7d"], "'30' is no duration"),
        (["walkforward", "x", "--train", "30d", "--test", "0d"], "longer than nothing"),
        (["runs", "compare", "r1"], "name two results or more"),
        (["runs", "export", "r1", "--form", "pdf", "--to", "x"], "'pdf' is not one of"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    quarterdeck: Quarterdeck, lab: FakeLab, home: Home, words: list[str], told: str
) -> None:
    home.lab.touch()
    result = quarterdeck(*words)
    assert (result.exit_code, lab.requests) == (2, [])
    (line,) = result.stderr.splitlines()
    assert line.startswith("quarterdeck: ")
    assert told in line


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("-3", -3), ("0.5", 0.5), ("1e3", 1000.0), (".5", 0.5), ("true", True), ("false", False),
     ("bracket", "bracket"), ("nan", "nan"), ("1e999", "1e999"), ("1_000", "1_000"), ("", "")],
)  # fmt: skip
def test_values_are_read_as_what_they_look_like(text: str, value: Any) -> None:
    found = read_value(text)
    assert (found, type(found)) == (value, type(value))


def test_the_kept_results(quarterdeck: Quarterdeck, lab: FakeLab, home: Home) -> None:
    home.lab.touch()
    for words in (["runs"], ["runs", "list"], ["runs", "--limit", "1"]):
        table = quarterdeck(*words).stdout
        assert "BTCUSDT, ETHUSDT +1" in table
        assert "SYNTHETIC DATA" in table
        assert "-0.96 %" in table or "-0.97 %" in table
        assert "\x1b" not in table
    lab.stored = [{"run_id": str(n)} for n in range(3)]
    assert [row["run_id"] for row in json.loads(quarterdeck("runs", "--json", "--limit", "2").stdout)] == ["1", "2"]


def test_no_kept_result_says_how_to_make_one(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("runs", "--json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert "make one with: quarterdeck backtest STRATEGY" in result.stderr
    assert quarterdeck("runs", "show", "r1").exit_code == 2


def test_one_result(quarterdeck: Quarterdeck, home: Home) -> None:
    home.lab.touch()
    assert "9,903.50" in quarterdeck("runs", "show", "r1").stdout
    assert "trial" in quarterdeck("runs", "show", "s1").stdout
    assert json.loads(quarterdeck("runs", "show", "r1", "--json").stdout)["trades"] == 755
    assert "no such run" in quarterdeck("runs", "show", "x").stderr


@pytest.fixture
def ranked(home: Home, lab: FakeLab) -> FakeLab:
    """Three results; of the one without a ratio of a year a ratio a day is known."""
    home.lab.touch()
    found = {
        "r0001": {"sharpe": 1.5, "sharpe_a_day": 0.08, "max_drawdown_pct": 5.0, "fees_usdt": 12.0},
        "r0002": {"sharpe": None, "sharpe_a_day": 0.30, "max_drawdown_pct": 9.0, "fees_usdt": 3.0},
        "s0003": {"max_drawdown_pct": 1.0},
    }
    lab.stored = [SUMMARY | {"run_id": run_id, "max_drawdown_pct": 0.0} for run_id in found]
    lab.all_figures = found
    return lab


@pytest.mark.usefixtures("ranked")
@pytest.mark.parametrize(
    ("metric", "order"),
    [
        ("sharpe", ["r0002", "r0001", "s0003"]),
        ("max_drawdown_pct", ["s0003", "r0001", "r0002"]),
        ("fees_usdt", ["r0002", "r0001", "s0003"]),
    ],
)
def test_results_are_listed_by_a_figure_the_best_first(quarterdeck: Quarterdeck, metric: str, order: list[str]) -> None:
    lines = quarterdeck("runs", "list", "--by", metric).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == order
    rows = json.loads(quarterdeck("runs", "--by", metric, "--json", "--limit", "2").stdout)
    assert [row["run_id"] for row in rows] == order[:2]
    assert "sharpe_a_day" not in rows[0]


@pytest.mark.usefixtures("ranked")
def test_a_figure_that_is_listed_by_is_shown(quarterdeck: Quarterdeck) -> None:
    head, first, *_ = quarterdeck("runs", "list", "--by", "fees_usdt").stdout.splitlines()
    assert (head.split()[:3], first.split()[:2]) == (["run", "fees", "USDT"], ["r0002", "3.00"])


@pytest.mark.usefixtures("ranked")
@pytest.mark.parametrize("metric", ["shrpe", "sharpe_a_day"])
def test_a_figure_that_no_result_has_is_refused(quarterdeck: Quarterdeck, metric: str) -> None:
    result = quarterdeck("runs", "list", "--by", metric)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert f"--by {metric}: no kept result has that figure; known are sharpe, max_drawdown_pct, fees_usdt" in line


def test_a_sweep_says_what_its_figures_were_taken_over() -> None:
    figures = {
        "return_days": 60.0, "sharpe": 1.25, "dsr": 0.4, "expected_max_sharpe": 1.75, "pbo": 0.535, "pbo_sets": 1_200.0,
        "pbo_of_sets": 1_200.0, "alike_trials": 1_150.0, "failed_sets": 50.0,
    }  # fmt: skip
    row = SWEEP | {"figures": figures, "trials": 1_250, "to_ms": SUMMARY["from_ms"] + 60 * DAY_MS}
    text = " ".join(sweep_text(row).split())
    for told in (
        "tried 1,200 sets; 50 more could not be run",
        "taken over 1,150 of ema_cross on BTCUSDT, ETHUSDT, SOLUSDT, 1m bars, 30 to 120 days",
        "overfit 0.535 of all 1,200 sets",
        "Ratios are of whole UTC days, the riskless rate is 0, a year has 365 days; the interval holds 95 %",
    ):
        assert told in text
    sampled = sweep_text(row | {"figures": figures | {"pbo_sets": 1_000.0}})
    assert "overfit 0.535 of 1,000 of 1,200 sets, seed 7" in " ".join(sampled.split())
    short = sweep_text(row | {"figures": figures | {"return_days": 9.0, "sharpe": None, "dsr": None, "pbo": None}})
    assert short.count("needs 30 days, has 9") == 2
    assert "The order is that of the ratio a day" in short


def test_a_sweep_names_the_sets_that_a_limit_ended() -> None:
    ended = BEST | {"limit_ended_at_ms": SUMMARY["from_ms"]}
    text = sweep_text(SWEEP | {"best": [BEST, ended]})
    assert "ended by a limit, UTC" in text
    assert "ended by" not in sweep_text(SWEEP)


def test_results_side_by_side(quarterdeck: Quarterdeck, home: Home) -> None:
    home.lab.touch()
    text = quarterdeck("runs", "compare", "r1", "r2").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:2] == ["!!!", "r1:"]
    assert ["Sharpe", "1.500", "-"] in lines
    assert ["ema_cross.fast_bars", "12", "5"] in lines
    assert json.loads(quarterdeck("runs", "compare", "r1", "r2", "--json").stdout)["settings"][0]["values"] == [12, 5]


@pytest.mark.usefixtures("terminal")
def test_deleting_is_asked_for(quarterdeck: Quarterdeck, lab: FakeLab, home: Home) -> None:
    home.lab.touch()
    assert quarterdeck("runs", "delete", "r1", answer="n\n").exit_code == 1
    assert lab.deleted == []
    assert "deleted r0001" in quarterdeck("runs", "delete", "r1", answer="y\n").stdout
    assert quarterdeck("runs", "delete", "r1", "--yes", "--json").exit_code == 0
    assert lab.deleted == ["r0001", "r0001"]


def test_exporting_a_kept_result(quarterdeck: Quarterdeck, lab: FakeLab, home: Home, tmp_path: Path) -> None:
    home.lab.touch()
    result = quarterdeck("runs", "export", "r1", "--form", "parquet", "--to", str(tmp_path), "--overwrite")
    assert result.stdout == f"wrote {tmp_path}\n"
    assert lab.exported == [("r1", "parquet", tmp_path, True)]


def test_validation_tells_every_path(lab: FakeLab, quarterdeck: Quarterdeck) -> None:
    text = quarterdeck("validate", "scalper", "--folds", "4", "--test-folds", "1", "--embargo", "1h").stdout
    request = lab.requests[-1]
    assert isinstance(request, ValidateRequest)
    assert (request.folds, request.test_folds, request.embargo_ms) == (4, 1, 3_600_000)
    assert text.splitlines()[0] == LOSES
    assert "A Sharpe ratio needs 30 days." in text
    assert text.splitlines()[-1].split() == ["BTCUSDT", "1", "3", "-2.50", "-7.50", "-0.40", "-"]
    row = json.loads(quarterdeck("validate", "scalper", "--json").stdout)
    assert row["validations"][0]["rows"] == 900
    paths = row["validations"][0]["paths"]
    row["validations"][0]["paths"] = [path | {"errors_above": n} for path in paths for n in (0.5, -0.5, None)]
    assert "1 of 2 paths with two trades or more earn something, of 3 in all" in validation_text(row)


def test_what_a_check_found_goes_on_below_itself() -> None:
    found = {"check": "costs", "status": "warn", "detail": "of the fills " * 12, "mend": "mend " * 30, "figures": {}}
    lines = check_text(CHECKS | {"checks": [found]}, 80).splitlines()
    assert max(map(len, lines)) <= 80
    begun = next(index for index, line in enumerate(lines) if "WARN" in line)
    assert len(lines[begun + 1]) - len(lines[begun + 1].lstrip()) == lines[begun].index("of the")


def test_a_narrow_terminal_is_shown_fewer_columns_and_a_pipe_all() -> None:
    kept = fitting([SUMMARY], RUN_COLUMNS, 80)
    assert max(map(len, table([SUMMARY], kept).splitlines())) <= 80
    assert {"run_id", "strategy", "trades", "labels"} <= {column.key for column in kept}
    assert fitting([SUMMARY], RUN_COLUMNS, None) == RUN_COLUMNS
