import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.domain.errors import VenueBusyError
from core.exchange.connection.health import Health
from core.exchange.connection.limiter import MAX_WAITING, Budget, Limiter, Place, Window
from tests.core.exchange.wire_kit import START_MS, LoopClock, run

MINUTE = Window(60_000, 100, "x-used")
TEN_SECONDS = Window(10_000, 10, "x-orders")
BUDGET = Budget((MINUTE,), (TEN_SECONDS,))
PATIENT = 200_000


def bare(for_s: int, step: int = 0) -> Callable[[], Place]:
    """The place of one that had been bare for so long at the start."""
    return lambda: Place(is_covered=False, since_ms=START_MS - 1000 * for_s, step=step)


def limiter(budget: Budget = BUDGET, health: Health | None = None) -> Limiter:
    return Limiter(budget, LoopClock().now_ms, health or Health())


def elapsed_s() -> float:
    return asyncio.get_running_loop().time()


async def passed_at(work: Coroutine[Any, Any, None]) -> float:
    await work
    return round(elapsed_s(), 3)


def test_ordinary_requests_leave_a_fifth_to_protective_ones() -> None:
    async def work() -> None:
        it = limiter()
        for _ in range(80):
            await it.acquire(1, patience_ms=0)
        with pytest.raises(VenueBusyError) as caught:
            await it.acquire(1, patience_ms=1000)
        assert caught.value.retry_ms == START_MS + 60_000
        for _ in range(20):
            await it.acquire(1, protective=True, patience_ms=0)
        with pytest.raises(VenueBusyError):
            await it.acquire(1, protective=True, patience_ms=1000)
        assert elapsed_s() == 0

    run(work())


def test_no_window_ever_holds_more_than_the_share() -> None:
    async def work() -> None:
        it = limiter()
        times: list[int] = []
        for _ in range(500):
            await it.acquire(1, patience_ms=PATIENT)
            times.append(LoopClock().now_ms())
            await asyncio.sleep(0.1)
        for start in times:
            assert sum(1 for time in times if start <= time < start + 60_000) <= 80
        assert times[-1] - START_MS < 7 * 60_000

    run(work())


def test_waiting_requests_pass_in_their_order_protective_ones_first() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(100, protective=True, patience_ms=0)
        passed: list[str] = []

        async def ask(name: str, protective: bool) -> None:
            await it.acquire(1, protective=protective, patience_ms=PATIENT)
            passed.append(name)

        async with asyncio.TaskGroup() as group:
            for name, protective in (("o1", False), ("o2", False), ("p1", True), ("o3", False), ("p2", True)):
                group.create_task(ask(name, protective))
        assert passed == ["p1", "p2", "o1", "o2", "o3"]
        assert elapsed_s() == 60

    run(work())


def test_a_light_request_does_not_pass_a_heavy_one_that_waits() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(40, patience_ms=0)
        await asyncio.sleep(10)
        await it.acquire(30, patience_ms=0)
        async with asyncio.TaskGroup() as group:
            heavy = group.create_task(passed_at(it.acquire(40, patience_ms=PATIENT)))
            light = group.create_task(passed_at(it.acquire(1, patience_ms=PATIENT)))
        assert (heavy.result(), light.result()) == (60, 60)

    run(work())


def test_new_orders_have_a_limit_of_their_own() -> None:
    async def work() -> None:
        it = limiter()
        for _ in range(8):
            await it.acquire(1, orders=1, patience_ms=0)
        await it.acquire(1, patience_ms=0)
        assert await passed_at(it.acquire(1, orders=1, patience_ms=PATIENT)) == 10

    run(work())


def test_what_the_exchange_counted_beyond_ours_takes_room_until_its_window_ends() -> None:
    async def work() -> None:
        it = limiter()
        await asyncio.sleep(10)
        await it.acquire(1, patience_ms=0)
        it.observe(200, {"X-Used": "80"})
        # START_MS lies on a whole minute, where the exchange's windows begin.
        assert await passed_at(it.acquire(1, patience_ms=PATIENT)) == 60
        it.observe(200, {"X-Used": "1"})
        assert await passed_at(it.acquire(78, patience_ms=0)) == 60

    assert START_MS % 60_000 == 0
    run(work())


def test_an_answer_about_our_own_requests_changes_nothing() -> None:
    async def work() -> None:
        it = limiter()
        for _ in range(79):
            await it.acquire(1, patience_ms=0)
            it.observe(200, {"x-used": "1"})
        await it.acquire(1, patience_ms=0)
        assert it.used_pct() == 80

    run(work())


@pytest.mark.parametrize(("header", "until_s"), [({"Retry-After": "7"}, 17), ({}, 60), ({"retry-after": "soon"}, 60)])
def test_a_429_stops_all_but_protective_requests_until_the_time_it_names(
    header: dict[str, str], until_s: float
) -> None:
    async def work() -> None:
        it = limiter()
        await asyncio.sleep(10)
        it.observe(429, header)
        await it.acquire(1, protective=True, patience_ms=0)
        assert await passed_at(it.acquire(1, patience_ms=PATIENT)) == until_s

    run(work())


