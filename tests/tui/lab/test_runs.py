"""Child processes of the lab, with small scripts in the place of the command."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.errors import UnavailableError
from core.domain.progress import Progress
from tests.patience import comes
from tui.lab.runs import NICE, NICEST, ChildRun, Outcome, Patience, progress_of, start_child, starter

LONG = Patience(60.0, 60.0)
SHORT = Patience(0.05, 0.05)
PREAMBLE = """
import json, os, signal, subprocess, sys, time
def say(**row): print(json.dumps(row), file=sys.stderr, flush=True)
def answer(**row): print(json.dumps(row), flush=True)
"""
POLITE = """
def stop(*_):
    answer(run_id="r0002", status="partial", labels=["PARTIAL: stopped"])
    sys.exit(0)
signal.signal(signal.SIGINT, stop)
say(done=1, total=10, unit="slots")
while True: time.sleep(10)
"""
DEAF = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
{more}
say(done=1, total=10, unit="slots")
while True: time.sleep(10)
"""


async def started(script: str) -> ChildRun:
    return await start_child([sys.executable, "-c", PREAMBLE + script])


async def until(true: Callable[[], object]) -> None:
    await comes(true, "what the process says")


async def test_progress_and_the_answer_of_a_whole_run() -> None:
    run = await started(
        """
say(done=3, total=10, unit="slots", note="2026-06-12")
print("a word of a library", file=sys.stderr)
answer(run_id="r0001", status="complete", labels=["SYNTHETIC DATA: not performance"], figures={})
"""
    )
    assert await run.wait() == Outcome("complete", "r0001", "", ("SYNTHETIC DATA: not performance",))
    assert run.progress() == Progress(3, 10, "slots", "2026-06-12")


async def test_it_is_nice_and_in_a_session_of_its_own() -> None:
    run = await started(POLITE)
    await until(run.progress)
    assert os.getsid(run.pid) == run.pid != os.getsid(0)
    assert os.getpriority(os.PRIO_PROCESS, run.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, NICEST)
    run.stop(LONG)
    await run.wait()


async def test_sigint_ends_it_with_what_it_has() -> None:
    run = await started(POLITE)
    await until(run.progress)
    run.stop(LONG)
    run.stop(LONG)
    assert await run.wait() == Outcome("partial", "r0002", "", ("PARTIAL: stopped",))
    with pytest.raises(ProcessLookupError):
        os.kill(run.pid, 0)


@pytest.mark.parametrize(
    ("more", "name"), [("", "SIGTERM"), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "SIGKILL")]
)
async def test_one_that_does_not_listen_is_ended_harder(more: str, name: str) -> None:
    run = await started(DEAF.format(more=more))
    await until(run.progress)
    run.stop(SHORT)
    outcome = await run.wait()
    assert outcome == Outcome("failed", message=f"the run's process was ended by {name}")


async def test_a_hurried_stop_is_no_second_sigint() -> None:
    run = await started(
        """
seen = []
signal.signal(signal.SIGINT, lambda *_: (seen.append(1), say(done=2, total=10, unit="slots")))
def stop(*_):
    answer(run_id="r1", status="partial", labels=[str(len(seen))])
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
say(done=1, total=10, unit="slots")
while True: time.sleep(10)
"""
    )
    await until(run.progress)
    run.stop(LONG)
    await until(lambda: run.progress() == Progress(2, 10, "slots"))
    run.stop(SHORT)
    assert (await run.wait()).labels == ("1",)


async def test_less_patience_hurries_a_stop_under_way() -> None:
    run = await started(DEAF.format(more=""))
    await until(run.progress)
    run.stop(LONG)
    run.stop(SHORT)
    assert (await run.wait()).message.endswith("SIGTERM")


async def test_an_error_of_the_command_is_its_last_line() -> None:
    run = await started("say(done=1, total=2, unit='slots'); sys.exit('quarterdeck: --from must lie before --to')")
    assert await run.wait() == Outcome("failed", message="--from must lie before --to")


async def test_a_silent_death_is_told() -> None:
    run = await started("sys.exit(9)")
    assert await run.wait() == Outcome("failed", message="the run's process ended with code 9 and said nothing")


async def test_a_process_that_holds_the_pipes_does_not_hold_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.lab.runs.PIPES_GRACE_S", 0.05)
    run = await started(
        "child = subprocess.Popen(['sleep', '60']); answer(run_id='r1', status='complete', labels=[str(child.pid)])"
    )
    outcome = await run.wait()
    os.kill(int(outcome.labels[0]), signal.SIGKILL)
    assert outcome.run_id == "r1"


async def test_floods_are_bounded() -> None:
    run = await started(
        """
for n in range(20000): say(done=n, total=20000, unit="slots")
sys.stderr.write("x" * 300000)
sys.stdout.write(json.dumps({"run_id": "r0001", "status": "complete", "filler": "y" * 300000}))
"""
    )
    outcome = await run.wait()
    assert outcome.run_id == "r0001"
    assert run.progress() == Progress(19999, 20000, "slots")
    assert len(run._words) < 10
    assert not run._line


async def test_the_command_gets_its_own_arguments_then_home_and_form_of_the_answer(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import json, sys; print(json.dumps({'run_id': 'r1', 'status': 'complete', 'labels': sys.argv[1:]}))"
    )
    start = starter([sys.executable, str(script)], ["--home", "/h"])
    run = await start(["backtest", "ema_cross"])
    expected = ("backtest", "ema_cross", "--home", "/h", "--json", "--progress", "json")
    assert (await run.wait()).labels == expected


async def test_a_command_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UnavailableError, match="/no/such: cannot be started: No such file"):
        await start_child(["/no/such"])


@pytest.mark.parametrize(
    "line", ["", "words", "{", "[1]", '{"done": 1}', '{"done": "1", "total": 2}', '{"total": null}']
)
def test_what_is_no_progress(line: str) -> None:
    assert progress_of(line) is None


def test_what_is_progress() -> None:
    assert progress_of(json.dumps({"done": 1, "total": 0, "unit": "trials"})) == Progress(1, 0, "trials")
