"""What goes out while the exchange wants fewer requests, and what the trader is told of it."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import parse_qs, parse_qsl

from core.domain.operator import LimitEvent, Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import LimitRecord
from core.trader.limits import WELL_AGAIN_S
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

SOL = "SOLUSDT"
EXIT = ("POST", "/order")
MANY = '{"code":-1003,"msg":"Too many requests"}'


def limited(seconds: int) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(429, MANY, {**JSON, "Retry-After": str(seconds)}))


def connection(house: House) -> list[LimitEvent]:
    return [r.event for r in house.records if isinstance(r, LimitRecord) and r.event.limit == "connection"]


def clock_s(house: House) -> float:
    return house.loop.time()


def test_inside_retry_after_only_what_protects_or_closes_goes_out_once_a_second() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        house.weather.once("GET", "/fapi/v3/account", limited(20))
        while not house.health.problem():
            await house.pass_s(0.1)
        sent: list[tuple[float, str, str, dict[str, str]]] = []

        def note(method: str, path: str, params: str) -> None:
            sent.append((clock_s(house), method, path.rpartition("/")[2], dict(parse_qsl(params))))

        house.weather.rules.append(note)  # type: ignore[arg-type]
        began_s = clock_s(house)
        assert house.trader.guard.halts() == ("connection",)
        [fired] = [event for event in connection(house)[-1:] if event.fired]
        assert "limited by the exchange (429) until " in fired.note
        assert fired.clears == f"when streams, requests and clock have been well for {WELL_AGAIN_S} s"
        await house.command(Verb.FLATTEN)
        await house.pass_s(18)
        assert [house.venue.position_lots(symbol) for symbol in (BTC, ETH)] == [0, 0]
        times = [time_s for time_s, *_ in sent]
        assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
        exits = [params for _, method, path, params in sent if (method, path) == ("POST", "order")]
        assert [params["reduceOnly"] for params in exits] == ["true", "true"]
        assert times[0] - began_s <= 1.1
        # Stop and target of what is closed already can wait.
        assert {(method, path) for _, method, path, _ in sent} <= {
            ("POST", "order"),
            ("GET", "order"),
            ("GET", "userTrades"),
            ("GET", "openAlgoOrders"),
            ("GET", "algoOrder"),
        }
        assert len(house.open_algos()) == 4
        await house.pass_s(6)
        assert house.open_algos() == []
        house.check_books()

    in_house(scene)


def test_inside_retry_after_an_exit_that_was_turned_away_is_not_passed_by_those_that_came_later() -> None:
    async def scene(house: House) -> None:
        house.quote(SOL, "150.00", "150.02")
        for symbol in house.symbols:
            await house.enter(symbol)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "40"})
        house.weather.once("POST", "/fapi/v1/order", limited(40), times=3)
        begun = len(house.weather.asked)
        await house.command(Verb.FLATTEN, BTC)
        while house.weather.count("POST", "/fapi/v1/order") < 6:
            await house.pass_s(0.05)
        await house.command(Verb.FLATTEN, ETH)
        await house.command(Verb.FLATTEN, SOL)
        await house.pass_s(6)
        sent = [params for method, path, params in house.weather.asked[begun:] if (method, path[-6:]) == EXIT]
        symbols = [parse_qs(params)["symbol"][0] for params in sent]
        assert symbols == [BTC, BTC, BTC, BTC, ETH, SOL]
        assert [house.venue.position_lots(symbol) for symbol in house.symbols] == [0, 0, 0]
        await house.pass_s(60)
        house.check_books()

    in_house(scene, symbols=(BTC, ETH, SOL))


def test_inside_retry_after_nothing_is_asked_of_what_guards_a_contract_that_is_flat() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "40"})
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(3)
        assert house.venue.position_lots(BTC) == 0
        begun = len(house.weather.asked)
        await house.pass_s(30)
        asked = house.weather.asked[begun:]
        assert [ask for ask in asked if BTC in ask[2]] == []
        assert {path.rpartition("/")[2] for _, path, _ in asked} <= {"algoOrder", "openAlgoOrders", "positionRisk"}
        await house.pass_s(20)
        assert {algo.symbol for algo in house.open_algos()} == {ETH}
        house.check_books()

    in_house(scene)


def test_in_a_rate_limit_a_stop_whose_answer_is_lost_is_sent_again_and_not_asked_for() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(25)
        lost = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
        house.weather.once("POST", "/fapi/v1/algoOrder", lost, times=2)
        house.weather.once("POST", "/fapi/v1/algoOrder", limited(20), times=2)
        await house.enter(BTC)
        await house.pass_s(2.3)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        assert stop.state is OrderState.ACCEPTED
        # Stop and target, and the stop three times more.
        assert house.weather.count("POST", "/fapi/v1/algoOrder") == 5
        assert house.weather.count("GET", "/fapi/v1/algoOrder") == 0
        await house.pass_s(30)
        house.check_books()

    in_house(scene)


def test_in_a_rate_limit_an_entry_is_asked_for_while_its_withdrawal_waits_for_a_turn() -> None:
    async def scene(house: House) -> None:
        await house.enter(ETH)
        await house.pass_s(25)
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.ANSWER_LOST, 10.0, 10.0))
        house.weather.frames_of = lambda text: []
        await house.enter(BTC)
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        await house.command(Verb.HALT)

        async def close_others() -> None:
            while True:
                await house.wire.limiter.acquire(1, orders=1, protective=True, patience_ms=60_000)

        closing = house.loop.create_task(close_others())
        await house.pass_s(8)
        closing.cancel()
        assert house.book(BTC).lots
        assert house.book(BTC).is_protected()
        house.check_books()

    in_house(scene)


def test_in_a_rate_limit_an_entry_that_is_not_there_takes_no_turn_from_one_that_is() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(25)

        def lost(method: str, path: str, params: str) -> Fate | None:
            if (method, path) != ("POST", "/fapi/v1/order"):
                return None
            outcome = Outcome.LOST_ON_THE_WAY if ETH in params else Outcome.ANSWER_LOST
            return Fate(outcome, 10.0, 10.0)

        house.weather.rules.append(lost)
        house.weather.frames_of = lambda text: []
        await house.enter(ETH)
        await house.enter(BTC)
        await house.pass_s(0.1)
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        asked = len(house.weather.asked)
        await house.pass_s(8)
        sent = [
            (method, path.rpartition("/")[2], BTC in params) for method, path, params in house.weather.asked[asked:]
        ]
        assert sent[:6] == [
            ("GET", "order", True),
            ("POST", "algoOrder", False),
            ("POST", "algoOrder", True),
            ("GET", "order", False),
            ("GET", "userTrades", True),
            ("POST", "algoOrder", True),
        ], "each has its stop ahead; then that one is found absent, and the other has its fills and its stop proper"
        await house.pass_s(40)
        house.check_books()

    in_house(scene)


def test_in_a_rate_limit_a_lost_exit_is_sent_again_unasked_once_it_can_arrive_no_more() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(25)
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0))
        await house.command(Verb.FLATTEN)
        await house.pass_s(2.5)
        assert house.venue.position_lots(BTC) == 0
        assert house.weather.count("GET", "/fapi/v1/order") == 0
        await house.pass_s(60)
        house.check_books()

    in_house(scene)


def test_an_exit_that_was_taken_finds_nothing_left_to_close_when_it_is_sent_again() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(25)
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.ANSWER_LOST, 10.0, 10.0))
        house.weather.once("GET", "/fapi/v1/order", limited(20), times=20)
        told, house.weather.frames_of = house.weather.frames_of, lambda text: []
        await house.command(Verb.FLATTEN)
        await house.pass_s(6)
        assert house.venue.position_lots(BTC) == 0
        house.weather.frames_of = told
        await house.pass_s(60)
        assert [trade.qty for trade in house.trades] == [house.fills[0].qty_lots * house.instruments[BTC].lot_size]
        house.check_books()

    in_house(scene)


def test_in_a_rate_limit_no_turn_is_spent_on_the_withdrawal_of_a_market_order() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(25)
        lost = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
        house.weather.once("POST", "/fapi/v1/order", lost)
        house.weather.once("GET", "/fapi/v1/order", limited(20))
        await house.enter(BTC)
        await house.pass_s(3)
        await house.command(Verb.HALT)
        await house.pass_s(12)
        assert house.weather.count("DELETE", "/fapi/v1/order") == 0
        assert house.order(OrderRole.ENTRY) is None, "it can arrive no more"
        house.check_books()

    in_house(scene)


def test_what_comes_and_goes_fires_the_connection_limit_once() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(WELL_AGAIN_S)
        before = len(connection(house))
        for _ in range(10):
            house.health.report("account stream", "not connected: it ended")
            await house.pass_s(2)
            house.health.report("account stream", "")
            await house.pass_s(WELL_AGAIN_S / 2)
        assert [event.fired for event in connection(house)[before:]] == [True]
        assert house.health.problem() == ""
        assert house.health.standing.startswith("well again; entries go on at ")
        assert "it was account stream: not connected: it ended" in house.health.standing
        await house.pass_s(WELL_AGAIN_S / 2 - 0.5)
        assert house.trader.guard.halts() == ("connection",)
        await house.pass_s(1)
        assert house.trader.guard.halts() == ()
        assert house.health.standing == ""
        assert [event.fired for event in connection(house)[before:]] == [True, False]

    in_house(scene)


def test_another_problem_while_it_is_well_again_stands_at_once() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(WELL_AGAIN_S)
        house.health.report("clock", "it moved")
        await house.pass_s(1)
        house.health.report("clock", "")
        await house.pass_s(WELL_AGAIN_S - 1)
        house.health.report("requests", "silent")
        await house.pass_s(0.1)
        assert house.health.standing == ""
        assert house.health.problem() == "requests: silent"
        house.health.report("requests", "")
        await house.pass_s(WELL_AGAIN_S - 1)
        assert house.trader.guard.halts() == ("connection",)
        await house.pass_s(1.5)
        assert house.trader.guard.halts() == ()

    in_house(scene)


def test_a_start_is_not_held_up_by_its_own_beginning() -> None:
    async def scene(house: House) -> None:
        assert clock_s(house) < 3
        assert house.trader.guard.halts() == ()
        await house.enter(BTC)
        await house.pass_s(1)
        await house.stop()
        began_s = clock_s(house)
        await house.start()
        await house.until_well()
        assert clock_s(house) - began_s < 3

    in_house(scene)


def test_a_stop_that_is_lost_in_a_rate_limit_is_sent_again_unasked_and_once_only() -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/algoOrder", Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0), times=2)
        await house.enter(BTC)
        await house.pass_s(0.05)
        house.weather.once("GET", "/fapi/v3/account", limited(20))
        house.desk._look_soon.set()
        await house.pass_s(6)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        assert len(house.at_exchange(stop)) == 1
        asked = [path for method, path, params in house.weather.asked if stop.client_order_id in params]
        assert asked.count("/fapi/v1/algoOrder") <= 4
        await house.pass_s(60)
        house.check_books()

    in_house(scene)
