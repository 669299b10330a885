"""Forecasts that are given: of the outputs that are decided on, or refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.forecast import Output
from core.domain.market import MINUTE_MS
from core.lab.checks.run import values_of
from core.lab.data.history import History
from core.lab.run import fixed_predictions
from core.lab.run.fixed_predictions import known_values
from core.lab.run.overrides import with_overrides
from core.lab.run.result import UNNAMED, ForecastColumns, RunResult, forecast_columns
from core.settings.schema import Settings
from core.strategy.loading import load_strategy
from tests.core.lab.markets import random_history
from tests.core.lab.samples import curve_of, run_of
from tests.declared import ONE, SURE, declared

OTHERS = (Output("p_up", "probability"),)


@pytest.fixture(scope="module")
def history() -> History:
    return random_history(np.random.default_rng(1), 1, 60, gaps=False)


def run_that_said(history: History, told: ForecastColumns) -> RunResult:
    found = run_of(curve_of(np.full(3, 10_000.0), MINUTE_MS))
    return RunResult(**{**{n: getattr(found, n) for n in found.__slots__}, "predictions": {history.symbols[0]: told}})


def at(history: History, *slots: int) -> np.ndarray:
    return history.open_time_ms[list(slots)] + history.interval_ms


def test_each_output_comes_back_at_its_slot_and_as_late_as_is_asked_for(history: History) -> None:
    said = np.array([[9.0, 0.6], [np.nan, 0.7]])
    run = run_that_said(history, forecast_columns(SURE, at(history, 10, 59), said))
    values = values_of(run, history, SURE)[history.symbols[0]]
    np.testing.assert_array_equal(values[[10, 59]], said)
    assert np.count_nonzero(~np.isnan(values)) == 3
    late = values_of(run, history, SURE, delay_bars=1)[history.symbols[0]]
    np.testing.assert_array_equal(late[11], said[0])
    assert np.count_nonzero(~np.isnan(late)) == 2


def test_a_run_of_before_outputs_had_names_is_the_first_one(history: History) -> None:
    old = ForecastColumns(at(history, 10), np.array([[9.0]]), np.array([UNNAMED]), np.array(["bps"]))
    values = values_of(run_that_said(history, old), history, SURE)[history.symbols[0]]
    assert values[10, 0] == 9.0
    assert np.isnan(values[:, 1]).all()


def test_a_run_of_other_outputs_is_refused_by_their_names(history: History) -> None:
    run = run_that_said(history, forecast_columns(OTHERS, at(history, 10), np.array([[0.6]])))
    with pytest.raises(BadInputError, match=r"the run forecast p_up, and forecast, p_sign is decided on; run the back"):
        values_of(run, history, SURE)


def test_values_of_another_shape_are_refused_by_the_names_of_what_is_decided_on(history: History) -> None:
    given = {history.symbols[0]: np.zeros((len(history), 1))}
    assert known_values(given, history, declared("one", outputs=ONE)).shape == (1, len(history), 1)
    with pytest.raises(BadInputError, match="two decides on forecast, p_sign of 60 bars"):
        known_values(given, history, declared("two", outputs=SURE))


def test_a_rule_says_the_same_however_many_bars_are_folded_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_overrides(Settings(), "ema_cross", (("fast_bars", 3), ("slow_bars", 6)))
    rule = load_strategy("ema_cross", settings)
    market = random_history(np.random.default_rng(3), 3, 400, gaps=True)
    whole = fixed_predictions.rule_values(rule, market)
    assert np.count_nonzero(~np.isnan(whole)) > 20
    assert np.isnan(whole[np.isnan(market.close)]).all()
    monkeypatch.setattr(fixed_predictions, "_AT_ONCE", 7)
    np.testing.assert_array_equal(fixed_predictions.rule_values(rule, market), whole)
