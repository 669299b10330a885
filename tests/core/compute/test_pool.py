from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import core.compute.pool
from core.compute import dask as compute_dask
from core.compute.dask import code_hash
from core.compute.pool import Compute, compute_of, probe, run_tasks, task_seed
from core.domain.errors import RefusedError, SettingsError, TaskError, UnavailableError, WorkerLostError
from core.settings.schema import parse_settings
from tests.core.compute.compute_tasks import (
    Market,
    die_at,
    draw,
    draw_or_die_once,
    fail_at,
    look_around,
    say,
    unsendable,
    wait_for,
)
from tests.patience import until

if TYPE_CHECKING:
    from distributed import LocalCluster

HERE = Compute(jobs=1)
TWO = Compute(jobs=2)
TASKS = range(24)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market("BTCUSDT", np.random.default_rng(3).normal(size=(5, 100_000)))


@pytest.fixture(scope="module")
def expected(market: Market) -> list[tuple[int, float] | None]:
    return run_tasks(draw, market, TASKS, HERE)


def start_cluster(workers: int) -> LocalCluster:
    """Processes of one thread each, which Dask starts again when they die."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def dask() -> Iterator[Compute]:
    with start_cluster(3) as cluster:
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


def test_a_task_that_always_kills_its_process_ends_the_run_with_its_name() -> None:
    arrived: set[int] = set()

    with pytest.raises(WorkerLostError, match=r"^task 4 of 12: a worker process died, 3 times; .+$"):
        run_tasks(die_at, 3, range(12), TWO, on_result=lambda index, _: arrived.add(index))

    assert 3 not in arrived
    assert arrived


def test_a_task_that_always_kills_its_worker_ends_the_run_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two deaths in a cluster of three: Dask takes seconds to start a worker again, and may fail to.
    monkeypatch.setattr(core.compute.pool, "ATTEMPTS", 2)
    with start_cluster(3) as cluster:
        cluster.scheduler.allowed_failures = 0
        compute = Compute("dask", scheduler=cluster.scheduler_address)
        with pytest.raises(WorkerLostError, match=r"^task 4 of 12: every worker that took it died, 2 times; .+$"):
            run_tasks(die_at, 3, range(12), compute)


def test_a_cluster_that_does_nothing_about_a_task_is_asked_again() -> None:
    round_ = round_on(FakeClient(itertools.repeat({"one": [], "two": []})))

    for _ in range(compute_dask.LOOKS_BETWEEN_COUNTS * compute_dask.IDLE_COUNTS - 1):
        round_.check()
    with pytest.raises(WorkerLostError, match=r"^the cluster is idle"):
        round_.check()


def test_workers_that_run_nothing_of_what_they_are_said_to_are_given_up() -> None:
    round_ = round_on(FakeClient(itertools.repeat({"one": ["task"]}), stacks={"one": {}}))

    for _ in range(compute_dask.LOOKS_BETWEEN_COUNTS * compute_dask.COUNTS_AT_REST - 1):
        round_.check()
    with pytest.raises(WorkerLostError, match=r"^the workers run nothing"):
        round_.check()


def test_workers_that_run_something_may_take_as_long_as_they_like() -> None:
    round_ = round_on(FakeClient(itertools.repeat({"one": ["task"]})))

    for _ in range(2 * compute_dask.LOOKS_BETWEEN_COUNTS * compute_dask.COUNTS_AT_REST):
        round_.check()


def test_workers_too_busy_to_say_what_they_run_are_not_given_up() -> None:
    client = FakeClient(itertools.repeat({"one": ["task"]}))
    round_ = round_on(client)

    def out_of_time() -> dict[str, dict[str, str]]:
        raise TimeoutError("no answer")

    client.call_stack = out_of_time  # type: ignore[method-assign]
    for _ in range(2 * compute_dask.LOOKS_BETWEEN_COUNTS * compute_dask.COUNTS_AT_REST):
        round_.check()


@pytest.mark.parametrize("status", ["connecting", "closing"])
def test_a_connection_that_hangs_ends_the_run(status: str) -> None:
    round_ = round_on(FakeClient(itertools.repeat({}), status))

    for _ in range(compute_dask.LOOKS_BETWEEN_COUNTS * compute_dask.COUNTS_UNCONNECTED - 1):
        round_.check()
    with pytest.raises(UnavailableError, match=r"^the connection to the Dask scheduler at tcp://127.0.0.1:1 hangs"):
        round_.check()


def test_a_worker_in_the_middle_of_a_task_says_so(dask: Compute, tmp_path: Path) -> None:
    round_ = compute_dask.dask_pool(dask.scheduler, b"", None).begin()
    client = round_._client = compute_dask.connect(dask.scheduler)
    try:
        assert not round_._is_anything_run()
        future = client.submit(wait_for, tmp_path, 1)
        until(lambda: any(tmp_path.iterdir()), "the task")
        assert round_._is_anything_run()
        (tmp_path / "end").touch()
        assert future.result() == 1
    finally:
        client.close()


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


@pytest.mark.filterwarnings("error")
def test_what_is_shared_may_be_large(dask: Compute) -> None:
    large = Market("BTCUSDT", np.zeros((5, 400_000)))

    assert run_tasks(look_around, large, range(2), dask)[0]


def test_a_stop_returns_what_is_there(compute: Compute) -> None:
    arrived: dict[int, int] = {}

    results = run_tasks(
        fail_at, -1, range(5000), compute, on_result=arrived.__setitem__, should_stop=lambda: len(arrived) > 2
    )

    assert results == [arrived.get(index) for index in range(5000)]
    assert 2 < len(arrived) < 5000


def test_a_stop_does_not_wait_for_what_runs(compute: Compute, tmp_path: Path) -> None:
    results = run_tasks(wait_for, tmp_path, range(40), compute, should_stop=lambda: any(tmp_path.iterdir()))

    begun = len(list(tmp_path.iterdir()))
    (tmp_path / "end").touch()
    assert results == [None] * 40
    assert 0 < begun < 20


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


def test_the_next_run_finds_its_processes_started(market: Market) -> None:
    first, second = (run_tasks(look_around, market, range(8), TWO) for _ in range(2))

    assert {item[0] for item in second if item} & {item[0] for item in first if item}


def test_what_workers_write_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "workers.log"

    run_tasks(say, "good day", range(3), Compute(jobs=2, log_path=log))

    assert log.read_text().splitlines() == ["good day"] * 3
    assert "good day" not in "".join(capfd.readouterr())


def test_a_log_that_is_a_link_is_refused_before_any_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "workers.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=r"workers\.log: cannot be written: is a link"):
        run_tasks(say, "good day", range(3), Compute(jobs=2, log_path=tmp_path / "workers.log"))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("everywhere", [HERE, TWO])
def test_no_tasks_give_no_results(everywhere: Compute) -> None:
    assert run_tasks(draw, None, [], everywhere) == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "tpc://127.0.0.1:9"])
def test_a_scheduler_that_is_not_there_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_dask, "CONNECT_TIMEOUT_S", 0.5)

    with pytest.raises(UnavailableError, match=f"^no Dask scheduler answers at {address}; .+$"):
        run_tasks(fail_at, 9, range(2), Compute("dask", scheduler=address))


def test_a_cluster_that_is_not_whole_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with start_cluster(0) as cluster:
        address = cluster.scheduler_address
        compute = Compute("dask", scheduler=address)
        monkeypatch.setattr(compute_dask, "WORKER_TIMEOUT_S", 0.5)
        with pytest.raises(UnavailableError, match=rf"{address} has no worker; start some with: dask worker {address}"):
            run_tasks(fail_at, 9, range(2), compute)

        cluster.scale(1)
        monkeypatch.setattr(compute_dask, "WORKER_TIMEOUT_S", 20)
        monkeypatch.setattr(compute_dask, "CONNECT_TIMEOUT_S", 0.5)
        with pytest.raises(UnavailableError, match=f"^no Dask scheduler answers at {address}"):
            run_tasks(fail_at, 99, range(40), compute, on_result=lambda index, _: cluster.close())


def test_a_cluster_that_loses_all_workers_for_long_ends_the_run() -> None:
    busy: dict[str, list[str]] = {"one": ["task"]}
    round_ = round_on(FakeClient(itertools.chain([busy, {}, busy], itertools.repeat({}))))

    for _ in range(compute_dask.LOOKS_BETWEEN_COUNTS * (3 + compute_dask.COUNTS_WITHOUT_WORKER) - 1):
        round_.check()
    with pytest.raises(UnavailableError, match=r"^the Dask scheduler at tcp://127.0.0.1:1 has no worker"):
        round_.check()


@dataclass
class FakeClient:
    """Says one after the other what the workers are processing."""

    states: Iterator[dict[str, list[str]]]
    status: str = "running"
    stacks: dict[str, dict[str, str]] = field(default_factory=lambda: {"one": {"task": "a line of code"}})

    def processing(self) -> dict[str, list[str]]:
        return next(self.states)

    @property
    def scheduler(self) -> FakeClient:
        return self

    def call_stack(self) -> dict[str, dict[str, str]]:
        return self.stacks

    def sync(self, ask: Callable[[], object], callback_timeout: float) -> object:
        return ask()


def round_on(client: FakeClient) -> compute_dask.DaskRound:
    round_ = compute_dask.dask_pool("tcp://127.0.0.1:1", b"", None).begin()
    round_._client = client
    return round_


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process takes itself for another version than the workers have."""
    monkeypatch.setattr(compute_dask, "_PACKAGES", ("core",))
    code_hash.cache_clear()
    yield
    code_hash.cache_clear()


