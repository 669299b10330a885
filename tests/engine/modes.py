"""One period of the recorded market in every mode there is: the demo of the real command's runtime, and the lab."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.control.requests import RunRequest
from core.domain.records import ForecastRecord, Record, TradeRecord, TrainingRecord, TrainingStatus
from core.home.folder import Home
from core.lab.requests import BacktestRequest, Engine
from core.lab.run.result import RunResult, TradeColumns, trade_columns
from core.lab.service.execution import execute
from core.strategy.decision import vector
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from storage.journal_reader import JournalReader


def demo(home: Path, from_ms: int, to_ms: int) -> TradeColumns:
    """The trades that the engine journals, told again from its database."""
    request = RunRequest("demo", home, from_ms=from_ms, to_ms=to_ms, log_level="CRITICAL")
    assert QuarterdeckRuntime().run_headless(request) == 0
    return trade_columns([record.trade for record in journalled(home) if isinstance(record, TradeRecord)])


def verified(home: Path) -> dict[str, object]:
    return QuarterdeckRuntime().replay_verify(home, None)


def backtest(
    home: Path, strategy: str, engine: Engine, from_ms: int, to_ms: int, predictions: str | None = None
) -> tuple[str, RunResult]:
    """The id of a stored run, and the run as it was stored."""
    lab = QuarterdeckRuntime().lab(home)
    request = BacktestRequest(
        strategy, from_ms=from_ms, to_ms=to_ms, engine=engine, predictions=predictions, market="recorded"
    )
    row = lab.backtest(request, lambda _: None, lambda: False)
    assert row["status"] == "complete"
    return row["run_id"], lab.store.load(row["run_id"]).result


def told_what_the_demo_was(home: Path, strategy: str, engine: Engine, from_ms: int, to_ms: int) -> RunResult:
    """A run whose predictions are those in the demo's journal."""
    plan = (
        QuarterdeckRuntime()
        .lab(home)
        .bench.plan(BacktestRequest(strategy, from_ms=from_ms, to_ms=to_ms, engine=engine, market="recorded"))
    )
    history = plan.history
    shape = (len(history), len(plan.strategy.outputs))
    values = {symbol: np.full(shape, np.nan) for symbol in history.symbols}
    for record in journalled(home):
        if isinstance(record, ForecastRecord):
            made = record.forecast
            slot = (made.bar_close_ms - int(history.open_time_ms[0])) // history.interval_ms - 1
            values[made.symbol][slot] = vector(made.values)
    return execute(plan, Home(home), engine, lambda _: None, lambda: False, values)


def versions(home: Path) -> list[str]:
    """The model versions that were put in charge."""
    return [
        record.origin.version
        for record in journalled(home)
        if isinstance(record, TrainingRecord) and record.status is TrainingStatus.SWAPPED
    ]


def journalled(home: Path) -> list[Record]:
    with JournalReader(open_database(Home(home).database)) as journal:
        return [record for _, record in journal.records(1, journal.last_seq)]
