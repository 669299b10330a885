"""A day of walk-forward with a model trained anew every hour: how much of it is LightGBM at work."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.market import DATA, temporary_home
from benchmarks.processes import Measured, measured
from benchmarks.report import Figure, Section
from benchmarks.timed_scalper import FILE
from benchmarks.year import COMPILED, TIMEOUT_S
from core.home.folder import Home
from storage.recorded import open_recorded

TARGET_SHARE_PCT = 85.0
PRESET = "48h-24h-60m"
FROM, HOURS = "2025-06-07", 24
QUICK_HOURS = 3
Settings = tuple[str, ...]
SCHEMES: Mapping[str, Settings] = {
    "early stopping": (),
    "every tree grown": ("max_trees=1000", "early_stopping_rounds=1000"),
}
TIMED = (sys.executable, "-m", "benchmarks.timed_command")


def walk(home: Home, calls: Path, hours: int, settings: Settings = ()) -> Measured:
    """Raises RuntimeError where it fails or leaves a bar out."""
    until = f"{FROM}T{hours:02d}:00" if hours < 24 else "2025-06-08"
    overrides = tuple(f"--set={setting}" for setting in settings)
    took = measured(
        (
            *TIMED,
            "walkforward",
            "scalper",
            f"--preset={PRESET}",
            "--market=recorded",
            "--symbol=BTCUSDT",
            f"--from={FROM}",
            f"--to={until}",
            "--json",
            "--progress=off",
            f"--home={home.root}",
            *overrides,
        ),
        TIMEOUT_S,
        {**COMPILED, FILE: str(calls)},
    )
    row = json.loads(took.output)
    if row["status"] != "complete":
        raise RuntimeError(f"the walk-forward ended {row['status']}")
    return took


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls of one kind took together, by the wall and by the processor."""

    calls: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


def seconds_of(calls: Path) -> dict[str, Spent]:
    """By kind. Raises RuntimeError where nothing was trained."""
    found = {"train": Spent(), "predict": Spent(), "text": Spent()}
    for line in calls.read_text(encoding="utf-8").splitlines() if calls.exists() else ():
        kind, wall_s, cpu_s = line.split()
        known = found[kind]
        found[kind] = Spent(known.calls + 1, known.wall_s + float(wall_s), known.cpu_s + float(cpu_s))
    if not found["train"].calls:
        raise RuntimeError("no training of LightGBM was seen in the workers")
    return found


def run(
    *, full: bool = False, hours: int | None = None, schemes: Mapping[str, Settings] = SCHEMES, warm: bool = True
) -> Section:
    """`warm` walks an hour that is not counted."""
    chosen = hours or (HOURS if full else QUICK_HOURS)
    figures: list[Figure] = []
    with temporary_home() as home:
        open_recorded(home.recorded, DATA, now_ms=0)
        calls = home.root.parent / "calls"
        if warm:
            walk(home, calls, 1, ("max_trees=2",))
        for scheme, settings in schemes.items():
            calls.unlink(missing_ok=True)
            figures += figures_of(scheme, chosen, walk(home, calls, chosen, settings), seconds_of(calls))
    notes = (
        "the real command; in all its processes a clock stands around every call of LightGBM (train, predict, save), "
        "whose seconds are added up: trainings go on beside each other and beside the engine, so shares can pass 100 %",
        f"{PRESET} on BTCUSDT of the recorded market from {FROM}, {chosen} h, trained hourly; trainings are made ahead "
        "of the run, in its own process while they are short, else in one a core",
        "with early stopping the recorded market lets trees grow for a tenth of a second a model: start, a prediction "
        "with its explanation every minute, and the engine take the rest",
    )
    return Section("walkday", "a walk-forward day with hourly trainings", tuple(figures), notes)


def figures_of(scheme: str, hours: int, took: Measured, spent: dict[str, Spent]) -> list[Figure]:
    """The quick form has no target: the start of the command weighs more in it than in a day."""
    label = f"{scheme}, {'the day' if hours == HOURS else f'QUICK FORM {hours} h'}"
    wall_s, training_s = took.wall_s, spent["train"].wall_s
    library_s = sum(item.wall_s for item in spent.values())
    trainings, predictions = spent["train"].calls, spent["predict"].calls
    goal = TARGET_SHARE_PCT if hours == HOURS else None
    return [
        Figure(f"{label}: the whole command", wall_s, "s"),
        Figure(f"{label}: reference: LightGBM's training within it", training_s, "s"),
        Figure(f"{label}: share of LightGBM, training and predictions", 100.0 * library_s / wall_s, "%", at_least=goal),
        Figure(f"{label}: share of its training alone", 100.0 * training_s / wall_s, "%"),
        Figure(f"{label}: trainings", float(trainings), "calls"),
        Figure(f"{label}: one training in LightGBM", 1e3 * training_s / trainings, "ms"),
        Figure(f"{label}: predictions and explanations in LightGBM", float(predictions), "calls"),
        Figure(f"{label}: one of them in LightGBM", 1e3 * spent["predict"].wall_s / max(1, predictions), "ms"),
        Figure(f"{label}: all else: start, features, pipes, engine, result", wall_s - library_s, "s"),
        Figure(f"{label}: LightGBM's processor time", sum(item.cpu_s for item in spent.values()), "s"),
        Figure(f"{label}: processor time, workers included", took.cpu_s, "s"),
    ]
