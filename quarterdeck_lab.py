"""The composition root's other half: the backtest lab of one home, joined from core, strategies and storage.

Heavy imports stand inside the functions that need them, as in `quarterdeck`.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import SystemClock
from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.home import Home
from core.lab import BacktestRequest, Engine, OnProgress, Overrides, Progress, ShouldStop
from core.runtime import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.backtest.history import History
    from core.backtest.report_data import Report
    from core.backtest.result import Provenance, RunResult
    from core.domain.instrument import Instrument
    from core.settings import Settings
    from core.strategy import Strategy
    from storage.database import Database
    from storage.lab import LabStore
    from storage.lab_records import RunRecord

    Values = Mapping[str, NDArray[np.float64]]

ROOT = Path(__file__).resolve().parent
DATA = ROOT / "data"
DECIDING = ("core", "strategies")
"""The packages whose code decides what a run gives."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with everything that it names looked up and checked."""

    settings: Settings
    strategy: Strategy
    instruments: Mapping[str, Instrument]
    history: History
    seed: int
    overrides: Overrides
    note: str
    jobs: int | None

    def under(self, overrides: Overrides) -> Plan:
        """The same over the same history with other settings. Raises SettingsError."""
        from core.backtest.overrides import with_overrides

        settings = with_overrides(self.settings, self.strategy.name, overrides)
        return replace(
            self,
            settings=settings,
            strategy=load(self.strategy.name, settings),
            instruments=instruments_of(settings, self.history.symbols),
            overrides=(*self.overrides, *overrides),
        )


def load(name: str, settings: Settings) -> Strategy:
    from strategies.registry import load_strategy

    return load_strategy(name, settings)


def instruments_of(settings: Settings, symbols: Sequence[str]) -> dict[str, Instrument]:
    """Raises BadInputError for a symbol without contract rules."""
    from core.market.instruments import load_instruments

    known = load_instruments(DATA / "instruments.toml", settings.costs)
    unknown = [symbol for symbol in symbols if symbol not in known]
    if unknown:
        raise BadInputError(f"no contract rules for {', '.join(unknown)}; known are {', '.join(known)}")
    return {symbol: known[symbol] for symbol in symbols}


def code_version() -> str:
    """The program's version, and a digest of the code that decides."""
    digest = hashlib.blake2b(digest_size=4)
    for package in DECIDING:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{version('quarterdeck')}+{digest.hexdigest()}"


