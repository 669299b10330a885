"""The backtest lab of one home: each request planned, run, judged, kept and told.

Heavy imports stand inside the functions that need them, so that a read verb answers at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from core.clock import Clock
from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.domain.rows import Row
from core.home.folder import Home
from core.lab.requests import BacktestRequest, Engine
from core.lab.service.execution import execute
from core.lab.service.plan import Plan, make_plan, market_of, open_learner
from core.lab.service.search import (
    CheckProgress,
    TrialKeeper,
    WalkProgress,
    compile_ahead,
    fold_row,
    lengths,
    resumed,
    sweep_record,
    training_time,
    trials_of,
    validation_row,
)
from core.settings.values import MARKETS, Grid, Market, Overrides

if TYPE_CHECKING:
    from core.lab.checks.run import Subject
    from core.lab.checks.sensitivity import Variant
    from core.lab.report.data import Report
    from core.lab.requests import CheckRequest, SweepRequest, ValidateRequest, WalkForwardRequest
    from core.lab.run.result import Provenance, RunResult
    from core.lab.search.trials import TrialCount
    from core.lab.service.plan import Values
    from core.lab.service.records import RunRecord
    from core.lab.service.stores import HomeStores, LabStore, MarketStore
    from core.settings.schema import CostSettings


COMPILING = "getting ready; the very first time compiles for half a minute"

Kind = Literal["backtest", "walkforward"]


class HomeLab:
    """Implements `core.lab.requests.Lab`. Nothing is opened or made before something is asked for."""

    def __init__(self, home: Home, stores: HomeStores, clock: Clock) -> None:
        self._home = home
        self._stores = stores
        self._clock = clock
        self._markets: dict[Market, MarketStore] = {}

    @cached_property
    def store(self) -> LabStore:
        self._home.create()
        return self._stores.lab()

    def market(self, name: Market) -> MarketStore:
        """The candles of a market. One that is not the operator's own is used by its name alone."""
        if name not in self._markets:
            self._home.create()
            # Nothing of a year of candles is read but what a query asks for, and a query tells of damage.
            self._markets[name] = self._stores.recorded() if name == "recorded" else self._stores.imported()
        return self._markets[name]

    def choices(self) -> Row:
        from core.lab.run.presets import PRESETS
        from core.settings.strategies import strategy_names

        names = ("symbol", "first_ms", "last_ms", "is_synthetic")
        stored = [(name, series) for name in MARKETS for series in self.market(name).series(MINUTE_MS).values()]
        return {
            "strategies": strategy_names(),
            "presets": [{"name": preset.name, "about": preset.about} for preset in PRESETS],
            "symbols": [{"market": market} | {name: getattr(item, name) for name in names} for market, item in stored],
        }

    def plan(self, request: BacktestRequest, space: Grid | None = None) -> Plan:
        """See `make_plan`."""
        from core.arithmetic.compiler import ready_compiler
        from core.home.garbage import collect_garbage

        plan = make_plan(self._home, self.market, request, space)
        ready_compiler()
        collect_garbage()
        return plan

    def backtest(self, request: BacktestRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        plan = self.plan(request)
        values = self._values(plan, request.predictions)
        result = execute(plan, self._home, request.engine, progress, should_stop, values)
        bars = len(result.curve)
        progress(Progress(bars, bars, "bars", COMPILING))
        fault = self._fault(plan, request.predictions)
        return self.store.run(self.store.add_run(self._assessed(plan, "backtest", request.engine, result, fault)))

    def _fault(self, plan: Plan, predictions: str | None) -> str:
        """Why nothing of the plan can be believed, as a label; that of the run whose predictions it takes."""
        from core.lab.checks.truncation import quick_fault

        if predictions is not None:
            return self.store.load(predictions).provenance.fault
        return quick_fault(plan.strategy, plan.history, open_learner(plan.strategy), plan.seed)

    def _values(self, plan: Plan, run_id: str | None) -> Values | None:
        """The predictions of a stored run over the plan's history."""
        if run_id is None:
            return None
        from core.lab.checks.run import values_of

        record = self.store.load(run_id)
        lacking = [symbol for symbol in plan.history.symbols if symbol not in record.result.predictions]
        if lacking or record.provenance.strategy != plan.strategy.name:
            raise BadInputError(
                f"{run_id}: is a run of {record.provenance.strategy} on {', '.join(record.provenance.symbols)}; "
                f"name one of {plan.strategy.name} on {', '.join(plan.history.symbols)}"
            )
        return values_of(record.result, plan.history, plan.strategy.outputs)

    def _assessed(
        self, plan: Plan, kind: Kind, engine: Engine, result: RunResult, fault: str, also: Collection[str] = ()
    ) -> RunRecord:
        """The record of a run, with all its figures. A walk-forward chose its parameters before what it trades, from
        sets whose hashes are `also`."""
        from core.lab.data.notes import data_rows
        from core.lab.service.records import RunRecord
        from core.lab.statistics.assessment import assess
        from core.lab.validation.random_entry import random_entry

        history = plan.history
        tried = self._tried_with(plan, result, also)
        judgement = assess(result, history, plan.settings.costs, tried, plan.seed)
        figures, references = dict(judgement.figures), dict(judgement.references)
        drawn = random_entry(result, history, plan.settings, plan.strategy, plan.instruments, plan.seed)
        if drawn is not None:
            figures |= {"random_entries": float(drawn.runs), "random_entry_usdt": drawn.median_final_usdt}
            figures["random_entry_beaten_pct"] = drawn.beaten_pct
            references["random entry"] = drawn.curve
        chosen_here = kind == "backtest" and self.store.was_searched(
            plan.strategy.name, history.symbols, history.from_ms, history.to_ms, plan.own_hash()
        )
        return RunRecord(
            kind=kind,
            created_ms=self._clock.now_ms(),
            status="complete" if result.complete else "partial",
            provenance=plan.provenance(engine, in_sample=chosen_here, trials=tried.trials, fault=fault),
            result=result,
            figures=figures,
            breakdowns={**judgement.breakdowns, **data_rows(history, plan.settings.lab.jump_volatilities)},
            overrides=plan.overrides,
            note=plan.note,
            references=references,
        )

    def _tried(
        self, plan: Plan, days: int, own: Mapping[str, float | None] = MappingProxyType({}), also: Collection[str] = ()
    ) -> TrialCount:
        """How often parameters of the strategy were tried on such data; see `LabStore.count_trials`."""
        history = plan.history
        where = (plan.strategy.name, history.symbols, history.from_ms, history.to_ms, history.interval_ms)
        return self.store.count_trials(*where, days, own, also)

    def _tried_with(self, plan: Plan, result: RunResult, also: Collection[str] = ()) -> TrialCount:
        """Likewise, the plan's own set with what came of it among them."""
        from core.lab.statistics.assessment import returns_of
        from core.lab.validation.luck import moments

        returns = returns_of(result, plan.history)
        shape = moments(returns)
        return self._tried(plan, len(returns), {plan.own_hash(): None if shape is None else shape.sharpe}, also)

    def sweep(self, request: SweepRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.run.evaluation import check_market, check_space, check_values
        from core.lab.search.optuna_search import run_optuna
        from core.lab.search.search import run_grid
        from core.lab.validation.selection import select

        request, run_id = self._resumed(request)
        trials_of(request)  # One that is too large is refused before anything is looked up.
        plan = self.plan(request.run, request.grid)
        ground = plan.ground(self._values(plan, request.run.predictions))
        if run_id is None:
            space = request.grid or plan.strategy.search_space
            check_space(ground, space)
            check_values(ground, space)
            check_market(ground)
        fault = self._fault(plan, request.run.predictions)
        provenance = plan.provenance("sweep", in_sample=True, trials=1, fault=fault)
        if run_id is None:
            record = sweep_record(plan, provenance, request, self._clock.now_ms())
            run_id = self.store.begin_sweep(record)
        else:
            _check_same(run_id, self.store.sweep(run_id).provenance, provenance)
        known = {trial.parameter_hash: trial for trial in self.store.trials(run_id)}
        keeper = TrialKeeper(self.store, run_id, provenance, progress, trials_of(request), len(known))
        how: Any = {"known": known, "on_trial": keeper.take, "should_stop": should_stop}
        compute = plan.compute(self._home)
        progress(Progress(len(known), trials_of(request), "trials", COMPILING))
        compile_ahead(ground)
        try:
            if request.trials is None:
                search = run_grid(ground, request.grid, compute, **how)
            else:
                space = request.grid or plan.strategy.search_space
                drawing = (space, request.trials, request.objective, plan.seed)
                search = run_optuna(ground, *drawing, compute, storage=self._home.searches, study=run_id, **how)
        finally:
            # What was tried before a worker or a cluster failed counts, and is not tried again.
            keeper.flush()
        days = max((len(trial.daily) for trial in search.trials if trial.daily is not None), default=0)
        selection = select(search.trials, request.objective, plan.seed, tried=self._tried(plan, days))
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
        plan = self.plan(request.run, request.grid if searching else None)
        train_ms, test_ms = lengths(request)
        values = self._values(plan, request.run.predictions)
        fault = self._fault(plan, request.run.predictions)
        if plan.strategy.part.model is not None and values is None:
            if searching:
                raise BadInputError(
                    f"{plan.strategy.name} has a model: choose its settings over the predictions of a stored run, with "
                    "--predictions RUN"
                )
            # Training anew as live does is what the run itself does.
            result = execute(plan, self._home, "event-driven", progress, should_stop)
            return self.store.run(
                self.store.add_run(self._assessed(plan, "walkforward", "event-driven", result, fault))
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
            plan.compute(self._home),
            on_trial=told.trial,
            progress=told.bars,
            should_stop=should_stop,
        )
        walked = replace(plan, history=walk.history)
        also = {trial.parameter_hash for fold in walk.folds for trial in fold.trials if trial.state != "failed"}
        record = self._assessed(walked, "walkforward", "event-driven", walk.result, fault, also)
        record = replace(record, breakdowns={**record.breakdowns, "folds": [fold_row(fold) for fold in walk.folds]})
        chosen_on = plan.provenance("sweep", in_sample=True, trials=1)
        tried = [(chosen_on, fold.trials) for fold in walk.folds] if searching else ()
        return self.store.run(self.store.add_run(record, tried))

    def check(self, request: CheckRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.lab.checks.run import CHECKS, checks, code_fault, runs_needed
        from core.lab.checks.verdict import Status, Verdict, plain

        unknown = [name for name in request.only if name not in CHECKS]
        if unknown:
            raise BadInputError(f"no check is called {unknown[0]!r}; choose from {', '.join(CHECKS)}")
        plan = self.plan(request.run)
        verdicts: list[Verdict] = []
        runs, trained = runs_needed(plan.strategy, request.only)
        told = CheckProgress(progress, runs, len(plan.history), training_time(plan, self._home, trained))
        for verdict in checks(self._subject(plan, told, should_stop), request.only):
            if should_stop():
                break  # What was run for it was stopped, too.
            verdicts.append(verdict)
            told.checked(verdict.check)
        made = {verdict.check for verdict in verdicts}
        # A rule has no rows to scale or to purge: only what was stopped is missing.
        if should_stop():
            left = [name for name in request.only or CHECKS if name not in made]
            verdicts += [Verdict(name, Status.UNKNOWN, "stopped before it was made") for name in left]
        faults = sum(verdict.status is Status.FAULT for verdict in verdicts)
        label = code_fault(verdicts)
        marked = self.store.mark_fault(plan.strategy.name, plan.code_version(), label) if label else 0
        return {
            **_about(plan),
            "verdict": plain(verdicts),
            "faults": faults,
            "marked_runs": marked,
            "checks": [{**asdict(verdict), "status": str(verdict.status)} for verdict in verdicts],
        }

    def _subject(self, plan: Plan, told: CheckProgress, should_stop: ShouldStop) -> Subject:
        """The plan as the checks see it; the plain run is made once, and its predictions serve all variants of it."""
        from core.lab.checks.run import Subject, values_of
        from core.lab.statistics.assessment import luck_figures, returns_of

        plain_runs: list[RunResult] = []

        def run(variant: Variant) -> RunResult:
            if variant.seed not in (None, plan.seed):
                return made(replace(plan, seed=variant.seed), f"seed {variant.seed}")
            if not plain_runs:
                plain_runs.append(made(plan, "the plain run"))
            if variant.costs == 1.0 and not variant.delay_bars:
                return plain_runs[0]
            values = values_of(plain_runs[0], plan.history, plan.strategy.outputs, variant.delay_bars)
            varied = plan.under(_costs_times(plan.settings.costs, variant.costs))
            return made(varied, f"costs {variant.costs:g}x, {variant.delay_bars} bars late", values)

        def made(planned: Plan, name: str, values: Values | None = None) -> RunResult:
            return execute(planned, self._home, "event-driven", told.run(name), should_stop, values)

        def luck(result: RunResult) -> tuple[float | None, float | None]:
            returns = returns_of(result, plan.history)
            return luck_figures(returns, self._tried_with(plan, result), plan.seed)["dsr"], None

        tried = self._tried(plan, 0, {plan.own_hash(): None}).trials
        learner = open_learner(plan.strategy)
        return Subject(plan.strategy, plan.history, plan.settings.costs, learner, run, tried, luck, plan.seed)

    def validate(self, request: ValidateRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        from core.arithmetic.costs import round_trip_cost_bps
        from core.lab.data.holes import holed_days
        from core.lab.report.verdict import validation_line
        from core.lab.validation.cpcv import cross_validate

        plan = self.plan(request.run)
        history, costs = plan.history, plan.settings.costs
        holed_ms = holed_days(history)
        told = []
        for symbol in history.symbols:
            found = cross_validate(
                plan.strategy,
                history.columns(symbol),
                round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps),
                plan.compute(self._home),
                folds=request.folds,
                test_folds=request.test_folds,
                embargo_ms=request.embargo_ms,
                seed=plan.seed,
                holed_ms=holed_ms,
                on_split=partial(_tell_split, progress, symbol),
                should_stop=should_stop,
            )
            if found is None:
                break
            told.append(validation_row(symbol, found))
        days = max((row["days"] for row in told), default=0)
        paths = [path for row in told for path in row["paths"]]
        return {
            "verdict": validation_line(plan.strategy.name, days, paths),
            **_about(plan, self._fault(plan, None)),
            "folds": request.folds,
            "test_folds": request.test_folds,
            "status": "complete" if len(told) == len(history.symbols) else "partial",
            "validations": told,
        }

    def runs(self) -> list[Row]:
        return self.store.runs()

    def figures(self) -> dict[str, Row]:
        return self.store.figures()

    def run(self, run_id: str) -> Row:
        return self.store.run(run_id)

    def trades(self, run_id: str) -> list[Row]:
        from core.lab.run.result_rows import trade_rows

        result = self.store.load(run_id).result
        return trade_rows(result.trades, result.plans)

    def curve(self, run_id: str, points: int) -> Row:
        from core.lab.run.result_rows import curve_row

        return curve_row(self.store.load(run_id).result, points)

    def bars(self, run_id: str, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> Row:
        from core.lab.data.history import MAX_HOLE_MS
        from core.market.joining import joined

        own = self.store.load(run_id).provenance
        market = market_of(own)
        if symbol not in own.symbols:
            raise BadInputError(f"{run_id}: has no {symbol}; it traded {', '.join(own.symbols)}")
        history = self.market(market).history([symbol], own.interval_ms, from_ms, to_ms, 0, MAX_HOLE_MS)
        candles = joined(history.columns(symbol), interval_ms)
        names = ("open", "high", "low", "close", "volume")
        told = {name: getattr(candles, name).tolist() for name in names}
        return {"open_ms": candles.open_time_ms.tolist(), **told}

    def compare(self, run_ids: Sequence[str]) -> Row:
        from core.lab.report.comparison import compare

        return compare([self.store.run(run_id) for run_id in run_ids])

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        return self.store.delete(run_ids)

    def report(self, run_id: str) -> Report:
        return self.store.load(run_id).report()

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        from core.lab.report.export import export

        files = export(self.report(run_id), path, form, overwrite)
        return {"run_id": self.run(run_id)["run_id"], "form": form, "files": [str(file) for file in files]}


def _tell_split(progress: OnProgress, symbol: str, done: int, total: int) -> None:
    progress(Progress(done, total, "trainings", symbol))


def _check_same(run_id: str, before: Provenance, now: Provenance) -> None:
    """Raises BadInputError where a sweep would go on with something else than it began with."""
    if before.data_hash != now.data_hash:
        raise BadInputError(f"{run_id}: its data has changed since; begin a new sweep")
    if before.rules() and before.rules() != now.rules():
        raise BadInputError(f"{run_id}: its contract rules have changed since; begin a new sweep")


def _about(plan: Plan, fault: str = "") -> Row:
    """What was looked at, for what is told and not stored."""
    own = plan.provenance("event-driven", in_sample=False, trials=1, fault=fault)
    names = ("strategy", "from_ms", "to_ms", "source")
    return {name: getattr(own, name) for name in names} | {"symbols": list(own.symbols), "labels": list(own.labels())}


def _costs_times(costs: CostSettings, factor: float) -> Overrides:
    """Fees, slippage and impact, each `factor` times what it is."""
    names = ("maker_fee_bps", "taker_fee_bps", "slippage_bps", "impact_bps")
    return tuple((f"costs.{name}", float(getattr(costs, name)) * factor) for name in names)
