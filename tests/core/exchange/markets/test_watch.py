"""The exchange changes a contract's rules while the engine trades."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.trader.limits import CONTRACT
from tests.core.exchange.account.test_new_steps import trigger_of
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

Params = dict[str, str]


def refuse(house: House, path: str, code: int, when: Callable[[Params], bool] = lambda params: True) -> None:
    answer = Answer(400, json.dumps({"code": code, "msg": "no"}), JSON)
    fate = Fate(Outcome.REPLACED, 10.0, 10.0, answer)

    def rule(method: str, asked: str, params: str) -> Fate | None:
        hit = method == "POST" and asked.endswith(path) and when(dict(parse_qsl(params)))
        return fate if hit else None

    house.weather.rules.append(rule)


def is_finer(name: str, decimals: int) -> Callable[[Params], bool]:
    return lambda params: len(params.get(name, "").partition(".")[2].rstrip("0")) > decimals


def readings(house: House) -> int:
    return house.weather.count("GET", "/exchangeInfo")


def contract_notes(house: House) -> list[str]:
    return [halt for halt in house.trader.guard.halts() if halt.startswith(CONTRACT.name)]


def test_an_entry_that_is_refused_for_its_precision_leads_to_the_new_rules() -> None:
    async def test(house: House) -> None:
        before = readings(house)
        house.venue.change_steps(BTC, lot="0.01")
        refused = await house.enter()
        await house.pass_s(0.02)
        assert contract_notes(house) == []
        await house.pass_s(3)
        assert house.states(refused)[-1] is OrderState.REJECTED
        assert (readings(house) - before, contract_notes(house)) == (1, [])
        await house.enter()
        await house.pass_s(3)
        assert house.qty() == Decimal("0.04")
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("tick", "lot"), [("1", "0.001"), ("0.1", "0.01"), ("0.5", "0.03"), ("10", "0.1")])
def test_a_position_is_closed_whole_under_larger_steps(side: int, tick: str, lot: str) -> None:
    async def test(house: House) -> None:
        await house.enter(side=side)
        await house.pass_s(3)
        house.venue.change_steps(BTC, tick=tick, lot=lot)
        await house.command(Verb.FLATTEN)
        await house.pass_s(3)
        assert house.qty() == 0
        assert house.venue.position_lots(BTC) == 0
        assert [(trade.qty, trade.exit_reason) for trade in house.trades] == [(Decimal("0.041"), "flatten")]
        house.check_books()

    in_house(test)


@pytest.mark.parametrize(("side", "trigger"), [(1, "59401"), (-1, "60600")])
def test_a_stop_that_is_refused_for_its_precision_rests_within_a_second(side: int, trigger: str) -> None:
    async def test(house: House) -> None:
        house.quote(BTC, "60000.4", "60000.5")
        house.venue.change_steps(BTC, tick="1")
        await house.enter(side=side)
        await house.pass_s(1)
        stops = [algo for algo in house.open_algos() if algo.is_stop]
        assert [algo.contract.price(algo.trigger_ticks) for algo in stops] == [Decimal(trigger)]
        await house.pass_s(40)
        # It is no other stop than was ordered: it is neither withdrawn nor ordered again, and entries go on.
        assert [algo for algo in house.open_algos() if algo.is_stop] == stops
        assert house.trades == []
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_a_stop_goes_out_more_coarsely_where_the_exchange_refuses_what_it_tells() -> None:
    async def test(house: House) -> None:
        refuse(house, "/algoOrder", -1111, is_finer("quantity", 2))
        await house.enter()
        await house.pass_s(2)
        stops = [algo for algo in house.open_algos() if algo.is_stop]
        assert [algo.contract.qty(algo.lots) for algo in stops] == [Decimal("0.05")]
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(3)
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        house.check_books()

    in_house(test)


def test_a_trigger_goes_out_more_coarsely_where_the_exchange_refuses_what_it_tells() -> None:
    async def test(house: House) -> None:
        house.quote(BTC, "60000.4", "60000.5")
        refuse(house, "/algoOrder", -4014, is_finer("triggerPrice", 0))
        await house.enter()
        await house.pass_s(2)
        triggers = {algo.contract.price(algo.trigger_ticks) for algo in house.open_algos() if algo.is_stop}
        assert triggers == {Decimal("59401")}
        assert trigger_of(house, OrderRole.STOP) == Decimal("59400.5")

    in_house(test)


def test_what_is_refused_whatever_its_form_is_told_and_read_once_a_minute() -> None:
    async def test(house: House) -> None:
        before = readings(house)
        refuse(house, "/order", -4164)
        await house.enter()
        await house.pass_s(1)
        assert (readings(house) - before, contract_notes(house)) == (1, [])
        await house.enter()
        await house.pass_s(1)
        sent = house.weather.count("POST", "/order")
        for _ in range(5):
            assert contract_notes(house) == [f"contract:{BTC}"]
            await house.predict(BTC, 20.0)
            await house.pass_s(10)
        assert (readings(house) - before, house.weather.count("POST", "/order")) == (1, sent)
        await house.pass_s(10)
        assert readings(house) - before == 2
        assert contract_notes(house) == []

    in_house(test)


def test_rules_are_read_daily() -> None:
    async def test(house: House) -> None:
        house.venue.change_steps(BTC, lot="0.01")
        assert house.book().instrument.qty_step == Decimal("0.001")
        await house.pass_s(86_500)
        assert house.book().instrument.qty_step == Decimal("0.01")
        await house.enter()
        await house.pass_s(3)
        assert house.qty() == Decimal("0.04")
        assert house.trader.guard.halts() == ()

    in_house(test, symbols=(BTC,))


def test_rules_that_are_adopted_while_running_hold_after_a_restart() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.venue.change_steps(BTC, tick="1", lot="0.01")
        house.desk.at_work.contracts.doubt(BTC, "asked for by the test")
        await house.pass_s(3)
        now = house.book().instrument
        assert (now.price_step, now.qty_step, house.qty()) == (Decimal(1), Decimal("0.01"), Decimal("0.041"))
        await house.stop()
        house.instruments[BTC] = now
        await house.start()
        await house.pass_s(35)
        assert house.book().instrument == now
        assert house.qty() == Decimal("0.041")
        assert len(house.venue.algos) == 2
        house.check_books()

    in_house(test)


FINER = [("0.01", "0.001"), ("0.1", "0.0001"), ("0.001", "0.00001")]


@pytest.mark.parametrize(("tick", "lot"), FINER)
def test_finer_rules_are_adopted_with_a_position_open(tick: str, lot: str) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trigger = trigger_of(house, OrderRole.STOP)
        house.venue.change_steps(BTC, tick=tick, lot=lot)
        house.desk.at_work.contracts.doubt(BTC, "asked for by the test")
        await house.pass_s(3)
        assert (house.qty(), trigger_of(house, OrderRole.STOP)) == (Decimal("0.041"), trigger)
        assert house.book().instrument.qty_step == Decimal(lot)
        await house.pass_s(35)
        assert len(house.venue.algos) == 2
        assert house.trader.guard.halts() == ()
        house.check_books()
        house.quote(BTC, "59000.02", "59000.4")
        await house.pass_s(3)
        assert [(trade.qty, trade.exit_reason) for trade in house.trades] == [(Decimal("0.041"), "stop")]
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("way", ["exit", "stop", "entry"])
def test_a_fill_at_a_price_that_was_not_allowed_before_leads_to_the_new_rules(way: str) -> None:
    async def test(house: House) -> None:
        if way != "entry":
            await house.enter()
            await house.pass_s(3)
        house.venue.change_steps(BTC, tick="0.01")
        house.quote(BTC, *(("59000.01", "59000.03") if way == "stop" else ("60000.01", "60000.03")))
        if way == "exit":
            await house.command(Verb.FLATTEN)
        elif way == "entry":
            await house.enter()
        await house.pass_s(5)
        if way == "entry":
            assert house.qty() > 0
            assert len([algo for algo in house.open_algos() if algo.is_stop]) == 1
        else:
            assert house.qty() == 0
            exits = [trade.exit_price for trade in house.trades]
            assert exits == [Decimal("59000.01") if way == "stop" else Decimal("60000.01")]
        await house.pass_s(40)
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_what_was_adopted_finer_holds_after_a_restart() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trigger = trigger_of(house, OrderRole.STOP)
        house.venue.change_steps(BTC, tick="0.01", lot="0.0001")
        house.desk.at_work.contracts.doubt(BTC, "asked for by the test")
        await house.pass_s(3)
        house.instruments[BTC] = house.book().instrument
        await house.stop()
        await house.start()
        await house.pass_s(35)
        assert (house.qty(), trigger_of(house, OrderRole.STOP)) == (Decimal("0.041"), trigger)
        assert len(house.venue.algos) == 2
        house.check_books()

    in_house(test)
