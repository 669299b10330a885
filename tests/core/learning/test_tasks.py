from __future__ import annotations

import math
from pathlib import Path

import pytest

from core.domain.errors import ModelError
from core.domain.trading import Contribution
from core.learning import tasks
from core.learning.protocol import Outlook
from core.learning.tasks import ModelHome, predict_batch
from core.strategy.declaration import ModelSpec
from tests.core.learning.test_forecaster import bars

FINE = Outlook(3.0, 0.6)


class Told:
    """A model that answers what it was made with."""

    def __init__(self, outlook: Outlook, contribution: Contribution) -> None:
        self._outlook = outlook
        self._contribution = contribution

    def predict(self, _: object) -> Outlook:
        return self._outlook

    def explain(self, *_: object) -> tuple[Contribution, ...]:
        return (self._contribution,)


@pytest.mark.parametrize(
    ("outlook", "moved", "is_fine"),
    [
        (FINE, 1.0, True),
        (Outlook(math.nan, 0.6), 1.0, False),
        (Outlook(math.inf, 0.6), 1.0, False),
        (Outlook(3.0, math.nan), 1.0, False),
        (Outlook(3.0, 1.5), 1.0, False),
        (FINE, math.nan, False),
    ],
)
def test_an_answer_that_is_no_forecast_is_a_model_error(
    outlook: Outlook, moved: float, is_fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(outlook, Contribution("close", 1.0, moved))
    monkeypatch.setattr(tasks, "_model", lambda *_: told)
    home = ModelHome(Path("nowhere"), "toy", ModelSpec("toy", "{}"))
    (answer,) = predict_batch(home, [(bars("BTCUSDT", 4), "v1")])
    assert isinstance(answer, Outlook) is is_fine
    if not is_fine:
        assert isinstance(answer, ModelError)
        assert str(answer).endswith("which is no forecast; retrain BTCUSDT")
