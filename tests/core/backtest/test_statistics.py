from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
from hypothesis import given
from hypothesis import strategies as st
from skfolio import measures

from core.backtest.result import RunResult
from core.backtest.statistics import (
    Summary,
    cagr_pct,
    daily_returns,
    deepest_drawdown,
    drawdown_of_returns_pct,
    sharpe,
    sortino,
    summary,
    volatility_pct,
)
from tests.core.backtest.samples import DAY_MS, FROM_MS, HOUR_MS, curve_of, random_walk, run_of, trades_of

EXACT: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9}


def series(values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=pd.date_range("2023-11-15", periods=len(values), freq="D"))


@pytest.fixture(params=[(1, 0.001), (2, -0.001), (3, 0.0)], ids=["rising", "falling", "flat"])
def run(request: pytest.FixtureRequest) -> RunResult:
    seed, drift = request.param
    equity = random_walk(seed, 24 * 200, 0.004, drift / 24)
    return run_of(curve_of(equity, HOUR_MS, gross=2_500.0))


def test_daily_returns_are_those_from_midnight_to_midnight(run: RunResult) -> None:
    returns = daily_returns(run.curve, run.initial_usdt)
    closes = pd.Series(run.curve.equity_usdt, index=pd.to_datetime(run.curve.time_ms - 1, unit="ms"))
    closes = closes.resample("D").last()
    expected = pd.concat([pd.Series([run.initial_usdt]), closes]).pct_change().iloc[1:]
    assert returns.value == pytest.approx(expected.to_numpy(), **EXACT)
    assert returns.day_ms.tolist() == [stamp.timestamp() * 1_000 for stamp in closes.index]


def test_ratios_agree_with_quantstats_on_the_daily_returns(run: RunResult) -> None:
    found = summary(run, HOUR_MS)
    daily = series(daily_returns(run.curve, run.initial_usdt).value)
    assert found.total_return_pct == pytest.approx(qs.comp(daily) * 100, **EXACT)
    assert found.cagr_pct == pytest.approx(qs.cagr(daily, periods=365) * 100, **EXACT)
    assert found.volatility_pct == pytest.approx(qs.volatility(daily, periods=365) * 100, **EXACT)
    assert found.sharpe == pytest.approx(qs.sharpe(daily, periods=365), **EXACT)
    assert found.sortino == pytest.approx(qs.sortino(daily, periods=365), **EXACT)
    assert found.calmar == pytest.approx(qs.calmar(daily, periods=365), **EXACT)
    assert found.daily_drawdown_pct == pytest.approx(-qs.max_drawdown(daily) * 100, **EXACT)


def test_ratios_agree_with_skfolio_on_the_daily_returns(run: RunResult) -> None:
    daily = daily_returns(run.curve, run.initial_usdt).value
    spread = measures.standard_deviation(daily)
    assert volatility_pct(daily) == pytest.approx(spread * math.sqrt(365) * 100, **EXACT)
    assert sharpe(daily) == pytest.approx(measures.mean(daily) / spread * math.sqrt(365), **EXACT)
    fall = measures.max_drawdown(measures.get_drawdowns(daily, compounded=True))
    assert drawdown_of_returns_pct(daily) == pytest.approx(fall * 100, **EXACT)


def test_skfolio_divides_the_downside_by_one_day_less(run: RunResult) -> None:
    daily = daily_returns(run.curve, run.initial_usdt).value
    theirs = measures.mean(daily) / measures.semi_deviation(daily, min_acceptable_return=0.0) * math.sqrt(365)
    assert sortino(daily) == pytest.approx(theirs * math.sqrt(len(daily) / (len(daily) - 1)), **EXACT)


def test_the_drawdown_slot_by_slot_is_that_of_quantstats(run: RunResult) -> None:
    found = summary(run, HOUR_MS).drawdown
    steps = np.diff(np.concatenate(([run.initial_usdt], run.curve.equity_usdt)))
    per_slot = pd.Series(steps / np.concatenate(([run.initial_usdt], run.curve.equity_usdt[:-1])))
    per_slot.index = pd.to_datetime(run.curve.time_ms, unit="ms")
    assert found is not None
    assert found.depth_pct == pytest.approx(-qs.max_drawdown(per_slot) * 100, **EXACT)
    falls = qs.to_drawdown_series(per_slot)
    assert found.trough_ms == falls.idxmin().timestamp() * 1_000


