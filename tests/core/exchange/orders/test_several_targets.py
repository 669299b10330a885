"""Several targets of one position at an exchange: each is known as itself, whatever order its news comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import FillRecord
from core.position.ladder import Ladder
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue.orders import AlgoOrder

LADDER: Ladder = ((1.0, 0.5), (2.0, 0.3), (3.0, 0.2))


def laddered(test: Callable[[House], Awaitable[None]]) -> None:
    """`test` with a position of 41 lots whose stop and three targets rest."""

    async def begun(house: House) -> None:
        house.trader.follow(replace(house.trader.strategy, ladder=LADDER))
        await house.enter()
        await house.pass_s(2)
        assert [algo.lots for algo in targets(house)] == [20, 12, 9]
        await test(house)
        house.check_books()

    in_house(begun)


def targets(house: House) -> list[AlgoOrder]:
    """The nearest first."""
    return sorted((a for a in house.open_algos() if a.type.startswith("TAKE")), key=lambda a: a.trigger_ticks)


def stops(house: House) -> list[int]:
    return [algo.lots for algo in house.open_algos() if algo.type.startswith("STOP")]


def taken(house: House) -> list[tuple[int, int]]:
    """Which target's orders were filled, and how much."""
    fills = (r for r in house.records if isinstance(r, FillRecord) and r.order.role is OrderRole.TARGET)
    return [(record.order.place, record.fill.qty_lots) for record in fills]


def test_each_trigger_closes_its_part_and_cuts_the_stop() -> None:
    async def test(house: House) -> None:
        house.quote(BTC, "60650.0", "60650.1")
        await house.pass_s(5)
        assert ({place for place, _ in taken(house)}, house.book().lots, stops(house)) == ({0}, 21, [21])
        assert [algo.lots for algo in targets(house)] == [12, 9]
        house.quote(BTC, "61900.0", "61900.1")
        await house.pass_s(5)
        assert house.book().lots == 0
        assert [trade.exit_reason for trade in house.trades] == ["target"]
        assert house.open_algos() == []

    laddered(test)


def test_a_jump_over_all_of_them_gives_each_its_own_fills() -> None:
    async def test(house: House) -> None:
        house.quote(BTC, "62500.0", "62500.1")
        await house.pass_s(6)
        came: dict[int, int] = {}
        for place, lots in taken(house):
            came[place] = came.get(place, 0) + lots
        assert came == {0: 20, 1: 12, 2: 9}
        assert house.open_algos() == []

    laddered(test)


def test_one_that_the_exchange_withdrew_is_placed_again_by_itself() -> None:
    async def test(house: House) -> None:
        first, second, third = targets(house)
        house.venue.exchange.close_algo(second, "EXPIRED", house.clock.now_ms())
        await house.pass_s(5)
        again = targets(house)
        assert [(a.lots, a.trigger_ticks) for a in again] == [(a.lots, a.trigger_ticks) for a in (first, second, third)]
        assert (again[0].client_id, again[2].client_id) == (first.client_id, third.client_id)

    laddered(test)


def test_the_answer_to_one_that_is_lost_confuses_no_other() -> None:
    async def begun(house: House) -> None:
        house.trader.follow(replace(house.trader.strategy, ladder=LADDER))
        lost = Fate(Outcome.ANSWER_LOST, 10.0, 10.0)
        hits = []

        def rule(method: str, path: str, params: str) -> Fate | None:
            if "type=TAKE_PROFIT" in params and len(hits) < 2:
                hits.append(params)
                return lost
            return None

        house.weather.rules.append(rule)
        await house.enter()
        await house.pass_s(30)
        assert len(hits) == 2
        assert [algo.lots for algo in targets(house)] == [20, 12, 9]
        resting = [o for o in house.book().orders.values() if o.role is OrderRole.TARGET]
        assert {o.state for o in resting} == {OrderState.ACCEPTED}
        house.check_books()

    in_house(begun)


def test_where_no_target_is_taken_each_part_leaves_once_the_price_is_there() -> None:
    async def begun(house: House) -> None:
        house.trader.follow(replace(house.trader.strategy, ladder=LADDER))
        full = Fate(
            Outcome.REPLACED, 10.0, 10.0, Answer(400, '{"code":-4045,"msg":"Reach max stop order limit."}', JSON)
        )
        house.weather.rules.append(lambda method, path, params: full if "type=TAKE_PROFIT" in params else None)
        await house.enter()
        await house.pass_s(30)
        assert targets(house) == []
        house.quote(BTC, "60650.0", "60650.1")
        house.mark(BTC)
        await house.pass_s(5)
        assert (house.book().lots, stops(house)) == (21, [21])
        assert {place for place, _ in taken(house)} == {0}
        house.check_books()

    in_house(begun)


def test_a_flatten_withdraws_all_of_them() -> None:
    async def test(house: House) -> None:
        await house.command(Verb.FLATTEN)
        await house.pass_s(6)
        assert (house.book().lots, house.open_algos()) == (0, [])

    laddered(test)
