"""A lab that runs nothing: it notes what it is asked, tells progress, and stops where it is told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.domain.errors import BadInputError
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.domain.rows import Row
from core.lab.report.data import Report
from core.lab.run.result import EquityCurve, Provenance, RunResult, trade_columns
from tests.core.control.control_samples import T0_MS

DAY_MS = 86_400_000
SLOTS = 4
SYNTHETIC = "SYNTHETIC DATA: not performance"

SUMMARY: Row = {
    "run_id": "r0001",
    "kind": "backtest",
    "strategy": "ema_cross",
    "engine": "event-driven",
    "symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
    "from_ms": T0_MS,
    "to_ms": T0_MS + DAY_MS,
    "interval_ms": 60_000,
    "created_ms": T0_MS,
    "status": "complete",
    "labels": [SYNTHETIC],
    "source": "W1USDT-1m.csv",
    "is_synthetic": True,
    "in_sample": False,
    "data_hash": "ab",
    "code_version": "1",
    "seed": 7,
    "trials": 3,
    "trades": 755,
    "total_return_pct": -0.965,
    "sharpe": float("nan"),
    "max_drawdown_pct": 1.5,
    "initial_usdt": 10_000.0,
    "final_usdt": 9_903.5,
    "note": "a \x1b[31mnote",
    "overrides": [["fast_bars", 12]],
}
LOSES = "It loses after costs: -0.97 %; next: other values, or another idea."
DETAIL: Row = SUMMARY | {
    "verdict": LOSES,
    "settings": {"ema_cross": {"fast_bars": 12}},
    "figures": {"calmar": None, "return_days": 1.0, "trials": 3.0},
    "breakdowns": {},
    "vetoes": {},
    "limits": {},
    "open_positions": 0,
}
BEST: Row = {
    "number": 4,
    "parameters": {"fast_bars": 5},
    "state": "complete",
    "trades": 9,
    "total_return_pct": 1.0,
    "sharpe": 1.25,
    "max_drawdown_pct": 0.5,
    "final_usdt": 10_100.0,
}
SWEEP: Row = DETAIL | {"run_id": "s0001", "kind": "sweep", "objective": "sharpe", "grid": [], "best": [BEST]}
CHECKS: Row = {
    "strategy": "ema_cross",
    "symbols": ["BTCUSDT"],
    "from_ms": T0_MS,
    "to_ms": T0_MS + DAY_MS,
    "interval_ms": 60_000,
    "labels": [SYNTHETIC],
    "source": "W1USDT-1m.csv",
    "verdict": "no bias found",
    "faults": 0,
    "checks": [{"check": "look-ahead", "status": "clean", "detail": "9 cuts", "mend": "", "figures": {}}],
}


class FakeLab:
    """`signal_at` sends this process SIGINT at those slots; `stopped_at` tells when a request saw it."""

    def __init__(self) -> None:
        self.requests: list[object] = []
        self.signal_at: dict[int, signal.Signals] = {}
        self.stopped_at: int | None = None
        self.status = "complete"
        self.checked = CHECKS
        self.stored: list[Row] = [SUMMARY]
        self.all_figures: dict[str, Row] = {"r0001": {"sharpe": None, "sharpe_a_day": 0.1}}
        self.exported: list[tuple[str, str, Path, bool]] = []
        self.deleted: list[str] = []

    def _run(self, request: object, row: Row, progress: OnProgress, should_stop: ShouldStop) -> Row:
        self.requests.append(request)
        for slot in range(SLOTS):
            progress(Progress(slot, SLOTS, "bars"))
            if slot in self.signal_at:
                os.kill(os.getpid(), self.signal_at[slot])
            if should_stop():
                self.stopped_at = slot
                return row | {"status": "partial"}
        progress(Progress(SLOTS, SLOTS, "bars"))
        return row | {"status": self.status}

    def choices(self) -> Row:
        return {"strategies": ["ema_cross"], "presets": [], "symbols": []}

    def backtest(self, request: object, progress: OnProgress, should_stop: ShouldStop) -> Row:
        return self._run(request, DETAIL, progress, should_stop)

    def sweep(self, request: object, progress: OnProgress, should_stop: ShouldStop) -> Row:
        return self._run(request, SWEEP, progress, should_stop)

    def walk_forward(self, request: object, progress: OnProgress, should_stop: ShouldStop) -> Row:
        return self._run(request, DETAIL | {"kind": "walkforward"}, progress, should_stop)

    def check(self, request: object, progress: OnProgress, should_stop: ShouldStop) -> Row:
        self._run(request, {}, progress, should_stop)
        return self.checked

    def validate(self, request: object, progress: OnProgress, should_stop: ShouldStop) -> Row:
        self._run(request, {}, progress, should_stop)
        path = {"trades": 3, "mean_net_bps": -2.5, "net_bps": -7.5, "errors_above": -0.4, "sharpe": None}
        return {
            "verdict": LOSES,
            **{
                key: SUMMARY[key]
                for key in ("strategy", "symbols", "from_ms", "to_ms", "interval_ms", "labels", "source")
            },
            "folds": 4,
            "test_folds": 1,
            "status": "complete",
            "validations": [
                {
                    "symbol": "BTCUSDT",
                    "rows": 900,
                    "days": 0.6,
                    "trainings": 4,
                    "paths": [path],
                    "positive_share_pct": None,
                }
            ],
        }

    def runs(self) -> list[Row]:
        return self.stored

    def figures(self) -> dict[str, Row]:
        return self.all_figures

    def run(self, run_id: str) -> Row:
        if run_id.startswith("s"):
            return SWEEP
        if not run_id.startswith("r"):
            raise BadInputError(f"{run_id}: no such run; see quarterdeck runs")
        return DETAIL

    def report(self, run_id: str) -> Report:
        times = T0_MS + np.arange(1, 4, dtype=np.int64) * 60_000
        curve = EquityCurve(times, np.array([10_000.0, 9_950.0, 9_903.5]), np.zeros(3), np.zeros(3))
        provenance = Provenance(
            "ema_cross", "event-driven", ("BTCUSDT",), T0_MS, T0_MS + DAY_MS, 60_000, "W1USDT-1m.csv", "ab",
            is_synthetic=True, in_sample=False, settings_json="{}", code_version="1", seed=7,
        )  # fmt: skip
        result = RunResult(trade_columns([]), curve, 10_000.0, 9_903.5)
        figures = {"final_usdt": 9_903.5, "return_days": 1.0, "trades": 755.0, "total_return_pct": -0.965}
        return Report(provenance, result, figures, {}, {}, T0_MS)

    def trades(self, run_id: str) -> list[Row]:
        return []

    def curve(self, run_id: str, points: int) -> Row:
        return {"time_ms": [], "equity_usdt": [], "drawdown_pct": []}

    def compare(self, run_ids: Sequence[str]) -> Row:
        return {
            "runs": [SUMMARY | {"run_id": run_id} for run_id in run_ids],
            "figures": [{"name": "sharpe", "values": [1.5, None][: len(run_ids)]}],
            "settings": [{"name": "ema_cross.fast_bars", "values": [12, 5][: len(run_ids)]}],
        }

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        self.deleted += run_ids
        return [SUMMARY | {"run_id": run_id} for run_id in run_ids]

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        self.exported.append((run_id, form, path, overwrite))
        return {"run_id": run_id, "form": form, "files": [str(path)]}
