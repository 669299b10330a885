"""A day of walk-forward with a model trained anew every hour: how much of it is LightGBM at work."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.market import DATA, temporary_home
from benchmarks.processes import Measured, measured
from benchmarks.report import Figure, Section
from benchmarks.timed_scalper import FILE
from benchmarks.year import COMPILED, TIMEOUT_S
from core.home import Home
from storage.data_admin import import_recorded_market
from storage.database import open_database

TARGET_SHARE_PCT = 85.0
PRESET = "48h-24h-60m"
FROM, HOURS = "2025-06-07", 24
QUICK_HOURS = 3
TIMED = (sys.executable, "-m", "benchmarks.timed_command")


def walk(home: Home, calls: Path, hours: int, settings: tuple[str, ...] = ()) -> Measured:
    """Raises RuntimeError where it fails or leaves a bar out."""
    until = f"{FROM}T{hours:02d}:00" if hours < 24 else "2025-06-08"
    overrides = tuple(f"--set={setting}" for setting in settings)
    took = measured(
        (
            *TIMED,
            "walkforward",
            "scalper",
            f"--preset={PRESET}",
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


def seconds_of(calls: Path) -> dict[str, tuple[int, float, float]]:
    """By kind: calls, seconds of the wall, seconds of the processor. Raises RuntimeError where nothing was trained."""
    found: dict[str, tuple[int, float, float]] = {
        "train": (0, 0.0, 0.0),
        "predict": (0, 0.0, 0.0),
        "text": (0, 0.0, 0.0),
    }
    lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    for line in lines:
        kind, wall_s, cpu_s = line.split()
        count, wall, cpu = found[kind]
        found[kind] = (count + 1, wall + float(wall_s), cpu + float(cpu_s))
    if not found["train"][0]:
        raise RuntimeError("no training of LightGBM was seen in the workers")
    return found


def run(*, full: bool = False, hours: int | None = None, settings: tuple[str, ...] = (), warm: bool = True) -> Section:
    """`warm` walks an hour that is not counted."""
    chosen = hours or (HOURS if full else QUICK_HOURS)
    with temporary_home() as home:
        calls = home.root.parent / "calls"
        import_recorded_market(open_database(home.database), DATA, now_ms=0)
        if warm:
            walk(home, calls, 1, ("max_trees=2", *settings))
            calls.unlink()
        took = walk(home, calls, chosen, settings)
        spent = seconds_of(calls)
    wall_s = took.wall_s
    training_s = spent["train"][1]
    library_s = sum(wall for _, wall, _ in spent.values())
    whole = chosen == HOURS and not settings
    label = "the day" if whole else f"QUICK FORM, {chosen} h of the day"
    figures = (
        Figure(f"{label}: the whole command", wall_s, "s"),
        Figure(f"{label}: reference: LightGBM training within it", training_s, "s"),
        Figure(
            f"{label}: share of LightGBM, training and predictions",
            100.0 * library_s / wall_s,
            "%",
            at_least=TARGET_SHARE_PCT if whole else None,
        ),
        Figure(f"{label}: share of its training alone", 100.0 * training_s / wall_s, "%"),
        Figure("trainings", float(spent["train"][0]), "calls"),
        Figure("one training in LightGBM", 1e3 * training_s / spent["train"][0], "ms"),
        Figure("predictions and explanations in LightGBM", float(spent["predict"][0]), "calls"),
        Figure("one of them in LightGBM", 1e3 * spent["predict"][1] / max(1, spent["predict"][0]), "ms"),
        Figure("everything else: start, features, workers' pipes, engine, result", wall_s - library_s, "s"),
        Figure("LightGBM's processor time", sum(cpu for _, _, cpu in spent.values()), "s"),
        Figure("processor time of the command's own process", took.cpu_s, "s"),
    )
    notes = (
        "the real command; in its workers a clock stands around every call of LightGBM (train, predict, save), whose "
        "seconds are added up. Of a training that runs while the engine goes on, all counts",
        f"{PRESET} on BTCUSDT of the recorded market from {FROM}, {chosen} hours"
        + (f", {settings}" if settings else ""),
    )
    return Section("walkday", "a walk-forward day with hourly trainings", figures, notes)
