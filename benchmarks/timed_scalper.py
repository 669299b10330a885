"""The scalper's model with a clock on LightGBM: what a worker of `benchmarks.timed_command` makes its learner from.

Every call of the library is written to a file as it ends: what it was for and its seconds, of the wall and of the
processor. The model itself is the scalper's own, and gives the same.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import lightgbm as lgb

from strategies.scalper import model

FILE = "QUARTERDECK_BENCH_CALLS"


def clocked(kind: str, function: Callable[..., Any], target: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        began, cpu_began = time.perf_counter(), time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            line = f"{kind} {time.perf_counter() - began:.9f} {time.thread_time() - cpu_began:.9f}\n"
            os.write(target, line.encode())

    return call


@functools.cache
def start_clocks() -> None:
    """Once a process. `lightgbm.train` makes its data set and its booster within."""
    target = os.open(os.environ[FILE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    lgb.train = clocked("train", lgb.train, target)
    lgb.Booster.predict = clocked("predict", lgb.Booster.predict, target)
    lgb.Booster.model_to_string = clocked("text", lgb.Booster.model_to_string, target)


def create_learner(options: dict[str, Any]) -> model.ScalperLearner:
    start_clocks()
    return model.create_learner(options)
