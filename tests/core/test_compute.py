from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core import compute_dask
from core.compute import Compute, run_tasks
from core.compute_dask import code_hash
from core.domain.errors import TaskError, UnavailableError, WorkerLostError
from tests.core.compute_tasks import (
    Market,
    die_at,
    draw,
    draw_or_die_once,
    fail_at,
    look_around,
    unsendable,
    wait_for,
)

HERE = Compute(jobs=1)
TWO = Compute(jobs=2)
TASKS = range(24)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market("BTCUSDT", np.random.default_rng(3).normal(size=(5, 100_000)))


@pytest.fixture(scope="module")
def expected(market: Market) -> list[tuple[int, float] | None]:
    return run_tasks(draw, market, TASKS, HERE)


@pytest.fixture(scope="module")
def dask() -> Iterator[Compute]:
    """A cluster of three worker processes, which Dask restarts when they die."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield Compute("dask", scheduler=cluster.scheduler_address)


@pytest.fixture(params=["local", "dask"])
def compute(request: pytest.FixtureRequest) -> Compute:
    return TWO if request.param == "local" else request.getfixturevalue("dask")


def test_results_are_the_same_everywhere(
    compute: Compute, market: Market, expected: list[tuple[int, float] | None]
) -> None:
    arrived: list[int] = []

    results = run_tasks(draw, market, TASKS, compute, on_result=lambda index, _: arrived.append(index))

    assert results == expected
    assert sorted(arrived) == list(TASKS)


def test_a_lost_worker_costs_a_retry_and_not_the_run(
    compute: Compute, market: Market, expected: list[tuple[int, float] | None], tmp_path: Path
) -> None:
    flag = tmp_path / "died"

    results = run_tasks(draw_or_die_once, (market, flag, 11), TASKS, compute)

    assert flag.exists()
    assert results == expected


def test_a_task_that_always_kills_its_worker_ends_the_run_with_its_name(compute: Compute) -> None:
    arrived: set[int] = set()

    with pytest.raises(WorkerLostError, match=r"^task 4 of 12: .+ died"):
        run_tasks(die_at, 3, range(12), compute, on_result=lambda index, _: arrived.add(index))

    assert 3 not in arrived
    assert arrived


def test_an_error_names_its_task_and_keeps_its_traceback(compute: Compute) -> None:
    with pytest.raises(TaskError, match=r"^task 6 of 8: BadInputError: the grid is empty$") as caught:
        run_tasks(fail_at, 5, range(8), compute)

    assert caught.value.index == 5
    assert caught.value.exit_code == 2
    assert "in fail_at" in str(caught.value.__cause__)


def test_an_error_in_this_process_is_the_same() -> None:
    arrived: list[int] = []

    with pytest.raises(TaskError, match=r"^task 6 of 8: BadInputError: the grid is empty$") as caught:
        run_tasks(fail_at, 5, range(8), HERE, on_result=lambda index, _: arrived.append(index))

    assert caught.value.exit_code == 2
    assert arrived == [0, 1, 2, 3, 4]


def test_a_result_that_cannot_be_sent_is_an_error_of_its_task(compute: Compute) -> None:
    with pytest.raises(TaskError, match=r"task \d of 3: .*(pickle|local)"):
        run_tasks(unsendable, None, range(3), compute)


def test_shared_columns_arrive_whole_in_workers_of_one_thread(compute: Compute, market: Market) -> None:
    seen = run_tasks(look_around, market, range(8), compute)

    assert {item[1:] for item in seen if item} == {("1", "float64", True, "BTCUSDT")}
    assert os.getpid() not in {item[0] for item in seen if item}


def test_a_stop_returns_what_is_there(compute: Compute, tmp_path: Path) -> None:
    arrived: list[int] = []

    results = run_tasks(
        wait_for,
        tmp_path,
        range(40),
        compute,
        on_result=lambda index, _: arrived.append(index),
        should_stop=lambda: bool(arrived) and (tmp_path / "1").exists(),
    )

    (tmp_path / "never").touch()
    assert results == [0] + [None] * 39
    assert len(list(tmp_path.iterdir())) < 20


def test_a_stop_in_this_process_begins_nothing_more(market: Market) -> None:
    arrived: list[int] = []

    results = run_tasks(
        draw,
        market,
        range(5),
        HERE,
        on_result=lambda index, _: arrived.append(index),
        should_stop=lambda: len(arrived) == 2,
    )

    assert [result is None for result in results] == [False, False, True, True, True]


@pytest.mark.parametrize("everywhere", [HERE, TWO])
def test_no_tasks_give_no_results(everywhere: Compute) -> None:
    assert run_tasks(draw, None, [], everywhere) == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "tpc://127.0.0.1:9"])
def test_a_scheduler_that_is_not_there_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_dask, "CONNECT_TIMEOUT_S", 0.5)

    with pytest.raises(UnavailableError, match=f"^no Dask scheduler answers at {address}; .+$"):
        run_tasks(fail_at, 9, range(2), Compute("dask", scheduler=address))


def test_a_cluster_without_workers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(compute_dask, "WORKER_TIMEOUT_S", 0.5)
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, processes=False) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(UnavailableError, match=rf"{address} has no worker; start some with: dask worker {address}"):
            run_tasks(fail_at, 9, range(2), Compute("dask", scheduler=address))


def test_a_worker_with_other_code_is_refused(dask: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    other = code_hash()[::-1]
    monkeypatch.setattr(compute_dask, "code_hash", lambda: other)

    with pytest.raises(TaskError, match="has another version of Quarterdeck") as caught:
        run_tasks(fail_at, 9, range(2), dask)

    assert caught.value.exit_code == UnavailableError.exit_code


RUN_AND_WAIT = """
import sys
from pathlib import Path
from core.compute import Compute, run_tasks
from tests.core.compute_tasks import wait_with_pid
run_tasks(wait_with_pid, Path(sys.argv[1]), range(1, 6), Compute(jobs=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_and_their_files_go_with_the_process(number: signal.Signals, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_WAIT, str(tmp_path)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        workers = _wait(lambda: [int(path.stem) for path in tmp_path.glob("*.pid")], 2)
        assert any(temporary.iterdir())
        process.send_signal(number)
        errors = process.stderr.read() if process.stderr else ""

    _wait(lambda: [pid for pid in workers if not _is_alive(pid)], 2)
    _wait(lambda: [] if any(temporary.iterdir()) else [0], 1)
    assert errors.count("Traceback") == (1 if number == signal.SIGINT else 0)
