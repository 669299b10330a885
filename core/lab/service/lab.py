"""The backtest lab of one home: each request planned, run, judged, kept and told.

Heavy imports stand inside the functions that need them, so that a read verb answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import Clock
from core.domain.errors import BadInputError
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.domain.rows import Row
from core.home.folder import Home
from core.lab.requests import BacktestRequest
from core.lab.service import stored
from core.lab.service.bench import COMPILING, Bench
from core.lab.service.execution import execute
from core.lab.service.search import (
    TrialKeeper,
    WalkProgress,
    compile_ahead,
    fold_row,
    lengths,
    resumed,
    sweep_record,
    trials_of,
)
from core.settings.values import MARKETS, Market

if TYPE_CHECKING:
    from core.lab.report.data import Report
    from core.lab.requests import CheckRequest, SweepRequest, ValidateRequest, WalkForwardRequest
    from core.lab.run.result import Provenance
    from core.lab.service.stores import HomeStores, LabStore, MarketStore


class HomeLab:
    """Implements `core.lab.requests.Lab`. Nothing is opened or made before something is asked for."""

    def __init__(self, home: Home, stores: HomeStores, clock: Clock) -> None:
        self.bench = Bench(home, stores, clock)

    @property
    def store(self) -> LabStore:
        return self.bench.store

    def market(self, name: Market) -> MarketStore:
        """The candles of a market."""
        return self.bench.market(name)

    def choices(self) -> Row:
        from core.lab.run.presets import PRESETS
        from core.settings.of_home import settings_of
        from core.settings.strategies import strategy_names

        names = ("symbol", "first_ms", "last_ms", "is_synthetic")
        interval_ms = settings_of(self.bench.home).market.interval_ms
        stored = [(name, series) for name in MARKETS for series in self.market(name).series(interval_ms).values()]
        return {
            "strategies": strategy_names(),
            "presets": [{"name": preset.name, "about": preset.about} for preset in PRESETS],
            "symbols": [{"market": market} | {name: getattr(item, name) for name in names} for market, item in stored],
        }

    def backtest(self, request: BacktestRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        plan = self.bench.plan(request)
        values = self.bench.values(plan, request.predictions)
        result = execute(plan, self.bench.home, request.engine, progress, should_stop, values)
        bars = len(result.curve)
        progress(Progress(bars, bars, "bars", COMPILING))
        fault = self.bench.fault(plan, request.predictions)
        return self.store.run(self.store.add_run(self.bench.assessed(plan, "backtest", request.engine, result, fault)))

    def sweep(self, request: SweepRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.run.evaluation import check_market, check_space, check_values
        from core.lab.search.optuna_search import run_optuna
        from core.lab.search.search import run_grid
        from core.lab.validation.selection import select

        request, run_id = self._resumed(request)
        trials_of(request)  # One that is too large is refused before anything is looked up.
        plan = self.bench.plan(request.run, request.grid)
        ground = plan.ground(self.bench.values(plan, request.run.predictions))
        if run_id is None:
            space = request.grid or plan.strategy.search_space
            check_space(ground, space)
            check_values(ground, space)
            check_market(ground)
        fault = self.bench.fault(plan, request.run.predictions)
        provenance = plan.provenance("sweep", in_sample=True, trials=1, fault=fault)
        if run_id is None:
            record = sweep_record(plan, provenance, request, self.bench.now_ms())
            run_id = self.store.begin_sweep(record)
        else:
            _check_same(run_id, self.store.sweep(run_id).provenance, provenance)
        known = {trial.parameter_hash: trial for trial in self.store.trials(run_id)}
        keeper = TrialKeeper(self.store, run_id, provenance, progress, trials_of(request), len(known))
        how: Any = {"known": known, "on_trial": keeper.take, "should_stop": should_stop}
        compute = plan.compute(self.bench.home)
        progress(Progress(len(known), trials_of(request), "trials", COMPILING))
        compile_ahead(ground)
        try:
            if request.trials is None:
                search = run_grid(ground, request.grid, compute, **how)
            else:
                space = request.grid or plan.strategy.search_space
                drawing = (space, request.trials, request.objective, plan.seed)
                search = run_optuna(ground, *drawing, compute, storage=self.bench.home.searches, study=run_id, **how)
        finally:
            # What was tried before a worker or a cluster failed counts, and is not tried again.
            keeper.flush()
        days = max((len(trial.daily) for trial in search.trials if trial.daily is not None), default=0)
        selection = select(search.trials, request.objective, plan.seed, tried=self.bench.tried(plan, days))
        self.store.end_sweep(run_id, "complete" if search.complete else "partial", selection.figures())
        return self.store.run(run_id)

    def _resumed(self, request: SweepRequest) -> tuple[SweepRequest, str | None]:
        """A request that goes on with a sweep, as that sweep was asked for; and its id."""
        if request.resume is None:
            return request, None
        run_id = self.store.run(request.resume)["run_id"]
        return resumed(request, self.store.sweep(run_id)), run_id

    def walk_forward(self, request: WalkForwardRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.search.search import count_points
        from core.lab.search.walk_forward import Choosing, plan_windows, run_walk_forward

        searching = bool(request.grid) or request.trials is not None
        if request.trials is None:
            count_points(request.grid)
        plan = self.bench.plan(request.run, request.grid if searching else None)
        train_ms, test_ms = lengths(request)
        values = self.bench.values(plan, request.run.predictions)
        fault = self.bench.fault(plan, request.run.predictions)
        if (plan.strategy.models or plan.strategy.has_analysts) and values is None:
            if searching:
                raise BadInputError(
                    f"{plan.strategy.name} has a model or an analyst: choose its settings over the predictions of a "
                    "stored run, with --predictions RUN"
                )
            # Training anew as live does is what the run itself does.
            result = execute(plan, self.bench.home, "event-driven", progress, should_stop)
            return self.store.run(
                self.store.add_run(self.bench.assessed(plan, "walkforward", "event-driven", result, fault))
            )
        ground = plan.ground(values)
        windows = plan_windows(ground, train_ms, test_ms, embargo_ms=request.embargo_ms, anchored=request.anchored)
        choosing = Choosing(request.grid, request.trials, request.objective, seed=plan.seed) if searching else None
        told = WalkProgress(progress)
        progress(Progress(0, 0, "trials", COMPILING))
        compile_ahead(ground)
        walk = run_walk_forward(
            ground,
            windows,
            choosing,
            plan.compute(self.bench.home),
            on_trial=told.trial,
            progress=told.bars,
            should_stop=should_stop,
        )
        walked = replace(plan, history=walk.history)
        also = {trial.parameter_hash for fold in walk.folds for trial in fold.trials if trial.state != "failed"}
        record = self.bench.assessed(walked, "walkforward", "event-driven", walk.result, fault, also)
        record = replace(record, breakdowns={**record.breakdowns, "folds": [fold_row(fold) for fold in walk.folds]})
        chosen_on = plan.provenance("sweep", in_sample=True, trials=1)
        tried = [(chosen_on, fold.trials) for fold in walk.folds] if searching else ()
        return self.store.run(self.store.add_run(record, tried))

    def check(self, request: CheckRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.service.checking import check

        return check(self.bench, request, progress, should_stop)

    def validate(self, request: ValidateRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.service.checking import validate

        return validate(self.bench, request, progress, should_stop)

    def runs(self) -> list[Row]:
        return self.store.runs()

    def figures(self) -> dict[str, Row]:
        return self.store.figures()

    def run(self, run_id: str) -> Row:
        return self.store.run(run_id)

    def trades(self, run_id: str) -> list[Row]:
        return stored.trades(self.store, run_id)

    def curve(self, run_id: str, points: int) -> Row:
        return stored.curve(self.store, run_id, points)

    def bars(self, run_id: str, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> Row:
        return stored.bars(self.bench, run_id, symbol, from_ms, to_ms, interval_ms)

    def compare(self, run_ids: Sequence[str]) -> Row:
        return stored.compared(self.store, run_ids)

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        return self.store.delete(run_ids)

    def report(self, run_id: str) -> Report:
        return self.store.load(run_id).report()

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        return stored.exported(self.store, run_id, form, path, overwrite)


def _check_same(run_id: str, before: Provenance, now: Provenance) -> None:
    """Raises BadInputError where a sweep would go on with something else than it began with."""
    if before.data_hash != now.data_hash:
        raise BadInputError(f"{run_id}: its data has changed since; begin a new sweep")
    if before.rules() and before.rules() != now.rules():
        raise BadInputError(f"{run_id}: its contract rules have changed since; begin a new sweep")
