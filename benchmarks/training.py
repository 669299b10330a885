"""The engine's own event loop while thousand-tree models are trained beside it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.market import temporary_home
from benchmarks.processes import child, cpu_seconds, cpu_spent, status, tree, wait_for_engine, wait_until
from benchmarks.report import Figure, Section, percentile, percentiles
from core.home.folder import Home

TARGET_P99_MS = 5.0
SECONDS = 60.0
SPEED = "60"
TREES = 1_000


def settings_toml(trees: int, window_hours: int = 48) -> str:
    """Every tree is grown, and the next training is asked for as soon as one is delivered.

    Delivery is five market minutes after the request, five seconds at the speed used, so that trainings take most of
    the time and yet the market seldom waits for one.
    """
    return f"""
[scalper]
max_trees = {trees}
early_stopping_rounds = {trees}
retrain_minutes = 1
window_hours = {window_hours}

[engine]
training_delay_seconds = 300
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """`published_ms` is the p99 that the engine tells; `training_cores` the processor time of its workers by time."""

    engine_ms: list[float]
    bare_ms: list[float]
    published_ms: float
    training_cores: float
    engine_cores: float
    speed: float
    trained: int


def watch(home: Home, seconds: float, speed: str = SPEED) -> Watched:
    engine_file, bare_file = home.root.parent / "engine.json", home.root.parent / "bare.json"
    probe = (sys.executable, "-m", "benchmarks.lag_probe")
    run = ("run", "--headless", "--home", str(home.root), "--speed", speed, "--log-level", "error")
    with child((*probe, str(engine_file), *run)) as engine:
        wait_for_engine(home, engine)
        wait_until(lambda: len(tree(engine.pid)) > 3, "the training workers to start")
        with child((*probe, str(bare_file))):
            wait_until(bare_file.exists, "the bare ticker to start")
            began, before, cpu_before = time.perf_counter(), status(home), cpu_seconds(engine.pid)
            time.sleep(seconds)
            spent_s, after, cpu_after = time.perf_counter() - began, status(home), cpu_seconds(engine.pid)
    own_s = cpu_after[engine.pid] - cpu_before[engine.pid]
    kept = round(seconds * 50)
    return Watched(
        engine_ms=_samples(engine_file)[-kept:],
        bare_ms=_samples(bare_file),
        published_ms=after["loop_lag_ms"],
        training_cores=(cpu_spent(cpu_before, cpu_after) - own_s) / spent_s,
        engine_cores=own_s / spent_s,
        speed=(after["as_of_ms"] - before["as_of_ms"]) / 1e3 / spent_s,
        trained=sum(1 for _ in home.models.rglob("manifest.json")),
    )


def _samples(path: Path) -> list[float]:
    found: list[float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(seconds: float = SECONDS, trees: int = TREES, window_hours: int = 48) -> Section:
    with temporary_home(settings_toml(trees, window_hours)) as home:
        seen = watch(home, seconds)
    target_ms = max(TARGET_P99_MS, percentile(seen.bare_ms, 99))
    figures = percentiles("loop lag of the engine", seen.engine_ms, "ms", (50, 99, 100), {99: target_ms})
    figures.append(Figure("loop lag as the engine tells it, p99 of a minute", seen.published_ms, "ms"))
    figures += percentiles("reference: loop lag of a bare asyncio ticker", seen.bare_ms, "ms", (50, 99, 100))
    figures += [
        Figure("processor time of training and inference workers", 100.0 * seen.training_cores, "% of one core"),
        Figure("processor time of the engine", 100.0 * seen.engine_cores, "% of one core"),
        Figure("speed reached", seen.speed, "x"),
        Figure("models trained since the start", float(seen.trained), "models"),
    ]
    notes = (
        f"{seconds:g} s at --speed {SPEED} with 5 symbols, {trees:,} trees a model, training all the time",
        f"target: {TARGET_P99_MS:g} ms, or what the bare ticker has where the machine gives even that no better",
    )
    return Section("training", "the engine's loop while models train", tuple(figures), notes)
