"""What a run is worth: every figure of it by name, its breakdowns, and the accounts it is compared with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arithmetic.days import DAYS_PER_YEAR, LEAST_DAYS
from core.lab.data.history import History
from core.lab.data.holes import holed_days
from core.lab.run.result import EquityCurve, Floats, RunResult
from core.lab.search.trials import TrialCount
from core.lab.statistics.basis import LEVEL
from core.lab.statistics.bootstrap import likely_drawdown_pct
from core.lab.statistics.excursions import excursions
from core.lab.statistics.intervals import sharpe_interval
from core.lab.statistics.reference import buy_and_hold, do_nothing
from core.lab.statistics.series import thinned
from core.lab.statistics.slippage import slippage_usdt
from core.lab.statistics.statistics import Summary, TradeFigures, daily_returns, measured, summary
from core.lab.validation.luck import days_beyond_luck, luck_of_best, minimum_track_record, moments, probabilistic_sharpe
from core.settings.schema import CostSettings

Figures = dict[str, float | None]

BOOTSTRAP_SAMPLES = 1_000
REFERENCE_POINTS = 4_000


@dataclass(frozen=True, slots=True)
class Assessment:
    """`figures` by name with unit, None where undefined; `breakdowns` rows by subject; `references` curves by name."""

    figures: Figures
    breakdowns: Mapping[str, Sequence[Mapping[str, Any]]]
    references: Mapping[str, EquityCurve]


def assess(result: RunResult, history: History, costs: CostSettings, tried: TrialCount, seed: int) -> Assessment:
    """Judge `result` over `history`. `tried` counts every parameter set of the strategy tried on such data, this one
    included; `seed` is that of the resampling."""
    slipped = slippage_usdt(result.trades, history, costs)
    told = summary(result, history.interval_ms, slipped, holed_days(history))
    figures = _flat(told) | {"open_positions": float(result.open_positions)}
    if result.ended_ms is not None:
        figures["limit_ended_at_ms"] = float(result.ended_ms)
    if len(result.trades):
        moved = excursions(result.trades, history)
        figures["mae_pct"] = float(moved.adverse_pct.mean())
        figures["mfe_pct"] = float(moved.favourable_pct.mean())
    figures |= luck_figures(returns_of(result, history), tried, seed)
    return Assessment(figures, _breakdowns(told), _references(result, history, costs))


def returns_of(result: RunResult, history: History) -> Floats:
    """The returns of the whole UTC days without holes of a run over `history`, as far as it is measured."""
    return daily_returns(measured(result), result.initial_usdt, history.interval_ms, holed_days(history)).value


def luck_figures(returns: Floats, tried: TrialCount, seed: int) -> Figures:
    """How likely daily `returns` (n,) are luck, after what was `tried`. Of fewer than LEAST_DAYS nothing is told."""
    figures: Figures = {"trials": float(tried.trials), "alike_trials": float(tried.alike)}
    figures |= dict.fromkeys(("psr", "dsr", "expected_max_sharpe", "min_track_record_days", "luck_free_days"))
    if len(returns) < LEAST_DAYS:
        return figures
    shape = moments(returns)
    if shape is not None:
        expected = luck_of_best(shape, max(1, tried.alike), tried.variance, tried.mean)
        figures["psr"] = probabilistic_sharpe(shape)
        figures["dsr"] = probabilistic_sharpe(shape, expected)
        figures["expected_max_sharpe"] = expected * math.sqrt(DAYS_PER_YEAR)
        figures["min_track_record_days"] = minimum_track_record(shape, confidence=LEVEL)
        figures["luck_free_days"] = days_beyond_luck(shape, expected, LEVEL)
    spread = sharpe_interval(returns)
    if spread is not None:
        figures["sharpe_low"], figures["sharpe_high"] = spread.low, spread.high
        figures["drawdown_high_pct"] = likely_drawdown_pct(returns, np.random.default_rng(seed), BOOTSTRAP_SAMPLES)
    return figures


def _flat(told: Summary) -> Figures:
    data = dataclasses.asdict(told) | dataclasses.asdict(told.ratios)
    figures: Figures = {name: value for name, value in data.items() if isinstance(value, float) or value is None}
    figures["return_days"] = float(told.ratios.return_days)
    if told.holed_days:
        figures["holed_days"] = float(told.holed_days)
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
