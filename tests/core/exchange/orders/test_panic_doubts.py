"""The emergency exit where others have acted since, and where something cannot be read or is refused."""

from __future__ import annotations

import pytest

from core.exchange.orders.panic import Outcome
from tests.core.exchange.desk_kit import BTC, ETH, House
from tests.core.exchange.orders.panic_kit import Day, after_the_engine
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate
from tests.simulation.transport import Outcome as Sent
from tests.venue import by_hand
from tests.venue.person import Person


def test_what_others_closed_of_ours_since_is_ours_no_more() -> None:
    """Another bought after that: what the account holds on our side is theirs."""

    async def test(day: Day) -> None:
        btc, eth = day.net(BTC), -day.net(ETH)
        person = Person(day.venue)
        person.close(BTC, day.now_ms)
        person.trade(BTC, 50, day.now_ms)
        person.close(ETH, day.now_ms, eth - 7)
        person.trade(ETH, -900, day.now_ms)
        assert await day.panic() == Outcome(())
        assert (day.net(BTC), day.net(ETH)) == (50, -900)
        assert [(order.symbol, order.lots) for order in day.made] == [(ETH, 7)]
        assert btc > 0
        assert day.resting() == []

    after_the_engine(test)


def test_what_a_stop_of_ours_closed_is_taken_from_ours_once() -> None:
    async def test(day: Day) -> None:
        ours = day.net(BTC)
        stop = next(algo for algo in day.house.open_algos() if algo.symbol == BTC)
        price = stop.trigger_ticks * 0.1
        day.venue.place_external(day.now_ms, symbol=BTC, side="BUY", quantity="0.050")
        day.venue.expire_after(BTC, "0.001")
        day.venue.set_book(BTC, f"{price - 10:.1f}", f"{price - 9.9:.1f}", day.now_ms)
        day.venue.trade(BTC, f"{price - 10:.1f}", "1", day.now_ms)
        assert day.net(BTC) == 50 + ours - 1
        assert await day.panic() == Outcome(())
        assert day.net(BTC) == 50

    after_the_engine(test)


def test_a_refusal_that_no_second_try_changes_is_met_and_told_once() -> None:
    async def test(day: Day) -> None:
        day.venue.settings.can_trade = False
        sent = day.weather.count("POST", "/v1/order")
        outcome = await day.panic()
        assert day.weather.count("POST", "/v1/order") == sent + 2
        assert len(day.lines) == 2
        assert all("not closed: create_order: Invalid API-key" in line for line in day.lines)
        assert [text for text in outcome.left if "is still open: create_order: Invalid API-key" in text] == list(
            outcome.left[:2]
        )
        assert len(day.resting()) == 4

    after_the_engine(test)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/openOrders", "which orders rest could not be read: "),
        ("/openAlgoOrders", "which conditional orders rest could not be read: "),
    ],
)
def test_orders_that_cannot_be_read_keep_no_position_open_and_are_not_taken_for_none(path: str, said: str) -> None:
    async def test(day: Day) -> None:
        by_hand.refuse_for_good(day.venue, "GET", f"/fapi/v1{path}")
        outcome = await day.panic()
        assert (day.net(BTC), day.net(ETH)) == (0, 0)
        assert outcome.left[-1].startswith(said)
        assert outcome.left[-1].endswith("look at the exchange's own page")

    after_the_engine(test)


@pytest.mark.parametrize("path", ["/userTrades", "/allOrders"])
@pytest.mark.parametrize("code", [-1000, -1121])
def test_a_past_that_cannot_be_read_keeps_no_position_open(path: str, code: int) -> None:
    async def test(day: Day) -> None:
        Person(day.venue).close(ETH, day.now_ms, 3)
        by_hand.refuse_for_good(day.venue, "GET", f"/fapi/v1{path}", code)
        assert await day.panic() == Outcome(())
        assert (day.net(BTC), day.net(ETH)) == (0, 0)
        assert any("what others closed of ours is not known, and taken for nothing" in line for line in day.lines)

    after_the_engine(test)


