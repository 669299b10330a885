"""How a search of the lab is asked for, kept and told."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from core.clock import monotonic_ns
from core.domain.errors import BadInputError
from core.domain.progress import OnProgress, Progress
from core.domain.rows import Row
from core.home.folder import Home
from core.lab.requests import BacktestRequest, SweepRequest, WalkForwardRequest
from core.lab.service.plan import Plan, market_of

if TYPE_CHECKING:
    from core.lab.run.evaluation import Ground
    from core.lab.run.result import Provenance
    from core.lab.search.trials import Trial
    from core.lab.search.walk_forward import Fold
    from core.lab.service.records import SweepRecord
    from core.lab.service.stores import LabStore
    from core.lab.validation.cpcv import CrossValidation

KEEP_AT_ONCE = 200


class TrialKeeper:
    """Stores the trials of a sweep as they come, some at once, and tells how many there are."""

    def __init__(
        self,
        store: LabStore,
        run_id: str,
        provenance: Provenance,
        progress: OnProgress,
        total: int,
        done: int,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._provenance = provenance
        self._progress = progress
        self._total = total
        self._done = done
        self._waiting: list[Trial] = []

    def take(self, trial: Trial) -> None:
        self._waiting.append(trial)
        self._done += 1
        self._progress(Progress(self._done, self._total, "trials"))
        if len(self._waiting) >= KEEP_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        self._store.add_trials(self._run_id, self._provenance, self._waiting)
        self._waiting = []


class WalkProgress:
    """Tells of a walk-forward: first the trials of its folds, then the bars of its run."""

    def __init__(self, progress: OnProgress) -> None:
        self._progress = progress
        self._trials = 0

    def trial(self, _: Trial) -> None:
        self._trials += 1
        self._progress(Progress(self._trials, 0, "trials"))

    def bars(self, done: int, total: int) -> None:
        self._progress(Progress(done, total, "bars"))


class CheckProgress:
    """Tells of a check by the bars of all runs that it makes; `about` says beforehand how long they take."""

    def __init__(self, progress: OnProgress, runs: int, bars: int, about: str) -> None:
        self._progress = progress
        self._runs = runs
        self._bars = bars
        self._about = about
        self._made = 0
        self._checked = 0
        progress(Progress(0, runs * bars, "bars", about))

    def run(self, name: str) -> OnProgress:
        """What the next run is to tell its own progress to."""
        before, self._made = self._made * self._bars, self._made + 1
        note = f"run {self._made} of {self._runs}, {name}{f'; {self._about}' if self._about else ''}"

        def tell(own: Progress) -> None:
            done = self._bars * own.done // own.total if own.total else 0
            self._progress(Progress(before + done, self._runs * self._bars, "bars", note))

        return tell

    def checked(self, name: str) -> None:
        if not self._runs:
            self._checked += 1
            self._progress(Progress(self._checked, 0, "checks", name))


def training_time(plan: Plan, home: Home, runs: int) -> str:
    """How long the models of so many runs take to be trained, in words; empty where none is."""
    from core.lab.run.trainings import planned_trainings, train_ahead, training_ground
    from core.lab.statistics.figures import duration_text

    planned = planned_trainings(plan.history, plan.strategy, plan.settings)
    if not planned or not runs:
        return ""
    ground = training_ground(plan.history, plan.strategy, plan.seed)
    train_ahead(ground, planned[0])  # The first one imports and compiles.
    begun_ns = monotonic_ns()
    train_ahead(ground, planned[-1])
    each_ms = (monotonic_ns() - begun_ns) / 1e6
    processes = plan.compute(home).processes
    in_all = max(60_000, runs * len(planned) * each_ms / processes)
    trainings = f"{runs} x {len(planned):,} trainings"
    return f"{trainings} on {processes} processes take about {duration_text(round(in_all / 60_000) * 60_000)}"


def compile_ahead(ground: Ground) -> None:
    """Try the plain settings once: what numba has to compile is then on disk before many processes want it."""
    from core.lab.run.evaluation import Attempt, evaluate_trial

    evaluate_trial(ground, Attempt(0, {}))


def trials_of(request: SweepRequest) -> int:
    """How many trials are asked for."""
    from core.lab.search.search import count_points

    return count_points(request.grid) if request.trials is None else request.trials


def sweep_record(plan: Plan, provenance: Provenance, request: SweepRequest, now_ms: int) -> SweepRecord:
    from core.lab.data.funding import assumed_label
    from core.lab.service.records import SweepRecord

    assumed = assumed_label(plan.history, plan.settings.costs.assumed_funding_bps)
    return SweepRecord(
        created_ms=now_ms,
        provenance=replace(provenance, data_labels=(*provenance.data_labels, *assumed)),
        objective=request.objective,
        grid=request.grid,
        wanted=request.trials,
        overrides=plan.overrides,
        note=plan.note,
    )


def resumed(request: SweepRequest, record: SweepRecord) -> SweepRequest:
    """The request that `record` was made of, with the number of trials and of processes that are asked for now."""
    own = record.provenance
    run = BacktestRequest(
        strategy=own.strategy,
        settings_path=request.run.settings_path,
        symbols=own.symbols,
        from_ms=own.from_ms,
        to_ms=own.to_ms,
        overrides=record.overrides,
        engine="sweep",
        seed=own.seed,
        jobs=request.run.jobs,
        note=record.note,
        predictions=request.run.predictions,
        market=market_of(own),
        # Its data are compared by their hash: where they have holes, that was allowed when it began.
        allow_holes=True,
    )
    wanted = record.wanted if request.trials is None else request.trials
    return replace(request, run=run, grid=record.grid, trials=wanted, objective=record.objective)


def lengths(request: WalkForwardRequest) -> tuple[int, int]:
    """Length of training and test in ms: those asked for, else the preset's."""
    from core.lab.run.presets import find_preset

    preset = find_preset(request.run.preset) if request.run.preset else None
    train_ms = request.train_ms or (preset.train_ms if preset else None)
    test_ms = request.test_ms or (preset.test_ms if preset else None)
    if not train_ms or not test_ms:
        raise BadInputError("say how long to train and to test: --train 30d --test 7d, or a --preset")
    return train_ms, test_ms


def fold_row(fold: Fold) -> Row:
    """A fold as the lab tells it: its windows, what was chosen, and the figures of its test."""
    window, figures = fold.window, dict(fold.figures)
    shown = {name: figures.pop(name, None) for name in ("trades", "total_return_pct", "sharpe")}
    return {
        "test_from_ms": window.test_from_ms,
        "parameters": ", ".join(f"{key}={value}" for key, value in fold.parameters.items()),
        **shown,
        "tried": len(fold.trials),
        "test_to_ms": window.test_to_ms,
        "train_from_ms": window.train_from_ms,
        "train_to_ms": window.train_to_ms,
        "note": fold.note,
        **figures,
    }


def validation_row(symbol: str, found: CrossValidation) -> Row:
    share = found.positive_share
    return {
        "symbol": symbol,
        "rows": found.rows,
        "days": found.days,
        "trainings": found.splits,
        "paths": [asdict(path) for path in found.paths],
        "positive_share_pct": None if share is None else 100.0 * share,
    }
