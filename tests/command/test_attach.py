"""Consoles at an engine of another process, in terminals of their own."""

from __future__ import annotations

import getpass
import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

from tests.command import kit
from tests.command.pty_kit import Terminal

Engine = Callable[..., Popen[str]]
LATE = "2025-06-06T20:00"


def trading(engine: Engine, home: Path) -> Popen[str]:
    process = engine(home, speed=12, to=LATE)
    kit.until(lambda: kit.is_trading(home), "an engine", process)
    return process


def state(home: Path) -> str | None:
    return (kit.live(home) or {}).get("state")


def test_one_console_writes_all_may_halt_and_none_ends_the_engine(traded: Path, engine: Engine) -> None:
    process = trading(engine, traded)
    with Terminal("attach", "--home", traded) as first, Terminal("attach", "--home", traded) as second:
        for console in (first, second):
            console.until_shown("DEMO", "RUNNING", "SOLUSDT", "XRPUSDT")
        first.until(lambda: any("holds the write lease" in t.screen() for t in (first, second)), "who only looks on")
        reader, holder = sorted((first, second), key=lambda t: "holds the write lease" not in t.screen())
        assert "holds the write lease" not in holder.screen()
        reader.press("P")
        kit.until(lambda: state(traded) == "paused", "the pause", process)
        reader.until_shown("PAUSED")
        reader.press("R")
        reader.until_shown("resume:", "holds the write lease")
        assert state(traded) == "paused"
        reader.press("W")
        reader.until_shown("TAKE OVER the write lease")
        reader.press("y")
        reader.until_shown("this console holds the write lease")
        holder.press("W")
        holder.until_shown("TAKE OVER the write lease from")
        holder.press("n")
        reader.press("R")
        reader.until_shown("RESUME entries?")
        reader.press("y")
        kit.until(lambda: state(traded) == "running", "the end of the pause", process)
        for console in (first, second):
            console.press("q")
            console.until_shown("goes on trading")
            console.press("y")
            assert console.exit_code() == 0
            console.assert_restored()
            assert f"the engine in {traded} goes on" in console.output.decode()
            assert b"Traceback" not in console.output
            assert b"Task was destroyed" not in console.output
    assert kit.is_trading(traded)
    asked = kit.rows(traded, "SELECT verb, operator FROM operator_commands")
    assert asked == [("pause", f"console:{getpass.getuser()}"), ("resume", f"console:{getpass.getuser()}")]


def test_a_console_outlives_its_engine_and_goes_on_with_the_next(traded: Path, engine: Engine) -> None:
    process = trading(engine, traded)
    with Terminal("attach", "--home", traded, columns=160) as console:
        console.until_shown("RUNNING", "SOLUSDT")
        kit.end(process)
        console.until_shown("STALE", "no engine runs here", "every number here is at least")
        console.press("F")
        console.until_shown("FLATTEN")
        console.press("n")
        trading(engine, traded)
        shown = console.until_shown("RUNNING", "SOLUSDT")
        assert "STALE" not in shown
        os.kill(console.process.pid, signal.SIGTERM)
        assert console.exit_code() == 128 + signal.SIGTERM
        console.assert_restored()
    assert kit.is_trading(traded)


def test_without_an_engine_there_is_nothing_to_attach_to(traded: Path) -> None:
    with Terminal("attach", "--home", traded) as console:
        assert console.exit_code() == 3
        kit.until(lambda: b"no engine runs here; start one with `quarterdeck run`" in console.output, "the reason")
        assert b"\x1b[?1049h" not in console.output
    refused = kit.quarterdeck("attach", "--home", traded)
    assert (refused.code, refused.out) == (2, "")
    assert "no terminal" in refused.err
