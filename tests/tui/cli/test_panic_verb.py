"""`panic` asks once, tells every step, and ends with 0 only when nothing is left."""

from __future__ import annotations

import json

import pytest

from core.domain.errors import StorageError
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck


def test_without_a_terminal_it_wants_to_be_told_yes(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    refused = quarterdeck("panic")
    assert refused.exit_code == 1
    assert refused.stderr == "quarterdeck: not done: there is no terminal to ask on; add --yes\n"
    assert runtime.panics == []
    done = quarterdeck("panic", "--yes")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["to close at market: BTCUSDT long 0.02", "flat: nothing of ours is left"]
    assert quarterdeck("panic", "--everything", "--yes").stdout.splitlines()[-1] == "flat: nothing is left"
    assert runtime.panics == [False, True]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("typed", "code"), [("k3Y9", 0), ("yes", 1), ("", 1), ("K3Y9", 1)])
def test_the_tag_of_the_account_is_typed(quarterdeck: Quarterdeck, runtime: FakeRuntime, typed: str, code: int) -> None:
    answer = quarterdeck("panic", answer=f"{typed}\n")
    assert answer.exit_code == code
    assert "Type the account's tag, k3Y9" in answer.stderr
    assert runtime.panics == ([False] if code == 0 else [])


def test_what_is_left_is_told_and_the_exit_code_says_so(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.panicked = {"flat": False, "left": ["BTCUSDT long 0.02 is still open: refused"], "exit_code": 3}
    answer = quarterdeck("panic", "--yes")
    assert answer.exit_code == 3
    assert "LEFT: BTCUSDT long 0.02 is still open: refused" in answer.stdout
    assert answer.stderr.startswith("quarterdeck: not flat; ")
    as_json = quarterdeck("panic", "--yes", "--json")
    assert json.loads(as_json.stdout) == runtime.panicked
    assert as_json.exit_code == 3


def test_what_keeps_it_from_knowing_is_one_line(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = StorageError("x.db: is damaged; `quarterdeck panic --everything` closes all")
    answer = quarterdeck("panic", "--yes")
    assert answer.exit_code == 2
    assert answer.stderr == "quarterdeck: x.db: is damaged; `quarterdeck panic --everything` closes all\n"
