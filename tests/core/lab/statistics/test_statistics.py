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

from core.arithmetic.ratios import sharpe, sortino
from core.lab.run.result import RunResult
from core.lab.statistics.statistics import (
    Summary,
    cagr_pct,
    daily_returns,
    deepest_drawdown,
    measured,
    summary,
    volatility_pct,
)
from tests.core.lab.samples import DAY_MS, FROM_MS, HOUR_MS, curve_of, random_walk, run_of, trades_of

EXACT: dict[str, Any] = {"rel": 1e-9, "abs": 1e-9}


def series(values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=pd.date_range("2023-11-15", periods=len(values), freq="D"))


@pytest.fixture(params=[(1, 0.001), (2, -0.001), (3, 0.0)], ids=["rising", "falling", "flat"])
def run(request: pytest.FixtureRequest) -> RunResult:
    seed, drift = request.param
    equity = random_walk(seed, 24 * 200, 0.004, drift / 24)
    return run_of(curve_of(equity, HOUR_MS, gross=2_500.0))


def test_daily_returns_are_those_from_midnight_to_midnight(run: RunResult) -> None:
    returns = daily_returns(run.curve, run.initial_usdt, HOUR_MS)
    closes = pd.Series(run.curve.equity_usdt, index=pd.to_datetime(run.curve.time_ms - 1, unit="ms"))
    closes = closes.resample("D").last()
    expected = pd.concat([pd.Series([run.initial_usdt]), closes]).pct_change().iloc[1:]
    assert returns.value == pytest.approx(expected.to_numpy(), **EXACT)
    assert returns.day_ms.tolist() == [stamp.timestamp() * 1_000 for stamp in closes.index]


def test_ratios_agree_with_quantstats_on_the_daily_returns(run: RunResult) -> None:
    told = summary(run, HOUR_MS)
    found = told.ratios
    daily = series(daily_returns(run.curve, run.initial_usdt, HOUR_MS).value)
    assert told.total_return_pct == pytest.approx(qs.comp(daily) * 100, **EXACT)
    assert found.return_days == len(daily) == 200
    assert found.cagr_pct == pytest.approx(qs.cagr(daily, periods=365) * 100, **EXACT)
    assert found.volatility_pct == pytest.approx(qs.volatility(daily, periods=365) * 100, **EXACT)
    assert found.sharpe == pytest.approx(qs.sharpe(daily, periods=365), **EXACT)
    assert found.sortino == pytest.approx(qs.sortino(daily, periods=365), **EXACT)
    assert told.drawdown is not None
    assert found.calmar == pytest.approx(qs.cagr(daily, periods=365) * 100 / told.drawdown.depth_pct, **EXACT)


def test_ratios_agree_with_skfolio_on_the_daily_returns(run: RunResult) -> None:
    daily = daily_returns(run.curve, run.initial_usdt, HOUR_MS).value
    spread = measures.standard_deviation(daily)
    assert volatility_pct(daily) == pytest.approx(spread * math.sqrt(365) * 100, **EXACT)
    assert sharpe(daily) == pytest.approx(measures.mean(daily) / spread * math.sqrt(365), **EXACT)


def test_skfolio_divides_the_downside_by_one_day_less(run: RunResult) -> None:
    daily = daily_returns(run.curve, run.initial_usdt, HOUR_MS).value
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


def test_a_part_of_a_day_is_no_day() -> None:
    """24 hours from noon are two halves, not two days of a steady profit."""
    equity = 10_000.0 * 1.001 ** np.arange(1, 25)
    run = run_of(curve_of(equity, HOUR_MS, from_ms=FROM_MS + 12 * HOUR_MS))
    assert len(daily_returns(run.curve, run.initial_usdt, HOUR_MS)) == 0
    found = summary(run, HOUR_MS)
    assert (found.days, found.ratios.return_days) == (1.0, 0)
    assert (found.ratios.sharpe, found.ratios.sharpe_a_day) == (None, None)


def test_whole_days_begin_after_the_first_midnight_and_end_before_the_last() -> None:
    equity = random_walk(4, 24 * 10 + 5)
    run = run_of(curve_of(equity, HOUR_MS, from_ms=FROM_MS + 6 * HOUR_MS))
    days = daily_returns(run.curve, run.initial_usdt, HOUR_MS)
    ends = [17 + 24 * day for day in range(10)]  # the slots that end at midnight
    assert days.day_ms.tolist() == [FROM_MS + day * DAY_MS for day in range(1, 10)]
    assert days.value == pytest.approx(equity[ends[1:]] / equity[ends[:-1]] - 1.0, **EXACT)


