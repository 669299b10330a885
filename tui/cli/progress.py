"""How far a long verb is, told on stderr, and how it is stopped."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from core.domain.progress import Progress
from tui.cli.echo import echo

if TYPE_CHECKING:
    import rich.progress

PROGRESS_FORMS = ("auto", "json", "off")
LINE_EVERY_S = 10.0
JSON_EVERY_S = 0.1
STOPPING = "stopping: what is done so far will be kept; once more to abort"


class Display(Protocol):
    def show(self, progress: Progress) -> None: ...

    def say(self, text: str) -> None:
        """A line for the operator."""
        ...

    def close(self) -> None: ...


class Watch:
    """What a request of the lab is handed: `progress` to call, and `should_stop` to ask."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._stop = False
        self._unsaid = ""

    def progress(self, progress: Progress) -> None:
        self._display.show(progress)

    def should_stop(self) -> bool:
        if self._unsaid:
            text, self._unsaid = self._unsaid, ""
            self.say(text)
        return self._stop

    def say(self, text: str) -> None:
        self._display.say(text)

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        try:
            self.say(STOPPING)
        except RuntimeError:
            # The signal came in the midst of another write to stderr, and Python allows no second one within it.
            self._unsaid = STOPPING


@contextmanager
def watched(form: str) -> Iterator[Watch]:
    """SIGINT or SIGTERM once asks the request to stop; twice aborts it."""
    display = make_display(form)
    watch = Watch(display)
    before = [(number, signal.signal(number, watch.on_signal)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield watch
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        display.close()


def make_display(form: str) -> Display:
    if form == "json":
        return JsonLines(time.monotonic)
    if form == "off":
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines(time.monotonic)


class Quiet:
    """Nothing but what is said."""

    def show(self, progress: Progress) -> None:
        pass

    def say(self, text: str) -> None:
        echo(text, err=True)

    def close(self) -> None:
        pass


class JsonLines:
    """One object a line, for a program that started this one. The first, the last and one in JSON_EVERY_S."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._next_s = 0.0

    def show(self, progress: Progress) -> None:
        now_s = self._now_s()
        if now_s < self._next_s and progress.done != progress.total:
            return
        self._next_s = now_s + JSON_EVERY_S
        told = {"done": progress.done, "total": progress.total, "unit": progress.unit, "note": progress.note}
        echo(json.dumps(told), err=True)

    def say(self, text: str) -> None:
        echo(json.dumps({"message": text}), err=True)

    def close(self) -> None:
        pass


class Lines:
    """A plain line now and then, where stderr is a file or a pipe."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._start_s = self._next_s = now_s()
        self._next_s += LINE_EVERY_S

    def show(self, progress: Progress) -> None:
        now_s = self._now_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LINE_EVERY_S
        echo(line(progress, now_s - self._start_s), err=True)

    def say(self, text: str) -> None:
        echo(text, err=True)

    def close(self) -> None:
        pass


def line(progress: Progress, elapsed_s: float) -> str:
    """12 %, 63,072 of 525,600 bars, 0:00:12 left; note"""
    note = f"; {progress.note}" if progress.note else ""
    if not progress.total:
        return f"{progress.done:,} {progress.unit}{note}"
    share = progress.done / progress.total
    left = f", {_clock(elapsed_s / share - elapsed_s)} left" if 0 < share < 1 else ""
    return f"{share:.0%}, {progress.done:,} of {progress.total:,} {progress.unit}{left}{note}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class Bar:
    """A bar with the time that is left, on a terminal; it is gone when the verb ends."""

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def show(self, progress: Progress) -> None:
        bar, task = self._started()
        total = progress.total or None
        bar.update(
            task, total=total, completed=progress.done, description=progress.note or progress.unit, unit=progress.unit
        )

    def say(self, text: str) -> None:
        if self._bar is None:
            echo(text, err=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _started(self) -> tuple[rich.progress.Progress, rich.progress.TaskID]:
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.completed:,} {task.fields[unit]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, unit="")
            self._bar.start()
        return self._bar, self._task
