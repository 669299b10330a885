"""`run --headless` from one time to another: the same every time, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import kit
from tests.command.conftest import Run

REFUSE_TEXTUAL = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("textual", "rich"):
            raise ImportError(f"{name} was asked for")

sys.meta_path.insert(0, Refuse())
"""


def test_a_run_ends_at_its_time_with_trades(runs: dict[str, Run]) -> None:
    for run in runs.values():
        assert run.answer.code == 0, run.answer.err
        assert run.answer.out == ""
        assert "Traceback" not in run.answer.err
    home = runs["first"].home
    kit.assert_released(home)
    assert len(kit.read("trades", home)) >= 3
    assert len(kit.read("positions", home)) == 2
    status = kit.read("status", home)
    assert status["state"] == "stopped"
    assert status["running"] is False


def test_one_seed_gives_the_same_bytes_and_another_does_not(runs: dict[str, Run]) -> None:
    for verb in ("trades", "signals", "orders", "positions", "stats"):
        first, again = (kit.quarterdeck(verb, "--json", "--home", runs[name].home) for name in ("first", "again"))
        assert (first.code, first.out) == (0, again.out), verb
        assert json.loads(first.out)
    assert kit.record(runs["first"].home) == kit.record(runs["again"].home)
    ours, others = (kit.record(runs[name].home)["forecasts"] for name in ("first", "other"))
    assert others
    assert ours[: len(others)] != others


def test_a_run_that_is_over_has_nothing_left_to_do(traded: Path) -> None:
    before = kit.record(traded)
    answer = kit.finish(kit.headless(traded))
    assert answer.code == 0, answer.err
    assert "the recorded market ended" in answer.err
    assert kit.record(traded) == before


def test_a_headless_run_never_imports_the_console(traded: Path, tmp_path: Path) -> None:
    refusing = tmp_path / "refusing"
    refusing.mkdir()
    (refusing / "sitecustomize.py").write_text(REFUSE_TEXTUAL)
    path = f"{refusing}:{kit.ROOT}"
    before = len(kit.record(traded)["forecasts"])
    answer = kit.finish(kit.headless(traded, to="2025-06-06T13:00", PYTHONPATH=path))
    assert answer.code == 0, answer.err
    assert len(kit.record(traded)["forecasts"]) > before
