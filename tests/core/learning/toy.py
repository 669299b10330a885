"""A model small enough to see through: it forecasts `scale` x the last close, and learns its scale from the seed."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from typing import Any

from core.arithmetic.exits import reversal
from core.domain.errors import ModelError
from core.domain.forecast import Contribution
from core.domain.trading import ExitReason
from core.learning.protocol import Fit, SavedModel
from core.ports import BarColumns
from core.strategy.declaration import ExitRule, Lifecycle, ModelSpec, Strategy
from tests.declared import SURE, declared, never

MINUTE_MS = 60_000
LOOKBACK_BARS = 4
WINDOW_BARS = 10


def strategy(factory: str = __name__, **options: Any) -> Strategy:
    return declared(
        "toy",
        outputs=SURE,
        lookback_bars=LOOKBACK_BARS,
        horizon_ms=MINUTE_MS,
        decide=never,
        exits=(ExitRule(ExitReason.REVERSAL, reversal, 1.0),),
        lifecycle=Lifecycle(window_ms=WINDOW_BARS * MINUTE_MS, retrain_ms=MINUTE_MS, keep_versions=2),
        source=ModelSpec(factory, json.dumps({"feature": "close", **options})),
    )


class ToyModel:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def predict(self, window: BarColumns) -> tuple[float, float] | None:
        if len(window.close) != LOOKBACK_BARS:
            raise AssertionError(f"{len(window.close)} bars instead of the look-back")
        last = float(window.close[-1])
        return (self.scale * last, 0.75) if math.isfinite(last) else None

    def explain(self, window: BarColumns, top: int) -> tuple[Contribution, ...]:
        last = float(window.close[-1])
        return (Contribution("close", last, self.scale * last),)[:top]

    def save(self) -> SavedModel:
        return SavedModel({"scale.json": json.dumps(self.scale).encode()}, {"residual_rmse_bps": 1.0})


class ToyLearner:
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.feature_names = (options["feature"],)

    def fit(self, window: BarColumns, seed: int) -> Fit:
        trap = self._options.get("trap")
        if trap == "raise":
            raise ZeroDivisionError("no such sum")
        if trap and not os.path.exists(trap + ".sprung"):
            spring(trap)
        if trap == "" or len(window.close) != WINDOW_BARS:
            return Fit(None, False, "nothing to learn from")
        return Fit(ToyModel(float(seed)), True, "", {"rmse_bps": float(window.close.sum())}, {"seed": seed})

    def load(self, saved: SavedModel) -> ToyModel:
        return ToyModel(json.loads(saved.files["scale.json"]))

    def warm_up(self) -> None:
        if self._options.get("trap") == "cold":
            raise ModelError("the toy stays cold")


def create_learner(options: dict[str, Any]) -> ToyLearner:
    return ToyLearner(options)


def spring(trap: str) -> None:
    """Tell the worker's id through the pipe `trap` and stay busy for ever; a later call passes by."""
    with open(trap + ".sprung", "x"):
        pass
    tell_and_spin(trap)


def tell_and_spin(pipe: str) -> None:
    tell(pipe)
    spin()


def spin() -> None:
    while True:
        pass


def tell_and_wait(pipe: str) -> None:
    tell(pipe)
    threading.Event().wait()


def tell(pipe: str) -> None:
    with open(pipe, "w") as file:
        file.write(f"{os.getpid()}\n")


def worker_id() -> int:
    return os.getpid()


def worker_ways() -> tuple[int, str, bool]:
    return os.nice(0), os.environ["OMP_NUM_THREADS"], signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def say(text: str) -> int:
    os.write(1, text.encode())
    os.write(2, text.encode())
    return len(text)


def fail(error: Exception) -> None:
    raise error
