"""`replay --verify` on what real engines left behind, and beside one that runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import Popen

from tests.command import kit


def test_a_session_its_second_start_and_its_settings_of_then(traded: Path, tmp_path: Path) -> None:
    answer = kit.quarterdeck("replay", "--verify", "--home", traded, "--settings", kit.SETTINGS)
    assert answer.code == 0, answer.out
    assert answer.out.count("\n") == 1
    assert "all equal; digest " in answer.out
    assert answer.err == ""

    other = tmp_path / "other.toml"
    other.write_text(kit.SETTINGS.read_text().replace("[scalper]", "[scalper]\nstop_pct = 0.4"))
    code = kit.finish(
        kit.start(
            "run", "--headless", "--home", traded, "--settings", other, "--speed", "max", "--to", "2025-06-06T13:06"
        )
    )
    assert code.code == 0, code.err
    answer = kit.quarterdeck("replay", "--verify", "--home", traded, "--settings", kit.SETTINGS, "--json")
    row = json.loads(answer.out)
    assert (answer.code, row["equal"]) == (0, True), row
    assert row["notes"] == ["changed since the last start: scalper.stop_pct was 0.4, is 1.0"]
    assert row["decisions"] == sum(
        kit.rows(traded, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("signals", "orders", "cancels", "limit_events")
    )

    with closing(sqlite3.connect(traded / "quarterdeck.db")) as connection:
        connection.execute("DELETE FROM meta WHERE key LIKE 'start-%'")
        connection.commit()
    answer = kit.quarterdeck("replay", "--verify", "--home", traded, "--settings", kit.SETTINGS)
    assert answer.code == 1, answer.out
    assert "were not kept: replayed with those of today" in answer.err
    assert "trigger_ticks" in answer.out


def test_beside_a_running_engine_it_reads_as_far_as_is_written(traded: Path, engine: Callable[..., Popen[str]]) -> None:
    before = kit.rows(traded, "SELECT last_seq FROM journals")[0][0]
    running = engine(traded, speed=60, to="2025-06-06T20:00")
    kit.until(lambda: kit.rows(traded, "SELECT last_seq FROM journals")[0][0] > before, "a record", running)
    answer = kit.quarterdeck("replay", "--verify", "--home", traded, "--json")
    row = json.loads(answer.out)
    assert (answer.code, row["equal"]) == (0, True), row
    assert row["records"] > before


def test_a_home_without_an_account_is_told(fresh: Path) -> None:
    answer = kit.quarterdeck("replay", "--verify", "--home", fresh)
    assert answer.code == 3
    assert "start one with: quarterdeck run" in answer.err
