import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from core.domain.errors import StorageError
from core.home.folder import Home
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck
from tui.cli import cli, main


def test_the_unexpected_is_one_line_and_a_trace_in_the_log(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home
) -> None:
    runtime.raises = ZeroDivisionError("by zero")
    result = quarterdeck("--headless")
    assert result.exit_code == 1
    assert result.stderr == f"quarterdeck: unexpected ZeroDivisionError: by zero; the trace is in {home.log}\n"
    assert "run_headless" in json.loads(home.log.read_text())["trace"]


def test_without_a_home_the_trace_is_not_lost(quarterdeck: Quarterdeck, runtime: FakeRuntime, tmp_path: Path) -> None:
    runtime.raises = ZeroDivisionError("by zero")
    result = quarterdeck("--headless", "--home", str(tmp_path / "absent"))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_a_disk_that_takes_nothing_is_one_line_wherever_it_is_met(
    quarterdeck: Quarterdeck, runtime: FakeRuntime
) -> None:
    for number in (errno.EROFS, errno.EACCES, errno.ENOSPC):
        runtime.raises = OSError(number, os.strerror(number), "/home/x/quarterdeck.log")
        result = quarterdeck("--headless")
        assert result.exit_code == 1
        assert result.stderr == (
            f"quarterdeck: /home/x/quarterdeck.log: cannot be written: {os.strerror(number)}; "
            "mend its permissions or its disk, or name another folder with --home\n"
        )
    runtime.raises = OSError(errno.ENOTCONN, "not connected")
    assert quarterdeck("--headless").stderr.startswith("quarterdeck: unexpected OSError: ")


def test_main_gives_the_exit_code_back(
    monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["quarterdeck", "--version"])
    assert main(runtime) == 0
    assert capsys.readouterr().out.startswith("quarterdeck ")
    monkeypatch.setattr(sys, "argv", ["quarterdeck", "--speed", "x"])
    assert main(runtime) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sell"], "No such command 'sell'"),
        (["--speed", "x"], "Invalid value for '--speed'"),
        (["run", "--sped", "3"], "No such option"),
        (["data", "import", "nowhere.csv"], "File 'nowhere.csv' does not exist"),
        (["flatten", "--yes", "BTCUSDT", "ETHUSDT"], "Got unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line_and_2(quarterdeck: Quarterdeck, words: list[str], told: str) -> None:
    result = quarterdeck(*words)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("quarterdeck: ")
    assert told in line
    assert line.endswith("--help")


@pytest.mark.parametrize("verb", ["resume", "flatten"])
def test_nothing_is_asked_where_no_engine_runs(quarterdeck: Quarterdeck, verb: str) -> None:
    result = quarterdeck(verb)
    assert result.exit_code == 3
    assert "no engine runs here" in result.stderr


def test_help_names_every_verb(quarterdeck: Quarterdeck) -> None:
    text = quarterdeck("--help").stdout
    assert all(f"  {verb} " in text for verb in cli.commands)
    assert len(cli.commands) == 32


@pytest.mark.parametrize("verb", ["status", "positions", "orders", "trades", "signals", "stats", "models", "limits"])
def test_every_read_verb_speaks_json(quarterdeck: Quarterdeck, kept: Home, verb: str) -> None:
    result = quarterdeck(verb, "--json")
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.stdout), dict if verb in ("status", "stats") else list)


@pytest.mark.parametrize("verb", ["status", "positions", "orders", "trades", "signals", "stats", "models", "limits"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_empty_home_says_why_it_is_empty_and_what_comes_next(
    quarterdeck: Quarterdeck, home: Home, verb: str, form: list[str]
) -> None:
    result = quarterdeck(verb, *form)
    assert result.exit_code == 0, result.output
    assert f"nothing is recorded in {home.root} yet; start with `quarterdeck run`" in result.stderr
    assert not home.database.exists()


@pytest.mark.usefixtures("kept")
def test_a_damaged_database_ends_with_2(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.raises = StorageError("quarterdeck.db is damaged; restore a backup")
    result = quarterdeck("trades")
    assert result.exit_code == 2
    assert result.stderr == "quarterdeck: quarterdeck.db is damaged; restore a backup\n"


def test_completion_offers_the_verbs() -> None:
    from click.shell_completion import ShellComplete

    offered = ShellComplete(cli, {}, "quarterdeck", "_QUARTERDECK_COMPLETE").get_completions([], "")
    assert {item.value for item in offered} == set(cli.commands)


def test_every_option_and_verb_has_help() -> None:
    context = click.Context(cli)
    nested = [verb for name in ("data", "runs") for verb in cli.commands[name].commands.values()]  # type: ignore[attr-defined]
    for command in [*cli.commands.values(), *nested]:
        assert command.get_short_help_str()
        for parameter in command.get_params(context):
            assert isinstance(parameter, click.Argument) or parameter.help, (command.name, parameter.name)


HEAVY = {"pydantic", "numpy", "textual", "aiosqlite", "rich", "pandas", "pyarrow", "lightgbm", "numba", "asyncio"}


def loaded_by(arguments: list[str], home: Home) -> tuple[int, set[str]]:
    program = (
        "import json, sys\n"
        "from tui.cli import main\n"
        "class Runtime:\n"
        "    def run_headless(self, request):\n"
        "        return 0\n"
        "code = main(Runtime())\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, "--home", str(home.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, {name.partition(".")[0] for name in modules}


@pytest.mark.usefixtures("engine")
def test_status_imports_nothing_heavy(kept: Home) -> None:
    code, modules = loaded_by(["status", "--json"], kept)
    assert code == 0
    assert modules & HEAVY == set()


def test_a_headless_run_never_imports_the_screen(home: Home) -> None:
    code, modules = loaded_by(["run", "--headless"], home)
    assert code == 0
    assert modules & {"textual", "rich"} == set()
    assert "pydantic" in modules
