import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.control.requests import RunRequest
from core.domain.errors import StorageError, UnavailableError
from core.home.folder import Home
from core.settings.schema import Settings
from tests.core.control.control_samples import T0_MS, FakeControl
from tests.tui.cli.fakes import FakeHandle, FakeRuntime, Quarterdeck
from tui.cli import running
from tui.console.arming import RISK

LIVE_SETTINGS = 'mode = "live"\n'
TESTNET_SETTINGS = LIVE_SETTINGS + "[exchange]\ntestnet = true\n"


def test_run_headless_hands_the_root_one_request(quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home) -> None:
    result = quarterdeck(
        "run", "--headless", "--speed", "max", "--from", "2025-06-05", "--to", "2025-06-05T12:30", "--seed", "3"
    )
    assert result.exit_code == 0, result.output
    assert runtime.requests == [
        RunRequest("demo", home.root, None, None, 1_749_081_600_000, 1_749_126_600_000, 3, "INFO")
    ]


@pytest.mark.parametrize("arguments", [["--headless"], ["--mode", "demo", "--headless"], ["run", "--headless"]])
def test_options_without_a_verb_mean_run(quarterdeck: Quarterdeck, runtime: FakeRuntime, arguments: list[str]) -> None:
    assert quarterdeck(*arguments).exit_code == 0
    assert runtime.requests[0].mode == "demo"
    assert runtime.requests[0].speed == Settings().demo.speed