def test_growth_counts_the_time_and_quantstats_the_days_begun() -> None:
    equity = random_walk(4, 24 * 10)
    run = run_of(curve_of(equity, HOUR_MS, from_ms=FROM_MS + 6 * HOUR_MS))
    daily = series(daily_returns(run.curve, run.initial_usdt).value)
    assert len(daily) == 11
    found = summary(run, HOUR_MS)
    growth = 1.0 + qs.cagr(daily, periods=365)
    assert found.cagr_pct == pytest.approx((growth ** (11 / 10) - 1.0) * 100, **EXACT)


def test_a_drawdown_runs_from_its_peak_to_the_recovery() -> None:
    equity = np.array([100.0, 120.0, 120.0, 90.0, 110.0, 120.0, 121.0, 115.0])
    found = deepest_drawdown(curve_of(equity, HOUR_MS), 100.0, HOUR_MS)
    assert found is not None
    assert found.depth_pct == pytest.approx(25.0)
    assert (found.peak_ms, found.trough_ms) == (FROM_MS + 3 * HOUR_MS, FROM_MS + 4 * HOUR_MS)
    assert (found.recovery_ms, found.length_ms) == (FROM_MS + 6 * HOUR_MS, 3 * HOUR_MS)


def test_a_drawdown_that_never_recovers_ends_with_the_curve_and_may_start_at_its_opening() -> None:
    found = deepest_drawdown(curve_of(np.array([95.0, 80.0, 90.0]), HOUR_MS), 100.0, HOUR_MS)
    assert found is not None
    assert found.depth_pct == pytest.approx(20.0)
    assert (found.peak_ms, found.recovery_ms, found.length_ms) == (FROM_MS, None, 3 * HOUR_MS)


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40))
def test_no_pair_of_slots_falls_deeper_than_the_drawdown(values: list[float]) -> None:
    found = deepest_drawdown(curve_of(np.array(values), HOUR_MS), values[0], HOUR_MS)
    worst = max((1.0 - low / high) * 100 for i, high in enumerate(values) for low in values[i:])
    assert found is not None
    assert found.depth_pct == pytest.approx(worst, **EXACT)
    assert 0 <= found.trough_ms - found.peak_ms <= found.length_ms


def test_exposure_and_turnover_by_hand() -> None:
    curve = curve_of(np.full(48, 10_000.0), HOUR_MS)
    gross = np.concatenate((np.full(12, 5_000.0), np.zeros(36)))
    curve = dataclasses.replace(curve, gross_usdt=gross, net_usdt=-gross)
    trades = trades_of([10.0, -5.0], fees=1.0)
    found = summary(run_of(curve, trades), HOUR_MS)
    assert found.exposure_pct == 25.0
    assert found.mean_gross_pct == 12.5
    traded = (100.0 + 111.0) + (100.0 + 96.0)
    assert found.turnover_per_year == pytest.approx(traded / 10_000.0 * 365 / 2, **EXACT)
    assert found.days == 2.0


def test_trade_figures_agree_with_quantstats_on_the_net_of_each_trade() -> None:
    net = np.random.default_rng(5).normal(0.1, 2.0, 400).round(1)
    assert (net == 0.0).any()
    found = summary(run_of(curve_of(np.full(24, 1e4), HOUR_MS), trades_of(net.tolist())), HOUR_MS).trades
    theirs = series(net)
    assert found.profit_factor == pytest.approx(qs.profit_factor(theirs, prepare_returns=False), **EXACT)
    assert found.average_win_usdt == pytest.approx(qs.avg_win(theirs, prepare_returns=False), **EXACT)
    assert found.average_loss_usdt == pytest.approx(qs.avg_loss(theirs, prepare_returns=False), **EXACT)
    # quantstats leaves the trades of exactly nothing out of all.
    moved = np.count_nonzero(net) / len(net)
    assert found.win_rate_pct == pytest.approx(qs.win_rate(theirs, prepare_returns=False) * moved * 100, **EXACT)
    assert found.expectancy_usdt == pytest.approx(qs.avg_return(theirs, prepare_returns=False) * moved, **EXACT)


def test_costs_and_funding_are_shares_of_the_winning_gross() -> None:
    trades = trades_of([10.0, -20.0, 4.0], fees=1.0, funding=-0.5)
    found = summary(run_of(curve_of(np.full(24, 1e4), HOUR_MS), trades), HOUR_MS)
    gross = 11.5 + 5.5
    assert found.cost_share_pct == pytest.approx(3.0 / gross * 100, **EXACT)
    assert found.funding_share_pct == pytest.approx(-1.5 / gross * 100, **EXACT)
    assert found.trades.expectancy_bps == pytest.approx((1_000.0 - 2_000.0 + 400.0) / 3, **EXACT)


