"""Searches that learn from what was tried: Optuna's TPE sampler, resumable in SQLite.

Trials are drawn and told in batches of one size whatever the number of processes, each with a seed of its own, so that
a search gives the same trials for any number of jobs, and when it was stopped and taken up again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.compute.pool import Compute, task_seed
from core.domain.errors import BadInputError, StorageError
from core.home.folder import open_own
from core.lab.run.evaluation import Attempt, Ground, Parameters, check_space
from core.lab.search.search import OnTrial, Search, ShouldStop, check_objective, evaluate, objective_value
from core.lab.search.trials import Trial, parameter_hash
from core.settings.values import Grid, Value

BATCH = 8
STARTUP_TRIALS = 16
"""So many are drawn at random before the sampler begins to learn."""


def run_optuna(
    ground: Ground,
    space: Grid,
    trials: int,
    objective: str,
    seed: int,
    compute: Compute,
    *,
    storage: Path | None = None,
    study: str = "search",
    min_trades: int = 0,
    period: tuple[int, int] | None = None,
    known: Mapping[str, Trial] | None = None,
    on_trial: OnTrial = lambda trial: None,
    should_stop: ShouldStop = lambda: False,
) -> Search:
    """Draw `trials` parameter sets from `space` so as to raise `objective`, earlier draws of the study included.

    `space` empty takes the strategy's own. `storage` is the SQLite file that remembers the study called `study`;
    without it nothing is remembered. A trial's number is that of its draw; a set that was drawn before is not tried
    again, so there may be fewer trials than draws. `known` are trials of the same ground and period from before, by
    `parameter_hash`, which are not tried again. A study that is taken up gives what an unbroken search gives.
    `on_trial` hears of each new trial as it comes. Raises BadInputError where the space cannot be searched, and
    StorageError where the file cannot be used.
    """
    check_objective(objective)
    if trials < 1:
        raise BadInputError(f"{trials} trials: at least one must be drawn")
    space = space or ground.load(ground.strategy, ground.settings).search_space
    check_space(ground, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawing = _Drawing(_study(storage, study, space, objective), space, seed)
    base = ground.settings.model_dump(mode="json")
    found = dict(known or {})

    def try_all(drawn: Mapping[int, Parameters]) -> dict[int, Trial]:
        """The trials of draws, of those that are known too; without those that a stop left untried."""
        names = {number: parameter_hash(base, ground.strategy, point) for number, point in drawn.items()}
        attempts: dict[str, Attempt] = {}
        for number, named in names.items():
            if named not in found:
                attempts.setdefault(named, Attempt(number, drawn[number], period))
        for trial in evaluate(ground, list(attempts.values()), compute, on_trial=on_trial, should_stop=should_stop):
            found[trial.parameter_hash] = trial
        return {number: found[named] for number, named in names.items() if named in found}

    # What was told to the study and yet is not known: the program died before it was kept.
    told = drawing.told()
    whole = len(try_all(told)) == len(told)
    while whole:
        drawn = drawing.batch(min(trials, (drawing.drawn // BATCH + 1) * BATCH))
        if not drawn:
            break
        tried = try_all(drawn)
        for number, trial in tried.items():
            drawing.tell(number, objective_value(trial, objective, min_trades))
        whole = len(tried) == len(drawn) and not should_stop()
    ended = sorted(found.values(), key=lambda trial: trial.number)
    return Search(tuple(ended), drawing.finished >= trials)


class _Drawing:
    """A study that is asked for numbered parameter sets and told what they are worth."""

    def __init__(self, study: Any, space: Grid, seed: int) -> None:
        self._study = study
        self._seed = seed
        self._space = space
        self._distributions = {key: _distribution(values) for key, values in space}

    @property
    def drawn(self) -> int:
        return len(self._study.get_trials(deepcopy=False))

    @property
    def finished(self) -> int:
        return sum(trial.state.is_finished() for trial in self._study.get_trials(deepcopy=False))

    def told(self) -> dict[int, Parameters]:
        """The sets whose value is known, by number."""
        from optuna.trial import TrialState

        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {trial.number: self._point(trial.params) for trial in complete}

    def batch(self, until: int) -> dict[int, Parameters]:
        """The sets that wait for their value, by number; where none does, new ones up to the number `until`.

        Those that wait were drawn before a stop: they are finished first, as the draws that follow learn from them.
        """
        from optuna.trial import TrialState

        found = {}
        for waiting in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if len(waiting.params) == len(self._distributions):
                found[waiting.number] = self._point(waiting.params)
            else:  # The program died while this one was drawn.
                self._study.tell(waiting.number, state=TrialState.FAIL)
        for _ in range(self.drawn, 0 if found else until):
            trial = self._ask()
            found[trial.number] = self._point(trial.params)
        return found

    def _ask(self) -> Any:
        self._study.sampler = _sampler(task_seed(self._seed, self.drawn))
        return self._study.ask(self._distributions)

    def _point(self, places: Mapping[str, int]) -> Parameters:
        return {key: _in_order(values)[0][places[key]] for key, values in self._space}

    def tell(self, number: int, value: float) -> None:
        self._study.tell(number, value)


def _sampler(seed: int) -> Any:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)


def _study(storage: Path | None, name: str, space: Grid, objective: str) -> Any:
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if storage is None:
        return optuna.create_study(direction="maximize")
    from sqlalchemy.exc import SQLAlchemyError

    about = {"space": [[key, list(values)] for key, values in space], "objective": objective}
    try:
        # Made first, and for its owner alone.
        os.close(open_own(storage, os.O_RDWR | os.O_CREAT))
        store = RDBStorage(f"sqlite:///{storage}")
        _write_ahead(store.engine)
        study = optuna.create_study(storage=store, study_name=name, direction="maximize", load_if_exists=True)
    except OSError as error:
        raise StorageError(f"{storage}: cannot be used as Optuna's store: {error.strerror}") from error
    except (SQLAlchemyError, RuntimeError) as error:
        raise StorageError(f"{storage}: cannot be used as Optuna's store: {_first_line(error)}") from error
    asked = study.user_attrs.get("about")
    if asked is None:
        study.set_user_attr("about", about)
    elif asked != about:
        raise BadInputError(f"study {name}: was begun with another grid or objective; begin a new search")
    return study


def _write_ahead(engine: Any) -> None:
    """Let SQLite write a log and not wait for the disk at each of the several commits of a draw. What a power failure
    may take of a study is drawn again as it was."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def settle(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    engine.dispose()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _in_order(values: tuple[Value, ...]) -> tuple[tuple[Value, ...], bool]:
    """Numbers from the least to the greatest, so that the sampler may learn from neighbours, and that they are such."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    ordered = len(numbers) == len(values)
    return (tuple(sorted(numbers)) if ordered else values), ordered


def _distribution(values: tuple[Value, ...]) -> Any:
    """Of the place of a value in `_in_order`: a place is drawn exactly, which a number between two others is not."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    places = range(len(values))
    return IntDistribution(0, len(values) - 1) if _in_order(values)[1] else CategoricalDistribution(tuple(places))