class HomeLab:
    """Implements `core.lab.Lab`. Nothing is opened or made before something is asked for."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @cached_property
    def store(self) -> LabStore:
        from storage.lab import open_lab

        self._home.create()
        return open_lab(self._home.lab)

    @cached_property
    def _candles(self) -> Database:
        """The home's database. A home without candles is given the recorded market."""
        from storage.data_admin import import_recorded_market
        from storage.database import open_database
        from storage.history import stored_series

        self._home.create()
        database = open_database(self._home.database)
        if not stored_series(database, MINUTE_MS):
            import_recorded_market(database, DATA, SystemClock().now_ms())
        return database

    def choices(self) -> Row:
        from core.backtest.presets import PRESETS
        from storage.history import stored_series
        from strategies.registry import strategy_names

        names = ("symbol", "first_ms", "last_ms", "is_synthetic")
        series = stored_series(self._candles, MINUTE_MS).values()
        return {
            "strategies": strategy_names(),
            "presets": [{"name": preset.name, "about": preset.about} for preset in PRESETS],
            "symbols": [{name: getattr(item, name) for name in names} for item in series],
        }

    def plan(self, request: BacktestRequest) -> Plan:
        """Raises BadInputError, SettingsError or DataError for what cannot be."""
        from core.backtest.overrides import section_of, with_overrides
        from core.backtest.presets import find_preset
        from core.settings import Settings, known_keys, load_settings
        from core.strategy import history_ms
        from storage.history import load_history

        path = request.settings_path or (self._home.settings if self._home.settings.exists() else None)
        settings = load_settings(path) if path is not None else Settings()
        overrides = request.overrides
        preset = find_preset(request.preset) if request.preset else None
        if preset is not None:
            overrides = (*preset.overrides(known_keys(Settings, section_of(request.strategy))), *overrides)
        settings = with_overrides(settings, request.strategy, overrides)
        strategy = load(request.strategy, settings)
        symbols = request.symbols or settings.market.symbols
        instruments = instruments_of(settings, symbols)
        warm_up_ms = history_ms(strategy, MINUTE_MS)
        first_ms, last_ms = self._span(symbols)
        from_ms, to_ms = request.from_ms, request.to_ms
        if preset is not None:
            from_ms, to_ms = preset.period(from_ms, to_ms, last_ms)
        from_ms = min(first_ms + warm_up_ms, last_ms) if from_ms is None else from_ms
        to_ms = last_ms if to_ms is None else to_ms
        if to_ms <= from_ms:
            raise BadInputError(f"--to must be after --from; stored are {_span_text(first_ms, last_ms)}")
        warm_up_bars = warm_up_ms // MINUTE_MS
        history = load_history(self._candles, symbols, MINUTE_MS, from_ms, to_ms, warm_up_bars)
        if strategy.model is not None and history.first < warm_up_bars:
            raise BadInputError(
                f"{strategy.name} trains on {warm_up_bars} bars, before {_span_text(from_ms)} only {history.first} are "
                f"stored; choose a --from of {_span_text(first_ms + warm_up_ms)} or later"
            )
        seed = settings.demo.seed if request.seed is None else request.seed
        return Plan(settings, strategy, instruments, history, seed, overrides, request.note, request.jobs)

    def _span(self, symbols: Sequence[str]) -> tuple[int, int]:
        """From where every symbol has bars, to where the last one ends."""
        from storage.history import stored_series

        series = stored_series(self._candles, MINUTE_MS)
        missing = [symbol for symbol in symbols if symbol not in series]
        if missing:
            raise BadInputError(
                f"no candles of {', '.join(missing)} are stored; import some with: quarterdeck data import FILE"
            )
        return max(series[s].first_ms for s in symbols), max(series[s].last_ms for s in symbols)

    def backtest(self, request: BacktestRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        plan = self.plan(request)
        result = self.execute(plan, request.engine, progress, should_stop)
        record = self.judged(plan, request.engine, result)
        return self.store.run(self.store.add_run(record))

    def execute(
        self,
        plan: Plan,
        engine: Engine,
        progress: OnProgress,
        should_stop: ShouldStop,
        values: Values | None = None,
    ) -> RunResult:
        """Run a plan. `values` are predictions that stand in for those of rule or model."""
        if engine == "sweep":
            return _sweep_once(plan, values)
        return asyncio.run(_event_driven(plan, self._home, progress, should_stop, values))

    def judged(self, plan: Plan, engine: Engine, result: RunResult) -> RunRecord:
        """The record of a backtest, with all its figures."""
        from core.backtest.judge import judge
        from core.backtest.trials import parameter_hash
        from storage.lab_records import RunRecord

        history = plan.history
        own = parameter_hash(plan.settings.model_dump(mode="json"), plan.strategy.name)
        where = (plan.strategy.name, history.symbols, history.from_ms, history.to_ms)
        tried = self.store.count_trials(*where, also=[own])
        judgement = judge(result, history, plan.settings.costs, tried, plan.seed)
        chosen_here = self.store.was_searched(*where, own)
        return RunRecord(
            kind="backtest",
            created_ms=SystemClock().now_ms(),
            status="complete" if result.complete else "partial",
            provenance=provenance(plan, engine, in_sample=chosen_here, trials=tried.trials),
            result=result,
            figures=judgement.figures,
            breakdowns=judgement.breakdowns,
            overrides=plan.overrides,
            note=plan.note,
            references=judgement.references,
        )

    def runs(self) -> list[Row]:
        return self.store.runs()

    def run(self, run_id: str) -> Row:
        return self.store.run(run_id)

    def trades(self, run_id: str) -> list[Row]:
        trades = self.store.load(run_id).result.trades
        names = [item.name for item in fields(trades)]
        columns = [getattr(trades, name).tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def curve(self, run_id: str, points: int) -> Row:
        import numpy as np

        from core.backtest.series import drawdown_pct, thin_indices

        result = self.store.load(run_id).result
        curve, fall = result.curve, drawdown_pct(result.curve.equity_usdt, result.initial_usdt)
        half = max(4, points // 2)
        kept = np.union1d(thin_indices(curve.equity_usdt, half), thin_indices(fall, half))
        columns = {"time_ms": curve.time_ms, "equity_usdt": curve.equity_usdt, "drawdown_pct": fall}
        return {name: column[kept].tolist() for name, column in columns.items()}

    def compare(self, run_ids: Sequence[str]) -> Row:
        from core.backtest.compare import side_by_side

        return side_by_side([self.store.run(run_id) for run_id in run_ids])

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        return self.store.delete(run_ids)

    def report(self, run_id: str) -> Report:
        from core.backtest.report_data import Report

        record = self.store.load(run_id)
        return Report(
            record.provenance,
            record.result,
            record.figures,
            record.breakdowns,
            record.references,
            record.created_ms,
        )

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        from core.backtest.export import export

        files = export(self.report(run_id), path, form, overwrite)
        size = sum(file.stat().st_size for file in files)
        return {"run_id": self.store.run(run_id)["run_id"], "form": form, "path": str(files[0]), "bytes": size}


def provenance(plan: Plan, engine: Engine, *, in_sample: bool, trials: int) -> Provenance:
    from core.backtest.result import Provenance

    history = plan.history
    return Provenance(
        strategy=plan.strategy.name,
        engine=engine,
        symbols=history.symbols,
        from_ms=history.from_ms,
        to_ms=history.to_ms,
        interval_ms=history.interval_ms,
        source=history.source,
        data_hash=history.data_hash,
        is_synthetic=history.is_synthetic,
        in_sample=in_sample,
        settings_json=plan.settings.model_dump_json(),
        code_version=code_version(),
        seed=plan.seed,
        trials=trials,
    )


async def _event_driven(
    plan: Plan, home: Home, progress: OnProgress, should_stop: ShouldStop, values: Values | None
) -> RunResult:
    """The live code over the plan's history; its models are kept as long as the run."""
    from core.backtest.event_driven import run
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    strategy, settings = plan.strategy, plan.settings
    async with AsyncExitStack() as stack:
        forecaster = None
        if strategy.model is not None and values is None:
            from core.learning.forecaster import WorkerForecaster
            from core.learning.workers import WorkerPool

            models = stack.enter_context(tempfile.TemporaryDirectory(prefix="models-", dir=home.root))
            workers = plan.jobs or settings.compute.jobs or settings.engine.training_workers
            pool = WorkerPool(workers, settings.engine.worker_nice, home.worker_log)
            stack.push_async_callback(pool.close)
            forecaster = WorkerForecaster(strategy, pool, Path(models), plan.seed)
        return await run(
            plan.history,
            Trader("backtest", strategy, settings, plan.instruments),
            journalled_venue(plan.instruments, settings),
            forecaster,
            progress=lambda done, total: progress(Progress(done, total, "bars")),
            should_stop=should_stop,
            values=values,
        )


def _sweep_once(plan: Plan, values: Values | None) -> RunResult:
    raise NotImplementedError


def _span_text(*times_ms: int) -> str:
    from core.logbook import iso_utc

    return " to ".join(iso_utc(time_ms)[:16].replace("T", " ") for time_ms in times_ms) + " UTC"