@pytest.mark.usefixtures("other_code")
def test_a_worker_with_other_code_is_refused(dask: Compute) -> None:
    with pytest.raises(TaskError, match="has another version of Quarterdeck") as caught:
        run_tasks(fail_at, 9, range(2), dask)
    assert caught.value.exit_code == UnavailableError.exit_code

    with pytest.raises(UnavailableError, match=r"^tcp://127.0.0.1:\d+, .+ has another version of Quarterdeck"):
        probe(dask)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (HERE, "1 local process; tasks are answered"),
        (TWO, "2 local processes; tasks are answered"),
        (Compute("dask"), "Dask at tcp://127.0.0.1:.+, (\\d) workers, \\1 threads; tasks are answered"),
    ],
)
def test_a_probe_says_what_answers(place: Compute, found: str, request: pytest.FixtureRequest) -> None:
    compute = request.getfixturevalue("dask") if place.backend == "dask" else place

    assert re.fullmatch(found, probe(compute))


# A suite that runs in the background hands a SIGINT that is ignored down to its children.
RUN_AND_WAIT = """
import signal
import sys
from pathlib import Path
from core.compute.pool import Compute, run_tasks
from tests.core.compute.compute_tasks import wait_with_pid
signal.signal(signal.SIGINT, signal.default_int_handler)
run_tasks(wait_with_pid, Path(sys.argv[1]), range(1, 6), Compute(jobs=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_and_their_files_go_with_the_process(number: signal.Signals, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_WAIT, str(tmp_path)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None

        def begun() -> list[int]:
            assert process.poll() is None, process.stderr.read()
            return [int(path.stem) for path in tmp_path.glob("*.pid")]

        workers = _wait(begun, 2)
        assert any(temporary.iterdir())
        process.send_signal(number)
        errors = process.stderr.read()

    _wait(lambda: [pid for pid in workers if not _is_alive(pid)], 2)
    _wait(lambda: [] if any(temporary.iterdir()) else [0], 1)
    assert errors.count("Traceback") == (1 if number == signal.SIGINT else 0)


def _wait(look: Callable[[], list[int]], count: int) -> list[int]:
    """What `look` finds, once it is so many."""
    return until(lambda: found if len(found := look()) >= count else None, f"{count} of them")


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@given(st.integers(0, 2**63), st.integers(0, 100_000))
def test_a_seed_depends_on_run_and_index_alone(run_seed: int, index: int) -> None:
    child = np.random.SeedSequence(run_seed).spawn(3)[index % 3]

    assert 0 <= task_seed(run_seed, index) < 2**31
    assert task_seed(run_seed, index % 3) == int(child.generate_state(1)[0]) % 2**31


def test_seeds_of_many_tasks_hardly_ever_meet() -> None:
    assert len({task_seed(7, index) for index in range(2000)}) >= 1999


def test_settings_choose_the_place_and_the_operator_the_number(tmp_path: Path) -> None:
    settings = parse_settings({"compute": {"backend": "dask", "scheduler": "tcp://127.0.0.1:1", "jobs": 3}}, "here")

    assert compute_of(settings.compute) == Compute("dask", 3, "tcp://127.0.0.1:1")
    assert compute_of(settings.compute, 5, tmp_path).jobs == 5


def test_a_cluster_without_its_address_is_refused_with_an_example() -> None:
    with pytest.raises(SettingsError, match=r"^here: compute\.scheduler: .+ as in \"tcp://127.0.0.1:8786\"$"):
        parse_settings({"compute": {"backend": "dask"}}, "here")


def test_as_many_processes_as_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})

    assert Compute().processes == 1
    assert Compute(jobs=4).processes == 4
