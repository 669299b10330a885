"""A start under other rules of the exchange than the last: quantities and prices stay, whatever counts them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole
from tests.core.exchange.desk_kit import BTC, House, in_house

HELD = Decimal("0.041")


async def enter_and_restart(house: House, *, tick: str = "0.1", lot: str = "0.001") -> tuple[Decimal, Decimal]:
    """0.041 BTC held; the exchange changes its steps while the engine is off. Trigger of the stop, and wallet."""
    await house.enter()
    await house.pass_s(3)
    assert house.qty() == HELD
    trigger = trigger_of(house, OrderRole.STOP)
    await house.stop()
    house.venue.change_steps(BTC, tick=tick, lot=lot)
    house.instruments[BTC] = replace(
        house.instruments[BTC], tick_size=Decimal(tick), lot_size=Decimal(lot), tick_step=1, lot_step=1
    )
    await house.start()
    await house.pass_s(35)
    return trigger, house.trader.state.ledger.wallet_usdt


def trigger_of(house: House, role: OrderRole) -> Decimal:
    order = house.order(role)
    assert order is not None
    assert order.trigger_ticks is not None
    return house.book().instrument.price(order.trigger_ticks)


def qty_of(house: House, order: Order) -> Decimal:
    return house.book().instrument.qty(order.qty_lots)


STEPS = [("0.01", "0.001"), ("0.1", "0.0001"), ("0.01", "0.0001"), ("1", "0.001"), ("0.1", "0.01"), ("0.5", "0.02")]


def test_what_is_left_below_a_step_that_the_client_alone_knows_is_closed_all_the_same() -> None:
    """The rules were read before the exchange changed them, and its client reads them again by itself."""

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.venue.place_external(house.clock.now_ms(), symbol=BTC, side="SELL", quantity="0.040", reduceOnly="true")
        await house.pass_s(5)
        assert house.qty() == Decimal("0.001")
        house.venue.change_steps(BTC, lot="0.005")
        await house.wire.read("load_markets", True, weight=5)
        await house.command(Verb.FLATTEN)
        await house.pass_s(10)
        assert house.qty() == 0
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(("tick", "lot"), STEPS)
def test_what_is_held_and_rests_is_what_it_was(tick: str, lot: str) -> None:
    async def test(house: House) -> None:
        trigger, _ = await enter_and_restart(house, tick=tick, lot=lot)
        assert house.qty() == HELD
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        assert (trigger_of(house, OrderRole.STOP), qty_of(house, stop)) == (trigger, HELD)
        # Nothing of it was taken for wrong, withdrawn or placed anew.
        assert len(house.venue.algos) == 2
        assert len(house.open_algos()) == 2
        assert house.trader.guard.halts() == ()
        house.check_books()
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)
        assert house.qty() == 0
        assert house.venue.position_lots(BTC) == 0
        assert [trade.qty for trade in house.trades] == [HELD]
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(("tick", "lot"), STEPS)
def test_a_stop_that_triggers_under_new_steps_closes_everything(tick: str, lot: str) -> None:
    async def test(house: House) -> None:
        await enter_and_restart(house, tick=tick, lot=lot)
        house.quote(BTC, "59000.0", "59001.0")
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == 0
        assert [(trade.qty, trade.exit_reason) for trade in house.trades] == [(HELD, "stop")]
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(("tick", "lot"), STEPS)
def test_new_orders_are_multiples_of_the_new_steps(tick: str, lot: str) -> None:
    async def test(house: House) -> None:
        await enter_and_restart(house, tick=tick, lot=lot)
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)
        await house.command(Verb.RESUME)
        entry = await house.enter()
        await house.pass_s(3)
        entered = qty_of(house, entry)
        assert entered % Decimal(lot) == 0
        assert 0 <= Decimal("0.0417") - entered <= Decimal(lot)
        assert trigger_of(house, OrderRole.STOP) % Decimal(tick) == 0
        house.check_books()

    in_house(test)


def test_a_stop_between_two_prices_is_placed_anew_on_the_side_that_leaves_sooner() -> None:
    async def test(house: House) -> None:
        house.quote(BTC, "60000.4", "60000.5")
        trigger, _ = await enter_and_restart(house, tick="1")
        assert trigger == Decimal("59400.5")
        house.venue.exchange.cancel_algo(house.open_algos()[0], house.clock.now_ms())
        await house.pass_s(5)
        assert trigger_of(house, OrderRole.STOP) == Decimal("59401")
        assert {algo.contract.price(algo.trigger_ticks) for algo in house.open_algos() if algo.is_stop} == {59401}

    in_house(test)


def test_steps_may_change_again_and_again() -> None:
    async def test(house: House) -> None:
        trigger, wallet = await enter_and_restart(house, tick="0.01", lot="0.0001")
        for tick, lot in (("1", "0.01"), ("0.1", "0.001"), ("0.001", "0.00001")):
            await house.stop()
            house.venue.change_steps(BTC, tick=tick, lot=lot)
            house.instruments[BTC] = replace(
                house.instruments[BTC],
                tick_size=Decimal(tick),
                lot_size=Decimal(lot),
                tick_step=1,
                lot_step=1,
            )
            await house.start()
            await house.pass_s(35)
            assert (house.qty(), trigger_of(house, OrderRole.STOP)) == (HELD, trigger)
            assert house.trader.state.ledger.wallet_usdt == wallet
            house.check_books()

    in_house(test)