def test_milliseconds_and_zones_are_times_too(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    quarterdeck("--headless", "--from", str(T0_MS), "--to", "2025-06-05T02:00:00+02:00")
    assert (runtime.requests[0].from_ms, runtime.requests[0].to_ms) == (T0_MS, 1_749_081_600_000)


def test_settings_of_the_home_give_the_speed_and_the_option_wins(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home
) -> None:
    home.settings.write_text("[demo]\nspeed = 5.0\n")
    quarterdeck("--headless")
    quarterdeck("--headless", "--speed", "7.5")
    assert [request.speed for request in runtime.requests] == [5.0, 7.5]
    assert runtime.requests[0].settings_path == home.settings


def test_bad_settings_are_one_line_that_names_the_key(quarterdeck: Quarterdeck, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[demo]\nspede = 5.0\n")
    result = quarterdeck("--headless", "--settings", str(path))
    assert result.exit_code == 2
    assert result.stderr == f"quarterdeck: {path}: demo.spede: unknown key; did you mean speed?\n"


@pytest.mark.parametrize("by", ["option", "settings"])
def test_the_mode_is_the_option_s_else_that_of_the_settings(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home, by: str
) -> None:
    home.settings.write_text('mode = "paper"\n' if by == "settings" else "")
    assert quarterdeck("--headless", *(["--mode", "paper"] if by == "option" else [])).exit_code == 0
    assert [(request.mode, request.speed) for request in runtime.requests] == [("paper", 1.0)]


@pytest.mark.parametrize("mode", ["demo", "paper"])
def test_live_settings_do_not_keep_a_safer_mode_from_running(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home, mode: str
) -> None:
    home.settings.write_text(LIVE_SETTINGS)
    assert quarterdeck("--headless", "--mode", mode).exit_code == 0
    assert runtime.requests[0].mode == mode


@pytest.mark.parametrize("arguments", [["--mode", "live"], []])
def test_a_live_start_hands_the_root_what_was_typed(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home, arguments: list[str]
) -> None:
    home.settings.write_text(LIVE_SETTINGS)
    answer = quarterdeck("--headless", "--confirm-live", " k3Y9", *arguments)
    assert answer.exit_code == 0
    assert RISK in answer.stderr
    assert (runtime.requests[0].mode, runtime.requests[0].confirm_live) == ("live", "k3Y9")
    assert "k3Y9" not in repr(runtime.requests[0])


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "said"),
    [
        ("", ["--mode", "live", "--confirm-live", "k3Y9"], 1, 'the settings say mode = "demo"; write mode = "live"'),
        ("live", [], 1, "confirm it with --confirm-live TAG, the last four characters of the API key"),
        ("live", ["--confirm-live", ""], 1, "confirm it with --confirm-live TAG"),
        ("", ["--confirm-live", "k3Y9"], 2, "--confirm-live is for mode live, and mode is demo; leave it away"),
        ("live", ["--mode", "paper", "--confirm-live", "k3Y9"], 2, "mode is paper"),
        ("", ["--mode", "paper", "--speed", "60"], 2, "--speed: for the recorded market only; mode paper goes with"),
        ("", ["--mode", "paper", "--speed", "max", "--from", "2025-06-05"], 2, "--speed, --from: for the recorded"),
        ("live", ["--confirm-live", "k3Y9", "--to", "2025-06-05"], 2, "--to: for the recorded market only; mode live"),
    ],
)
def test_what_cannot_be_armed_is_one_line_and_starts_nothing(
    quarterdeck: Quarterdeck,
    runtime: FakeRuntime,
    home: Home,
    settings: str,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    home.settings.write_text(LIVE_SETTINGS if settings else "")
    result = quarterdeck("--headless", *arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert runtime.requests == []


def test_test_money_is_started_without_a_typed_tag(quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home) -> None:
    home.settings.write_text(TESTNET_SETTINGS)
    assert quarterdeck("--headless").exit_code == 0
    assert (runtime.requests[0].mode, runtime.requests[0].confirm_live) == ("live", "")


def test_paper_on_test_hosts_is_one_line_and_starts_nothing(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home
) -> None:
    home.settings.write_text(TESTNET_SETTINGS)
    result = quarterdeck("--headless", "--mode", "paper")
    assert result.exit_code == 1
    assert "paper goes by the exchange's real prices: set exchange.testnet = false" in result.stderr
    assert runtime.requests == []


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("term", "told"), [("dumb", "is 'dumb'"), ("unknown", "is 'unknown'"), ("", "names no terminal")]
)
def test_a_terminal_that_no_console_can_be_drawn_on_is_refused_in_one_line(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, term: str, told: str
) -> None:
    monkeypatch.setenv("TERM", term)
    result = quarterdeck("run")
    assert result.exit_code == 2
    assert result.stderr == (
        f"quarterdeck: TERM {told}, on which no console can be drawn;"
        " add --headless, or set TERM to what the terminal is, as xterm-256color\n"
    )


@pytest.mark.usefixtures("terminal")
def test_a_terminal_without_a_name_is_refused(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM")
    assert "TERM names no terminal" in quarterdeck("run").stderr
    assert runtime.requests == []


@pytest.mark.usefixtures("terminal")
def test_the_console_asks_for_the_tag_itself(quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home) -> None:
    home.settings.write_text(LIVE_SETTINGS)
    result = quarterdeck("--confirm-live", "k3Y9")
    assert result.exit_code == 2
    assert "--confirm-live is for --headless: the console asks for the tag itself" in result.stderr
    assert runtime.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speed", "0"], "neither a number above 0 nor max"),
        (["--speed", "inf"], "neither a number above 0 nor max"),
        (["--speed", "nan"], "neither a number above 0 nor max"),
        (["--from", "yesterday"], "is no time; write 2025-06-05"),
        (["--from", "2025-06-06", "--to", "2025-06-05"], "--from must lie before --to"),
        (["--mode", "backtest"], "'backtest' is not one of"),
        (["--seed", "-1"], "not in the range"),
        (["--settings", "/nowhere/settings.toml"], "cannot be read"),
    ],
)
def test_wrong_usage_ends_with_2(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, arguments: list[str], said: str
) -> None:
    result = quarterdeck("run", "--headless", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert runtime.requests == []


def test_without_a_terminal_the_console_is_refused(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    result = quarterdeck()
    assert result.exit_code == 2
    assert result.stderr == "quarterdeck: there is no terminal here to draw the console on; add --headless\n"
    assert runtime.requests == []


@pytest.mark.usefixtures("terminal")
def test_full_speed_beside_a_console_is_refused(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("run", "--speed", "max")
    assert result.exit_code == 2
    assert "--speed max is for --headless runs" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_the_console_is_given_the_engine_and_stops_it(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, console: list[FakeControl]
) -> None:
    result = quarterdeck()
    assert result.exit_code == 0, result.output
    assert console == [runtime.handle.control]
    assert runtime.handle.stopped == [running.STOP_TIMEOUT_S]


@pytest.mark.usefixtures("terminal", "console")
def test_what_ended_the_engine_is_told_after_the_console(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.handle = FakeHandle(StorageError("quarterdeck.db: disk is full; free some space"))
    result = quarterdeck()
    assert result.exit_code == 2
    assert "disk is full; free some space" in result.stderr


@pytest.mark.usefixtures("terminal", "console")
def test_what_kept_the_engine_from_starting_is_told_after_the_console(
    quarterdeck: Quarterdeck, runtime: FakeRuntime
) -> None:
    runtime.raises = UnavailableError("an engine (process 7) already runs here")
    result = quarterdeck()
    assert result.exit_code == 3
    assert result.stderr == "quarterdeck: an engine (process 7) already runs here\n"


def test_a_home_in_use_ends_with_3(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = UnavailableError("an engine (process 7) already runs here")
    result = quarterdeck("--headless")
    assert result.exit_code == 3
    assert result.stderr == "quarterdeck: an engine (process 7) already runs here\n"


WORKERS_BESIDE_A_CONSOLE = """
import asyncio, multiprocessing, sys
from types import SimpleNamespace
from tui.cli import main, running

class Drawn:
    def fileno(self):
        return -1

    def write(self, text):
        return len(text)

    def flush(self):
        pass

def run_console(control, *, connect, **more):
    sys.stderr, before = Drawn(), sys.stderr
    asyncio.run(connect())
    sys.stderr = before
    return 0

class Runtime:
    def lab(self, home):
        return None

    def start_engine(self, request):
        worker = multiprocessing.get_context("spawn").Process(target=int)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
        return self

    def wait(self):
        return None

    def stop(self, timeout_s):
        pass

    def failure(self):
        return None

if __name__ == "__main__":
    sys.modules["tui.console.launch"] = SimpleNamespace(run_console=run_console)
    running.has_terminal = lambda: True
    sys.exit(main(Runtime()))
"""


def test_worker_processes_start_beside_a_console(home: Home, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WORKERS_BESIDE_A_CONSOLE)
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, str(program), "--home", str(home.root)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
