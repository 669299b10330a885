"""Every section runs with tiny counts and finds all its figures; how fast is not asked here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks import console, decision, durable, replay, start, training
from benchmarks.market import temporary_home
from benchmarks.processes import run_to_end
from benchmarks.report import Figure, Section, percentile, table
from core.home.folder import Home

TINY_MODELS = """
[scalper]
window_hours = 12
max_trees = 4
early_stopping_rounds = 4

[engine]
training_workers = 1
"""


def whole(section: Section, *words: str) -> bool:
    """Every figure is a number, some figure tells of each word, and a reference stands beside them."""
    told = " ".join(figure.what for figure in section.figures)
    numbers = all(math.isfinite(figure.value) and figure.value >= 0.0 for figure in section.figures)
    return numbers and "reference" in told and all(word in told for word in words)


def drive_home(beside: Home, name: str) -> Home:
    """Another home with the settings of the first."""
    home = Home(beside.root.parent / name)
    home.create()
    home.settings.write_bytes(beside.settings.read_bytes())
    return home


def test_decision_times_one_entry_for_each_iteration() -> None:
    entries, bare = decision.time_entries(decision.new_trader(), 7)
    assert len(entries) == len(bare) == 7
    assert whole(decision.run(12), "entry order p50", "without a decision p99")


def test_durable_times_an_intent_a_minute() -> None:
    assert whole(durable.run(3), "one commit) p99", "two commits) p99", "twice p99")


def test_start_waits_for_a_stop_and_for_all_that_follows() -> None:
    section = start.run(2, 1)
    assert whole(section, "stop of the bare position: fastest", "first snapshot", "resident memory", "one day")
    told = {figure.what: figure.value for figure in section.figures}
    assert told["stop of the bare position: fastest"] <= told["all that follows beside: fastest"]


def test_training_reads_the_lag_of_engine_and_ticker() -> None:
    section = training.run(0.5, trees=2, window_hours=12)
    assert whole(section, "engine p99", "as the engine tells it", "speed reached")


def test_console_is_timed_on_a_terminal() -> None:
    section = console.run(
        paints=1, keys=4, pause_count=1, steady_s=0.2, settings=TINY_MODELS, rest_s=2.5, workers=False
    )
    assert whole(section, "first picture", "key to picture", "P to journal", "written to the terminal", "processor")


def test_replay_runs_with_and_without_models() -> None:
    with temporary_home(TINY_MODELS) as home:
        seconds = run_to_end(replay.headless(home, 1), 60.0)
        scripted = replay.drive(drive_home(home, "scripted"), 30, models=False)
        learned = replay.drive(drive_home(home, "learned"), 4, models=True)
        alone_s = replay.time_training_alone(home, 1)
    assert scripted.orders > 0
    assert scripted.commits > 60
    section = replay.told(1, replay.WithModels(seconds, seconds, 0), alone_s, learned, scripted)
    assert whole(section, "the command", "bars a second", "waiting for predictions")


@pytest.mark.parametrize(
    ("value", "verdict", "missed"),
    [(9.0, "met", False), (10.0, "met", False), (10.01, "MISSED", True), (13.0, "MISSED", True)],
)
def test_a_target_is_met_at_it_or_below(value: float, verdict: str, missed: bool) -> None:
    figure = Figure("x", value, "ms", 10.0)
    assert (figure.verdict, figure.missed) == (verdict, missed)
    assert verdict in table(Section("s", "t", (figure,)))


@pytest.mark.parametrize(("pct", "expected"), [(50, 10.0), (95, 19.0), (100, 20.0), (1, 1.0)])
def test_percentile_is_the_nearest_rank(pct: float, expected: float) -> None:
    assert percentile([float(n) for n in range(20, 0, -1)], pct) == expected


def test_command_line_writes_json_and_tells_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"decision": Figure("fast", 1.0, "us", 2.0), "durable": Figure("slow", 9.0, "us", 2.0)}
    monkeypatch.setattr(entry, "run_section", lambda name, full: Section(name, "title", (figures[name],)))
    target = tmp_path / "figures.json"
    assert entry.main(["decision", "--json", str(target)]) == 0
    assert json.loads(target.read_text())[0]["figures"][0]["verdict"] == "met"
    assert entry.main(["decision", "durable"]) == 1


def test_command_line_refuses_an_unknown_section() -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main(["speed"])
    assert ended.value.code == 2


def test_a_temporary_home_is_gone_afterwards() -> None:
    with temporary_home("[demo]\nseed = 3\n") as home:
        assert home.settings.read_text() == "[demo]\nseed = 3\n"
        assert home.root.stat().st_mode & 0o777 == 0o700
    assert not home.root.parent.exists()
