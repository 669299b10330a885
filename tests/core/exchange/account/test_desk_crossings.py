"""Orders of ours that cross on their way to the exchange: a reversal, and the stop or target of what it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.domain.records import IntentRecord, OperatorRecord, Record
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.declared import said
from tests.simulation.transport import Fate, Outcome

LOTS = 41


async def hold(house: House) -> None:
    house.trader.follow(replace(house.trader.strategy, reverses=True))
    await house.enter()
    await house.pass_s(2)
    assert house.venue.position_lots(BTC) == LOTS


def slow_orders(house: House, out_ms: float, times: int = 1_000) -> None:
    house.weather.once("POST", "/order", Fate(Outcome.ANSWERED, out_ms, 10.0), times=times)


def sent(house: House, role: OrderRole) -> list[int]:
    return [r.order.qty_lots for r in house.records if isinstance(r, IntentRecord) and r.order.role is role]


@pytest.mark.parametrize(("out_ms", "bid", "ask"), [(700.0, "59000.0", "59000.1"), (150.0, "61900.0", "61900.1")])
def test_a_stop_or_target_that_fills_while_a_reversal_travels_leaves_nothing_more(
    out_ms: float, bid: str, ask: str
) -> None:
    async def test(house: House) -> None:
        await hold(house)
        slow_orders(house, out_ms)
        await house.predict(BTC, -20.0)
        await house.pass_s(out_ms / 2000)
        house.quote(BTC, bid, ask)
        for _ in range(100):
            await house.pass_s(0.1)
            assert abs(house.venue.position_lots(BTC)) <= LOTS
        assert (house.book().lots, house.venue.position_lots(BTC)) == (0, 0)
        assert sent(house, OrderRole.ENTRY) == [LOTS]
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("out_ms", [10.0, 150.0, 700.0, 1500.0])
def test_a_reversal_that_nothing_crosses_turns_the_position(out_ms: float) -> None:
    async def test(house: House) -> None:
        await hold(house)
        slow_orders(house, out_ms)
        await house.predict(BTC, -20.0)
        for _ in range(80):
            await house.pass_s(0.1)
            assert abs(house.venue.position_lots(BTC)) <= LOTS
        assert house.book().lots == house.venue.position_lots(BTC) == -LOTS
        assert (sent(house, OrderRole.EXIT), sent(house, OrderRole.ENTRY)) == ([LOTS], [LOTS, LOTS])
        house.check_books()

    in_house(test)


def test_an_exit_that_was_filled_while_no_engine_ran_turns_nothing() -> None:
    async def test(house: House) -> None:
        await hold(house)
        told, house.weather.frames_of = house.weather.frames_of, lambda text: []
        house.weather.once("POST", "/order", Fate(Outcome.ANSWER_LOST, 10.0, 10.0))
        await house.predict(BTC, -20.0)
        await house.pass_s(0.05)
        await house.stop()
        house.weather.frames_of = told
        await asyncio.sleep(3_600)
        await house.start()
        house.trader.follow(replace(house.trader.strategy, reverses=True))
        await house.pass_s(60)
        assert house.book().lots == house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(("age_ms", "is_sent"), [(29_000, True), (31_000, False)])
def test_an_entry_that_was_decided_on_long_ago_is_not_sent(age_ms: int, is_sent: bool) -> None:
    async def test(house: House) -> None:
        now_ms = house.clock.now_ms()
        house.mark(BTC)
        made = said(BTC, now_ms - age_ms, now_ms - age_ms, (20.0, 1.0), "plain")
        await house.stepper.step([made], now_ms)
        (order,) = (record.order for record in house.records if isinstance(record, IntentRecord))
        await house.pass_s(1)
        assert bool(house.at_exchange(order)) == is_sent
        assert is_sent or house.book().trade is None

    in_house(test)


@pytest.mark.parametrize("state", ["travelling", "unknown", "reversing"])
def test_a_flatten_ends_flat_whatever_is_under_way(state: str) -> None:
    async def test(house: House) -> None:
        if state == "reversing":
            await hold(house)
            slow_orders(house, 300.0, times=1)
            await house.predict(BTC, -20.0)
        elif state == "travelling":
            slow_orders(house, 300.0)
            await house.enter()
        else:
            house.weather.once("POST", "/order", Fate(Outcome.ANSWER_LOST, 10.0, 10.0))
            told, house.weather.frames_of = house.weather.frames_of, lambda text: []
            await house.enter()
            await house.pass_s(0.5)
            house.weather.frames_of = told
        await house.pass_s(0.05)
        await house.command(Verb.FLATTEN)
        await house.pass_s(10)
        assert house.book().lots == house.venue.position_lots(BTC) == 0
        assert house.book().orders == {}
        results = [record.result for record in house.records if isinstance(record, OperatorRecord)]
        assert results[-1] == "flat, nothing open"
        assert "0 positions" not in results[0]
        house.check_books()

    in_house(test)


def test_a_flatten_whose_caller_gives_up_in_mid_commit_acts_and_the_next_is_not_dead() -> None:
    async def test(house: House) -> None:
        await hold(house)
        commit = house.stepper._journal.commit
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def held_up(records: Sequence[Record]) -> None:
            begun.set()
            await go_on.wait()
            await commit(records)

        house.stepper._journal.commit = held_up  # type: ignore[method-assign]
        asking = asyncio.create_task(house.command(Verb.FLATTEN))
        await begun.wait()
        asking.cancel()
        await house.pass_s(0.1)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await asking
        house.stepper._journal.commit = commit  # type: ignore[method-assign]
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == 0
        await house.command(Verb.RESUME)
        await house.enter()
        await house.pass_s(2)
        assert house.venue.position_lots(BTC) == LOTS
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(test)
