"""A lab without data, and a run without a process: answers are given, questions are remembered."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.domain.errors import BadInputError, RefusedError
from core.domain.market import MINUTE_MS
from core.domain.progress import Progress
from core.domain.rows import Row
from core.lab.report.comparison import compare
from tests.tui.fake_control import NOW_MS
from tui.lab.desk import LabAccess
from tui.lab.runs import HASTY, LabRun, Outcome, Patience

HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
FROM_MS = NOW_MS - 30 * DAY_MS
SYNTHETIC = "SYNTHETIC DATA: not performance"
IN_SAMPLE = "IN-SAMPLE: parameters or model were chosen on this data"
PARTIAL = "PARTIAL: stopped at 2026-06-20 04:00 UTC"
CHOICES: Row = {
    "strategies": ["ema_cross", "scalper"],
    "presets": [
        {"name": "48h-24h-60m", "about": "trained on 48 hours, tested over 24, trained anew every 60 minutes"},
        {"name": "6m-1m-1m", "about": "trained on 6 months of 30 days, tested over 1, trained anew every month"},
    ],
    "symbols": [
        {"market": "imported", "symbol": symbol, "first_ms": FROM_MS, "last_ms": NOW_MS, "is_synthetic": True}
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    ],
}


def run_row(run_id: str, **changes: Any) -> Row:
    """A detail row; its figures move with the number of the run."""
    n = int(run_id[1:])
    gain = round(3.21 - 1.7 * n, 2)
    fast = 5 * n
    row: Row = {
        "run_id": run_id,
        "kind": "backtest",
        "strategy": "ema_cross",
        "market": "imported",
        "engine": "event-driven",
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "from_ms": FROM_MS,
        "to_ms": NOW_MS,
        "interval_ms": MINUTE_MS,
        "created_ms": NOW_MS - (10 - n) * HOUR_MS,
        "status": "complete",
        "labels": [SYNTHETIC],
        "source": "recorded 2026-06",
        "is_synthetic": True,
        "in_sample": False,
        "data_hash": "9f0c3a77",
        "code_version": "0.1.0+1a2b3c4d",
        "seed": 7,
        "trials": 12,
        "trades": 40 + n,
        "total_return_pct": gain,
        "sharpe": round(gain / 2, 3),
        "max_drawdown_pct": 4.5 + n,
        "initial_usdt": 10_000.0,
        "final_usdt": 10_000 * (1 + gain / 100),
        "note": f"note {n}",
        "verdict": f"Not distinguishable from luck: {gain:+.2f} % over 30 whole days; next: a longer period.",
        "overrides": [["fast_bars", fast]],
        "settings": {"strategy": "ema_cross", "ema_cross": {"fast_bars": fast, "slow_bars": 60}},
        "figures": {
            "initial_usdt": 10_000.0,
            "total_return_pct": gain,
            "cagr_pct": gain * 12,
            "sharpe": round(gain / 2, 3),
            "sortino": None,
            "max_drawdown_pct": 4.5 + n,
            "max_drawdown_ms": 3 * DAY_MS + 4 * HOUR_MS,
            "trades": 40 + n,
            "win_rate_pct": 51.2,
            "profit_factor": 1.13,
            "fees_usdt": 212.4,
            "psr": 0.71,
            "dsr": 0.22,
            "trials": 12,
        },
        "breakdowns": {
            "symbol": [
                {"symbol": "BTCUSDT", "trades": 22, "win_rate_pct": 54.5, "net_usdt": 201.3},
                {"symbol": "ETHUSDT", "trades": 18 + n, "win_rate_pct": 47.1, "net_usdt": -50.8},
            ],
            "exit_reason": [{"exit_reason": "signal", "trades": 30, "net_usdt": 188.0}],
        },
        "vetoes": {"cooldown": 31},
        "limits": {},
        "open_positions": 0,
    }
    return row | changes


def sweep_row(run_id: str) -> Row:
    best = [
        {
            "number": n,
            "parameters": {"fast_bars": 5 + n, "slow_bars": 60},
            "state": "complete",
            "trades": 30 + n,
            "total_return_pct": 4.0 - n,
            "sharpe": 2.0 - n / 2,
            "max_drawdown_pct": 3.0,
            "final_usdt": 10_400.0 - 100 * n,
        }
        for n in range(3)
    ]
    search = {"objective": "sharpe", "grid": [["fast_bars", [5, 6, 7]]], "best": best}
    return run_row(run_id, kind="sweep", engine="sweep", labels=[SYNTHETIC, IN_SAMPLE], in_sample=True, **search)


def stored() -> list[Row]:
    """Four runs, the newest last: a sweep, a whole run, a failed one and one that was stopped."""
    failed = {"status": "failed", "labels": [SYNTHETIC, "FAILED: ended by an error"], "strategy": "scalper"}
    figures = dict.fromkeys(("trades", "total_return_pct", "sharpe", "max_drawdown_pct", "final_usdt"))
    return [
        sweep_row("s0001"),
        run_row("r0001"),
        run_row("r0002", **failed, **figures),
        run_row("r0003", status="partial", labels=[SYNTHETIC, IN_SAMPLE, PARTIAL], in_sample=True),
    ]


def trade_rows(count: int = 42) -> list[Row]:
    rows = []
    for n in range(count):
        entry = 64_000 + 90 * math.sin(n)
        net = round(12 * math.sin(n * 1.3) - 1, 2)
        entered = FROM_MS + n * 5 * HOUR_MS + 7 * MINUTE_MS
        rows.append(
            {
                "symbol": "BTCUSDT" if n % 3 else "ETHUSDT",
                "side": 1 if n % 2 else -1,
                "entry_time_ms": entered,
                "exit_time_ms": entered + (25 + n) * MINUTE_MS,
                "qty": 0.0391,
                "entry_price": entry,
                "exit_price": entry + net,
                "gross_usdt": net + 1.3,
                "fees_usdt": 1.25,
                "funding_usdt": -0.05,
                "net_usdt": net,
                "exit_reason": ("signal", "stop", "target")[n % 3],
            }
        )
    return rows


class FakeLab:
    """Implements what the console asks of `core.lab.requests.Lab`.

    A question of a name in `errors` raises that; while `gate` is closed every question waits.
    """

    def __init__(self) -> None:
        self.rows = stored()
        self.asked: list[tuple[Any, ...]] = []
        self.errors: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[int] = set()

    def _answer(self, name: str, *about: Any) -> None:
        self.asked.append((name, *about))
        self.threads.add(threading.get_ident())
        assert self.gate.wait(10)
        if name in self.errors:
            raise self.errors[name]

    def choices(self) -> Row:
        self._answer("choices")
        return CHOICES

    def runs(self) -> list[Row]:
        self._answer("runs")
        return list(self.rows)

    def run(self, run_id: str) -> Row:
        self._answer("run", run_id)
        found = [row for row in self.rows if row["run_id"] == run_id]
        if not found:
            raise BadInputError(f"{run_id}: no such run; see quarterdeck runs")
        return found[0]

    def trades(self, run_id: str) -> list[Row]:
        self._answer("trades", run_id)
        return trade_rows()

    def curve(self, run_id: str, points: int) -> Row:
        self._answer("curve", run_id, points)
        count = min(points, 300)
        equity = [10_000 + 250 * math.sin(n / 31) + 120 * math.sin(n / 7) + n for n in range(count)]
        peaks = [max(equity[: n + 1]) for n in range(count)]
        return {
            "time_ms": [FROM_MS + n * (NOW_MS - FROM_MS) // count for n in range(count)],
            "equity_usdt": equity,
            "drawdown_pct": [(now / peak - 1) * 100 for now, peak in zip(equity, peaks, strict=True)],
        }

    def bars(self, run_id: str, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> Row:
        self._answer("bars", run_id, symbol, from_ms, to_ms, interval_ms)
        opens = list(range(from_ms, to_ms, interval_ms))
        waves = [64_000 + 90 * math.sin(time_ms / MINUTE_MS / 17) for time_ms in range(from_ms, to_ms + 1, interval_ms)]
        closes = [*waves[1:], 64_000.0][: len(opens)]
        pairs = list(zip(waves, closes, strict=False))
        return {
            "open_ms": opens,
            "open": [a for a, _ in pairs],
            "high": [max(pair) + 8 for pair in pairs],
            "low": [min(pair) - 6 for pair in pairs],
            "close": [b for _, b in pairs],
            "volume": [20 + 9 * math.sin(n) for n in range(len(opens))],
        }

    def compare(self, run_ids: Sequence[str]) -> Row:
        self._answer("compare", *run_ids)
        by_id = {row["run_id"]: row for row in self.rows}
        return compare([by_id[run_id] for run_id in run_ids])

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        self._answer("delete", *run_ids)
        gone = [row for row in self.rows if row["run_id"] in run_ids]
        self.rows = [row for row in self.rows if row["run_id"] not in run_ids]
        return gone

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        self._answer("export", run_id, form, path, overwrite)
        if path.exists() and not overwrite:
            raise RefusedError(f"{path}: exists already")
        path.write_text("picture", encoding="ascii")
        return {"run_id": run_id, "form": form, "files": [str(path)]}


class FakeRun:
    """A run that goes on until `end` is called, or it is asked to stop; a `stubborn` one only in haste."""

    def __init__(self, stubborn: bool = False) -> None:
        self.now: Progress | None = None
        self.stops: list[Patience] = []
        self.stubborn = stubborn
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def progress(self) -> Progress | None:
        return self.now

    def stop(self, patience: Patience) -> None:
        self.stops.append(patience)
        if not self.stubborn or patience is HASTY:
            self.end(Outcome("partial", "r0009", labels=(SYNTHETIC, PARTIAL)))

    def end(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    async def wait(self) -> Outcome:
        return await asyncio.shield(self._outcome)


class FakeStarts:
    """Stands in for the command: remembers what it was started with."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.runs: list[FakeRun] = []
        self.error: Exception | None = None
        self.stubborn = False

    async def __call__(self, arguments: Sequence[str]) -> LabRun:
        self.commands.append(list(arguments))
        if self.error is not None:
            raise self.error
        self.runs.append(FakeRun(self.stubborn))
        return self.runs[-1]


def access(lab: FakeLab, starts: FakeStarts) -> LabAccess:
    return LabAccess(lab, starts)  # type: ignore[arg-type]
