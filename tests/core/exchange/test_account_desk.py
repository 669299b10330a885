"""A desk that works: what is ordered comes back as fills, positions are bracketed, books equal the exchange's."""

from __future__ import annotations

from core.domain.orders import OrderRole, OrderState
from tests.core.exchange.desk_kit import BTC, House, in_house


def test_an_entry_is_filled_and_bracketed_from_its_fill_on() -> None:
    async def test(house: House) -> None:
        entry = await house.enter()
        await house.pass_s(0.2)
        assert house.book().lots == entry.qty_lots
        await house.pass_s(1)
        stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
        assert stop is not None and target is not None
        assert (stop.state, target.state) == (OrderState.ACCEPTED, OrderState.ACCEPTED)
        assert {algo.client_id for algo in house.open_algos()} == {stop.client_order_id, target.client_order_id}
        await house.pass_s(60)
        house.check_books()
        assert house.health.problem() == ""

    in_house(test)
