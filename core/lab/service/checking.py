"""What the lab is asked about a strategy beside a run: does it see the future, hang on luck, learn anything?"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.domain.rows import Row
from core.lab.service.bench import Bench
from core.lab.service.execution import execute
from core.lab.service.plan import Plan, open_learners
from core.lab.service.search import CheckProgress, training_time, validation_row
from core.settings.values import Overrides

if TYPE_CHECKING:
    from core.lab.checks.run import Subject
    from core.lab.checks.sensitivity import Variant
    from core.lab.requests import CheckRequest, ValidateRequest
    from core.lab.run.result import RunResult
    from core.lab.service.plan import Values
    from core.settings.schema import CostSettings


def check(bench: Bench, request: CheckRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
    from core.lab.checks.run import CHECKS, checks, code_fault, runs_needed
    from core.lab.checks.verdict import Status, Verdict, plain

    unknown = [name for name in request.only if name not in CHECKS]
    if unknown:
        raise BadInputError(f"no check is called {unknown[0]!r}; choose from {', '.join(CHECKS)}")
    plan = bench.plan(request.run)
    verdicts: list[Verdict] = []
    runs, trained = runs_needed(plan.strategy, request.only)
    told = CheckProgress(progress, runs, len(plan.history), training_time(plan, bench.home, trained))
    for verdict in checks(_subject(bench, plan, told, should_stop), request.only):
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
    marked = bench.store.mark_fault(plan.strategy.name, plan.code_version(), label) if label else 0
    return {
        **_about(plan),
        "verdict": plain(verdicts),
        "faults": faults,
        "marked_runs": marked,
        "checks": [{**asdict(verdict), "status": str(verdict.status)} for verdict in verdicts],
    }


def validate(bench: Bench, request: ValidateRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
    from core.arithmetic.costs import round_trip_cost_bps
    from core.lab.data.holes import holed_days
    from core.lab.data.seeing import said_of_bars, said_of_history, window_of_part
    from core.lab.report.verdict import validation_line
    from core.lab.validation.cpcv import Ground, check_strategy, cross_validate

    plan = bench.plan(request.run)
    check_strategy(plan.strategy)
    history, costs = plan.history, plan.settings.costs
    holed_ms = holed_days(history)
    decided, market = plan.strategy.decided, said_of_history(history, plan.strategy)
    told = []
    for symbol in history.symbols:
        asked = (history, symbol, plan.strategy)
        ground = Ground(
            {part.name: window_of_part(*asked, part, market) for part in decided if part.model is not None},
            {part.name: said_of_bars(*asked, part, market) for part in decided if part.rule is not None},
        )
        found = cross_validate(
            plan.strategy,
            ground,
            round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps),
            plan.compute(bench.home),
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
        **_about(plan, bench.fault(plan, None)),
        "folds": request.folds,
        "test_folds": request.test_folds,
        "status": "complete" if len(told) == len(history.symbols) else "partial",
        "validations": told,
    }


def _subject(bench: Bench, plan: Plan, told: CheckProgress, should_stop: ShouldStop) -> Subject:
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
        return execute(planned, bench.home, "event-driven", told.run(name), should_stop, values)

    def luck(result: RunResult) -> tuple[float | None, float | None]:
        returns = returns_of(result, plan.history)
        return luck_figures(returns, bench.tried_with(plan, result), plan.seed)["dsr"], None

    tried = bench.tried(plan, 0, {plan.own_hash(): None}).trials
    learners = open_learners(plan.strategy)
    return Subject(plan.strategy, plan.history, plan.settings.costs, learners, run, tried, luck, plan.seed)


def _tell_split(progress: OnProgress, symbol: str, done: int, total: int) -> None:
    progress(Progress(done, total, "trainings", symbol))


def _about(plan: Plan, fault: str = "") -> Row:
    """What was looked at, for what is told and not stored."""
    own = plan.provenance("event-driven", in_sample=False, trials=1, fault=fault)
    names = ("strategy", "from_ms", "to_ms", "interval_ms", "source")
    return {name: getattr(own, name) for name in names} | {"symbols": list(own.symbols), "labels": list(own.labels())}


def _costs_times(costs: CostSettings, factor: float) -> Overrides:
    """Fees, slippage and impact, each `factor` times what it is."""
    names = ("maker_fee_bps", "taker_fee_bps", "slippage_bps", "impact_bps")
    return tuple((f"costs.{name}", float(getattr(costs, name)) * factor) for name in names)
