"""A rule that sees open interest, the last 15-minute bar and the clock, on an imported market: a program of its own, so
that its strategy is found where it is installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from core.domain.errors import BadInputError
from core.domain.records import ForecastRecord
from core.home.folder import Home
from core.lab.requests import BacktestRequest, CheckRequest
from core.lab.run.result import RunResult
from quarterdeck import QuarterdeckRuntime
from storage.data_admin import import_file
from tests.engine import modes
from tests.engine.test_parity import assert_the_same

T0 = 1_749_081_600_000
MINUTE_MS = 60_000
BARS = 600
SILENT = range(200, 320, 5)
"""The minutes of the periods of which no open interest was told."""

FROM_MS, TO_MS = T0 + 60 * MINUTE_MS, T0 + BARS * MINUTE_MS
OI = "timestamp,sumOpenInterest,sumOpenInterestValue"
SETTINGS = """
strategy = "crowded"
[market]
symbols = ["AUSDT"]
[demo]
market = "imported"
[costs]
assumed_funding_bps = 0
[limits]
max_trades_per_day = 200
max_losses_in_row = 100
day_loss_pct = 50.0
max_drawdown_pct = 50.0
day_loss_usdt = 9000.0
"""


def main(home: Path) -> None:
    again = home.with_name("again")
    bare = home.with_name("bare")
    for one in (home, again):
        _import(one)
    _import(bare, with_interest=False)
    demo = modes.demo(home, FROM_MS, TO_MS)
    for end in (217, 251, 252, 400):
        modes.demo(again, FROM_MS, T0 + end * MINUTE_MS)
    assert_the_same(modes.demo(again, FROM_MS, TO_MS), demo, "a demo that was interrupted")
    lab = QuarterdeckRuntime().lab(home)
    told = {}
    for engine in ("event-driven", "sweep"):
        request = BacktestRequest("crowded", from_ms=FROM_MS, to_ms=TO_MS, engine=engine, market="imported")
        row = lab.backtest(request, lambda _: None, lambda: False)
        told[engine] = lab.store.load(row["run_id"])
        assert_the_same(told[engine].result.trades, demo, engine)
    checked = lab.check(CheckRequest(request, only=("look-ahead", "warm-up")), lambda _: None, lambda: False)
    print(
        json.dumps(
            {
                "trades": len(demo),
                "forecasts": [_forecasts(home), _forecasts(again), _told(told["event-driven"].result)],
                "refused": _refused(bare, request),
                "labels": list(told["event-driven"].provenance.labels()),
                "checks": [one["status"] for one in checked["checks"]],
                "log": [line for line in Home(home).log.read_text().splitlines() if "forecast" in line],
                "verified": [modes.verified(one)["equal"] for one in (home, again)],
            }
        )
    )


def _refused(home: Path, request: BacktestRequest) -> str:
    try:
        QuarterdeckRuntime().lab(home).backtest(request, lambda _: None, lambda: False)
    except BadInputError as error:
        return str(error)
    return ""


def _import(home: Path, *, with_interest: bool = True) -> None:
    market = QuarterdeckRuntime().lab(home).market("imported")
    (home / "settings.toml").write_text(SETTINGS)
    rng = np.random.default_rng(5)
    closes = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, BARS + 1))), 2)
    bars = ["open_time,open,high,low,close,volume"]
    for n in range(BARS):
        opened, closed = closes[n], closes[n + 1]
        bars.append(
            f"{T0 + n * MINUTE_MS},{opened:.2f},{max(opened, closed) + 0.02:.2f},{min(opened, closed) - 0.02:.2f},"
            f"{closed:.2f},{900 + n % 7}"
        )
    told = [n for n in range(0, BARS, 5) if n not in SILENT]
    interest = [f"{T0 + n * MINUTE_MS},{1000 + float(rng.normal(0.0, 30.0)):.3f},{1e5 + n}" for n in told]
    files = {"AUSDT-1m.csv": bars, **({"AUSDT-5m-metrics.csv": [OI, *interest]} if with_interest else {})}
    for name, rows in files.items():
        path = home / name
        path.write_text("\n".join(rows))
        import_file(market.database, path, now_ms=T0)


def _forecasts(home: Path) -> list[list[float | None]]:
    made = [record.forecast for record in modes.journalled(home) if isinstance(record, ForecastRecord)]
    return [[one.bar_close_ms, *one.values] for one in made]


def _told(result: RunResult) -> list[list[float | None]]:
    made = result.predictions["AUSDT"]
    return [[at, *said] for at, said in zip(made.close_ms.tolist(), made.values.tolist(), strict=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