@pytest.mark.parametrize(("days", "told"), [(2, False), (29, False), (30, True)])
def test_a_year_is_told_of_thirty_whole_days_or_more(days: int, told: bool) -> None:
    run = run_of(curve_of(random_walk(9, 24 * days + 7), HOUR_MS))
    found = dataclasses.asdict(summary(run, HOUR_MS).ratios)
    of_a_year = {found.pop(name) is not None for name in ("cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar")}
    assert of_a_year == {told}
    assert found.pop("return_days") == days
    assert None not in found.values(), "what sorts is there for short records too"


def test_what_sorts_orders_as_the_ratios_do() -> None:
    runs = [summary(run_of(curve_of(random_walk(seed, 24 * 40), HOUR_MS)), HOUR_MS).ratios for seed in range(8)]
    for name in ("sharpe", "sortino", "calmar"):
        ranked = sorted(runs, key=lambda ratios: getattr(ratios, f"{name}_a_day"))
        assert ranked == sorted(runs, key=lambda ratios: getattr(ratios, name)), name


def test_a_run_that_a_limit_ended_is_measured_to_the_end_of_that_day() -> None:
    alive = random_walk(3, 24 * 35)
    equity = np.concatenate((alive, np.full(24 * 300, alive[-1])))
    curve = dataclasses.replace(curve_of(equity, HOUR_MS), gross_usdt=np.where(np.arange(len(equity)) < 840, 9.0, 0.0))
    whole = run_of(curve)
    ended = dataclasses.replace(whole, ended_ms=FROM_MS + 34 * DAY_MS + 5 * HOUR_MS)
    assert len(measured(ended)) == 24 * 35
    found, diluted = summary(ended, HOUR_MS), summary(whole, HOUR_MS)
    assert (found.days, found.ratios.return_days, found.exposure_pct) == (35.0, 35, 100.0)
    returns = daily_returns(curve_of(alive, HOUR_MS), 10_000.0, HOUR_MS).value
    assert found.ratios.sharpe == sharpe(returns) != diluted.ratios.sharpe
    at_midnight = dataclasses.replace(whole, ended_ms=FROM_MS + 35 * DAY_MS)
    assert len(measured(at_midnight)) == 24 * 35


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
    assert found.turnover_per_day == pytest.approx(traded / 10_000.0 / 2, **EXACT)
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


def test_the_share_of_costs_holds_what_is_hidden_in_the_prices() -> None:
    """A gross of before any cost: what slippage took was earned before it was paid."""
    trades = trades_of([10.0, -20.0, 4.0], fees=1.0, funding=-0.5)
    slipped = np.array([2.0, 0.5, 0.25])
    found = summary(run_of(curve_of(np.full(24, 1e4), HOUR_MS), trades), HOUR_MS, slipped)
    assert found.slippage_usdt == 2.75
    assert found.cost_share_pct == pytest.approx((3.0 + 2.75) / (11.5 + 2.0 + 5.5 + 0.25) * 100, **EXACT)


def test_the_closed_trades_and_the_open_positions_add_up_to_the_account() -> None:
    run = run_of(curve_of(np.full(24, 10_030.0), HOUR_MS), trades_of([10.0, -5.0]))
    found = summary(run, HOUR_MS)
    assert found.initial_usdt + found.trades.net_usdt + found.open_result_usdt == found.final_usdt


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
    flat |= dataclasses.asdict(found.ratios)
    return [v for each in (flat, *groups) for v in each.values() if v is None or isinstance(v, float)]


def test_what_is_undefined_is_missing() -> None:
    found = summary(run_of(curve_of(np.zeros(0), HOUR_MS)), HOUR_MS)
    missing = {name for name, value in dataclasses.asdict(found).items() if value is None}
    assert missing == {
        *("drawdown", "exposure_pct", "mean_gross_pct", "turnover_per_day", "cost_share_pct", "funding_share_pct"),
    }
    assert [value for value in dataclasses.asdict(found.ratios).values() if value is not None] == [0]
    assert found.total_return_pct == 0.0
    assert found.trades.win_rate_pct is None
    assert found.trades.trades == 0
    idle = summary(run_of(curve_of(np.full(720, 1e4), HOUR_MS)), HOUR_MS)
    assert (idle.ratios.sharpe, idle.ratios.sortino, idle.ratios.calmar) == (None, None, None)
    assert (idle.ratios.cagr_pct, idle.ratios.volatility_pct, idle.exposure_pct) == (0.0, 0.0, 0.0)
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
    assert daily_returns(curve, 10_000.0, DAY_MS).value == pytest.approx([-0.2, -1.00125])
    assert cagr_pct(10_000.0, -10.0, DAY_MS) is None
    assert cagr_pct(10_000.0, 0.0, DAY_MS) == -100.0
