"""A small report: a random walk of equity with trades on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.lab.report.data import Report
from core.lab.run.result import EquityCurve, Provenance, RunResult, TradeColumns, TradePlans
from core.lab.run.trade_plans import trade_plans

T0_MS = 1_735_689_600_000  # 2025-01-01
MINUTE_MS = 60_000
INITIAL_USDT = 10_000.0


def curve_of(equity_usdt: np.ndarray, interval_ms: int = MINUTE_MS) -> EquityCurve:
    n = len(equity_usdt)
    times = T0_MS + interval_ms * np.arange(1, n + 1, dtype=np.int64)
    return EquityCurve(times, equity_usdt.astype(np.float64), np.full(n, 250.0), np.full(n, -250.0))


def walk(slots: int, seed: int = 7, step_pct: float = 0.05) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0.0, step_pct / 100, slots)
    return INITIAL_USDT * np.exp(np.cumsum(steps))


def trades_of(count: int, slots: int, interval_ms: int = MINUTE_MS, seed: int = 11) -> TradeColumns:
    rng = np.random.default_rng(seed)
    exits = np.sort(rng.integers(2, max(3, slots), count))
    entries = exits - 1 - rng.integers(0, 2, count)
    side = rng.choice(np.array([1, -1], np.int8), count)
    qty, entry = rng.uniform(0.001, 0.01, count), rng.uniform(90_000, 110_000, count)
    exit_price = entry * (1 + rng.normal(0, 0.01, count))
    gross = side * qty * (exit_price - entry)
    fees = 0.0004 * qty * (entry + exit_price)
    funding = rng.normal(0, 0.01, count)
    return TradeColumns(
        symbol=rng.choice(np.array(["BTCUSDT", "ETHUSDT"]), count),
        side=side,
        entry_time_ms=T0_MS + interval_ms * entries,
        exit_time_ms=T0_MS + interval_ms * exits,
        qty=qty,
        entry_price=entry,
        exit_price=exit_price,
        gross_usdt=gross,
        fees_usdt=fees,
        funding_usdt=funding,
        net_usdt=gross - fees + funding,
        exit_reason=rng.choice(np.array(["stop", "target", "opposite"]), count),
    )


def plans_of(trades: TradeColumns) -> TradePlans:
    """Stops 1 % and targets 3 % away, of every third trade no target."""
    sure = np.linspace(0.4, 0.9, len(trades))
    target = trades.entry_price * np.where(np.arange(len(trades)) % 3 == 0, np.nan, 1.0 + 0.03 * trades.side)
    return trade_plans(trades, 3.0, sure, trades.entry_price * (1.0 - 0.01 * trades.side), target)


STATISTICS: dict[str, float | None] = {
    "total_return_pct": 12.3456, "cagr_pct": 27.1, "sharpe": 1.2345, "sharpe_low": -0.31, "sharpe_high": 2.87,
    "sortino": 1.9, "calmar": 0.0004, "max_drawdown_pct": 8.76, "max_drawdown_ms": 3 * 86_400_000 + 4 * 3_600_000,
    "exposure_time_pct": 43.2, "turnover_per_day": 3.5, "return_days": 60.0,
    "trades": 60, "win_rate_pct": 41.67, "profit_factor": 1.08,
    "expectancy_usdt": 0.21, "expectancy_bps": 2.1, "fees_usdt": 34.5, "cost_share_pct": 61.0, "funding_usdt": -1.2,
    "funding_share_pct": 2.0, "mae_pct": -0.6, "mfe_pct": 0.9, "psr": 0.913, "dsr": 0.0000021, "trials": 1_250,
    "pbo": None, "min_track_record_days": 612.4, "ulcer_index_pct": 3.3,
}  # fmt: skip


def sample_report(
    slots: int = 5_760,
    trades: int = 60,
    complete: bool = True,
    result: dict[str, Any] | None = None,
    interval_ms: int = MINUTE_MS,
    statistics: dict[str, float | None] | None = None,
    breakdowns: dict[str, Any] | None = None,
    **provenance: Any,
) -> Report:
    """Four days of minutes by default; everything can be set."""
    equity = walk(slots)
    run = Provenance(
        **{
            "strategy": "ema_cross", "engine": "sweep", "symbols": ("BTCUSDT", "ETHUSDT"), "from_ms": T0_MS,
            "to_ms": T0_MS + slots * interval_ms, "interval_ms": interval_ms, "source": "recorded: a test",
            "data_hash": "5f1c2ab4", "is_synthetic": False, "in_sample": False,
            "settings_json": '{"ema": {"fast": 12, "slow": 26}}', "code_version": "200bb22", "seed": 7, "trials": 1_250,
        }
        | provenance
    )  # fmt: skip
    ended = trades_of(trades, slots, interval_ms)
    outcome = RunResult(
        **{
            "trades": ended, "plans": plans_of(ended), "curve": curve_of(equity, interval_ms),
            "initial_usdt": INITIAL_USDT, "final_usdt": float(equity[-1]) if slots else INITIAL_USDT,
            "complete": complete, "vetoes": {"cooldown": 12}, "limits": {"daily_loss": 1},
        }
        | (result or {})
    )  # fmt: skip
    return Report(
        provenance=run,
        result=outcome,
        statistics=STATISTICS if statistics is None else statistics,
        breakdowns={
            "symbol": [
                {"symbol": "BTCUSDT", "trades": 33, "net_usdt": 8.25, "win_rate_pct": 45.5, "profit_factor": None},
                {"symbol": "ETHUSDT", "trades": 27, "net_usdt": -3.5, "win_rate_pct": 37.0, "profit_factor": 0.91},
            ],
            "exit_reason": [{"exit_reason": "stop", "trades": 38, "net_usdt": -91.2}],
        }
        if breakdowns is None
        else breakdowns,
        references={
            "buy and hold": curve_of(walk(slots, seed=8), interval_ms),
            "doing nothing": curve_of(np.full(slots, INITIAL_USDT), interval_ms),
        },
        made_ms=T0_MS + 400 * 86_400_000,
    )


LABELLED: dict[str, Any] = {"is_synthetic": True, "in_sample": True, "complete": False}
