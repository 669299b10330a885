"""An engine that is killed or told to stop, at awkward times: nothing stays behind, and the books go on as if it never
happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

from core.home.folder import Home, engine_pid
from tests.command import kit
from tests.command.conftest import Run

Engine = Callable[..., Popen[str]]


def test_an_engine_stopped_in_every_way_keeps_the_books_of_one_that_ran_through(
    fresh: Path, engine: Engine, runs: dict[str, Run]
) -> None:
    whole = kit.record(runs["first"].home)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        stop_the_group_in_training(fresh, engine, number)
    kill_while_it_trades(fresh, engine)
    assert kit.record(fresh)["trades"] != whole["trades"]

    answer = kit.finish(engine(fresh))
    assert answer.code == 0, answer.err
    assert "0 differences" in answer.err
    assert kit.record(fresh) == whole
    for verb in ("trades", "orders"):
        ours, theirs = (kit.quarterdeck(verb, "--json", "--home", home) for home in (fresh, runs["first"].home))
        assert ours == theirs
    kit.assert_released(fresh)


def stop_the_group_in_training(home: Path, engine: Engine, number: signal.Signals) -> None:
    """What a closed terminal, Ctrl-C and a service manager do: the workers are signalled as the engine is."""
    process = engine(home, "--seed", 7, "--from", kit.FROM, speed=480)
    kit.until(lambda: kit.is_trading(home) and kit.pending_trainings(home) == 2, "two trainings", process)
    at_work = kit.until(lambda: kit.workers(process.pid), "a worker", process)
    os.killpg(process.pid, number)
    answer = kit.finish(process)
    assert answer.code == 0, (number, answer.err)
    assert "Traceback" not in answer.err
    kit.assert_all_gone(at_work)
    kit.assert_released(home)
    assert kit.pending_trainings(home) == 2


def kill_while_it_trades(home: Path, engine: Engine) -> None:
    process = engine(home, speed=480)
    kit.until(lambda: kit.rows(home, "SELECT 1 FROM trades"), "a closed trade", process)
    kit.until(lambda: (kit.live(home) or {}).get("open_positions"), "an open position in a snapshot", process)
    children = kit.descendants(process.pid)
    assert len(kit.workers(process.pid)) == 2
    process.kill()
    process.communicate()
    kit.assert_all_gone(children)
    assert Home(home).socket.exists()
    assert engine_pid(Home(home)) is None
    assert kit.read("status", home)["running"] is False
    kit.assert_sound(home)


def test_stop_while_it_starts(tmp_path: Path, engine: Engine) -> None:
    """A first start takes the recorded market in before there is an engine."""
    home = tmp_path / "home"
    process = engine(home, "--from", kit.FROM, speed=60)
    kit.until(lambda: engine_pid(Home(home)), "the lock", process)
    process.terminate()
    answer = kit.finish(process)
    assert answer.code == 0
    assert answer.err == ""
    assert not kit.rows(home, "SELECT 1 FROM training")
    kit.assert_released(home)

    process = engine(home, "--from", kit.FROM, speed=60)
    kit.until(lambda: kit.is_trading(home), "an engine", process)
    process.terminate()
    assert kit.finish(process).code == 0
    kit.assert_released(home)
