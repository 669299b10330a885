from __future__ import annotations

import json

from core.domain.errors import UnavailableError
from tests.core.control.control_samples import T0_MS
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck


def test_equal_is_one_line_and_notes_are_narration(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("replay", "--verify")
    assert result.exit_code == 0
    assert result.stdout == "12,345 records, 321 decisions replayed: all equal; digest ab12\n"
    assert result.stderr == "changed since the last start: limits.max_trades_per_day was 24, is 10\n"


def test_a_difference_is_told_with_its_place(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    place = {"record": 1_204, "time_ms": T0_MS, "journal": "intent: qty_lots 3", "trader": "intent: qty_lots 4"}
    runtime.verified |= {"equal": False, "records": 1_203, "first_difference": place, "notes": []}
    result = quarterdeck("replay", "--verify")
    assert result.exit_code == 1
    first, journal, trader = result.stdout.splitlines()
    assert first.startswith("1,203 records equal; then, at record 1,204, 20")
    assert journal == "  journal: intent: qty_lots 3"
    assert trader == "  trader:  intent: qty_lots 4"
    result = quarterdeck("replay", "--verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == runtime.verified


def test_a_replay_without_a_purpose_is_refused(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("replay")
    assert result.exit_code == 2
    assert "quarterdeck replay --verify" in result.stderr


def test_a_home_without_an_account_is_told(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = UnavailableError("no account here yet; start one with: quarterdeck run")
    assert quarterdeck("replay", "--verify").exit_code == 3
