from __future__ import annotations

import math
from pathlib import Path

import pytest

from core.domain.errors import ModelError
from core.domain.forecast import Contribution
from core.learning import tasks
from core.learning.tasks import Answer, ModelHome, predict_batch
from core.strategy.declaration import ModelSpec
from tests.core.learning.test_forecaster import bars
from tests.declared import SURE

FINE = (3.0, 0.6)


class Told:
    """A model that answers what it was made with."""

    def __init__(self, values: tuple[float, ...], contribution: Contribution) -> None:
        self._values = values
        self._contribution = contribution

    def predict(self, _: object) -> tuple[float, ...]:
        return self._values

    def explain(self, *_: object) -> tuple[Contribution, ...]:
        return (self._contribution,)


@pytest.mark.parametrize(
    ("values", "moved", "what"),
    [
        (FINE, 1.0, ""),
        ((math.nan, 0.6), 1.0, ""),
        ((3.0, math.nan), 1.0, ""),
        ((math.nan, math.nan), 1.0, "nothing but NaN"),
        ((math.inf, 0.6), 1.0, "forecast inf, which is no number"),
        ((3.0, 1.5), 1.0, "p_sign 1.5, which is no probability"),
        ((3.0,), 1.0, "1 values for 2 outputs"),
        (FINE, math.nan, "contributions that are no numbers"),
    ],
)
def test_an_answer_that_is_no_forecast_is_a_model_error(
    values: tuple[float, ...], moved: float, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(values, Contribution("close", 1.0, moved))
    monkeypatch.setattr(tasks, "_model", lambda *_: told)
    home = ModelHome(Path("nowhere"), "toy", ModelSpec("toy", "{}"), SURE)
    (answer,) = predict_batch(home, [(bars("BTCUSDT", 4), "v1")])
    if what:
        assert isinstance(answer, ModelError)
        assert str(answer) == f"v1: answers {what}; retrain BTCUSDT"
    else:
        assert isinstance(answer, Answer)
        assert answer.values == tuple(None if math.isnan(value) else value for value in values)
