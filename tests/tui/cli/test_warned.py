"""Where a warning goes that Python or a library gives."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.command import kit
from tui.cli.warned import route_warnings

T0 = 1_735_689_600_000


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


def checked(home: Path, **more: str) -> kit.Answer:
    """Prices so far apart that a float does not hold what they moved."""
    file = home.parent / "AUSDT-1m.csv"
    prices = [(T0 + n * 60_000, 1e-300 if n % 2 else 1e300) for n in range(3_000)]
    rows = [",".join(map(str, (open_ms, *[price] * 4, 1))) for open_ms, price in prices]
    file.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    assert kit.quarterdeck("data", "import", file, "--home", home).code == 0
    return kit.quarterdeck("data", "check", "--home", home, **more)


def test_a_verb_shows_no_warning_as_python_does(tmp_path: Path) -> None:
    answer = checked(tmp_path / "home")
    assert answer.code == 0
    assert answer.err.splitlines() == ["quarterdeck: warning: overflow encountered in expm1", "no problem found"]


def test_who_asks_python_for_warnings_has_them(tmp_path: Path) -> None:
    answer = checked(tmp_path / "home", PYTHONWARNINGS="default")
    assert "jumps.py:" in answer.err
    assert "RuntimeWarning: overflow encountered in expm1" in answer.err
