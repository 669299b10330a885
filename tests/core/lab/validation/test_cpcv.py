"""Cross-validation over many paths: skill that is there is found, skill that is not is not made."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core.arithmetic.days import DAY_MS
from core.compute.pool import Compute
from core.domain.errors import BadInputError, TaskError
from core.domain.forecast import Output
from core.domain.market import MINUTE_MS
from core.lab.validation.cpcv import CrossValidation, Ground, check_strategy, cross_validate
from core.ports import BarColumns
from core.strategy.declaration import Analyst, Lifecycle, ModelSpec, Part, Rule, Strategy
from tests.core.lab.walks import FROM_MS
from tests.core.learning import toy
from tests.declared import Vector, declared, with_part

HERE = Compute(jobs=1)
BARS = 1_500


def strategy(needed_bps: float = 2.0, min_rows: int = 10) -> Strategy:
    return declared(
        "linear",
        needed_bps=needed_bps,
        lookback_bars=2,
        horizon_ms=MINUTE_MS,
        lifecycle=Lifecycle(BARS * MINUTE_MS, MINUTE_MS),
        source=ModelSpec("tests.core.lab.linear_learner", json.dumps({"min_rows": min_rows})),
    )


def ground(window: BarColumns) -> Ground:
    return Ground({"main": window}, {})


def market(carry: float, seed: int = 1, bars: int = BARS, interval_ms: int = MINUTE_MS) -> BarColumns:
    """Returns of 10 bps a bar, of which the next bar carries `carry` on."""
    noise = np.random.default_rng(seed).normal(0.0, 10.0, bars)
    moves = np.empty(bars)
    moves[0] = noise[0]
    for i in range(1, bars):
        moves[i] = carry * moves[i - 1] + noise[i]
    close = 100.0 * np.cumprod(1.0 + moves / 1e4)
    times = FROM_MS + np.arange(bars, dtype=np.int64) * interval_ms
    return BarColumns("S", interval_ms, times, close, close, close, close, np.ones(bars))


def validated(found: CrossValidation | None) -> CrossValidation:
    assert found is not None
    return found


def test_every_path_covers_every_row_once_and_finds_the_skill_that_is_there() -> None:
    heard: list[tuple[int, int]] = []
    found = validated(
        cross_validate(
            strategy(), ground(market(0.5)), 1.0, HERE, folds=5, test_folds=2, on_split=lambda *n: heard.append(n)
        )
    )
    assert (found.rows, found.splits, len(found.paths)) == (BARS - 2, 10, 4)
    assert heard == [(done, 10) for done in range(1, 11)]
    assert found.positive_share == 1.0
    assert all(path.trades > 300 and path.mean_net_bps is not None and path.mean_net_bps > 1.0 for path in found.paths)
    assert (np.diff(found.sharpes) >= 0.0).all()


def test_without_skill_every_trade_loses_about_its_costs() -> None:
    found = validated(cross_validate(strategy(0.05), ground(market(0.0)), 5.0, HERE, folds=5))
    for path in found.paths:
        assert path.mean_net_bps == pytest.approx(-5.0, abs=1.5)
        assert path.net_bps == pytest.approx(path.trades * path.mean_net_bps)
    assert found.positive_share == 0.0


def test_what_is_never_decided_on_has_no_figures() -> None:
    found = validated(cross_validate(strategy(1e9), ground(market(0.5)), 1.0, HERE, folds=4, test_folds=1))
    assert [(path.trades, path.net_bps, path.sharpe) for path in found.paths] == [(0, 0.0, None)]
    assert found.positive_share is None


def test_days_are_whole_ones_without_holes_and_a_ratio_of_a_year_needs_thirty_of_them() -> None:
    hours = market(0.5, bars=24 * 32, interval_ms=60 * MINUTE_MS)
    day = int(hours.open_time_ms[0]) // DAY_MS
    # The rows begin an hour in and end within the last day: 30 of the 32 days are whole.
    whole = validated(cross_validate(strategy(), ground(hours), 1.0, HERE, folds=4, test_folds=1))
    assert whole.days == 30
    assert all(path.sharpe is not None and path.errors_above is not None for path in whole.paths)
    holed_ms = np.array([day + 7], np.int64) * DAY_MS
    holed = validated(cross_validate(strategy(), ground(hours), 1.0, HERE, folds=4, test_folds=1, holed_ms=holed_ms))
    assert holed.days == 29
    assert [path.sharpe for path in holed.paths] == [None]
    assert [path.errors_above for path in holed.paths] == [path.errors_above for path in whole.paths]


def test_what_cannot_be_validated_is_told() -> None:
    with pytest.raises(BadInputError, match="has no model to cross-validate"):
        cross_validate(with_part(strategy(), source=None), ground(market(0.5)), 1.0, HERE)
    with pytest.raises(BadInputError, match="its model does not show the rows that it learns from"):
        cross_validate(toy.strategy(), ground(market(0.5)), 1.0, HERE)
    with pytest.raises(TaskError, match=r"split 1: .* rows are too few to learn from"):
        cross_validate(strategy(min_rows=BARS), ground(market(0.5)), 1.0, HERE)


def test_a_stop_leaves_nothing_half_validated() -> None:
    heard: list[int] = []
    found = cross_validate(
        strategy(),
        ground(market(0.5)),
        1.0,
        HERE,
        on_split=lambda done, total: heard.append(done),
        should_stop=lambda: len(heard) == 3,
    )
    assert found is None
    assert heard == [1, 2, 3]


GATE = Part((Output("open", "score"),), 1, Rule(len, 1, ()), name="gate")


def gated(decides_on: tuple[str, ...] = ("gate", "main")) -> Strategy:
    def decide(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
        assert not np.isnan(values).any()
        return (int(np.sign(values[1])) if values[0] > 0.0 and abs(values[1]) > 2.0 else 0), 0.5

    return replace(strategy(), parts=(GATE, strategy().part), decides_on=decides_on, decide=decide)


def test_what_a_rule_says_beside_the_model_is_decided_on_with_it() -> None:
    window = market(0.5)
    alone = validated(cross_validate(strategy(), ground(window), 1.0, HERE, folds=5))
    gate = np.where(np.arange(BARS) % 2, 0.0, 1.0)[:, np.newaxis]
    half = validated(cross_validate(gated(), Ground({"main": window}, {"gate": gate}), 1.0, HERE, folds=5))
    for path, whole in zip(half.paths, alone.paths, strict=True):
        assert 0.4 * whole.trades < path.trades < 0.6 * whole.trades
        assert path.mean_net_bps == pytest.approx(whole.mean_net_bps, abs=1.5)
    gate[:] = np.nan
    silent = validated(cross_validate(gated(), Ground({"main": window}, {"gate": gate}), 1.0, HERE, folds=5))
    assert {path.trades for path in silent.paths} == {0}


def test_two_models_are_trained_on_the_rows_that_both_have_purged_by_the_longer_label() -> None:
    """The first looks 40 bars ahead: beside a test fold 40 rows are purged, of what the second learns from, too; traded
    are the labels of the second."""
    window, ahead = market(0.5), 40
    most = 3 * (BARS - 1 - ahead) // 5 - ahead + 2
    spec = ModelSpec("tests.core.lab.linear_learner", json.dumps({"min_rows": 10, "ahead": ahead, "most_rows": most}))
    other = ModelSpec("tests.core.lab.linear_learner", json.dumps({"min_rows": 10, "most_rows": most}))
    first = replace(strategy().part, name="first", source=spec)
    second = replace(strategy().part, name="second", source=other)

    def decide(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
        return (int(np.sign(values[1])) if abs(values[1]) > 2.0 else 0), 0.5

    both = replace(strategy(), parts=(first, second), decides_on=("first", "second"), decide=decide)
    shown = Ground({"first": window, "second": window}, {})
    found = validated(cross_validate(both, shown, 1.0, HERE, folds=5))
    alone = validated(cross_validate(strategy(), ground(window), 1.0, HERE, folds=5))
    assert found.rows == alone.rows - ahead + 1 == BARS - 1 - ahead
    assert found.positive_share == 1.0
    for path, whole in zip(found.paths, alone.paths, strict=True):
        assert path.mean_net_bps == pytest.approx(whole.mean_net_bps, abs=0.5)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (replace(GATE, inputs=("main",)), "part gate sees what another model says, which only a run has; walk it"),
        (replace(GATE, source=ModelSpec("x", "{}"), inputs=("main",)), "part gate learns from what another model says"),
        (replace(GATE, source=Analyst(list)), "it decides on part gate, an analyst, and cross-validation judges what"),
    ],
)
def test_what_no_past_can_be_asked_of_is_refused_in_a_line(part: Part, told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        check_strategy(replace(gated(), parts=(strategy().part, part), decides_on=("main", "gate")))
    with pytest.raises(BadInputError, match="has no model to cross-validate"):
        check_strategy(gated(decides_on=("gate",)))
