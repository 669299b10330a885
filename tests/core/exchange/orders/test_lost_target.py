"""Targets that end at the exchange while their position stands."""

from __future__ import annotations

from core.domain.orders import OrderRole
from core.domain.records import AdjustmentRecord
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome


def lost(house: House) -> list[AdjustmentRecord]:
    return [r for r in house.records if isinstance(r, AdjustmentRecord) and r.what.startswith("a target ended")]


def test_a_target_that_the_exchange_withdrew_is_placed_again() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        (target,) = (algo for algo in house.open_algos() if algo.type.startswith("TAKE"))
        house.venue.exchange.close_algo(target, "EXPIRED", house.clock.now_ms())
        await house.pass_s(5)
        (again,) = (algo for algo in house.open_algos() if algo.type.startswith("TAKE"))
        assert (again.trigger_ticks, again.lots) == (target.trigger_ticks, target.lots)
        assert len(lost(house)) == 1
        house.quote(BTC, "63500.0", "63500.1")
        await house.pass_s(5)
        assert [trade.exit_reason for trade in house.trades] == ["target"]
        house.check_books()

    in_house(test)


def test_a_target_whose_order_expired_after_a_part_leaves_the_rest_where_the_price_is_past_it() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.venue.expire_after(BTC, "0.015")
        house.quote(BTC, "61900.0", "61900.1")
        await house.pass_s(5)
        assert house.book().lots == 0
        assert house.order(OrderRole.STOP) is None
        assert len(lost(house)) == 1
        assert [trade.exit_reason for trade in house.trades] == ["target"]
        assert house.open_algos() == []
        house.check_books()

    in_house(test)


def test_a_position_whose_target_is_refused_for_good_is_held_behind_its_stop_until_the_price_is_there() -> None:
    async def test(house: House) -> None:
        full = Fate(
            Outcome.REPLACED, 10.0, 10.0, Answer(400, '{"code":-4045,"msg":"Reach max stop order limit."}', JSON)
        )
        house.weather.rules.append(lambda method, path, params: full if "type=TAKE_PROFIT" in params else None)
        await house.enter()
        for _ in range(3):
            await house.pass_s(30)
            await house.predict(BTC, 20.0)
        assert (house.trades, house.book().lots) == ([], 41)
        assert [algo.type for algo in house.open_algos()] == ["STOP_MARKET"]
        house.quote(BTC, "61900.0", "61900.1")
        house.mark(BTC)
        await house.pass_s(5)
        assert [trade.exit_reason for trade in house.trades] == ["target"]
        house.check_books()

    in_house(test)
