"""The virtual loop: time, order, kills, and what of Python's own loop it leans on."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from asyncio import base_events

import pytest
from aiohttp import ClientSession, web

from tests.simulation.loop import LoopClock, SkewedClock, StuckError, VirtualLoop, run_virtual

OWNER: contextvars.ContextVar[str] = contextvars.ContextVar("owner", default="")


def test_the_private_parts_of_pythons_loop_are_as_this_one_needs_them() -> None:
    assert sys.version_info[:2] == (3, 11), "read BaseEventLoop._run_once again before trusting the virtual loop"
    names = base_events.BaseEventLoop._run_once.__code__.co_names
    for name in ("_scheduled", "_ready", "_process_events", "_when", "_cancelled", "_run"):
        assert name in names
    assert "_run_once" in base_events.BaseEventLoop.run_forever.__code__.co_names


def test_a_day_of_sleeping_takes_no_time_and_ends_at_the_right_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, int]:
        clock = LoopClock(loop, 1_000)
        for _ in range(24):
            await asyncio.sleep(3600)
        return loop.time(), clock.now_ms()

    assert run_virtual(main) == (86_400.0, 86_401_000)


async def _race(loop: VirtualLoop) -> str:
    order: list[str] = []

    async def runner(name: str) -> None:
        for _ in range(5):
            order.append(name)
            await asyncio.sleep(1)

    async with asyncio.TaskGroup() as group:
        for name in "abcde":
            group.create_task(runner(name))
    return "".join(order)


def test_a_seed_orders_what_is_ready_at_once_the_same_each_time() -> None:
    first = run_virtual(_race, seed=1)
    assert run_virtual(_race, seed=1) == first
    assert run_virtual(_race, seed=2) != first
    assert run_virtual(_race) == "abcde" * 5


def test_waiting_for_nothing_is_an_error_that_names_who_waits() -> None:
    async def waits_for_ever(loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="waits_for_ever"):
        run_virtual(waits_for_ever)


def test_a_busy_loop_is_an_error() -> None:
    async def spins(loop: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(StuckError, match="without time passing"):
        run_virtual(spins)


def test_cancelled_timers_do_not_pile_up_and_do_not_move_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, int]:
        for _ in range(1_000):
            async with asyncio.timeout(500):
                await asyncio.sleep(0.001)
        return loop.time(), len(loop._timers)

    ended_s, left = run_virtual(main)
    assert ended_s == pytest.approx(1.0)
    assert left < 2_000


def test_a_timeout_fires_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 30)
        return loop.time()

    assert run_virtual(main) == 30.0


def test_an_action_comes_between_two_callbacks() -> None:
    async def main(loop: VirtualLoop) -> int:
        seen = 0

        async def counts() -> None:
            nonlocal seen
            for _ in range(100):
                seen += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(counts())
        loop.after_callbacks(7, task.cancel)
        await asyncio.wait([task])
        return seen

    assert 1 <= run_virtual(main) <= 7


def test_a_killed_part_never_runs_again_not_even_to_clean_up() -> None:
    said: list[str] = []

    async def dies() -> None:
        OWNER.set("doomed")
        try:
            while True:
                await asyncio.sleep(1)
                said.append("doomed")
        finally:
            said.append("cleaned up")

    async def main(loop: VirtualLoop) -> list[str]:
        doomed = asyncio.create_task(dies())
        await asyncio.sleep(2.5)
        loop.forget(OWNER, "doomed")
        await asyncio.sleep(10)
        assert not doomed.done()
        return list(said)

    assert run_virtual(main) == ["doomed", "doomed"]


def test_what_others_do_with_a_killed_part_does_not_wake_it() -> None:
    said: list[str] = []

    async def waits(answer: asyncio.Future[str]) -> None:
        OWNER.set("doomed")
        said.append(await answer)

    async def main(loop: VirtualLoop) -> list[str]:
        answer: asyncio.Future[str] = loop.create_future()
        doomed = asyncio.create_task(waits(answer))
        await asyncio.sleep(1)
        loop.forget(OWNER, "doomed")
        answer.set_result("woken")
        with_doomed = contextvars.copy_context()
        with_doomed.run(OWNER.set, "doomed")
        loop.call_later(1, said.append, "late", context=with_doomed)
        loop.call_soon(said.append, "soon", context=with_doomed)
        await asyncio.sleep(10)
        assert not doomed.done()
        return list(said)

    assert run_virtual(main) == []


def test_work_outside_the_loop_is_waited_for_without_time_passing() -> None:
    async def main(loop: VirtualLoop) -> tuple[str, float]:
        done = loop.create_future()
        asyncio.create_task(asyncio.sleep(1000))  # noqa: RUF006
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set_result, "from a thread"))
        with loop.waiting_outside():
            thread.start()
            said = await done
        thread.join()
        return said, loop.time()

    assert run_virtual(main) == ("from a thread", 0.0)


def test_loopback_sockets_work_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[str], float]:
        async def answer(request: web.Request) -> web.Response:
            await asyncio.sleep(60)
            return web.Response(text=f"after {loop.time():.0f}")

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        texts = []
        async with ClientSession() as session:
            for _ in range(20):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    texts.append(await response.text())
        await runner.cleanup()
        return texts, loop.time()

    texts, ended_s = run_virtual(main, real_io=True)
    assert texts == [f"after {60 * i}" for i in range(1, 21)]
    assert ended_s == pytest.approx(1200, abs=1)


def test_a_wrong_clock_is_wrong_by_skew_and_drift() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        clock, truth = SkewedClock(loop, 0), LoopClock(loop, 0)
        readings = [clock.now_ms() - truth.now_ms()]
        await asyncio.sleep(10)
        clock.set_wrong(-1_500, 100)
        readings.append(clock.now_ms() - truth.now_ms())
        await asyncio.sleep(3600)
        readings.append(clock.now_ms() - truth.now_ms())
        return readings

    assert run_virtual(main) == [0, -1_500, -1_140]
