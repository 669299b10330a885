"""Models whose workers answer at once, after five seconds or never, or die at each question, and train all the while.

`kind` of the options is one of KINDS; a training takes `training_s` of one core.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from core.domain.forecast import Contribution
from core.learning.protocol import Fit, SavedModel
from core.ports import BarColumns

KINDS = ("at once", "after 5 s", "never", "dies")
_SLOW_S = 5.0


class SlowModel:
    def __init__(self, kind: str) -> None:
        self._kind = kind

    def predict(self, window: BarColumns) -> tuple[float]:
        if self._kind == "after 5 s":
            time.sleep(_SLOW_S)
        while self._kind == "never":
            time.sleep(_SLOW_S)
        if self._kind == "dies":
            os._exit(9)
        rose = window.close[-1] > window.close[-2]
        return (20.0 if rose else -20.0,)

    def explain(self, window: BarColumns, top: int) -> tuple[Contribution, ...]:
        return ()

    def save(self) -> SavedModel:
        return SavedModel({"kind.json": json.dumps(self._kind).encode()}, {})


class SlowLearner:
    feature_names = ("close",)

    def __init__(self, options: dict[str, Any]) -> None:
        self._kind = str(options["kind"])
        self._training_s = float(options["training_s"])

    def fit(self, window: BarColumns, seed: int) -> Fit:
        began = time.process_time()
        while time.process_time() - began < self._training_s:
            sum(range(10_000))
        return Fit(SlowModel(self._kind), True, "", {"trained_s": self._training_s})

    def load(self, saved: SavedModel) -> SlowModel:
        return SlowModel(json.loads(saved.files["kind.json"]))

    def warm_up(self) -> None: ...


def create_learner(options: dict[str, Any]) -> SlowLearner:
    return SlowLearner(options)
