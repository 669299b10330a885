"""What kill -9 leaves after every journal write of the scripted hour, and a start from it: the books must not know the
difference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.engine.scripted import prepare

ROOT = Path(__file__).resolve().parents[2]
RUNNERS = 2
MINUTES = 60


def kills_of(tmp_path: Path, hour: str) -> list[dict[str, Any]]:
    """What the runners tell of the hour, cut at every write of its journal and gone on with."""
    template = tmp_path / "template.db"
    prepare(template)
    command = [sys.executable, "-m", "tests.engine.crash_runner", str(template), str(tmp_path)]
    runners = [
        subprocess.Popen(
            [*command, str(first), str(RUNNERS), hour],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in range(1, RUNNERS + 1)
    ]
    reports = []
    for runner in runners:
        out, err = runner.communicate()
        assert runner.returncode == 0, err[-3000:]
        reports.append(json.loads(out.splitlines()[-1]))

    differing = {write: tables for report in reports for write, tables in report["differing"].items()}
    assert differing == {}
    # Every write was tried, and a start that went no further than to a state of the uncut hour tells of one that is
    # known from that of any other minute.
    writes = sum(report["writes"] for report in reports)
    assert writes > 200
    assert writes == max(report["last_write"] for report in reports)
    assert sum(report["came_to_it"] for report in reports) > 0.8 * writes
    for report in reports:
        assert report["kills"] >= 5
        assert report["states"] == MINUTES
    return reports


def test_books_survive_a_kill_at_every_journal_write(tmp_path: Path) -> None:
    reports = kills_of(tmp_path, "plain")
    # The hour must be worth killing: every kind of thing happens in it.
    rows = reports[0]["rows"]
    assert rows["fills"] > 70
    assert rows["orders"] > 70
    assert rows["trades"] >= 20
    assert rows["funding"] >= 1
    assert rows["limit_events"] >= 1
    assert rows["training"] >= 12
    # Three, and that the flatten came to its end.
    assert rows["operator_commands"] == 4


def test_so_do_those_of_trades_with_several_targets_that_are_reduced_and_added_to(tmp_path: Path) -> None:
    reports = kills_of(tmp_path, "laddered")
    rows = reports[0]["rows"]
    assert rows["fills"] > 70
    assert rows["orders"] > 120
