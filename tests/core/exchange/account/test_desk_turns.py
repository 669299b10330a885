"""Whose turn it is inside a rate limit, in which one request a second goes out: who has been bare for longest."""

from __future__ import annotations

from urllib.parse import parse_qs

from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.trader.limits import UNPROTECTED
from tests.core.exchange.account.test_desk_rate_limit import limited
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.transport import Fate, Outcome

LOST = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
TAKEN_UNTOLD = Fate(Outcome.ANSWER_LOST, 10.0, 10.0)
SHORT = {
    ("POST", "order"): "exit",
    ("POST", "algoOrder"): "stop",
    ("GET", "order"): "order?",
    ("GET", "userTrades"): "fills?",
}


def turns(house: House, begun: int) -> list[tuple[str, str]]:
    """What was sent and asked about single orders since, each with its contract."""
    asked = [((method, path.rpartition("/")[2]), params) for method, path, params in house.weather.asked[begun:]]
    return [(SHORT[what], parse_qs(params)["symbol"][0]) for what, params in asked if what in SHORT]


def test_of_two_unclear_entries_each_has_its_stop_before_one_is_asked_for() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(25)
        house.weather.once("POST", "/fapi/v1/order", TAKEN_UNTOLD, times=2)
        told, house.weather.frames_of = house.weather.frames_of, lambda text: []
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(0.1)
        house.wire.limiter.observe(429, {"Retry-After": "30"})
        house.weather.once("GET", "/fapi/v1/order", limited(30))
        begun = len(house.weather.asked)
        await house.pass_s(9)
        sent = turns(house, begun)
        asked = next(n for n, (what, _) in enumerate(sent[1:], 1) if what == "order?")
        assert {("stop", BTC), ("stop", ETH)} == set(sent[1:asked])
        assert asked == 3
        house.weather.frames_of = told
        await house.pass_s(60)
        house.check_books()

    in_house(scene)


def _take_away_stop(house: House, symbol: str) -> None:
    stop = house.order(OrderRole.STOP, symbol)
    assert stop is not None
    for algo in house.at_exchange(stop):
        house.venue.exchange.cancel_algo(algo, house.clock.now_ms())  # type: ignore[arg-type]


async def _left_bare(house: House, symbol: str) -> int:
    """A stop is taken away by hand, and what takes its place is lost, until the trader wants out. How much was asked
    by then."""
    _take_away_stop(house, symbol)
    house.weather.rules.append(
        lambda method, path, params: LOST if (method, path[-9:]) == ("POST", "algoOrder") and symbol in params else None
    )
    while house.order(OrderRole.EXIT, symbol) is None:
        await house.pass_s(0.05)
    assert house.trader.guard.level(UNPROTECTED, symbol) != "ok"
    return len(house.weather.asked)


def test_a_stop_takes_no_turn_from_the_exit_of_its_position() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "60"})
        begun = await _left_bare(house, BTC)
        house.weather.once("POST", "/fapi/v1/order", limited(50))
        house.weather.once("POST", "/fapi/v1/order", LOST, times=2)
        await house.pass_s(5)
        assert turns(house, begun)[:4] == [("exit", BTC)] * 4
        assert house.venue.position_lots(BTC) == 0
        await house.pass_s(70)
        house.check_books()

    in_house(scene)


def test_an_exit_that_is_sent_again_before_its_first_try_arrives_closes_once() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "20"})
        told, house.weather.frames_of = house.weather.frames_of, lambda text: []
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.ANSWER_LOST, 1030.0, 10.0))
        begun = len(house.weather.asked)
        await house.command(Verb.FLATTEN)
        await house.pass_s(1.5)
        assert turns(house, begun)[:2] == [("exit", BTC)] * 2
        assert house.venue.position_lots(BTC) == 0
        house.weather.frames_of = told
        await house.pass_s(70)
        assert [trade.qty for trade in house.trades] == [house.fills[0].qty_lots * house.instruments[BTC].lot_size]
        house.check_books()

    in_house(scene)


def test_an_exit_of_what_is_covered_lets_a_bare_position_go_first() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "60"})
        await house.wire.limiter.acquire(1, protective=True, patience_ms=2000)
        begun = len(house.weather.asked)
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(0.2)
        _take_away_stop(house, ETH)
        await house.pass_s(3)
        assert turns(house, begun)[:2] == [("stop", ETH), ("exit", BTC)]
        await house.pass_s(70)
        house.check_books()

    in_house(scene)


def test_a_stop_takes_no_turn_from_others_once_the_exit_of_its_own_position_works() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "60"})
        house.weather.frames_of = lambda text: []
        begun = await _left_bare(house, BTC)
        await house.command(Verb.FLATTEN, ETH)
        await house.pass_s(4)
        assert turns(house, begun)[:2] == [("exit", BTC), ("exit", ETH)]

    in_house(scene)


def test_in_a_rate_limit_an_entry_that_left_before_it_is_asked_for_as_soon_as_its_answer_is_late() -> None:
    async def scene(house: House) -> None:
        await house.pass_s(25)
        house.weather.once("POST", "/fapi/v1/order", TAKEN_UNTOLD)
        house.weather.frames_of = lambda text: []
        begun = len(house.weather.asked)
        began_s = house.loop.time()
        await house.enter(BTC)
        await house.pass_s(0.1)
        house.wire.limiter.observe(429, {"Retry-After": "30"})
        while ("order?", BTC) not in turns(house, begun):
            await house.pass_s(0.01)
        assert 0.5 <= house.loop.time() - began_s <= 0.8

    in_house(scene)


def test_a_position_that_somebody_has_closed_takes_no_turn_from_one_that_is_there() -> None:
    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(30)
        house.wire.limiter.observe(429, {"Retry-After": "60"})
        told = house.weather.frames_of
        house.weather.frames_of = lambda text: [] if BTC in text else told(text)
        begun = await _left_bare(house, BTC)
        now_ms = house.clock.now_ms()
        house.venue.place_external(now_ms, symbol=BTC, side="SELL", quantity="0.041", reduceOnly="true")
        _take_away_stop(house, ETH)
        await house.pass_s(6)
        assert turns(house, begun)[:2] == [("exit", BTC), ("stop", ETH)]
        house.weather.frames_of = told
        await house.pass_s(70)
        house.check_books()

    in_house(scene)