def test_an_order_of_ours_whose_end_is_not_told_is_never_taken_for_nothing() -> None:
    async def before(house: House) -> None:
        house.weather.once("POST", "/order", Fate(Sent.ANSWER_LOST, 10.0, 10.0))
        house.weather.frames_of = lambda text: []
        await house.enter()
        await house.pass_s(0.1)

    async def test(day: Day) -> None:
        (order, _), *_ = day.owned.open_orders
        by_hand.refuse_for_good(day.venue, "GET", "/fapi/v1/order")
        outcome = await day.panic()
        assert day.net() > 0
        assert outcome.left[0].startswith("BTCUSDT entry: what became of it is not known: ")
        assert order.client_order_id in outcome.left[0]

    after_the_engine(test, before)


def test_once_something_was_sent_a_read_that_fails_is_made_again() -> None:
    async def test(day: Day) -> None:
        lost = Fate(Sent.RESET_ON_THE_WAY, 10.0, 10.0)
        asked = day.weather.count("GET", "/positionRisk")
        day.weather.rules.append(
            lambda method, path, params: (
                lost
                if path.endswith("/positionRisk") and 1 < day.weather.count("GET", "/positionRisk") - asked < 8
                else None
            )
        )
        assert await day.panic() == Outcome(())
        assert day.net() == 0
        assert len([line for line in day.lines if line.startswith("asked again: ")]) == 2

    after_the_engine(test)


NO_POSITIONS = Fate(Sent.REPLACED, 10.0, 10.0, Answer(200, "[]", JSON))


@pytest.mark.parametrize("everything", [False, True])
def test_positions_that_are_told_empty_once_are_asked_for_again(everything: bool) -> None:
    async def test(day: Day) -> None:
        day.weather.once("GET", "/positionRisk", NO_POSITIONS)
        assert await day.panic(everything=everything) == Outcome(())
        assert (day.net(BTC), day.net(ETH)) == (0, 0)
        assert day.resting() == []

    after_the_engine(test)


def test_what_the_journal_holds_is_not_taken_for_closed_by_an_empty_answer_and_keeps_its_stops() -> None:
    async def test(day: Day) -> None:
        day.weather.rules.append(lambda method, path, params: NO_POSITIONS if path.endswith("/positionRisk") else None)
        outcome = await day.panic()
        assert outcome.left[-2:] == (
            "BTCUSDT long 0.041 is ours by the journal, and the exchange tells no such position: "
            "look at the exchange's own page",
            "ETHUSDT short 0.833 is ours by the journal, and the exchange tells no such position: "
            "look at the exchange's own page",
        )
        assert day.made == []
        assert len(day.resting()) == 4
        day.weather.rules.clear()
        assert await day.panic() == Outcome(())
        assert (day.net(BTC), day.net(ETH), day.resting()) == (0, 0, [])

    after_the_engine(test)


@pytest.mark.parametrize("everything", [False, True])
def test_a_position_that_nothing_closed_and_that_is_told_no_more_is_not_flat(everything: bool) -> None:
    async def test(day: Day) -> None:
        refused = Fate(Sent.REPLACED, 10.0, 10.0, Answer(400, '{"code":-7777,"msg":"no"}', JSON))
        asked = day.weather.count("GET", "/positionRisk")

        def lie(method: str, path: str, params: str) -> Fate | None:
            if (method, path) == ("POST", "/fapi/v1/order"):
                return refused
            is_later = day.weather.count("GET", "/positionRisk") > asked + 1
            return NO_POSITIONS if path.endswith("/positionRisk") and is_later else None

        day.weather.rules.append(lie)
        outcome = await day.panic(everything=everything)
        said = "BTCUSDT long 0.041 is told no more, and no order here closed it: look at the exchange's own page"
        assert said in outcome.left
        assert len(day.resting()) == 4

    after_the_engine(test)


def test_what_was_closed_by_hand_meanwhile_is_no_doubt() -> None:
    async def test(day: Day) -> None:
        Person(day.venue).close(BTC, day.now_ms)
        Person(day.venue).close(ETH, day.now_ms)
        assert await day.panic() == Outcome(())
        assert day.made == []
        assert day.resting() == []

    after_the_engine(test)
