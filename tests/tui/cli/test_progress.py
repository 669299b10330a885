from __future__ import annotations

import json

import pytest

from core.domain.progress import Progress
from tui.cli.progress import STOPPING, Bar, JsonLines, Lines, Quiet, Watch, line


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("progress", "elapsed_s", "told"),
    [
        (Progress(63_072, 525_600, "bars"), 12.0, "12%, 63,072 of 525,600 bars, 0:01:28 left"),
        (Progress(1, 3, "folds", "training"), 7_200.0, "33%, 1 of 3 folds, 4:00:00 left; training"),
        (Progress(0, 3, "folds"), 5.0, "0%, 0 of 3 folds"),
        (Progress(3, 3, "folds"), 5.0, "100%, 3 of 3 folds"),
        (Progress(7, 0, "trials"), 5.0, "7 trials"),
    ],
)
def test_a_line_tells_share_and_time_left(progress: Progress, elapsed_s: float, told: str) -> None:
    assert line(progress, elapsed_s) == told


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    for done in range(25):
        lines.show(Progress(done, 25, "bars"))
        clock.now_s += 1.0
    assert [text.split(",")[1] for text in capsys.readouterr().err.splitlines()] == [" 10 of 25 bars", " 20 of 25 bars"]


def test_a_program_is_told_the_first_and_the_last_and_few_between(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    display = JsonLines(clock)
    for done in range(101):
        display.show(Progress(done, 100, "bars"))
        clock.now_s += 0.01
    told = [json.loads(text)["done"] for text in capsys.readouterr().err.splitlines()]
    assert (told[0], told[-1]) == (0, 100)
    assert 10 <= len(told) <= 12


def test_the_bar_takes_foreign_words_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    bar = Bar()
    bar.show(Progress(1, 0, "trials", "[red]fold"))
    bar.show(Progress(2, 4, "trials", "[red]fold"))
    bar.say("[bold]stopping")
    bar.close()
    told = capsys.readouterr().err
    assert "[red]fold" in told
    assert "[bold]stopping" in told
    assert "2 trials" in told


def test_a_signal_within_a_write_is_told_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    display = Quiet()
    watch = Watch(display)

    def refuse(_: str) -> None:
        raise RuntimeError("reentrant call")

    monkeypatch.setattr(display, "say", refuse)
    watch.on_signal(2, None)
    monkeypatch.setattr(display, "say", said.append)
    assert watch.should_stop()
    assert watch.should_stop()
    assert said == [STOPPING]