def test_groups_part_the_trades() -> None:
    rng = np.random.default_rng(6)
    net = rng.normal(0.0, 1.0, 300).tolist()
    trades = trades_of(
        net,
        fees=0.1,
        symbols=rng.choice(["BTCUSDT", "ETHUSDT", "XRPUSDT"], 300).tolist(),
        sides=rng.choice([1, -1], 300).tolist(),
        reasons=rng.choice(["stop", "target", "reversal"], 300).tolist(),
        entry_ms=(FROM_MS + rng.integers(0, 90 * DAY_MS, 300)).tolist(),
    )
    found = summary(run_of(curve_of(np.full(24, 1e4), HOUR_MS), trades), HOUR_MS)
    frame = pd.DataFrame(
        {
            "net": net,
            "symbol": trades.symbol,
            "hour": pd.to_datetime(trades.entry_time_ms, unit="ms").strftime("%H"),
            "reason": trades.exit_reason,
            "side": np.where(trades.side > 0, "long", "short"),
        }
    )
    for groups, column in (
        (found.by_symbol, "symbol"),
        (found.by_hour, "hour"),
        (found.by_exit_reason, "reason"),
        (found.by_side, "side"),
    ):
        expected = frame.groupby(column)["net"]
        assert [group.key for group in groups] == list(expected.groups)
        assert [group.trades for group in groups] == expected.count().tolist()
        assert [group.net_usdt for group in groups] == pytest.approx(expected.sum().to_numpy(), **EXACT)
        rates = expected.apply(lambda nets: (nets > 0).mean() * 100)
        assert [group.win_rate_pct for group in groups] == pytest.approx(rates.to_numpy(), **EXACT)


def numbers(found: Summary) -> list[float | None]:
    flat = dataclasses.asdict(found)
    groups = [dataclasses.asdict(g) for g in (found.trades, *found.by_symbol, *found.by_side)]
    return [v for each in (flat, *groups) for v in each.values() if v is None or isinstance(v, float)]


def test_what_is_undefined_is_missing() -> None:
    found = summary(run_of(curve_of(np.zeros(0), HOUR_MS)), HOUR_MS)
    missing = {name for name, value in dataclasses.asdict(found).items() if value is None}
    assert missing == {
        *("cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar", "daily_drawdown_pct", "drawdown"),
        *("exposure_pct", "mean_gross_pct", "turnover_per_year", "cost_share_pct", "funding_share_pct"),
    }
    assert found.total_return_pct == 0.0
    assert found.trades.win_rate_pct is None
    assert found.trades.trades == 0
    idle = summary(run_of(curve_of(np.full(72, 1e4), HOUR_MS)), HOUR_MS)
    assert (idle.sharpe, idle.sortino, idle.calmar) == (None, None, None)
    assert (idle.cagr_pct, idle.volatility_pct, idle.exposure_pct) == (0.0, 0.0, 0.0)
    winning = summary(run_of(curve_of(np.full(72, 1e4), HOUR_MS), trades_of([1.0])), HOUR_MS)
    assert winning.trades.profit_factor is None
    assert winning.trades.average_loss_usdt is None
    assert sharpe(np.full(5, 0.1)) is None


def cents(limit: int) -> st.SearchStrategy[float]:
    return st.integers(-100 * limit, 100 * limit).map(lambda value: value / 100)


@given(
    st.lists(cents(100_000), max_size=30),
    st.lists(cents(1_000), max_size=12),
    st.sampled_from([HOUR_MS, 5 * HOUR_MS, DAY_MS]),
)
def test_no_figure_is_ever_infinite_or_no_number(equity: list[float], net: list[float], interval_ms: int) -> None:
    run = run_of(curve_of(np.array(equity, np.float64), interval_ms), trades_of(net))
    assert all(value is None or math.isfinite(value) for value in numbers(summary(run, interval_ms)))


def test_a_ruined_account_has_no_return_after_its_end() -> None:
    curve = curve_of(np.array([8_000.0, -10.0, 500.0]), DAY_MS)
    assert daily_returns(curve, 10_000.0).value == pytest.approx([-0.2, -1.00125])
    assert cagr_pct(10_000.0, -10.0, DAY_MS) is None
    assert cagr_pct(10_000.0, 0.0, DAY_MS) == -100.0
