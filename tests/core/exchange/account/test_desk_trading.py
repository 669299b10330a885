"""What trading brings about at an exchange: parts, races, reversals, forced ends; each booked as it was."""

from __future__ import annotations

import json

import pytest

from core.domain.orders import OrderRole, OrderState
from tests.core.exchange.account.test_desk_faults import LOST
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.simulation.transport import Delivery, Fate, Outcome


def test_an_entry_filled_in_parts_is_protected_from_the_first_and_books_every_part() -> None:
    async def test(house: House) -> None:
        bids = [("59999.9", "5")]
        asks = [("60000.1", "0.010"), ("60000.5", "0.011"), ("60001.0", "5")]
        house.venue.set_depth(BTC, bids, asks, house.clock.now_ms())
        entry = await house.enter()
        await house.pass_s(2)
        assert [fill.qty_lots for fill in house.fills] == [10, 11, entry.qty_lots - 21]
        assert len(house.open_algos()) == 2
        assert house.open_algos()[0].lots == entry.qty_lots
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("hears", [True, False])
def test_an_entry_that_expires_in_part_keeps_what_it_got(hears: bool) -> None:
    async def test(house: House) -> None:
        if not hears:
            house.weather.frames_of = lambda text: []
        house.venue.expire_after(BTC, "0.013")
        entry = await house.enter()
        await house.pass_s(3)
        assert house.book().lots == 13
        assert house.states(entry)[-1] is OrderState.EXPIRED
        assert len(house.open_algos()) == 2
        await house.predict(BTC, -6.0)
        await house.pass_s(3)
        assert house.book().lots == 0
        house.check_books()

    in_house(test)


def test_a_reversal_goes_through_the_old_position() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        await house.predict(BTC, -20.0)
        await house.pass_s(5)
        assert len(house.trades) == 1
        house.check_books()

    in_house(test)


def test_a_stop_that_fills_while_its_cancel_is_on_the_way_is_booked_as_filled() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        slow = Fate(Outcome.ANSWERED, 700.0, 10.0)
        house.weather.rules.append(lambda method, path, params: slow if path.endswith("/order") else None)
        await house.predict(BTC, -6.0)
        await house.pass_s(0.3)
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(10)
        assert house.states(stop)[-1] is OrderState.FILLED
        assert house.book().orders == {}
        assert house.open_algos() == []
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("loses", ["algo", "all"])
def test_a_triggered_stop_is_attributed_though_its_news_is_lost(loses: str) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None

        def frames(text: str) -> list[Delivery]:
            lost = loses == "all" or json.loads(text).get("e") == "ALGO_UPDATE"
            return [] if lost else [Delivery(5.0, text)]

        house.weather.frames_of = frames
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(45)
        assert house.states(stop)[-1] is OrderState.FILLED
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        house.check_books()

    in_house(test)


def test_a_stop_that_vanished_is_noticed_and_replaced() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        (algo,) = house.at_exchange(stop)
        house.weather.frames_of = lambda text: []
        exchange = house.venue.exchange
        del (
            exchange.algos[algo.algo_id],
            exchange.open_algos[BTC][algo.algo_id],
            exchange.algos_by_client_id[algo.client_id],
        )
        await house.pass_s(20)
        assert house.states(stop)[-1] is OrderState.EXPIRED
        again = house.order(OrderRole.STOP)
        assert again is None or again.client_order_id != stop.client_order_id

    in_house(test)


def test_a_stop_that_rests_differently_is_withdrawn() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        (algo,) = house.at_exchange(stop)
        algo.trigger_ticks -= 10
        await house.pass_s(20)
        assert not algo.is_open
        assert house.states(stop)[-1] is OrderState.CANCELED

    in_house(test)


def test_a_stop_that_was_taken_for_ended_is_withdrawn() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
        assert stop is not None
        await house.predict(BTC, -6.0)
        await house.pass_s(3)
        (algo,) = house.at_exchange(stop)
        algo.status = "NEW"
        house.venue.exchange.open_algos[BTC][algo.algo_id] = algo
        await house.pass_s(70)
        assert not algo.is_open
        assert target is not None

    in_house(test)


def test_a_liquidation_is_booked_as_one() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.venue.liquidate(BTC, house.clock.now_ms())
        await house.pass_s(5)
        assert [trade.exit_reason for trade in house.trades] == ["liquidation"]
        assert house.open_algos() == []
        house.check_books()

    in_house(test)


def test_a_fee_in_another_coin_is_said_and_not_booked() -> None:
    async def test(house: House) -> None:
        def frames(text: str) -> list[Delivery]:
            return [Delivery(5.0, text.replace('"N":"USDT"', '"N":"BNB"').replace('"N": "USDT"', '"N": "BNB"'))]

        house.weather.frames_of = frames
        await house.enter()
        await house.pass_s(1)
        assert [fill.fee_usdt for fill in house.fills] == [0]
        assert "fees" in house.health.problem()

    in_house(test)


def test_the_end_of_a_triggered_stop_s_child_is_heard_though_it_comes_before_its_parent_s_news() -> None:
    async def test(house: House) -> None:
        entry = await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None

        def frames(text: str) -> list[Delivery]:
            return [Delivery(60.0 if json.loads(text).get("e") == "ALGO_UPDATE" else 5.0, text, in_order=False)]

        house.weather.frames_of = frames
        house.weather.rules.append(lambda method, path, params: LOST if method == "GET" else None)
        house.venue.expire_after(BTC, "0.015")
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(0.2)
        assert house.states(stop)[-1] is OrderState.EXPIRED
        exit_ = house.fills[-1]
        assert exit_.qty_lots == entry.qty_lots - 15
        assert not house.book().lots

    in_house(test)
