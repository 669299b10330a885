"""A desk that works: what is ordered comes back as fills, positions are bracketed, books equal the exchange's."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import AdjustmentRecord, FundingRecord
from core.engine.assembly.real_time import Surroundings
from core.exchange.account import income
from core.market.live.market import LiveMarket
from tests.core.exchange.account.test_desk_faults import JSON, replaced
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.transport import Answer
from tests.venue.person import Person


def test_an_entry_is_filled_and_bracketed_from_its_fill_on() -> None:
    async def test(house: House) -> None:
        entry = await house.enter()
        await house.pass_s(0.2)
        assert house.book().lots == entry.qty_lots
        await house.pass_s(1)
        stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
        assert stop is not None
        assert target is not None
        assert (stop.state, target.state) == (OrderState.ACCEPTED, OrderState.ACCEPTED)
        assert {algo.client_id for algo in house.open_algos()} == {stop.client_order_id, target.client_order_id}
        await house.pass_s(60)
        house.check_books()
        assert house.health.problem() == ""

    in_house(test)


def test_a_triggered_stop_is_booked_on_the_stop_and_leaves_nothing_behind() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(3)
        assert house.book().lots == 0
        assert house.states(stop)[-1] is OrderState.FILLED
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        assert house.open_algos() == []
        await house.pass_s(60)
        house.check_books()

    in_house(test)


def test_a_flatten_closes_at_market_and_withdraws_the_bracket() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.enter(ETH, -1)
        await house.pass_s(2)
        await house.command(Verb.FLATTEN)
        await house.pass_s(3)
        assert [s.lots for s in house.trader.state.books()] == [0, 0]
        assert house.open_algos() == []
        assert [trade.exit_reason for trade in house.trades] == ["flatten", "flatten"]
        house.check_books()

    in_house(test)


def test_an_order_of_another_is_shown_and_left_alone() -> None:
    async def test(house: House) -> None:
        resting = house.venue.place_external(
            house.clock.now_ms(),
            symbol=BTC,
            side="BUY",
            type="LIMIT",
            quantity="0.01",
            price="50000",
            timeInForce="GTC",
        )
        algo = house.venue.place_external_algo(
            house.clock.now_ms(), symbol=ETH, side="SELL", type="STOP_MARKET", quantity="0.1", triggerPrice="2000"
        )
        await house.enter()
        await house.pass_s(40)
        assert [(o.symbol, o.side, o.type, o.qty, o.price) for o in house.desk.external_orders] == [
            (BTC, "buy", "limit", 0.01, 50000.0),
            (ETH, "sell", "stop_market", 0.1, 2000.0),
        ]
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert resting.is_open
        assert algo.is_open
        house.check_books()

    in_house(test)


def test_a_stop_of_the_whole_position_placed_by_hand_is_shown_without_an_amount() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        assert Person(house.venue).stop(BTC, 59_000.0, house.clock.now_ms()) is not None
        await house.pass_s(40)
        around = Surroundings(house.wire, cast(LiveMarket, None), house.desk, house.symbols)
        assert [(o.symbol, o.side, o.type, o.qty, o.price) for o in around.external()] == [
            (BTC, "sell", "stop_market", None, 59_000.0)
        ]

    in_house(test)


def test_a_transfer_is_booked_once_under_its_own_id() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.venue.transfer("250.5", house.clock.now_ms())
        await house.pass_s(60)
        assert [(a.amount_usdt, a.what) for a in house.adjusted] == [(Decimal("250.50000000"), "transfer")]
        assert house.adjusted[0].adjustment_id.startswith("income-")
        house.check_books()

    in_house(test)


def test_equal_movements_that_nothing_explains_are_booked_each_time() -> None:
    async def test(house: House) -> None:
        refused = replaced(Answer(400, '{"code":-2015,"msg":"no permission"}', JSON))
        house.weather.rules.append(lambda method, path, params: refused if path.endswith("/income") else None)
        for amount in (-500, 500, -500, 500, -500, -500):
            house.venue.transfer(amount, house.clock.now_ms())
            await house.pass_s(70)
            house.check_books()
        assert [a.amount_usdt for a in house.adjusted] == [-500, 500, -500, 500, -500, -500]

    in_house(test)


def test_income_of_more_than_a_page_is_booked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(income, "_PAGE", 2)

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        received = []
        for _ in range(5):
            received.append(house.venue.fund(BTC, "0.0001", "60000", house.clock.now_ms()))
            await house.pass_s(61)
        house.venue.transfer("250.5", house.clock.now_ms())
        await house.pass_s(60)
        payments = [record.payment for record in house.records if isinstance(record, FundingRecord)]
        assert [payment.amount_usdt for payment in payments] == received
        assert [(one.amount_usdt, one.what) for one in house.adjusted] == [(Decimal("250.50000000"), "transfer")]
        house.check_books()

    in_house(test)


def test_funding_is_booked_with_its_rate_and_mark() -> None:
    async def test(house: House) -> None:
        entry = await house.enter()
        await house.pass_s(2)
        received = house.venue.fund(BTC, "0.0001", "60000", house.clock.now_ms())
        await house.pass_s(40)
        (payment,) = [record.payment for record in house.records if isinstance(record, FundingRecord)]
        assert payment.amount_usdt == received < 0
        assert (payment.rate, payment.mark_price) == (Decimal("0.0001"), Decimal(60000))
        assert payment.position_lots == entry.qty_lots
        assert house.adjusted == []
        house.check_books()

    in_house(test)


def test_what_others_trade_is_not_booked_but_their_money_is() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        ours = house.book().lots
        house.venue.place_external(house.clock.now_ms(), symbol=BTC, side="BUY", quantity="0.005")
        await house.pass_s(60)
        assert house.book().lots == ours == house.venue.position_lots(BTC) - 5
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt
        assert not house.trader.state.paused
        assert house.desk.external_positions == {BTC: Decimal("0.005")}
        external = [r for r in house.records if isinstance(r, AdjustmentRecord) and not r.amount_usdt]
        assert [(r.what, r.ours, r.theirs) for r in external] == [("external position lots", "0", "5")]
        await house.pass_s(60)
        assert len([r for r in house.records if isinstance(r, AdjustmentRecord) and not r.amount_usdt]) == 1

    in_house(test)
