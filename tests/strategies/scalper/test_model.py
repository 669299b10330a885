from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.domain.errors import ModelError
from core.domain.market import MINUTE_MS
from core.learning.protocol import Fit, SavedModel
from core.settings.schema import Settings
from strategies.scalper.declaration import build
from strategies.scalper.features import FEATURE_NAMES, LOOKBACK_BARS
from strategies.scalper.model import ScalperLearner, create_learner, labelled_rows, split
from strategies.scalper.signals import decide
from tests.strategies.recorded import COLUMNS, cut, recorded, without

HORIZON_MS = 10 * MINUTE_MS
HISTORY = cut(recorded("ETHUSDT"), 0, LOOKBACK_BARS + 1400)
WINDOW = cut(HISTORY, 0, LOOKBACK_BARS + 1000)


def learner(**scalper: Any) -> ScalperLearner:
    chosen = {"max_trees": 12, "early_stopping_rounds": 12, "max_rmse_ratio": 5.0, **scalper}
    strategy = build(Settings.model_validate({"scalper": chosen}))
    assert strategy.part.model is not None
    return create_learner(json.loads(strategy.part.model.options))


@pytest.fixture(scope="module")
def fit() -> Fit:
    return learner().fit(WINDOW, seed=1)


def test_rows_pair_features_and_labels_of_the_same_bar() -> None:
    rows = labelled_rows(WINDOW, HORIZON_MS)
    assert len(rows) == 1000 + 1 - 10
    assert rows.start_ms[0] == WINDOW.open_time_ms[LOOKBACK_BARS]
    here = LOOKBACK_BARS - 1 + 5
    assert rows.return_bps[5] == 1e4 * (WINDOW.close[here + 10] / WINDOW.close[here] - 1)
    assert rows.features[5, FEATURE_NAMES.index("ret_1m_bps")] == 1e4 * (
        WINDOW.close[here] / WINDOW.close[here - 1] - 1
    )


@pytest.mark.parametrize("validation_pct", [5.0, 20.0, 50.0])
def test_no_training_label_ends_after_validation_starts(validation_pct: float) -> None:
    rows = labelled_rows(WINDOW, HORIZON_MS)
    training, validation = split(rows, validation_pct)
    assert training.end_ms.max() <= validation.start_ms.min()
    assert len(rows) - len(training) - len(validation) == 9
    assert len(validation) == int(len(rows) * validation_pct / 100)
    assert validation.end_ms[-1] == rows.end_ms[-1]


def test_the_purge_holds_across_a_gap() -> None:
    training, validation = split(labelled_rows(without(WINDOW, 900), HORIZON_MS), 20.0)
    assert len(training)
    assert training.end_ms.max() <= validation.start_ms.min()


def test_the_same_bars_and_seed_give_the_same_bytes_and_another_seed_others(fit: Fit) -> None:
    assert fit.model is not None
    first = fit.model.save()
    again, other = learner().fit(WINDOW, seed=1), learner().fit(WINDOW, seed=2)
    assert again.model is not None
    assert other.model is not None
    assert again.model.save() == first
    assert again.metrics == fit.metrics
    assert other.model.save().files != first.files


def test_the_future_of_a_window_does_not_reach_its_model(fit: Fit) -> None:
    longer = cut(HISTORY, 0, len(WINDOW.close) + 200)
    changed = {name: getattr(longer, name).copy() for name in COLUMNS}
    for column in changed.values():
        column[len(WINDOW.close) :] *= 2.0
    assert learner().fit(cut(replace(longer, **changed), 0, len(WINDOW.close)), seed=1).model.save() == fit.model.save()


def test_a_model_predicts_the_same_after_its_way_through_bytes(fit: Fit) -> None:
    live = cut(HISTORY, 900, 900 + LOOKBACK_BARS)
    loaded = learner().load(fit.model.save())
    assert loaded.predict(live) == fit.model.predict(live)
    assert loaded.explain(live, 5) == fit.model.explain(live, 5)
    assert loaded.save() == learner().load(loaded.save()).save()


