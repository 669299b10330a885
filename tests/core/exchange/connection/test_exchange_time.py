import asyncio
import logging

import pytest

from core.clock import ExchangeClock
from core.domain.errors import UnavailableError, VenueBusyError
from core.exchange.connection.exchange_time import (
    AGAIN_MS,
    EVERY_MS,
    SAMPLES,
    TRIES,
    Offset,
    Sample,
    TimeKeeper,
    offset_of,
)
from core.exchange.connection.health import Health
from tests.core.exchange.wire_kit import LoopClock, run


def test_an_answer_is_taken_for_the_middle_of_its_way() -> None:
    assert offset_of([Sample(1000, 1100, 3050)]) == Offset(2000, 50)


def test_slow_answers_are_left_out() -> None:
    quick = [Sample(0, 20, 510), Sample(0, 22, 511), Sample(0, 24, 512)]
    slow = [Sample(0, 900, 510), Sample(0, 4000, 600)]
    assert offset_of([slow[0], *quick, slow[1]]) == Offset(500, 12)


class Server:
    """A time server `ahead_ms` of the machine; `delays_s` are the ways there and back."""

    def __init__(self, ahead_ms: int, delays_s: tuple[float, float] = (0.01, 0.01)) -> None:
        self.machine = LoopClock()
        self.ahead_ms = ahead_ms
        self.delays_s = delays_s
        self.asked = 0
        self.down = False

    async def fetch_ms(self) -> int:
        self.asked += 1
        await asyncio.sleep(self.delays_s[0])
        if self.down:
            raise UnavailableError("no answer")
        now_ms = self.machine.now_ms() + self.ahead_ms
        await asyncio.sleep(self.delays_s[1])
        return now_ms


def keeper(server: Server, health: Health | None = None) -> tuple[TimeKeeper, ExchangeClock]:
    clock = ExchangeClock(server.machine)
    return TimeKeeper(clock, health or Health(), 500, server.fetch_ms), clock


@pytest.mark.parametrize("ahead_ms", [-86_400_000, -700, 0, 42, 3_600_000])
def test_the_clock_is_set_to_the_exchange_s(ahead_ms: int) -> None:
    async def work() -> None:
        it, clock = keeper(Server(ahead_ms))
        measured = await it.measure()
        assert measured.uncertainty_ms == 10
        assert abs(clock.offset_ms - ahead_ms) <= 10

    run(work())


def test_a_difference_within_the_uncertainty_does_not_move_the_clock() -> None:
    async def work() -> None:
        server = Server(1000)
        it, clock = keeper(server)
        await it.measure()
        before_ms = clock.offset_ms
        server.delays_s = (0.1, 0.02)
        await it.measure()
        assert clock.offset_ms == before_ms

    run(work())


