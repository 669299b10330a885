from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.compute import lanes
from core.compute.lanes import WorkerPool
from core.domain.errors import BadInputError, ModelError, RefusedError
from tests.core.learning import toy
from tests.core.learning.processes import assert_ends, told

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(training_workers=1, training_nice=3, log_path=tmp_path / "workers.log")
    yield pool
    await pool.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def test_trainings_do_not_hold_up_predictions(pool: WorkerPool, pipe: Path) -> None:
    training = asyncio.create_task(pool.train(toy.tell_and_spin, str(pipe)))
    (busy,) = await told(pipe)
    assert await pool.infer(toy.worker_id) not in {busy, os.getpid()}
    assert not training.done()
    await pool.close()
    with pytest.raises(ModelError, match="training worker stopped with the engine"):
        await training
    assert_ends(busy)


async def test_workers_settle_in_and_training_workers_yield(pool: WorkerPool) -> None:
    here = os.nice(0)
    assert await pool.infer(toy.worker_ways) == (here, "1", True)
    assert await pool.train(toy.worker_ways) == (min(here + 3, 19), "1", True)


async def test_a_killed_worker_is_reported_and_the_next_call_works(pool: WorkerPool, pipe: Path) -> None:
    training = asyncio.create_task(pool.train(toy.tell_and_spin, str(pipe)))
    (killed,) = await told(pipe)
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(ModelError, match="training worker died during a call"):
        await training
    assert await pool.train(toy.worker_id) != killed
    assert pool.restarts() == {"inference": 0, "training": 1}


async def test_a_worker_that_died_idle_is_replaced(pool: WorkerPool) -> None:
    first = await pool.infer(toy.worker_id)
    os.kill(first, signal.SIGKILL)
    assert_ends(first)
    answers = [await asyncio.gather(pool.infer(toy.worker_id), return_exceptions=True) for _ in range(2)]
    assert isinstance(answers[0][0], ModelError)
    assert isinstance(answers[1][0], int)


async def test_one_death_leaves_the_other_workers_of_the_lane_alone(tmp_path: Path) -> None:
    pool = WorkerPool(training_workers=2, training_nice=0)
    pipes = [tmp_path / "a", tmp_path / "b"]
    for path in pipes:
        os.mkfifo(path)
    trainings = [asyncio.create_task(pool.train(toy.tell_and_wait, str(path))) for path in pipes]
    for training, other in [(1, 0), (0, 1)]:
        os.kill(*await told(pipes[training]), signal.SIGKILL)
        with pytest.raises(ModelError, match="training worker died"):
            await trainings[training]
        if other == 0:
            assert not trainings[other].done()
    assert pool.restarts()["training"] == 2
    await pool.close()


async def test_an_interrupt_from_the_terminal_leaves_workers_alone(pool: WorkerPool) -> None:
    first = await pool.infer(toy.worker_id)
    os.kill(first, signal.SIGINT)
    assert await pool.infer(toy.worker_id) == first


async def test_a_worker_that_does_not_answer_is_ended(pool: WorkerPool) -> None:
    stuck = await pool.train(toy.worker_id)
    patience_s = pool._training._timeout_s
    pool._training._timeout_s = 0.1
    with pytest.raises(ModelError, match=r"gave no answer within 0\.1 s and was ended"):
        await pool.train(toy.spin)
    assert_ends(stuck)
    pool._training._timeout_s = patience_s
    assert await pool.train(toy.worker_id) != stuck


async def test_errors_come_back_in_the_products_own_family(pool: WorkerPool) -> None:
    with pytest.raises(BadInputError, match="known"):
        await pool.infer(toy.fail, BadInputError("known"))
    with pytest.raises(ModelError, match="inference worker: ValueError: unknown"):
        await pool.infer(toy.fail, ValueError("unknown"))
    assert pool.restarts()["inference"] == 0


async def test_waiting_calls_are_bounded(pool: WorkerPool, pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 2)
    calls = [asyncio.create_task(pool.train(toy.tell_and_wait, str(pipe))) for _ in range(2)]
    await told(pipe)
    with pytest.raises(ModelError, match="2 calls wait already"):
        await pool.train(toy.worker_id)
    await pool.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {ModelError}


async def test_a_closed_pool_answers_with_an_error(pool: WorkerPool) -> None:
    await pool.close()
    with pytest.raises(ModelError, match="the engine is stopping"):
        await pool.infer(toy.worker_id)


async def test_what_a_worker_prints_never_reaches_the_terminal(
    pool: WorkerPool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await pool.infer(toy.say, "oh ")
    assert (tmp_path / "workers.log").read_text() == "oh oh "
    assert capfd.readouterr() == ("", "")


async def test_warm_up_reaches_every_worker(tmp_path: Path) -> None:
    pool = WorkerPool(training_workers=2, training_nice=0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    warming = asyncio.create_task(pool.warm_up(toy.tell_and_wait, str(pipe)))
    assert len(set(await told(pipe, 3))) == 3
    assert not warming.done()
    await pool.close()
    with pytest.raises(ModelError, match="stopped with the engine"):
        await warming


CONSOLE_SCRIPT = """
import asyncio, sys, threading
from tests.core.learning import toy
from core.compute.lanes import WorkerPool

async def engine():
    pool = WorkerPool(training_workers=1, training_nice=0)
    print(await pool.infer(toy.worker_id), await pool.train(toy.worker_id), flush=True)
    if sys.argv[1:]:
        await asyncio.gather(pool.infer(toy.tell_and_wait, sys.argv[1]), pool.train(toy.tell_and_spin, sys.argv[2]))
    await pool.close()

def main():
    thread = threading.Thread(target=asyncio.run, args=(engine(),))
    thread.start()
    thread.join()

if __name__ == "__main__":
    sys.exit(main())
"""


def console_script(directory: Path, *args: str) -> subprocess.Popen[str]:
    script = directory / "quarterdeck"
    script.write_text(CONSOLE_SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), *args]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_console_script_works_with_the_pool_from_a_thread_and_ends_quietly(tmp_path: Path) -> None:
    with console_script(tmp_path) as program:
        output, errors = program.communicate()
    assert (program.returncode, errors) == (0, "")
    for worker in output.split():
        assert_ends(int(worker))


def test_workers_end_when_the_engine_is_killed(tmp_path: Path) -> None:
    pipes = [str(tmp_path / "inference"), str(tmp_path / "training")]
    for pipe in pipes:
        os.mkfifo(pipe)
    with console_script(tmp_path, *pipes) as program:
        assert program.stdout is not None
        idle = program.stdout.readline().split()
        busy = [Path(pipe).read_text().strip() for pipe in pipes]
        assert busy == idle
        program.kill()
    for worker in busy:
        assert_ends(int(worker))


def test_a_log_that_is_a_link_is_refused_before_any_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "workers.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=r"workers\.log: cannot be written: is a link"):
        WorkerPool(training_workers=1, training_nice=3, log_path=tmp_path / "workers.log")