def test_in_a_429_what_protects_goes_out_once_a_second_in_all_new_orders_first() -> None:
    async def work() -> None:
        it = limiter(Budget((Window(60_000, 100),), (Window(10_000, 50),)))
        await it.acquire(1, patience_ms=0)
        it.observe(429, {"Retry-After": "8"})
        passed: list[tuple[str, float]] = []

        async def ask(name: str, **kind: Any) -> None:
            await it.acquire(1, patience_ms=PATIENT, **kind)
            passed.append((name, round(elapsed_s(), 3)))

        async with asyncio.TaskGroup() as group:
            group.create_task(ask("ordinary"))
            group.create_task(ask("stop", orders=1, protective=True))
            group.create_task(ask("read back", protective=True))
            group.create_task(ask("question", protective=True, asks=True))
            group.create_task(ask("question of an entry", protective=True, asks=True, place=bare(1)))
            group.create_task(ask("exit", orders=1, protective=True))
            group.create_task(ask("time", times=True, protective=True))
            await asyncio.sleep(6.5)
            group.create_task(ask("late exit", orders=1, protective=True))
        assert passed == [
            ("stop", 0),
            ("time", 1),
            ("question of an entry", 2),
            ("exit", 3),
            ("question", 4),
            ("read back", 5),
            ("late exit", 6.5),
            ("ordinary", 8),
        ]

    run(work())


def test_in_a_429_who_has_been_bare_for_longest_goes_first_and_of_one_position_what_ends_it() -> None:
    async def work() -> None:
        it = limiter(Budget((Window(60_000, 100),), (Window(10_000, 50),)))
        await it.acquire(1, protective=True, patience_ms=0)
        it.observe(429, {"Retry-After": "20"})
        passed: list[str] = []

        async def ask(name: str, **kind: Any) -> None:
            await it.acquire(1, protective=True, patience_ms=PATIENT, **kind)
            passed.append(name)

        async with asyncio.TaskGroup() as group:
            for name, kind in (
                ("first", {"orders": 1}),
                ("of no place", {"orders": 1}),
                ("old and covered", {"orders": 1, "place": lambda: Place(True, START_MS - 90_000)}),
                ("question", {"asks": True}),
                ("young stop", {"orders": 1, "place": bare(2)}),
                ("older entry", {"asks": True, "place": bare(3, step=2)}),
                ("stop", {"orders": 1, "place": bare(5, step=1)}),
                ("exit", {"orders": 1, "place": bare(5)}),
            ):
                group.create_task(ask(name, **kind))
        assert passed == [
            "first",
            "exit",
            "stop",
            "older entry",
            "young stop",
            "old and covered",
            "of no place",
            "question",
        ]

    run(work())


def test_in_a_429_where_one_stands_is_asked_at_every_turn() -> None:
    async def work() -> None:
        it = limiter(Budget((Window(60_000, 100),), (Window(10_000, 50),)))
        await it.acquire(1, protective=True, patience_ms=0)
        it.observe(429, {"Retry-After": "20"})
        passed: list[str] = []
        rests: list[bool] = []

        async def ask(name: str, place: Callable[[], Place]) -> None:
            await it.acquire(1, orders=1, protective=True, place=place, patience_ms=PATIENT)
            passed.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(ask("stop", bare(9)))
            group.create_task(ask("exit whose stop comes to rest", lambda: Place(bool(rests), START_MS - 8000)))
            group.create_task(ask("stop of another", bare(1)))
            group.create_task(ask("the last of all", bare(0)))
            await asyncio.sleep(0.5)
            rests.append(True)
        assert passed == ["stop", "stop of another", "the last of all", "exit whose stop comes to rest"]

    run(work())


def test_a_clock_that_is_set_back_in_a_429_holds_what_protects_for_no_more_than_its_second() -> None:
    async def work() -> None:
        clock = LoopClock()
        behind_ms = 0
        it = Limiter(BUDGET, lambda: clock.now_ms() - behind_ms, Health(), clock.now_ms)
        it.observe(429, {"Retry-After": "20"})
        await it.acquire(1, protective=True, patience_ms=0)
        await asyncio.sleep(0.5)
        behind_ms = 6_000
        assert await passed_at(it.acquire(1, protective=True, patience_ms=3000)) == 1
        assert await passed_at(it.acquire(1, protective=True, patience_ms=3000)) == 2

    run(work())


def test_a_429_is_told_with_the_time_it_ends_and_clears_by_itself() -> None:
    async def work() -> None:
        health = Health()
        it = limiter(health=health)
        assert it.holds() == ""
        it.observe(429, {"Retry-After": "7"})
        told = "requests: limited by the exchange (429) until 20:27:07 UTC; only what protects or closes is sent"
        assert health.problem() == told
        assert it.holds() == (
            "the exchange's rate limit holds orders until 20:27:07 UTC; those that close go out one a second"
        )
        await asyncio.sleep(4)
        it.observe(429, {"Retry-After": "8"})
        assert "until 20:27:12 UTC" in health.problem()
        await asyncio.sleep(7.9)
        assert health.problem() != ""
        await asyncio.sleep(0.2)
        assert (health.problem(), it.holds()) == ("", "")

    run(work())