def test_a_clock_far_off_at_the_start_is_told_and_no_problem(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        health = Health()
        it, _ = keeper(Server(2500), health)
        await it.measure()
        assert health.problem() == ""

    with caplog.at_level(logging.WARNING):
        run(work())
    assert "-2500 ms from the exchange's" in caplog.text


def test_a_jump_is_a_problem_until_the_next_measurement_agrees() -> None:
    async def work() -> None:
        health = Health()
        server = Server(0)
        it, clock = keeper(server, health)
        await it.measure()
        server.ahead_ms = 800
        await it.measure()
        assert abs(clock.offset_ms - 800) <= 10
        assert health.problem().startswith("clock: ")
        server.ahead_ms = -900
        await it.measure()
        assert health.problem().startswith("clock: ")
        await it.measure()
        assert health.problem() == ""

    run(work())


def test_failed_samples_count_only_when_all_fail() -> None:
    async def work() -> None:
        server = Server(300)
        it, clock = keeper(server)
        server.down = True
        with pytest.raises(UnavailableError):
            await it.measure()
        assert clock.offset_ms == 0
        server.down = False
        await it.measure()
        assert abs(clock.offset_ms - 300) <= 10

    run(work())


def test_who_waits_for_a_measurement_shares_it() -> None:
    async def work() -> None:
        server = Server(100)
        it, _ = keeper(server)
        offsets = await asyncio.gather(*(it.measure() for _ in range(4)))
        assert server.asked == SAMPLES
        assert len(set(offsets)) == 1
        await it.measure()
        assert server.asked == 2 * SAMPLES

    run(work())


def test_who_waits_for_a_measurement_that_fails_does_not_make_another() -> None:
    async def work() -> None:
        server = Server(42)
        it, _ = keeper(server)
        server.down = True
        found = await asyncio.gather(it.measure(), it.measure(), return_exceptions=True)
        assert [str(error) for error in found] == ["no answer"] * 2
        assert server.asked == TRIES
        server.down = False
        assert abs((await it.measure()).offset_ms - 42) <= 10

    run(work())


def test_a_time_that_is_refused_for_the_rate_limit_is_not_asked_for_twice() -> None:
    async def work() -> None:
        asked = 0

        async def fetch_ms() -> int:
            nonlocal asked
            asked += 1
            raise VenueBusyError("limited", 0)

        it = TimeKeeper(ExchangeClock(LoopClock()), Health(), 500, fetch_ms)
        with pytest.raises(VenueBusyError, match="limited"):
            await it.measure()
        assert asked == 1

    run(work())


def test_after_a_jump_the_second_measurement_comes_within_five_seconds_whoever_noticed_it() -> None:
    async def work() -> None:
        health = Health()
        server = Server(0)
        it, _ = keeper(server, health)
        await it.measure()
        keeping = asyncio.ensure_future(it.keep())
        await asyncio.sleep(100)
        server.ahead_ms = 30_000
        await it.measure()
        assert health.problem().startswith("clock: ")
        await asyncio.sleep(5)
        assert server.asked == 3 * SAMPLES
        assert health.problem() == ""
        server.ahead_ms = 0
        await it.measure()
        server.down = True
        await asyncio.sleep(60)
        assert health.problem().startswith("clock: ")
        server.down = False
        await asyncio.sleep(5)
        assert health.problem() == ""
        asked = server.asked
        await asyncio.sleep(EVERY_MS / 1000 - 10)
        assert server.asked == asked
        keeping.cancel()

    run(work())


def test_a_wait_for_admission_is_no_part_of_a_sample() -> None:
    async def work() -> None:
        server = Server(700)
        clock = ExchangeClock(server.machine)
        admitted: list[tuple[bool, bool]] = []

        async def admit(protective: bool, first: bool) -> None:
            admitted.append((protective, first))
            if len(admitted) > 2:
                raise VenueBusyError("limited", 0)
            await asyncio.sleep(0.9)

        it = TimeKeeper(clock, Health(), 500, server.fetch_ms, admit)
        measured = await it.measure()
        assert measured.uncertainty_ms == 10
        assert abs(clock.offset_ms - 700) <= 10
        assert admitted == [(True, True), (True, False), (True, False)]
        assert server.asked == 2

    run(work())


def test_time_is_measured_regularly_and_soon_again_where_it_failed_or_jumped() -> None:
    async def work() -> None:
        server = Server(0)
        it, _ = keeper(server)
        await it.measure()
        keeping = asyncio.ensure_future(it.keep())
        await asyncio.sleep(EVERY_MS / 1000 - 1)
        assert server.asked == SAMPLES
        server.ahead_ms = 5000
        await asyncio.sleep(2)
        assert server.asked == 2 * SAMPLES
        await asyncio.sleep(AGAIN_MS / 1000)
        assert server.asked == 3 * SAMPLES
        server.down = True
        await asyncio.sleep(EVERY_MS / 1000)
        assert server.asked == 3 * SAMPLES + TRIES
        server.down = False
        await asyncio.sleep(AGAIN_MS / 1000)
        assert server.asked == 4 * SAMPLES + TRIES
        keeping.cancel()

    run(work())
