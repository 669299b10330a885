"""All checks of one strategy over one history, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.forecast import Output
from core.lab.checks import causality, execution, sensitivity
from core.lab.checks.sensitivity import Outcome, Variant
from core.lab.checks.truncation import fault_label, in_part, rule_values_of, windows_of_rule
from core.lab.checks.verdict import Status, Verdict
from core.lab.data.history import History
from core.lab.data.seeing import window_of_part
from core.lab.run.result import UNNAMED, RunResult
from core.learning.dataset import OpenLearner
from core.settings.schema import CostSettings
from core.strategy.chain import bars_behind
from core.strategy.declaration import Part, Strategy

OTHER_SEEDS = 2
"""With so many other seeds than the run's own a model is trained."""

CHECKS = (
    causality.LOOK_AHEAD,
    causality.SCALING,
    causality.PURGE,
    causality.WARM_UP,
    execution.FILLS,
    execution.COSTS,
    sensitivity.SEED,
    sensitivity.COST,
    sensitivity.DELAY,
    sensitivity.SNOOPING,
)
"""Their names, in the order in which they are made and told."""

ALL_OF_RUNS = frozenset(CHECKS[CHECKS.index(execution.FILLS) :])
"""Those that look at what a run gives."""

OF_THE_CODE = (causality.LOOK_AHEAD, causality.SCALING, causality.PURGE, causality.WARM_UP, execution.FILLS)
"""Those whose faults are of the code, and so of everything that it gave."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked, with the trainings' `seed`. `learners` are those of the parts whose models show their rows.
    `run` gives the result of a variant, and of the plain one the same each time; `luck` are deflated Sharpe ratio and
    probability of backtest overfitting of the plain run after `trials` parameter sets, None where unknown."""

    strategy: Strategy
    history: History
    costs: CostSettings
    learners: Mapping[str, OpenLearner]
    run: Callable[[Variant], RunResult]
    trials: int
    luck: Callable[[RunResult], tuple[float | None, float | None]]
    seed: int


def checks(subject: Subject, only: Sequence[str] = ()) -> Iterator[Verdict]:
    """The verdicts, one by one as they are reached; those named in `only`, or all."""
    wanted = frozenset(only or CHECKS)
    for verdict in _all(subject, wanted):
        if verdict.check in wanted:
            yield verdict


def runs_needed(strategy: Strategy, only: Sequence[str] = ()) -> tuple[int, int]:
    """How many runs the checks make, and in how many of them a model is trained."""
    wanted = frozenset(only or CHECKS)
    trains = bool(strategy.models)
    trained = int(bool(wanted & ALL_OF_RUNS)) + OTHER_SEEDS * (trains and sensitivity.SEED in wanted)
    if not trains and wanted & ALL_OF_RUNS == {sensitivity.SEED}:
        return 0, 0
    varied = (len(sensitivity.COST_STEPS) - 1) * (sensitivity.COST in wanted) + (sensitivity.DELAY in wanted)
    return trained + varied, trained if trains else 0


def code_fault(verdicts: Sequence[Verdict]) -> str:
    """The label of the first fault of the code among them, empty where there is none."""
    faults = (v for v in verdicts if v.status is Status.FAULT and v.check in OF_THE_CODE)
    return next((fault_label(fault.check, fault.detail) for fault in faults), "")


def _all(subject: Subject, wanted: frozenset[str]) -> Iterator[Verdict]:
    if wanted & {causality.LOOK_AHEAD, causality.SCALING, causality.PURGE, causality.WARM_UP}:
        yield from _causality(subject)
    if wanted & {execution.FILLS, execution.COSTS}:
        yield from _execution(subject)
    if sensitivity.SEED in wanted:
        if not subject.strategy.models:
            yield sensitivity.no_seeds(subject.strategy.name)
        else:
            seeds = range(subject.seed, subject.seed + OTHER_SEEDS + 1)
            yield sensitivity.check_seeds(lambda variant: _outcome(subject.run(variant)), seeds)
    if sensitivity.COST in wanted:
        yield sensitivity.check_costs_matter(lambda variant: _outcome(subject.run(variant)))
    if sensitivity.DELAY in wanted:
        yield sensitivity.check_delay(lambda variant: _outcome(subject.run(variant)))
    if sensitivity.SNOOPING in wanted:
        yield sensitivity.check_snooping(subject.trials, *subject.luck(subject.run(Variant())))


def _causality(subject: Subject) -> Iterator[Verdict]:
    """Over the bars of the first symbol: a rule or a feature is the same arithmetic for each."""
    for part in subject.strategy.parts:
        for verdict in _causality_of(subject, part):
            yield replace(verdict, detail=in_part(subject.strategy, part, verdict.detail))


def _causality_of(subject: Subject, part: Part) -> Iterator[Verdict]:
    strategy, symbol = subject.strategy, subject.history.symbols[0]
    learner = subject.learners.get(part.name)
    if strategy.learns_late(part):
        detail, mend = "sees what a model says, which only a run has", "check the parts that it sees"
    elif part.rule is not None:
        window = next(windows_of_rule(strategy, part, subject.history))
        values_of = rule_values_of(strategy, part, subject.history)
        yield causality.check_rule(values_of, part.outputs, window)
        yield causality.check_rule_warm_up(values_of, part.outputs, window, bars_behind(strategy, part))
        return
    elif learner is not None:
        window = window_of_part(subject.history, symbol, strategy, part)
        yield from causality.check_dataset(learner, window)
        yield causality.check_split(learner, window)
        yield causality.check_dataset_warm_up(learner, window)
        return
    else:
        detail = f"{strategy.name} shows neither a rule nor the rows that its model learns from"
        mend = "give its learner dataset, split and fit_rows (core.learning.dataset.OpenLearner)"
    for name in (causality.LOOK_AHEAD, causality.SCALING, causality.PURGE, causality.WARM_UP):
        yield Verdict(name, Status.UNKNOWN, detail, mend)


def _execution(subject: Subject) -> Iterator[Verdict]:
    fills = subject.run(Variant()).fills
    if fills is None:
        for name in (execution.FILLS, execution.COSTS):
            yield Verdict(name, Status.UNKNOWN, "the run kept no fills", "check with the event-driven engine")
        return
    yield execution.check_fills(fills, subject.history)
    yield execution.check_costs(fills, subject.history, subject.costs)


def _outcome(result: RunResult) -> Outcome:
    return Outcome(len(result.trades), float(result.trades.net_usdt.sum()))


def values_of(
    result: RunResult, history: History, outputs: Sequence[Output], delay_bars: int = 0
) -> Mapping[str, NDArray[np.float64]]:
    """The forecasts of a run as values by slot (n, outputs), each `delay_bars` late.

    Runs of before outputs had names kept the first alone. Raises BadInputError where the run kept others.
    """
    values = {}
    names = [output.name for output in outputs]
    for symbol, told in result.predictions.items():
        kept = told.names.tolist()
        if kept != names and kept != [UNNAMED]:
            raise BadInputError(
                f"the run forecast {', '.join(kept)}, and {', '.join(names)} is decided on; run the backtest again"
            )
        columns = np.full((len(history), len(outputs)), np.nan)
        slots = (told.close_ms - history.open_time_ms[0]) // history.interval_ms - 1 + delay_bars
        inside = (slots >= 0) & (slots < len(history))
        columns[slots[inside], : len(kept)] = told.values[inside]
        values[symbol] = columns
    return values