def test_signals_do_not_change_when_the_future_is_cut_off(fit: Fit) -> None:
    ends = range(LOOKBACK_BARS + 1000, LOOKBACK_BARS + 1400, 13)
    cut_off = [fit.model.predict(cut(HISTORY, 0, end)) for end in ends]
    live = [fit.model.predict(cut(HISTORY, end - LOOKBACK_BARS, end)) for end in ends]
    assert cut_off == live
    median_bps = float(np.median([abs(forecast) for forecast, _ in live]))
    assert len({decide(np.array(said), 0.0, np.array([median_bps, 0.0]))[0] for said in live}) > 1


def test_confidence_is_the_normal_probability_of_the_sign(fit: Fit) -> None:
    forecast, p_sign = fit.model.predict(cut(HISTORY, 900, 900 + LOOKBACK_BARS))
    rmse = fit.model.save().calibration["residual_rmse_bps"]
    assert rmse == fit.metrics["rmse_bps"]
    expected = 0.5 * math.erfc(-abs(forecast) / rmse / math.sqrt(2))
    assert p_sign == pytest.approx(expected)
    assert p_sign > 0.5


def test_contributions_are_the_strongest_first_and_sum_to_the_prediction(fit: Fit) -> None:
    live = cut(HISTORY, 900, 900 + LOOKBACK_BARS)
    everything = fit.model.explain(live, 19)
    sizes = [abs(share.share) for share in everything]
    assert sizes == sorted(sizes, reverse=True)
    assert fit.model.explain(live, 5) == everything[:5]
    other = cut(HISTORY, 950, 950 + LOOKBACK_BARS)
    moved = sum(s.share for s in everything) - sum(s.share for s in fit.model.explain(other, 19))
    assert moved == pytest.approx(fit.model.predict(live)[0] - fit.model.predict(other)[0])
    assert moved != 0.0


def test_a_window_with_a_gap_or_too_few_bars_has_no_prediction(fit: Fit) -> None:
    whole = cut(HISTORY, 0, LOOKBACK_BARS)
    assert fit.model.predict(whole) is not None
    for broken in (without(cut(HISTORY, 0, LOOKBACK_BARS + 1), 300), cut(whole, 1, LOOKBACK_BARS)):
        assert fit.model.predict(broken) is None
        assert fit.model.explain(broken, 5) == ()


def test_validation_refuses_a_model_that_is_worse_than_allowed(fit: Fit) -> None:
    assert (fit.passed, fit.note) == (True, "")
    refused = learner(max_rmse_ratio=0.5).fit(WINDOW, seed=1)
    assert not refused.passed
    assert refused.model is not None
    assert refused.note == f"rmse_ratio {fit.metrics['rmse_ratio']:.4f} is above scalper.max_rmse_ratio 0.5"


def test_validation_refuses_constant_predictions() -> None:
    shuffled = np.random.default_rng(1).permutation(WINDOW.volume)
    still = np.full(len(WINDOW.close), 100.0)
    still[LOOKBACK_BARS + 950 :] = np.linspace(100.0, 110.0, 50)
    fit = learner().fit(replace(WINDOW, open=still, high=still, low=still, close=still, volume=shuffled), seed=1)
    assert (fit.passed, fit.note) == (False, "predictions are constant")


def test_a_market_that_never_moved_makes_no_model() -> None:
    still = np.full(len(WINDOW.close), 100.0)
    fit = learner().fit(replace(WINDOW, open=still, high=still, low=still, close=still), seed=1)
    assert (fit.model, fit.passed) == (None, False)
    assert fit.note == "validation errors are not finite and above zero"


def test_a_window_with_too_few_rows_makes_no_model() -> None:
    fit = learner().fit(cut(WINDOW, 0, LOOKBACK_BARS + 60), seed=1)
    assert (fit.model, fit.passed) == (None, False)
    assert fit.note == "32 training and 10 validation rows are too few: the window has gaps"


@pytest.mark.parametrize(
    "saved",
    [
        SavedModel({}, {"residual_rmse_bps": 1.0}),
        SavedModel({"model.txt": b"not a model"}, {"residual_rmse_bps": 1.0}),
        SavedModel({"model.txt": b"\xff"}, {"residual_rmse_bps": 1.0}),
        SavedModel({"model.txt": b"tree\n" * 10}, {"residual_rmse_bps": 1.0}),
    ],
)
def test_bytes_that_are_no_model_are_refused(saved: SavedModel) -> None:
    with pytest.raises(ModelError, match="not a model of the scalper"):
        learner().load(saved)
