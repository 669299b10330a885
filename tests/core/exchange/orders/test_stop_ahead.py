"""A stop that is sent before anybody knows what became of its entry: what it saves, and what it must never do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from core.domain.orders import Order, OrderRole, OrderState
from core.domain.records import FillRecord, IntentRecord, Record
from core.trader.invariants import check_state
from tests.core.exchange.account.test_desk_rate_limit import limited
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Delivery, Fate, Outcome
from tests.venue.protection import Protection

TAKEN_UNTOLD = Fate(Outcome.ANSWER_LOST, 10.0, 10.0)
LOST = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
FALLEN = "59000.0", "59000.1"
BUSY = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Request throttled."}', JSON))


def nothing(text: str) -> list[Delivery]:
    return []


def refused(code: int, message: str) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(400, json.dumps({"code": code, "msg": message}), JSON))


def ahead_of(house: House) -> Order:
    """The stop ahead, as the journal has it."""
    found = [r.order for r in house.records if isinstance(r, IntentRecord) and r.order.is_ahead]
    assert len(found) == 1, "one a trade"
    return found[0]


async def untold(house: House, fate: Fate = TAKEN_UNTOLD) -> None:
    """An entry without an answer, of which neither the stream nor a question tells."""
    house.weather.once("POST", "/fapi/v1/order", fate)
    house.weather.rules.append(unasked)
    house.weather.frames_of = nothing
    await house.enter()


def unasked(method: str, path: str, params: str) -> Fate | None:
    return BUSY if (method, path.rpartition("/")[2]) in {("GET", "order"), ("GET", "userTrades")} else None


def test_in_an_overload_within_a_limit_a_position_waits_for_one_answer_and_not_for_three() -> None:
    """Three of four requests are turned away, and one goes out a second."""

    async def test(house: House) -> None:
        protection = Protection(house.venue.exchange)
        await house.pass_s(25)
        turned_away = [0]

        def overload(method: str, path: str, params: str) -> Fate | None:
            if path.endswith(("/algoOrder", "/userTrades")) or (method, path[-6:]) == ("GET", "/order"):
                turned_away[0] += 1
                return BUSY if turned_away[0] % 4 else None
            return None

        house.weather.once("POST", "/fapi/v1/order", TAKEN_UNTOLD)
        house.weather.frames_of = nothing
        await house.enter()
        house.weather.rules.append(overload)
        house.wire.limiter.observe(429, {"Retry-After": "30"})
        await house.pass_s(60)
        assert [span.symbol for span in protection.ended] == [BTC]
        assert protection.ended[0].duration_ms(house.clock.now_ms()) <= 6_000
        assert house.book().lots == 41
        assert len(house.open_algos()) == 2, "its stop proper and its target"
        house.weather.rules.clear()
        house.check_books()

    in_house(test)


def test_of_an_entry_that_never_arrived_it_is_withdrawn_and_the_next_is_made() -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/fapi/v1/order", LOST)
        await house.enter()
        await house.pass_s(2)
        assert [algo.client_id for algo in house.open_algos()] == [ahead_of(house).client_order_id]
        assert house.trader.guard.halts() == ()
        await house.pass_s(20)
        assert house.open_algos() == []
        assert house.states(ahead_of(house)) == [OrderState.ACCEPTED, OrderState.CANCELED]
        await house.enter()
        await house.pass_s(3)
        assert house.book().lots == 41
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(
    "refusal",
    [refused(-2022, "ReduceOnly Order is rejected."), refused(-2021, "Order would immediately trigger.")],
)
def test_an_exchange_that_takes_none_without_a_position_halts_nothing(refusal: Fate) -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/fapi/v1/algoOrder", refusal)
        await untold(house)
        await house.pass_s(3)
        assert house.states(ahead_of(house)) == [OrderState.REJECTED]
        house.weather.rules.remove(unasked)
        await house.pass_s(3)
        assert house.book().lots == 41
        assert house.book().is_protected()
        assert house.trader.guard.halts() == ()
        assert len(house.open_algos()) == 2
        house.check_books()

    in_house(test)


def test_what_it_filled_is_booked_behind_what_its_entry_filled() -> None:
    """The price falls through the stop while nobody knows of the entry: its fills are told first, asked for first."""

    async def test(house: House) -> None:
        await untold(house)
        await house.pass_s(2)
        assert house.venue.position_lots(BTC) == 41
        house.weather.frames_of = lambda text: [Delivery(5.0, text)]
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(2)
        assert house.venue.position_lots(BTC) == 0
        assert (house.book().lots, house.fills) == (0, [])
        house.weather.rules.remove(unasked)
        await house.pass_s(15)
        told = [r.order.role for r in house.records if isinstance(r, FillRecord)]
        assert told == [OrderRole.ENTRY, OrderRole.STOP]
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        assert house.open_algos() == []
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_one_that_triggers_where_nothing_is_held_opens_nothing() -> None:
    async def test(house: House) -> None:
        await untold(house, LOST)
        await house.pass_s(2)
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(2)
        assert house.venue.position_lots(BTC) == 0
        house.weather.rules.remove(unasked)
        await house.pass_s(30)
        assert (house.book().lots, house.book().orders, house.trades) == (0, {}, [])
        assert "stop_refused:BTCUSDT" not in house.trader.guard.halts()
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("fate", [TAKEN_UNTOLD, LOST])
@pytest.mark.parametrize("alive_s", [0.2, 1.06, 1.2, 3.0])
def test_a_start_carries_on_with_it(fate: Fate, alive_s: float) -> None:
    """The process ends before it is placed, while it is under way, and while it rests."""

    async def test(house: House) -> None:
        protection = Protection(house.venue.exchange)
        await untold(house, fate)
        await house.pass_s(alive_s)
        await house.stop()
        await house.start(beside=True)
        await house.pass_s(6)
        assert protection.current() == [], "the start has it at the exchange before it hears of the entry"
        house.weather.rules.remove(unasked)
        await house.pass_s(30)
        is_held = fate is TAKEN_UNTOLD
        assert house.book().lots == (41 if is_held else 0)
        assert len(house.open_algos()) == (2 if is_held else 0)
        house.check_books()

    in_house(test)


class KilledError(Exception):
    """The process ends here."""


async def killed_at(house: House, commit: int, fate: Fate, falls: bool) -> bool:
    """An unclear entry, of which nobody tells for 3 s, by a process that ends with its so many-th commit: what was to
    be sent for it never leaves. Then another start, and the end of the matter. Whether it was killed."""
    written = [0]

    def count(records: Sequence[Record]) -> None:
        written[0] += 1
        if written[0] == commit:
            house.network.cut()
            raise KilledError

    house.disk.observers.append(count)
    is_killed = False
    try:
        await untold(house, fate)
        await house.pass_s(1.02)
        if falls:
            house.quote(BTC, *FALLEN)
        await house.pass_s(2)
        house.weather.rules.remove(unasked)
        await house.pass_s(20)
    except* KilledError:
        is_killed = True
    house.disk.observers.remove(count)
    if is_killed:
        house.task.cancel()
        await asyncio.wait([house.task])
        assert written == [commit], "nothing is written after it"
        await house.wire.close()
        house.weather.rules = [rule for rule in house.weather.rules if rule is not unasked]
        if falls:
            house.quote(BTC, *FALLEN)
        await house.start(beside=True)
    await house.pass_s(30)
    return is_killed


@pytest.mark.parametrize("fate", [TAKEN_UNTOLD, LOST])
@pytest.mark.parametrize("falls", [False, True])
def test_no_kill_at_a_journal_write_leaves_an_orphan_or_a_bare_position(fate: Fate, falls: bool) -> None:
    """At each commit from the entry on until the stop proper rests, or nothing does; also where the price falls through
    it meanwhile."""

    async def cut(house: House, commit: int) -> bool:
        is_killed = await killed_at(house, commit, fate, falls)
        was_sent = commit > 1 or not is_killed
        is_held = fate is TAKEN_UNTOLD and was_sent and not falls
        assert house.book().lots == (41 if is_held else 0), commit
        assert len(house.open_algos()) == (2 if is_held else 0), commit
        assert len(house.book().orders) == (2 if is_held else 0), commit
        assert house.book().is_protected()
        assert check_state(house.trader.state) == []
        house.check_books()
        return is_killed

    commit = 1
    while in_house(lambda house: cut(house, commit)):  # noqa: B023
        commit += 1
    assert commit > 5


def test_inside_a_limit_one_of_an_entry_that_was_found_absent_lets_others_go_first() -> None:
    """Also where it was asked for while its answer was still waited for."""

    async def test(house: House) -> None:
        await house.pass_s(25)

        def of_entries(method: str, path: str, params: str) -> Fate | None:
            if not path.endswith("/order"):
                return None
            return LOST if ETH in params and method == "POST" else None if ETH in params else TAKEN_UNTOLD

        house.weather.rules.append(of_entries)
        house.weather.frames_of = nothing
        await house.enter(ETH)
        await house.enter(BTC)
        await house.pass_s(0.7)
        assert house.weather.asked[-1][0] == "GET"
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        begun = len(house.weather.asked)
        await house.pass_s(3)
        sent = [(method, path, BTC in params) for method, path, params in house.weather.asked[begun:]]
        stops = [is_btc for method, path, is_btc in sent if (method, path[-10:]) == ("POST", "/algoOrder")]
        assert (stops[0], stops.count(False)) == (True, 1)
        house.weather.rules.remove(of_entries)
        await house.pass_s(60)
        house.check_books()

    in_house(test)


def test_one_that_is_past_its_price_is_asked_for_by_nobody_although_a_try_of_before_was_not_answered() -> None:
    """Within a limit each question costs its position a second: that one has triggered or never rested."""

    async def test(house: House) -> None:
        protection = Protection(house.venue.exchange)
        await house.pass_s(25)
        house.weather.once("POST", "/fapi/v1/algoOrder", TAKEN_UNTOLD)
        house.weather.once("POST", "/fapi/v1/order", TAKEN_UNTOLD)
        house.weather.frames_of = nothing
        await house.enter()
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        await house.pass_s(0.1)
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(10)
        assert house.states(ahead_of(house)) == [OrderState.UNKNOWN, OrderState.REJECTED]
        assert house.weather.count("GET", "/fapi/v1/algoOrder") == 0
        assert house.venue.position_lots(BTC) == 0
        assert [span.duration_ms(house.clock.now_ms()) <= 6_000 for span in protection.ended] == [True]
        await house.pass_s(60)
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        house.check_books()

    in_house(test)


def test_inside_a_limit_one_whose_answer_is_lost_is_sent_again_unasked() -> None:
    async def test(house: House) -> None:
        await house.pass_s(25)
        house.weather.once("POST", "/fapi/v1/algoOrder", LOST, times=2)
        house.weather.once("POST", "/fapi/v1/algoOrder", limited(20))
        await untold(house)
        await house.pass_s(8)
        assert [algo.client_id for algo in house.open_algos()] == [ahead_of(house).client_order_id]
        house.weather.rules.remove(unasked)
        await house.pass_s(60)
        assert house.book().is_protected()
        house.check_books()

    in_house(test)
