"""The console as an operator meets it: its first picture, its answer to a key, and the way of `P` to the journal."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from benchmarks.market import temporary_home
from benchmarks.processes import QUARTERDECK, command, cpu_seconds, cpu_spent, status, tree, wait_for_engine, wait_until
from benchmarks.report import Figure, Section, percentile, percentiles
from benchmarks.terminal import Pictures, Terminal, terminal
from benchmarks.training import settings_toml
from core.home.folder import Home

FIRST_PAINT_MS = 600.0
PAUSE_MS = 100.0
PAINTS = 10
KEYS = 60
PAUSES = 20
STEADY_S = 20.0
BARE_APP = (sys.executable, "-m", "benchmarks.bare_app")

# Each key brings a picture that holds the text beside it, and the one before does not.
_ECHOES = (("?", "Safety keys: upper case"), ("?", ""), ("8", "▸8 Log"), ("1", ""))


def run_command(home: Home, speed: str) -> tuple[str, ...]:
    return (*QUARTERDECK, "run", "--home", str(home.root), "--speed", speed)


def first_paint(command_line: Sequence[str], mark: bytes) -> float:
    """Milliseconds from the start of a program to the picture that holds `mark`, as the terminal shows it."""
    with terminal(command_line) as shown:
        wait_until(lambda: shown.wrote(mark), f"{mark!r} on the screen", every_s=0.01)
        time.sleep(0.1)
    seen = Pictures(shown.chunks).first_with(lambda text: mark.decode() in text)
    if seen is None:
        raise RuntimeError(f"the terminal got {mark!r} but never showed it")
    return (seen - shown.started_ns) / 1e6


def first_paints(home: Home, count: int) -> tuple[list[float], list[float]]:
    """Of the console and of a bare Textual program in turn; `home` was used before, so that the caches are warm."""
    console, bare = [], []
    for _ in range(count):
        console.append(first_paint(run_command(home, "60"), b"STARTING"))
        bare.append(first_paint(BARE_APP, b"READY"))
    return console, bare


Typed = list[tuple[int, Callable[[str], bool]]]
"""When a key was typed, and what tells the picture it asks for."""


def key_echoes(shown: Terminal, bare: Terminal, count: int, rest_s: float) -> tuple[list[float], list[float]]:
    """Milliseconds from a key to the picture it asks for, of the console and of the bare program, typed in turn."""
    pause = random.Random(1)
    console_keys: Typed = []
    bare_keys: Typed = []
    for number in range(count):
        key, mark = _ECHOES[number % len(_ECHOES)]
        gone = _ECHOES[(number - 1) % len(_ECHOES)][1]
        console_keys.append((shown.press(key), _shows(mark) if mark else _lacks(gone)))
        time.sleep(rest_s * pause.uniform(0.35, 0.65))
        letter = "ab"[number % 2]
        bare_keys.append((bare.press(letter), _shows(f"key {letter}")))
        time.sleep(rest_s * pause.uniform(0.35, 0.65))
    return _answers(shown, console_keys), _answers(bare, bare_keys)


def _answers(shown: Terminal, typed: Typed) -> list[float]:
    pictures = Pictures(list(shown.chunks))
    found = []
    for number, (at_ns, seen) in enumerate(typed):
        pictures.forward_to(at_ns)
        until_ns = typed[number + 1][0] if number + 1 < len(typed) else None
        time_ns = pictures.first_with(seen, until_ns)
        if time_ns is None:
            raise RuntimeError(f"key {number} was not answered before the next")
        found.append((time_ns - at_ns) / 1e6)
    return found


def _shows(mark: str) -> Callable[[str], bool]:
    return lambda text: mark in text


def _lacks(mark: str) -> Callable[[str], bool]:
    return lambda text: mark not in text


def pauses(shown: Terminal, home: Home, count: int, rest_s: float) -> list[float]:
    """Milliseconds from typing `P` until another process reads the accepted command in the journal."""
    wait = random.Random(2)
    found = []
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as journal:

        def journalled() -> int:
            row = journal.execute("SELECT count(*) FROM operator_commands WHERE verb = 'pause'").fetchone()
            return int(row[0])

        for _ in range(count):
            had = journalled()
            at_ns = shown.press("P")
            wait_until(lambda had=had: journalled() > had, "the pause in the journal", every_s=0.001)  # type: ignore[misc]
            found.append((time.perf_counter_ns() - at_ns) / 1e6)
            wait_until(lambda: status(home)["state"] == "paused", "the pause in the status")
            command(home, "resume")
            time.sleep(rest_s * wait.uniform(0.7, 1.3))
    return found


@dataclass(frozen=True, slots=True)
class Steady:
    bytes_per_s: float
    console_cpu_pct: float
    tree_cpu_pct: float


def steady(shown: Terminal, seconds: float) -> Steady:
    """What an open console costs while the market runs and nobody types."""
    pid = shown.process.pid
    began, had, before = time.perf_counter(), shown.bytes_written(), cpu_seconds(pid)
    time.sleep(seconds)
    spent_s, after = time.perf_counter() - began, cpu_seconds(pid)
    return Steady(
        (shown.bytes_written() - had) / spent_s,
        100.0 * (after[pid] - before[pid]) / spent_s,
        100.0 * cpu_spent(before, after) / spent_s,
    )


def with_engine(home: Home, speed: str, act: Callable[[Terminal], None], *, workers: bool) -> None:
    """Run the console on `home` and `act` once its engine trades and, with `workers`, all of those have started."""
    with terminal(run_command(home, speed)) as shown:
        try:
            wait_for_engine(home, shown.process)
        except TimeoutError as error:
            raise RuntimeError(f"{error}; the console shows: {Pictures(shown.chunks).last_lines(3)}") from error
        if workers:
            wait_until(lambda: len(tree(shown.process.pid)) > 4, "the workers to start")
        wait_until(lambda: status(home)["feed_age_ms"] is not None, "the market to run")
        time.sleep(0.5)
        act(shown)


def run(
    paints: int = PAINTS,
    keys: int = KEYS,
    pause_count: int = PAUSES,
    steady_s: float = STEADY_S,
    settings: str | None = None,
    rest_s: float = 0.5,
    workers: bool = True,
) -> Section:
    echoes: list[float] = []
    bare_echoes: list[float] = []
    paused: list[float] = []
    costs: list[Steady] = []

    def type_keys(shown: Terminal) -> None:
        with terminal(BARE_APP) as other:
            wait_until(lambda: other.wrote(b"READY"), "the bare program")
            of_console, of_bare = key_echoes(shown, other, keys, rest_s)
        echoes.extend(of_console)
        bare_echoes.extend(of_bare)
        paused.extend(pauses(shown, home, pause_count, rest_s))

    with temporary_home(settings or "") as home:
        with_engine(home, "60", lambda shown: costs.append(steady(shown, steady_s)), workers=workers)
        console, bare = first_paints(home, paints)
    with temporary_home(settings_toml(1_000) if settings is None else settings) as home:
        with_engine(home, "600", type_keys, workers=workers)
    bare_ms = percentile(bare, 50)
    figures = [
        Figure("first picture, median", percentile(console, 50), "ms", FIRST_PAINT_MS),
        Figure("first picture, max", percentile(console, 100), "ms"),
        Figure("reference: first picture of a bare Textual app, median", bare_ms, "ms"),
        Figure("first picture, times the reference", percentile(console, 50) / bare_ms, "x"),
        *percentiles("key to picture, speed 600, training", echoes, "ms", (50, 95, 100)),
        *percentiles("reference: key to picture of the bare app at that time", bare_echoes, "ms", (50, 95, 100)),
        *percentiles("P to journal, speed 600, training", paused, "ms", (50, 95, 100), {95: PAUSE_MS}),
        Figure("written to the terminal at speed 60", costs[0].bytes_per_s, "bytes/s"),
        Figure("processor time at speed 60, console and engine", costs[0].console_cpu_pct, "% of one core"),
        Figure("processor time at speed 60, workers included", costs[0].tree_cpu_pct, "% of one core"),
    ]
    note = f"120 x 40; {paints} starts in turn with the reference, {keys} keys, {pause_count} pauses"
    return Section("console", "what the operator feels", tuple(figures), (note,))
