"""One trial: the same figures as the run that it stands for, and a reason where there is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from core.domain.errors import BadInputError, SettingsError
from core.lab.data.history import make_history
from core.lab.data.holes import holed_days
from core.lab.run.evaluation import (
    Attempt,
    Ground,
    check_space,
    evaluate_trial,
    longest_look_back,
    settings_of,
    with_fees,
)
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import RunResult
from core.lab.search.trials import parameter_hash
from core.lab.statistics.statistics import daily_returns, summary
from core.settings.schema import parse_settings
from core.strategy.loading import load_strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.walks import CONTRACT, DAY_MS, FROM_MS, INSTRUMENTS, random_walk

WARM_UP = 800


def ground_of(days: int = 3, strategy: str = "ema_cross", **changes: Any) -> Ground:
    settings = parse_settings({"strategy": strategy, "sizing": {"notional_usdt": 2_000}}, "test")
    history = random_walk(3, days, warm_up_bars=WARM_UP)
    return dataclasses.replace(Ground(history, settings, strategy, load_strategy, INSTRUMENTS), **changes)


def long_way(ground: Ground, parameters: dict[str, Any]) -> RunResult:
    """The same parameters in the engine that trades live."""
    sections: dict[str, dict[str, Any]] = {"ema_cross": {}, "scalper": {}, "costs": {}}
    for key, value in parameters.items():
        section, _, name = key.rpartition(".")
        sections[section or ground.strategy][name] = value
    settings = parse_settings({**ground.settings.model_dump(), **sections}, "test")
    instruments = with_fees(INSTRUMENTS, settings.costs)
    trader = Trader("test", load_strategy(ground.strategy, settings), settings, instruments)
    return run_event_driven(ground.history, trader, journalled_venue(instruments, settings), values=ground.values)


@pytest.mark.parametrize(
    "parameters",
    [
        {"fast_bars": 9, "slow_bars": 30},
        {"fast_bars": 5, "exit": "reverse", "stop_pct": 0.5},
        {"exit": "reverse", "costs.taker_fee_bps": 0.5, "costs.slippage_bps": 2.0},
    ],
)
def test_a_trial_has_the_figures_of_the_event_driven_run(parameters: dict[str, Any]) -> None:
    ground = ground_of()
    trial = evaluate_trial(ground, Attempt(7, parameters))
    result = long_way(ground, parameters)
    told = summary(result, ground.history.interval_ms)
    assert (trial.number, trial.state, trial.note) == (7, "complete", "")
    assert trial.parameter_hash == parameter_hash(ground.settings.model_dump(mode="json"), "ema_cross", parameters)
    assert trial.figures["trades"] == len(result.trades) > 1
    assert trial.first_day_ms == FROM_MS
    assert trial.daily is not None
    assert len(trial.daily) == 3
    assert told.drawdown is not None
    for name, value in (
        ("final_usdt", result.final_usdt),
        ("net_usdt", result.trades.net_usdt.sum()),
        ("total_return_pct", told.total_return_pct),
        ("sharpe_a_day", told.ratios.sharpe_a_day),
        ("sortino_a_day", told.ratios.sortino_a_day),
        ("calmar_a_day", told.ratios.calmar_a_day),
        ("max_drawdown_pct", told.drawdown.depth_pct),
    ):
        assert trial.figures[name] == pytest.approx(value, rel=1e-7), name


def test_days_begun_or_broken_off_are_no_days_of_a_trial() -> None:
    ground = ground_of(4, warm_up_bars=WARM_UP)
    period = (FROM_MS + DAY_MS // 2, FROM_MS + 3 * DAY_MS + DAY_MS // 4)
    trial = evaluate_trial(ground, Attempt(0, {"fast_bars": 9}, period))
    assert trial.daily is not None
    assert (trial.first_day_ms, len(trial.daily), trial.figures["return_days"]) == (FROM_MS + DAY_MS, 2, 2)
    assert (trial.figures["sharpe"], trial.figures["calmar"]) == (None, None)
    assert trial.figures["sharpe_a_day"] is not None
    noon = evaluate_trial(ground, Attempt(1, {"fast_bars": 9}, (period[0], period[0] + DAY_MS)))
    assert (noon.figures["return_days"], noon.figures["sharpe_a_day"], noon.first_day_ms) == (0, None, None)


def test_a_day_with_a_hole_is_no_day_of_a_trial_nor_of_the_run() -> None:
    plain = ground_of(4)
    columns = [getattr(plain.history, name).copy() for name in ("open", "high", "low", "close", "volume")]
    begin = plain.history.first + DAY_MS // plain.history.interval_ms + 300
    for column in columns:
        column[:, begin : begin + 11] = np.nan
    about = (plain.history.source, plain.history.is_synthetic)
    times = plain.history.open_time_ms
    history = make_history(
        plain.history.symbols, plain.history.interval_ms, times, columns, plain.history.first, (), *about
    )
    ground = dataclasses.replace(plain, history=history)
    trial = evaluate_trial(ground, Attempt(0, {"fast_bars": 9}))
    result = long_way(ground, {"fast_bars": 9})
    daily = daily_returns(result.curve, result.initial_usdt, history.interval_ms, holed_days(history))
    assert ((daily.day_ms - FROM_MS) // DAY_MS).tolist() == [0, 2, 3]
    assert trial.daily is not None
    assert trial.daily == pytest.approx(daily.value)
    assert (trial.figures["return_days"], trial.figures["holed_days"], daily.left_out) == (3, 1, 1)
    assert trial.figures["final_usdt"] == pytest.approx(result.final_usdt)


def test_a_trial_that_a_limit_ended_says_so_and_ends_there() -> None:
    ground = ground_of(6)
    chosen = {"fast_bars": 9, "slow_bars": 30, "limits.max_drawdown_pct": 0.3, "limits.max_losses_in_row": 1_000}
    trial = evaluate_trial(ground, Attempt(0, chosen))
    settings = settings_of(ground, chosen)
    instruments = with_fees(INSTRUMENTS, settings.costs)
    trader = Trader("test", load_strategy(ground.strategy, settings), settings, instruments)
    result = run_event_driven(ground.history, trader, journalled_venue(instruments, settings))
    assert result.limits["drawdown"] == 1
    assert result.ended_ms is not None
    assert trial.figures["limit_ended_at_ms"] == result.ended_ms
    days = (result.ended_ms - 1 - FROM_MS) // DAY_MS + 1
    assert trial.daily is not None
    assert len(trial.daily) == days < 6
    told = summary(result, ground.history.interval_ms)
    assert told.ratios.return_days == days
    assert trial.figures["calmar_a_day"] == pytest.approx(told.ratios.calmar_a_day)


def test_an_impossible_set_is_a_failed_trial_with_its_reason() -> None:
    trial = evaluate_trial(ground_of(), Attempt(2, {"fast_bars": 30, "slow_bars": 30}))
    assert (trial.state, trial.figures, trial.daily) == ("failed", {}, None)
    assert trial.note == "ema_cross.fast_bars must be below ema_cross.slow_bars"


def test_trials_do_not_hang_on_what_a_worker_tried_before() -> None:
    ground = ground_of()
    sets = [
        {"fast_bars": 9, "costs.taker_fee_bps": fee, "exit": way} for fee in (0, 8) for way in ("bracket", "reverse")
    ]
    first = [evaluate_trial(ground, Attempt(n, chosen)).figures for n, chosen in enumerate(sets)]
    again = [evaluate_trial(ground, Attempt(n, chosen)).figures for n, chosen in reversed(list(enumerate(sets)))]
    assert first == again[::-1]
    assert len({figures["final_usdt"] for figures in first}) == 4


def test_a_period_is_tried_as_a_history_of_its_own() -> None:
    ground = ground_of(warm_up_bars=WARM_UP)
    period = (FROM_MS + DAY_MS, FROM_MS + 2 * DAY_MS)
    alone = dataclasses.replace(ground, history=ground.history.between(*period, WARM_UP))
    trial = evaluate_trial(ground, Attempt(0, {"fast_bars": 9}, period))
    expected = evaluate_trial(alone, Attempt(0, {"fast_bars": 9}))
    assert trial.figures == expected.figures
    assert trial.first_day_ms == period[0]


def model_ground() -> Ground:
    """A model strategy on given predictions: now and then far above or below what an entry needs."""
    ground = ground_of(strategy="scalper")
    rng = np.random.default_rng(5)
    values = np.where(rng.random(len(ground.history)) < 0.05, rng.normal(0.0, 20.0, len(ground.history)), np.nan)
    sure = np.where(np.isnan(values), np.nan, 0.6)
    return dataclasses.replace(ground, values={CONTRACT.symbol: np.column_stack([values, sure])})


def test_decisions_of_a_model_strategy_are_tried_on_given_predictions() -> None:
    ground = model_ground()
    chosen = {"min_edge_bps": 15.0, "stop_pct": 0.5, "cooldown_minutes": 10}
    trial = evaluate_trial(ground, Attempt(0, chosen))
    result = long_way(ground, chosen)
    assert trial.figures["trades"] == len(result.trades) > 2
    assert trial.figures["final_usdt"] == pytest.approx(result.final_usdt, abs=1e-6)


def test_what_would_change_the_model_cannot_be_tried_on_its_predictions() -> None:
    with pytest.raises(BadInputError, match=r"^scalper\.num_leaves: would change the model.*min_edge_bps") as caught:
        check_space(model_ground(), (("scalper.num_leaves", (8, 16)),))
    assert "\n" not in str(caught.value)
    check_space(model_ground(), (("stop_pct", (0.5, 1.0)), ("costs.taker_fee_bps", (2, 5))))


@pytest.mark.parametrize(
    ("ground", "key", "text"),
    [
        (ground_of(1), "market.symbols", "market.symbols: cannot be searched"),
        (ground_of(1), "engine.inference_delay_ms", "engine.inference_delay_ms: cannot be searched"),
        (ground_of(1, "scalper"), "stop_pct", "strategy scalper: predicts with a model"),
    ],
)
def test_what_cannot_be_searched_is_refused(ground: Ground, key: str, text: str) -> None:
    with pytest.raises(BadInputError, match=text):
        check_space(ground, ((key, (1,)),))


def test_an_unknown_key_is_told_before_anything_is_tried() -> None:
    with pytest.raises(SettingsError, match=r"--grid: ema_cross\.fast_bar: unknown key; did you mean fast_bars\?"):
        check_space(ground_of(1), (("fast_bar", (5, 6)),))
    with pytest.raises(BadInputError, match="no search space of its own"):
        check_space(ground_of(1), ())


def test_the_warm_up_is_that_of_the_longest_look_back() -> None:
    settings = ground_of(1).settings
    space = (("fast_bars", (3, 90)), ("slow_bars", (10, 60, 40)), ("exit", ("bracket", "reverse")))
    assert longest_look_back(settings, "ema_cross", load_strategy, space) == 20 * 60
    assert longest_look_back(settings, "ema_cross", load_strategy, ()) == 20 * 26
