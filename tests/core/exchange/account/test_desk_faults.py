"""What an exchange does wrong in practice, each time with a right end: no order lost, none twice, no position bare."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState
from core.exchange.connection.client import RECV_WINDOW_MS
from core.exchange.orders.outbox import SHORT_WINDOW_MS
from tests.core.exchange.desk_kit import ANSWERED, BTC, House, in_house
from tests.simulation.faults import (
    BACKEND_TIMEOUT,
    BAD_GATEWAY,
    GARBAGE,
    JSON,
    OVERLOAD_503,
    UNAVAILABLE_503,
    UNKNOWN_503,
)
from tests.simulation.transport import Answer, Delivery, Fate, Outcome

LOST = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
UNANSWERED = Fate(Outcome.ANSWER_LOST, 10.0, 10.0)
BROKEN_BEFORE = Fate(Outcome.RESET_ON_THE_WAY, 10.0, 10.0)
BROKEN_AFTER = Fate(Outcome.RESET_AFTER, 10.0, 10.0)


LIMITED = Answer(429, '{"code":-1003,"msg":"Too many requests"}', {**JSON, "Retry-After": "3"})


def replaced(answer: Answer) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, answer)


def spoiled(answer: Answer) -> Fate:
    return Fate(Outcome.SPOILED, 10.0, 10.0, answer)


TAKEN = [
    UNANSWERED,
    BROKEN_AFTER,
    spoiled(UNKNOWN_503),
    spoiled(BACKEND_TIMEOUT),
    spoiled(GARBAGE),
    spoiled(BAD_GATEWAY),
]
NOT_TAKEN = [LOST, BROKEN_BEFORE, replaced(UNKNOWN_503), replaced(BACKEND_TIMEOUT), replaced(BAD_GATEWAY)]


def posted(house: House, path: str) -> list[dict[str, str]]:
    """The parameters of what was posted to `path`."""
    return [dict(parse_qsl(p)) for method, asked, p in house.weather.asked if (method, asked) == ("POST", path)]


def deaf(house: House) -> None:
    """The private stream tells nothing any more."""
    house.weather.frames_of = lambda text: []


def held(house: House) -> tuple[Order, Order]:
    stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
    assert stop is not None
    assert target is not None
    return stop, target


@pytest.mark.parametrize("fate", TAKEN)
@pytest.mark.parametrize("hears", [True, False])
def test_an_entry_that_was_taken_without_an_answer_is_found_and_bracketed(fate: Fate, hears: bool) -> None:
    async def test(house: House) -> None:
        if not hears:
            deaf(house)
        house.weather.once("POST", "/order", fate)
        entry = await house.enter()
        await house.pass_s(12)
        assert len(house.at_exchange(entry)) == 1
        assert house.states(entry)[-1] is OrderState.FILLED
        assert {algo.client_id for algo in house.open_algos()} == {order.client_order_id for order in held(house)}
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("fate", NOT_TAKEN)
def test_an_entry_that_never_arrived_ends_so_and_is_not_sent_again(fate: Fate) -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/order", fate)
        entry = await house.enter()
        await house.pass_s(5.5)
        assert house.order(OrderRole.ENTRY) is not None
        await house.pass_s(12)
        assert house.states(entry)[-1] is OrderState.REJECTED
        assert house.book().trade is None
        assert house.at_exchange(entry) == []
        assert house.weather.count("POST", "/order") == 1
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("fate", [*TAKEN, *NOT_TAKEN])
def test_a_stop_whose_answer_is_lost_rests_once_and_soon(fate: Fate) -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/algoOrder", fate, times=2)
        await house.enter()
        await house.pass_s(2.5)
        stop, target = held(house)
        assert [algo.is_open for algo in house.at_exchange(stop)] == [True]
        await house.pass_s(20)
        assert [algo.is_open for algo in house.at_exchange(stop)] == [True]
        assert [algo.is_open for algo in house.at_exchange(target)] == [True]
        assert house.book().open_order(OrderRole.STOP) is not None
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("answer", [OVERLOAD_503, UNAVAILABLE_503, LIMITED])
def test_a_stop_that_was_turned_away_is_sent_when_the_exchange_says(answer: Answer) -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/algoOrder", replaced(answer), times=2)
        await house.enter()
        await house.pass_s(30)
        assert {algo.client_id for algo in house.open_algos()} == {order.client_order_id for order in held(house)}
        house.check_books()

    in_house(test)


def test_a_wrong_clock_is_set_and_the_order_goes_through() -> None:
    async def test(house: House) -> None:
        stale = Answer(400, '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', JSON)
        house.weather.once("POST", "/order", replaced(stale))
        entry = await house.enter()
        await house.pass_s(2)
        assert len(house.at_exchange(entry)) == 1
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("hears", [True, False])
def test_an_exit_whose_answer_is_lost_closes_once(hears: bool) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        if not hears:
            deaf(house)
        house.weather.once("POST", "/order", UNANSWERED)
        await house.predict(BTC, -6.0)
        await house.pass_s(10)
        assert [trade.exit_reason for trade in house.trades] == ["reversal"]
        assert house.open_algos() == []
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("out_ms", [1_300.0, 1_700.0, 4_500.0])
def test_an_exit_that_is_late_on_its_way_and_ends_in_part_is_not_sent_twice(out_ms: float) -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.venue.expire_after(BTC, "0.001")
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.ANSWERED, out_ms, 10.0))
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        ids = [order.client_id for order in house.venue.orders if not order.parent]
        assert len(ids) == len(set(ids))
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(scene)


def test_an_exit_that_never_arrived_is_sent_again_as_soon_as_it_can_arrive_no_more() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.weather.once("POST", "/fapi/v1/order", LOST)
        await house.command(Verb.FLATTEN)
        sent_ms = house.clock.now_ms()
        await house.pass_s(1.6)
        assert house.venue.position_lots(BTC) != 0
        await house.pass_s(0.5)
        assert house.venue.position_lots(BTC) == 0
        [trade] = house.trades
        assert 1_700 <= trade.exit_time_ms - sent_ms <= 2_100
        house.check_books()

    in_house(scene)


def test_an_exit_that_is_lost_again_and_again_may_travel_longer() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.weather.once("POST", "/fapi/v1/order", LOST, times=3)
        await house.command(Verb.FLATTEN)
        await house.pass_s(12)
        assert house.venue.position_lots(BTC) == 0
        windows = [params.get("recvWindow") for params in posted(house, "/fapi/v1/order")]
        short, wider = str(SHORT_WINDOW_MS), str(3 * SHORT_WINDOW_MS)
        assert windows[-4:] == [short, short, wider, str(RECV_WINDOW_MS)]
        house.check_books()

    in_house(scene)


def test_an_exit_gets_through_where_every_request_travels_longer_than_its_first_window() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        slow = Fate(Outcome.ANSWERED, SHORT_WINDOW_MS + 500.0, 10.0)
        house.weather.once("POST", "/fapi/v1/order", slow, times=20)
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert house.venue.position_lots(BTC) == 0
        assert len(house.trades) == 1
        house.check_books()

    in_house(scene)


def test_an_exit_is_settled_where_every_request_takes_longer_than_protection_waits() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        slow = Fate(Outcome.ANSWERED, 900.0, 900.0)
        house.weather.rules.append(lambda method, path, params: slow if path.startswith("/fapi") else None)
        house.weather.once("POST", "/fapi/v1/order", LOST)
        deaf(house)
        await house.command(Verb.FLATTEN)
        await house.pass_s(60)
        assert house.venue.position_lots(BTC) == 0
        assert house.book().orders == {}
        house.check_books()

    in_house(scene)


def test_a_question_that_a_busy_exchange_turned_away_is_asked_again_soon() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.weather.once("POST", "/fapi/v1/order", LOST)
        house.weather.once("GET", "/fapi/v1/order", replaced(LIMITED), times=3)
        await house.command(Verb.FLATTEN)
        await house.pass_s(7)
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(scene)


def test_an_order_that_is_known_to_rest_is_not_asked_for_over_and_over_while_its_answer_is_awaited() -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/algoOrder", UNANSWERED, times=2)
        await house.enter()
        await house.pass_s(3)
        assert house.weather.count("GET", "/fapi/v1/algoOrder") <= 6
        assert len(house.open_algos()) == 2
        house.check_books()

    in_house(scene)


def test_a_busy_exchange_is_pressed_for_what_became_of_an_exit_that_would_close_lots_of_others_twice() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.exchange_venue.outbox.is_shared = lambda symbol: True
        house.weather.once("POST", "/fapi/v1/order", LOST)
        house.weather.once("GET", "/fapi/v1/order", replaced(OVERLOAD_503), times=1_000)
        await house.command(Verb.FLATTEN)
        await house.pass_s(3.5)
        before = house.weather.count("GET", "/fapi/v1/order")
        await house.pass_s(3)
        assert 12 <= house.weather.count("GET", "/fapi/v1/order") - before <= 24
        house.weather.rules.clear()
        await house.pass_s(1)
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(scene)


def test_an_exit_that_can_arrive_no_more_is_sent_again_though_the_exchange_answers_no_question() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(1)
        house.weather.once("POST", "/fapi/v1/order", LOST)
        house.weather.once("GET", "/fapi/v1/order", replaced(OVERLOAD_503), times=1_000)
        await house.command(Verb.FLATTEN)
        await house.pass_s(3.5)
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(scene)


@pytest.mark.parametrize("out_ms", [1_500.0, 1_900.0, 2_500.0])
def test_a_stop_that_was_sent_twice_is_not_withdrawn_before_its_first_try_can_arrive_no_more(out_ms: float) -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/algoOrder", Fate(Outcome.ANSWERED, out_ms, 10.0), times=2)
        await house.enter()
        await house.pass_s(1.25)
        assert len(house.open_algos()) >= 1
        await house.command(Verb.FLATTEN)
        await house.pass_s(10)
        ids = [algo.client_id for algo in house.venue.algos]
        assert len(ids) == len(set(ids))
        assert house.open_algos() == []
        house.check_books()

    in_house(scene)


def test_a_stop_that_came_too_late_has_the_long_window_though_the_time_cannot_be_asked_for() -> None:
    async def scene(house: House) -> None:
        stale = Answer(400, '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', JSON)
        house.weather.once("POST", "/algoOrder", replaced(stale), times=2)
        house.weather.once("GET", "/time", replaced(LIMITED), times=20)
        await house.enter()
        await house.pass_s(10)
        windows = [params["recvWindow"] for params in posted(house, "/fapi/v1/algoOrder")]
        assert windows[:2] == [str(SHORT_WINDOW_MS)] * 2
        assert set(windows[2:]) == {str(RECV_WINDOW_MS)}
        assert len(house.open_algos()) == 2
        house.check_books()

    in_house(scene)


def withdraw_stop_by_hand(house: House) -> str:
    """A human cancels our stop, and the private stream does not tell it. Returns its client id."""
    deaf(house)
    [stop] = [algo for algo in house.open_algos() if algo.type == "STOP_MARKET"]
    house.venue.exchange.cancel_algo(stop, house.clock.now_ms())
    return stop.client_id


def resting_stops(house: House) -> list[str]:
    return [algo.client_id for algo in house.open_algos() if algo.type == "STOP_MARKET"]


def test_a_stop_that_a_human_withdrew_unheard_is_put_back_while_a_rate_limit_is_in_force() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        busy = replaced(Answer(429, '{"code":-1003,"msg":"Too many requests"}', {**JSON, "Retry-After": "20"}))

        def passes_what_protects(method: str, path: str, params: str) -> Fate | None:
            return None if path.endswith(("/order", "/algoOrder")) else busy

        house.weather.rules.append(passes_what_protects)
        withdrawn = withdraw_stop_by_hand(house)
        asked = house.weather.count("GET", "/openAlgoOrders") + house.weather.count("GET", "/algoOrder")
        await house.pass_s(6)
        assert [client_id for client_id in resting_stops(house) if client_id != withdrawn] != []
        await house.pass_s(12)
        spent = house.weather.count("GET", "/openAlgoOrders") + house.weather.count("GET", "/algoOrder") - asked
        assert spent <= 15
        house.check_books()

    in_house(scene)


def test_the_stops_are_read_back_out_of_the_reserve_of_the_rate_limit() -> None:
    async def scene(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.wire.limiter.acquire(1_850, protective=True, patience_ms=0)
        withdrawn = withdraw_stop_by_hand(house)
        await house.pass_s(5)
        assert [client_id for client_id in resting_stops(house) if client_id != withdrawn] != []
        house.check_books()

    in_house(scene)


def test_a_cancel_that_is_lost_is_made_again() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.weather.once("DELETE", "/algoOrder", LOST, times=3)
        await house.predict(BTC, -6.0)
        await house.pass_s(20)
        assert house.open_algos() == []
        assert house.book().orders == {}
        house.check_books()

    in_house(test)


def test_messages_twice_late_and_out_of_order_are_booked_once() -> None:
    async def test(house: House) -> None:
        delays = iter([900.0, 5.0, 400.0, 30.0, 700.0] * 1000)

        def frames(text: str) -> list[Delivery]:
            delay = next(delays)
            return [Delivery(delay, text, in_order=False), Delivery(delay + 300.0, text, in_order=False)]

        house.weather.frames_of = frames
        for _ in range(5):
            await house.enter()
            await house.pass_s(5)
            await house.predict(BTC, -6.0)
            await house.pass_s(5)
        assert len({fill.fill_id for fill in house.fills}) == len(house.fills) == len(house.venue.ledger.trades)
        assert len(house.trades) == 5
        house.check_books()

    in_house(test)


def test_a_silent_stream_is_noticed_by_the_fill_that_it_did_not_tell() -> None:
    async def test(house: House) -> None:
        deaf(house)
        await house.enter()
        await house.pass_s(1.5)
        assert house.book().lots > 0
        assert len(house.open_algos()) == 2
        sockets = len(house.network.sockets)
        await house.pass_s(6)
        assert len([socket for socket in house.network.sockets if "private" in socket.path]) == 1
        house.weather.frames_of = lambda text: [Delivery(5.0, text)]
        await house.pass_s(5)
        assert house.health.problem() == ""
        assert sockets >= 1

    in_house(test)


def test_ten_minutes_without_stream_or_answers_lose_no_fill() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.weather.is_deaf = True
        for socket in list(house.network.sockets):
            socket.close_by_server(1006)
        house.weather.rules.append(lambda method, path, params: LOST)
        await house.pass_s(30)
        assert house.health.problem() != ""
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(570)
        house.weather.is_deaf = False
        house.weather.rules.append(lambda method, path, params: ANSWERED)
        await house.pass_s(60)
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        assert house.open_algos() == []
        assert house.health.problem() == ""
        house.check_books()

    in_house(test)


def test_an_expired_listen_key_makes_a_new_connection() -> None:
    async def test(house: House) -> None:
        house.venue.exchange.hub.expire_listen_keys(house.clock.now_ms() + 3_600_000)
        await house.pass_s(5)
        await house.enter()
        await house.pass_s(0.2)
        assert house.book().lots > 0
        house.check_books()

    in_house(test)


def test_an_order_whose_intent_is_slow_to_become_durable_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        monkeypatch.setattr("tests.simulation.journal.COMMIT_S", 2.0)
        await house.predict(BTC, -6.0)
        await house.pass_s(30)
        assert house.weather.count("POST", "/order") == 2
        assert [trade.exit_reason for trade in house.trades] == ["reversal"]
        house.check_books()

    in_house(test)


def test_a_clock_that_is_set_back_holds_no_exit() -> None:
    """It leapt ahead by ten minutes, the exchange was overloaded meanwhile, and then it was measured again."""

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.venue.checks_time = False
        house.wire.clock.offset_ms = 600_000
        overloaded = Answer(503, '{"code":-1008,"msg":"Server is currently overloaded"}', JSON)
        house.weather.once("POST", "/fapi/v1/order", replaced(overloaded))
        await house.command(Verb.FLATTEN)
        await house.pass_s(0.05)
        house.wire.clock.offset_ms = 0
        await house.pass_s(3)
        assert house.book().lots == 0
        house.check_books()

    in_house(test)


def test_what_became_of_an_exit_is_asked_for_soon_though_the_clock_was_set_back() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.venue.checks_time = False
        house.wire.clock.offset_ms = 600_000
        house.weather.once("POST", "/fapi/v1/order", LOST)
        await house.command(Verb.FLATTEN)
        await house.pass_s(0.05)
        house.wire.clock.offset_ms = 0
        await house.pass_s(12)
        assert house.book().lots == 0
        house.check_books()

    in_house(test)


def test_a_rate_limit_that_was_told_before_the_clock_was_set_back_lasts_no_longer() -> None:
    async def test(house: House) -> None:
        house.venue.checks_time = False
        house.wire.clock.offset_ms = 600_000
        house.weather.once("GET", "/positionRisk", replaced(LIMITED))
        await house.pass_s(31)
        house.wire.clock.offset_ms = 0
        await house.pass_s(30)
        assert "limited" not in house.health.problem()
        await house.enter()
        await house.pass_s(2)
        assert house.book().lots

    in_house(test)
