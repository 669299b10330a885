"""One seed: its plan drawn, its hour run on a virtual loop, and what came of it."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulation.latches import DAY_MS
from tests.simulation.loop import StuckError, VirtualLoop, end_all
from tests.simulation.plan import add_crossings, add_people, make_plan, tight_limits
from tests.simulation.run import EPISODE_EVERY_MS, QUIET_MS, Hour, Result
from tests.simulation.telling import HOUR_MS, START_MS, quiet_machine
from tests.simulation.transport import virtual_ccxt


def run_seed(
    seed: int,
    *,
    hours: float = 1.0,
    whole_trace: bool = False,
    told: bool = False,
    people: bool = False,
    crossings: bool = False,
    models: bool = False,
    ladder: bool = False,
    several: bool = False,
) -> Result:
    """The result of one seed; what goes wrong is in it, never raised. `people` says whether they act, `crossings`
    whether ours cross on purpose, `models` whether slow ones forecast instead of a rule, `ladder` whether a trade has
    several targets, and exits that reduce it and add to it, `several` whether two strategies trade."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = _run_hour(
        seed,
        int(hours * HOUR_MS),
        whole_trace=whole_trace,
        told=told,
        people=people,
        crossings=crossings,
        models=models,
        ladder=ladder,
        several=several,
    )
    with _unheard():
        gc.collect()
    result.wall_s, result.cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return result


def _run_hour(
    seed: int,
    length_ms: int,
    *,
    whole_trace: bool,
    told: bool,
    people: bool,
    crossings: bool,
    models: bool,
    ladder: bool,
    several: bool,
) -> Result:
    plan = make_plan(seed, length_ms, QUIET_MS, EPISODE_EVERY_MS)
    if people:
        plan = add_people(plan, seed, length_ms, QUIET_MS)
    if crossings:
        plan = add_crossings(plan, seed, length_ms, QUIET_MS, DAY_MS - START_MS % DAY_MS)
    limits = tight_limits(seed) if crossings else {}
    loop = VirtualLoop(f"loop {seed}")
    asyncio.set_event_loop(loop)
    kinds = {"models": models, "ladder": ladder, "several": several}
    hour = Hour(loop, seed, length_ms, plan, limits, whole_trace=whole_trace, told=told, **kinds)
    result = hour.result
    result.had_people, result.had_crossings = people, crossings
    result.had_models, result.had_ladder, result.had_several = models, ladder, several
    hour.world.piles_up = not crossings
    loop.set_exception_handler(lambda _, what: hour.note_stray(what))
    try:
        with virtual_ccxt(hour.world.clock), quiet_machine(hour.told):
            try:
                loop.run_until_complete(hour.run())
            except StuckError as error:
                result.problems.append(f"stuck: {error}")
            except Exception:  # noqa: BLE001 - a seed that breaks the harness is a finding like any other
                result.problems.append(f"the simulation broke: {traceback.format_exc()}")
            result.virtual_s = loop.time()
            loop.set_exception_handler(lambda _, what: None)
            with _unheard():
                end_all(loop)
    finally:
        hour.imports.end()
        asyncio.set_event_loop(None)
        loop.close()
    return result


@contextmanager
def _unheard() -> Iterator[None]:
    """What a killed process's coroutines say when they are taken apart is of no account."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = hook
