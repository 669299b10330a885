"""Optuna: the same draws for the same seed, however often the search was broken off."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from core.compute.pool import Compute
from core.domain.errors import BadInputError, StorageError
from core.lab.search.optuna_search import BATCH, run_optuna
from core.lab.search.search import Search
from core.lab.search.trials import Trial
from core.settings.values import Grid
from tests.core.lab.run.test_evaluation import ground_of

HERE = Compute(jobs=1)
GROUND = ground_of(2)
SPACE: Grid = (
    ("fast_bars", tuple(range(3, 21))),
    ("slow_bars", (26, 50, 27)),
    ("stop_pct", tuple(tenth / 10 for tenth in range(3, 20))),
    ("exit", ("bracket", "reverse")),
)
DRAWS = 3 * BATCH


def told(search: Search) -> list[object]:
    return [(t.number, dict(t.parameters), t.state, dict(t.figures)) for t in search.trials]


@pytest.fixture(scope="module")
def unbroken() -> Search:
    return run_optuna(GROUND, SPACE, DRAWS, "total_return_pct", 5, HERE)


def test_draws_are_of_the_space_and_given_by_the_seed(unbroken: Search) -> None:
    assert unbroken.complete
    assert len(unbroken.trials) > DRAWS - BATCH
    for trial in unbroken.trials:
        assert all(trial.parameters[key] in values for key, values in SPACE)
    other = run_optuna(GROUND, SPACE, BATCH, "total_return_pct", 6, HERE)
    first = [trial.parameters for trial in unbroken.trials[:BATCH]]
    assert first != [trial.parameters for trial in other.trials]


def test_a_search_that_was_broken_off_gives_what_an_unbroken_one_gives(tmp_path: Path, unbroken: Search) -> None:
    """In the middle of a batch, twice, with another number of processes after."""
    store, known = tmp_path / "optuna.db", dict[str, Trial]()
    for stop_after, jobs in ((5, 1), (BATCH + 6, 1), (DRAWS, 2)):

        def hear(trial: Trial) -> None:
            assert trial.parameter_hash not in known
            known[trial.parameter_hash] = trial

        search = run_optuna(
            GROUND,
            SPACE,
            DRAWS,
            "total_return_pct",
            5,
            Compute(jobs=jobs),
            storage=store,
            study="s0001",
            known=dict(known),
            on_trial=hear,
            should_stop=lambda most=stop_after: len(known) >= most,
        )
        assert search.complete == (stop_after == DRAWS or len(known) == len(unbroken.trials))
    assert told(search) == told(unbroken)
    assert {trial.number for trial in known.values()} == {trial.number for trial in unbroken.trials}


def test_what_the_study_was_told_and_nobody_kept_is_tried_again(tmp_path: Path, unbroken: Search) -> None:
    store, heard = tmp_path / "optuna.db", list[Trial]()
    run_optuna(GROUND, SPACE, BATCH + 2, "total_return_pct", 5, HERE, storage=store)
    kept = {trial.parameter_hash: trial for trial in unbroken.trials[:3]}
    search = run_optuna(
        GROUND, SPACE, DRAWS, "total_return_pct", 5, HERE, storage=store, known=kept, on_trial=heard.append
    )
    assert [trial.number for trial in heard] == [trial.number for trial in unbroken.trials[3:]]
    assert told(search) == told(unbroken)


def test_a_set_that_is_drawn_again_is_not_tried_again() -> None:
    heard: list[Trial] = []
    space: Grid = (("fast_bars", (5, 30)), ("slow_bars", (26, 40)))
    search = run_optuna(GROUND, space, DRAWS, "sharpe", 1, HERE, on_trial=heard.append)
    assert search.complete
    assert len(heard) == len(search.trials) == 4
    assert sorted(trial.state for trial in heard) == ["complete"] * 3 + ["failed"]


def test_without_a_space_the_strategys_own_is_drawn_from() -> None:
    strategy = GROUND.load("ema_cross", GROUND.settings)
    search = run_optuna(GROUND, (), 2, "sharpe", 1, HERE)
    assert [set(trial.parameters) for trial in search.trials] == [{key for key, _ in strategy.search_space}] * 2


def test_a_study_goes_on_only_with_what_it_was_begun_with(tmp_path: Path) -> None:
    store = tmp_path / "optuna.db"
    run_optuna(GROUND, SPACE, 1, "sharpe", 1, HERE, storage=store, study="s0001")
    with pytest.raises(BadInputError, match="study s0001: was begun with another grid or objective"):
        run_optuna(GROUND, SPACE, 2, "calmar", 1, HERE, storage=store, study="s0001")
    assert run_optuna(GROUND, SPACE, 1, "calmar", 1, HERE, storage=store, study="s0002").complete


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    store = tmp_path / "optuna.db"
    store.write_text("no database at all, but long enough to be taken for the header of one" * 20)
    with pytest.raises(StorageError, match=r"optuna\.db: cannot be used as Optuna's store") as caught:
        run_optuna(GROUND, SPACE, 1, "sharpe", 1, HERE, storage=store)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInputError, match="0 trials: at least one"):
        run_optuna(GROUND, SPACE, 0, "sharpe", 1, HERE)


def test_a_store_behind_a_link_is_refused_and_one_of_its_own_is_private(tmp_path: Path) -> None:
    store = tmp_path / "optuna.db"
    store.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"optuna\.db: cannot be used as Optuna's store: is a link"):
        run_optuna(GROUND, SPACE, 1, "sharpe", 1, HERE, storage=store)
    assert not (tmp_path / "elsewhere").exists()
    store.unlink()
    run_optuna(GROUND, SPACE, 1, "sharpe", 1, HERE, storage=store)
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
