"""The console in a real terminal: its picture, its keys, and every way it can end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.command import kit
from tests.command.pty_kit import Terminal, console


def watch(terminal: Terminal, home: Path) -> list[int]:
    """Wait until the engine of a console trades; its worker processes."""
    terminal.until(lambda: kit.is_trading(home), "an engine")
    return terminal.until(lambda: kit.workers(terminal.process.pid), "a worker")


def test_the_console_shows_prices_pauses_and_leaves(traded: Path) -> None:
    with console(traded, "--speed", 120) as terminal:
        terminal.until_shown("STARTING")
        at_work = watch(terminal, traded)
        shown = terminal.until_shown("DEMO", "SOLUSDT", "XRPUSDT")
        assert "Traceback" not in shown
        terminal.press("P")
        terminal.until(lambda: (kit.live(traded) or {}).get("state") == "paused", "the pause")
        assert kit.read("status", traded)["state"] == "paused"
        terminal.until_shown("PAUSED")
        terminal.press("q")
        terminal.until_shown("LEAVE and END the engine")
        terminal.press("y")
        assert terminal.exit_code() == 0
        terminal.assert_restored()
        kit.assert_all_gone(at_work)
    kit.assert_released(traded)
    assert kit.rows(traded, "SELECT verb, operator FROM operator_commands") == [("pause", "console")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_console_and_gives_the_terminal_back(traded: Path, number: signal.Signals) -> None:
    with console(traded, "--speed", 120) as terminal:
        at_work = watch(terminal, traded)
        os.killpg(terminal.process.pid, number)
        assert terminal.exit_code() == 128 + number
        terminal.assert_restored()
        kit.assert_all_gone(at_work)
        assert b"Traceback" not in terminal.output
    kit.assert_released(traded)


def test_a_closed_terminal_ends_the_console(traded: Path) -> None:
    with console(traded, "--speed", 120) as terminal:
        at_work = watch(terminal, traded)
        terminal.until_shown("DEMO", "SOLUSDT")
        terminal.hang_up()
        assert terminal.exit_code() == 129
        kit.assert_all_gone(at_work)
    kit.assert_released(traded)


def test_trading_goes_on_while_nobody_reads_the_terminal(traded: Path) -> None:
    with console(traded, "--speed", 240) as terminal:
        watch(terminal, traded)
        terminal.until_shown("DEMO", "SOLUSDT")
        terminal.stop_reading()
        terminal.until(terminal.is_full, "a full terminal")
        reached = (kit.live(traded) or {})["as_of_ms"]
        terminal.until(lambda: (kit.live(traded) or {}).get("as_of_ms", 0) > reached + 600_000, "10 minutes of market")
        assert terminal.is_full()
        terminal.read_on()
        terminal.press("P")
        terminal.until_shown("PAUSED")
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.exit_code() == 128 + signal.SIGTERM
        terminal.assert_restored()
    kit.assert_released(traded)


def test_a_terminal_that_nobody_reads_cannot_keep_the_console_from_ending(traded: Path) -> None:
    with console(traded, "--speed", 240) as terminal:
        at_work = watch(terminal, traded)
        terminal.until_shown("DEMO", "SOLUSDT")
        terminal.stop_reading()
        terminal.until(terminal.is_full, "a full terminal")
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.exit_code() == 128 + signal.SIGTERM
        terminal.read_on()
        terminal.assert_restored()
        kit.assert_all_gone(at_work)
    kit.assert_released(traded)


def test_a_small_terminal_still_shows_the_mode_and_pauses(traded: Path) -> None:
    with console(traded, "--speed", 120, columns=60, lines=20) as terminal:
        watch(terminal, traded)
        terminal.until_shown("DEMO")
        terminal.press("P")
        terminal.until(lambda: (kit.live(traded) or {}).get("state") == "paused", "the pause")
        terminal.until_shown("PAUSED")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.exit_code() == 128 + signal.SIGINT
        terminal.assert_restored()
    kit.assert_released(traded)


@pytest.mark.parametrize("keys", ["qy", "qq"])
def test_a_start_that_waits_for_its_exchange_can_be_left(tmp_path: Path, keys: str) -> None:
    """Whoever listens there takes the connection and never answers."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (home / "settings.toml").write_text(f'[exchange]\nbase_url = "{address}"\n')
        with Terminal("run", "--mode", "paper", "--home", home) as terminal:
            silent.accept()
            terminal.until_shown("STARTING")
            terminal.press(keys[0])
            terminal.until_shown("PAPER LEAVE and END the start?")
            terminal.press(keys[1])
            assert terminal.exit_code() == 0
            terminal.assert_restored()
            assert b"Traceback" not in terminal.output
    kit.assert_released(home)
