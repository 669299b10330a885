"""What a run is worth: every figure of it by name, its breakdowns, and the accounts it is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.backtest.bootstrap import bootstrap_intervals
from core.backtest.excursions import excursions
from core.backtest.history import History
from core.backtest.luck import (
    deflated_sharpe,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    trials_variance,
)
from core.backtest.reference import buy_and_hold, do_nothing
from core.backtest.result import EquityCurve, RunResult
from core.backtest.series import thinned
from core.backtest.statistics import DAYS_PER_YEAR, Summary, TradeFigures, daily_returns, summary
from core.backtest.trials import TrialCount
from core.settings import CostSettings

Figures = dict[str, float | None]

BOOTSTRAP_SAMPLES = 1_000
LEVEL = 0.95
REFERENCE_POINTS = 4_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """`figures` by name with unit, None where undefined; `breakdowns` rows by subject; `references` curves by name."""

    figures: Figures
    breakdowns: Mapping[str, Sequence[Mapping[str, Any]]]
    references: Mapping[str, EquityCurve]


def judge(result: RunResult, history: History, costs: CostSettings, tried: TrialCount, seed: int) -> Judgement:
    """Judge `result` over `history`. `tried` counts every parameter set of the strategy tried on such data, this one
    included; `seed` is that of the resampling."""
    told = summary(result, history.interval_ms)
    figures = _flat(told) | {"open_positions": float(result.open_positions)}
    if len(result.trades):
        moved = excursions(result.trades, history)
        figures["mae_pct"] = float(moved.adverse_pct.mean())
        figures["mfe_pct"] = float(moved.favourable_pct.mean())
    figures |= luck_figures(daily_returns(result.curve, result.initial_usdt).value, tried, seed)
    return Judgement(figures, _breakdowns(told), _references(result, history, costs))


def luck_figures(returns: np.ndarray[Any, Any], tried: TrialCount, seed: int) -> Figures:
    """How likely daily `returns` (n,) are luck, after `tried` trials.

    See `trials_variance` for the variance that they are taken to have.
    """
    figures: Figures = {"trials": float(tried.trials), "psr": None, "dsr": None, "min_track_record_days": None}
    shape = moments(returns)
    if shape is not None:
        between = None if tried.sharpe_variance is None else tried.sharpe_variance / DAYS_PER_YEAR
        figures["psr"] = probabilistic_sharpe(shape)
        figures["dsr"] = deflated_sharpe(shape, tried.trials, trials_variance(shape, between))
        figures["min_track_record_days"] = minimum_track_record(shape, confidence=LEVEL)
    spread = bootstrap_intervals(returns, np.random.default_rng(seed), samples=BOOTSTRAP_SAMPLES, level=LEVEL)
    if spread is not None and spread.sharpe is not None:
        figures["sharpe_low"], figures["sharpe_high"] = spread.sharpe.low, spread.sharpe.high
        figures["drawdown_high_pct"] = spread.max_drawdown_pct.high
    return figures


def _flat(told: Summary) -> Figures:
    data = dataclasses.asdict(told)
    figures: Figures = {name: value for name, value in data.items() if isinstance(value, float) or value is None}
    figures.pop("drawdown", None)
    figures["exposure_time_pct"] = figures.pop("exposure_pct")
    drawdown = told.drawdown
    figures["max_drawdown_pct"] = drawdown.depth_pct if drawdown else None
    figures["max_drawdown_ms"] = float(drawdown.length_ms) if drawdown else None
    own = dataclasses.asdict(told.trades)
    own.pop("key")
    return figures | {name: None if value is None else float(value) for name, value in own.items()}


def _breakdowns(told: Summary) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, Sequence[TradeFigures]] = {
        "symbol": told.by_symbol,
        "side": told.by_side,
        "exit_reason": told.by_exit_reason,
        "hour": told.by_hour,
    }
    return {name: [_named(name, row) for row in rows] for name, rows in groups.items()}


def _named(name: str, row: TradeFigures) -> dict[str, Any]:
    data = dataclasses.asdict(row)
    return {name: data.pop("key"), **data}


def _references(result: RunResult, history: History, costs: CostSettings) -> dict[str, EquityCurve]:
    """Over the slots that the run covered, thinned: they are drawn and measured, not traded."""
    slots, initial_usdt = len(result.curve), result.initial_usdt
    held = buy_and_hold(
        history, initial_usdt, float(costs.taker_fee_bps), costs.slippage_bps, costs.assumed_funding_bps
    )
    curves = {"buy and hold": held, "doing nothing": do_nothing(history, initial_usdt)}
    names = [item.name for item in dataclasses.fields(EquityCurve)]
    covered = {name: EquityCurve(*(getattr(c, part)[:slots] for part in names)) for name, c in curves.items()}
    return {name: thinned(curve, initial_usdt, REFERENCE_POINTS) for name, curve in covered.items()}