def test_a_ban_within_a_429_is_told_until_both_are_over() -> None:
    async def work() -> None:
        health = Health()
        it = limiter(health=health)
        it.observe(429, {"Retry-After": "60"})
        it.observe(418, {"Retry-After": "30"})
        assert health.problem() == "requests: banned by the exchange until 20:27:30 UTC"
        assert it.holds() == "the exchange's ban holds every order until 20:27:30 UTC"
        await asyncio.sleep(31)
        assert "limited by the exchange (429) until 20:28:00 UTC" in health.problem()
        await asyncio.sleep(30)
        assert health.problem() == ""

    run(work())


def test_orders_that_close_are_held_where_our_own_count_is_used_up() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(100, protective=True, patience_ms=0)
        assert it.holds() == "the exchange's rate limit holds orders until 20:28:00 UTC"

    run(work())


def test_a_ban_stops_everything_is_told_and_ends() -> None:
    async def work() -> None:
        health = Health()
        it = limiter(health=health)
        it.observe(418, {"Retry-After": "90"})
        with pytest.raises(VenueBusyError) as caught:
            await it.acquire(1, protective=True, patience_ms=3000)
        assert caught.value.retry_ms == START_MS + 90_000
        assert health.problem() == "requests: banned by the exchange until 20:28:30 UTC"
        assert await passed_at(it.acquire(1, protective=True, patience_ms=PATIENT)) == 90

    run(work())


def test_a_ban_without_a_time_lasts_two_minutes_and_one_with_a_text_until_then() -> None:
    async def work() -> None:
        it = limiter()
        it.observe(418, {})
        assert it.blocked_until_ms(protective=True) == START_MS + 120_000
        it.observe(418, {"retry-after": "1"}, retry_ms=START_MS + 300_000)
        assert it.blocked_until_ms(protective=True) == START_MS + 300_000
        it.observe(418, {"retry-after": "1"})
        assert it.blocked_until_ms(protective=True) == START_MS + 300_000

    run(work())


def test_patience_ends_the_wait_behind_others() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(80, patience_ms=0)
        async with asyncio.TaskGroup() as group:
            group.create_task(it.acquire(80, patience_ms=PATIENT))
            behind = group.create_task(it.acquire(80, patience_ms=70_000))
            await asyncio.sleep(0)
            with pytest.raises(VenueBusyError):
                await asyncio.shield(behind)
            assert elapsed_s() == 70
        # It took nothing of the budget: only the first of the two did.
        assert await passed_at(it.acquire(80, patience_ms=PATIENT)) == 120

    with pytest.raises(ExceptionGroup) as caught:
        run(work())
    assert caught.group_contains(VenueBusyError)


def test_a_cancelled_wait_leaves_the_line() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(80, patience_ms=0)
        first = asyncio.ensure_future(it.acquire(80, patience_ms=PATIENT))
        second = asyncio.ensure_future(passed_at(it.acquire(1, patience_ms=PATIENT)))
        await asyncio.sleep(1)
        first.cancel()
        assert await second == 60

    run(work())


def test_the_line_is_bounded() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(80, patience_ms=0)
        waiting = [asyncio.ensure_future(it.acquire(1, patience_ms=PATIENT)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(VenueBusyError, match="are waiting"):
            await it.acquire(1, patience_ms=PATIENT)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(work())


def test_a_request_heavier_than_the_share_waits_for_an_empty_window() -> None:
    async def work() -> None:
        it = limiter()
        await it.acquire(1, patience_ms=0)
        assert await passed_at(it.acquire(95, patience_ms=PATIENT)) == 60

    run(work())


def test_the_limits_that_the_exchange_tells_are_kept_and_what_was_used_stays_used() -> None:
    told = Budget((Window(60_000, 50),), (Window(10_000, 5), Window(60_000, 12)))

    async def work() -> None:
        it = limiter()
        await it.acquire(30, orders=1, patience_ms=0)
        it.adopt(told)
        await it.acquire(7, orders=3, patience_ms=0)
        await it.acquire(3, patience_ms=0)
        assert await passed_at(it.acquire(0, orders=1, patience_ms=PATIENT)) == 10
        assert await passed_at(it.acquire(1, patience_ms=PATIENT)) == 60

    run(work())


def test_nothing_told_changes_nothing() -> None:
    async def work() -> None:
        it = limiter()
        it.adopt(Budget(()))
        await it.acquire(80, orders=8, patience_ms=0)
        with pytest.raises(VenueBusyError):
            await it.acquire(1, patience_ms=1000)

    run(work())
