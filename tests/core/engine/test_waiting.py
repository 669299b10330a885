"""How long the market waits for models at a close: for one that was late at the last no more, until it was on time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.domain.errors import ModelError
from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord, IntentRecord
from tests.core.engine.test_answers import Floor
from tests.core.engine.test_asking import BOTH, MIXED, Side, told
from tests.core.trader.desk import NOON_MS
from tests.simulation.loop import VirtualLoop

AT_ONCE_S = 0.1


class Watch:
    """A floor on which the wall's time is known: `waited_s` has how long each close took."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.waited_s: list[float] = []

    async def bars(self, count: int = 1) -> None:
        for _ in range(count):
            began_s = asyncio.get_running_loop().time()
            await self.floor.bars()
            self.waited_s.append(round(asyncio.get_running_loop().time() - began_s, 6))


def watched(test: Callable[[Watch], Awaitable[None]], others: Any = None, **strategy: Any) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            floor = Floor(group, others, **strategy)
            await test(Watch(floor))
            for task in floor.session.tasks():
                task.cancel()

    loop = VirtualLoop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def takes(floor: Floor, seconds: float) -> None:
    """Each answer of the model comes so much later than it was asked for."""
    genuine = type(floor.thinker).predict

    async def predict(*asked: Any) -> Any:
        await asyncio.sleep(seconds)
        return await genuine(floor.thinker, *asked)

    floor.thinker.predict = predict  # type: ignore[method-assign]
    floor.thinker.answers.set()


def test_a_model_that_is_slow_at_every_bar_is_waited_for_once() -> None:
    async def test(watch: Watch) -> None:
        takes(watch.floor, 5.0)
        for _ in range(4):
            await watch.bars()
            await watch.floor.settled()
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.0, 0.0]
        assert [minute for minute, _ in told(watch.floor, "main")] == [1, 2, 3, 4]
        assert watch.floor.session.answers.late == 8

    watched(test)


def test_one_that_hangs_is_waited_for_once() -> None:
    async def test(watch: Watch) -> None:
        await watch.bars(4)
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.0, 0.0]

    watched(test)


def test_one_that_dies_whenever_it_is_asked_is_waited_for_once() -> None:
    async def test(watch: Watch) -> None:
        async def dies(*asked: Any) -> Any:
            await asyncio.sleep(0.6)
            raise ModelError("the worker died")

        watch.floor.thinker.predict = dies  # type: ignore[method-assign]
        for _ in range(4):
            await watch.bars()
            await watch.floor.settled()
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.0, 0.0]
        assert watch.floor.session.note() == "no predictions: the worker died"

    watched(test)


def test_an_answer_that_fails_fast_is_no_answer_in_time() -> None:
    """A worker that was late, and then has nothing to say, is not known to be quick again."""

    async def test(watch: Watch) -> None:
        takes(watch.floor, 5.0)
        await watch.bars()
        await watch.floor.settled()

        async def fails(*asked: Any) -> Any:
            raise ModelError("the worker died")

        watch.floor.thinker.predict = fails  # type: ignore[method-assign]
        await watch.bars()
        await watch.floor.settled()
        takes(watch.floor, 0.05)
        await watch.bars()
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.0]

    watched(test)


def test_one_that_is_on_time_again_is_no_late_one_and_is_waited_for_at_the_next_close() -> None:
    async def test(watch: Watch) -> None:
        floor = watch.floor
        takes(floor, 5.0)
        await watch.bars()
        await watch.floor.settled()
        assert floor.session.answers.late == 2
        takes(floor, 0.06)
        await watch.bars()
        assert [minute for minute, _ in told(floor, "main")] == [1]
        await watch.floor.settled()
        assert [minute for minute, _ in told(floor, "main")] == [1, 2]
        assert floor.session.answers.late == 2
        await watch.bars()
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.06]
        assert [minute for minute, _ in told(floor, "main")] == [1, 2, 3]
        assert floor.session.note() == ""

    watched(test)


def test_what_comes_in_time_of_one_that_is_not_waited_for_is_decided_on_when_it_comes() -> None:
    async def test(watch: Watch) -> None:
        floor = watch.floor
        floor.thinker.value_bps = 0.0
        takes(floor, 5.0)
        await watch.bars()
        await watch.floor.settled()
        floor.thinker.value_bps = 20.0
        takes(floor, 0.06)
        await watch.bars()
        floor.clock.at_ms += 60
        await watch.floor.settled()
        made = [record.forecast.made_ms - NOON_MS - 2 * MINUTE_MS for record in floor.kept(ForecastRecord)][-2:]
        assert made == [100, 100]
        assert len(floor.kept(IntentRecord)) == 2

    watched(test)


@pytest.mark.parametrize("hung", ["side", "main"])
def test_others_are_waited_for_beside_one_that_is_late(hung: str) -> None:
    side = Side()

    async def test(watch: Watch) -> None:
        floor = watch.floor
        quick = floor.thinker if hung == "side" else side
        quick.answers.set()
        await watch.bars()
        genuine = type(quick).predict

        async def predict(*asked: Any) -> Any:
            await asyncio.sleep(0.03)
            return await genuine(quick, *asked)

        quick.predict = predict  # type: ignore[method-assign]
        await watch.bars(2)
        assert watch.waited_s == [AT_ONCE_S, 0.03, 0.03]
        name = "main" if hung == "side" else "side"
        assert [minute for minute, _ in told(floor, name)] == [1, 2, 3]

    watched(test, others={"side": side}, **BOTH)


def test_a_rule_behind_a_late_model_is_late_with_it_and_on_time_with_it() -> None:
    async def test(watch: Watch) -> None:
        takes(watch.floor, 5.0)
        for _ in range(2):
            await watch.bars()
            await watch.floor.settled()
        takes(watch.floor, 0.05)
        await watch.bars()
        await watch.floor.settled()
        await watch.bars()
        assert watch.waited_s == [AT_ONCE_S, 0.0, 0.0, 0.05]
        assert [minute for minute, _ in told(watch.floor, "behind")] == [1, 2, 3, 4]

    watched(test, **MIXED)
