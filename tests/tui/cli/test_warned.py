"""Where a warning goes that Python or a library gives."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.home.folder import Home
from storage.database import open_database
from tui.cli.warned import route_warnings


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "warnoptions", [])
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        route_warnings()
        yield


@contextmanager
def no_log() -> Iterator[None]:
    """pytest listens to the log while a test runs."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = before


@pytest.mark.usefixtures("routed")
def test_without_a_log_a_figure_s_is_one_plain_line_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with no_log():
        for _ in range(2):
            warnings.warn("divide by zero\x1b[2J\nin log", RuntimeWarning, stacklevel=1)
        warnings.warn("of a strategy", stacklevel=1)
    said = capsys.readouterr()
    assert said.err == "quarterdeck: warning: divide by zero\\x1b[2J\\nin log\nquarterdeck: warning: of a strategy\n"
    assert said.out == ""


@pytest.mark.usefixtures("routed")
@pytest.mark.parametrize("category", [DeprecationWarning, FutureWarning, ResourceWarning, SyntaxWarning, ImportWarning])
def test_without_a_log_what_is_of_code_is_not_said(capsys: pytest.CaptureFixture[str], category: type[Warning]) -> None:
    with no_log():
        warnings.warn("use another name", category, stacklevel=1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("routed")
def test_where_there_is_a_log_it_has_all_of_them(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    warnings.warn("use another name", FutureWarning, stacklevel=1)
    warnings.warn("divide by zero", RuntimeWarning, stacklevel=1)
    assert caplog.messages == ["FutureWarning: use another name", "RuntimeWarning: divide by zero"]
    assert capsys.readouterr().err == ""


WARNING = """
import warnings
from tui.cli import main

class Runtime:
    def check_data(self, home):
        warnings.warn("overflow encountered in expm1", RuntimeWarning, stacklevel=1)
        return []

raise SystemExit(main(Runtime()))
"""


def checked(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`data check` in a process of its own, where a figure overflows."""
    home = Home(folder)
    open_database(home.database)
    return subprocess.run(
        [sys.executable, "-c", WARNING, "data", "check", "--home", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **more},
    )


def test_a_verb_shows_no_warning_as_python_does(tmp_path: Path) -> None:
    answer = checked(tmp_path / "home")
    assert answer.returncode == 0
    assert answer.stderr.splitlines() == ["quarterdeck: warning: overflow encountered in expm1", "no problem found"]


def test_who_asks_python_for_warnings_has_them(tmp_path: Path) -> None:
    answer = checked(tmp_path / "home", PYTHONWARNINGS="default")
    assert "<string>:7: RuntimeWarning: overflow encountered in expm1" in answer.stderr
