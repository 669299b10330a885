"""A process that ends at a bad moment and starts again: the journal and the exchange together tell what happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import AdjustmentRecord, IntentRecord
from core.exchange.orders.venue import ExchangeVenue
from tests.core.exchange.account.test_desk_faults import LOST, UNANSWERED
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.transport import Fate, Outcome

NEVER = Fate(Outcome.LOST_ON_THE_WAY, 100_000.0, 10.0)


def test_a_stop_that_triggered_while_we_were_away_is_booked() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        await house.stop()
        house.quote(BTC, "59000.0", "59000.1")
        await house.start()
        await house.pass_s(3)
        assert [trade.exit_reason for trade in house.trades] == ["stop"]
        assert house.open_algos() == []
        assert house.book().orders == {}
        house.check_books()

    in_house(test)


def test_an_entry_that_was_on_its_way_at_the_end_is_found_and_bracketed() -> None:
    async def test(house: House) -> None:
        house.weather.frames_of = lambda text: []
        house.weather.once("POST", "/order", UNANSWERED)
        entry = await house.enter()
        await house.pass_s(0.1)
        await house.stop()
        await house.start()
        await house.pass_s(2)
        assert len(house.at_exchange(entry)) == 1
        assert house.book().lots == entry.qty_lots
        assert {algo.type for algo in house.open_algos()} == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}
        house.check_books()

    in_house(test)


def test_an_entry_that_was_never_sent_is_not_sent_after_a_restart() -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/order", NEVER)
        entry = await house.enter()
        await house.stop()
        await house.start()
        await house.pass_s(1)
        assert house.book().trade is not None
        await house.pass_s(15)
        assert house.at_exchange(entry) == []
        assert house.states(entry)[-1] is OrderState.REJECTED
        assert house.book().trade is None

    in_house(test)


def test_a_stop_that_was_never_sent_is_sent_after_a_restart() -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/algoOrder", LOST, times=2)
        await house.enter()
        await house.pass_s(0.1)
        await house.stop()
        house.weather.rules.clear()
        await house.start()
        await house.pass_s(1.0)
        stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
        assert stop is not None
        assert target is not None
        assert {algo.client_id for algo in house.open_algos()} == {stop.client_order_id, target.client_order_id}
        house.check_books()

    in_house(test)


def test_a_cancel_that_was_never_sent_is_sent_after_a_restart() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.weather.once("DELETE", "/algoOrder", LOST, times=10)
        await house.predict(BTC, -6.0)
        await house.pass_s(0.2)
        assert len(house.open_algos()) == 2
        await house.stop()
        house.weather.rules.clear()
        await house.start()
        await house.pass_s(3)
        assert house.open_algos() == []
        assert house.book().orders == {}
        house.check_books()

    in_house(test)


def test_what_others_held_before_the_first_start_is_theirs_and_keeps_us_out() -> None:
    async def test(house: House) -> None:
        await house.stop()
        house.disk.records.clear()
        house.venue.place_external(house.clock.now_ms(), symbol=ETH, side="SELL", quantity="0.5")
        house.initial_usdt = house.venue.ledger.wallet_usdt
        await house.start()
        await house.pass_s(3)
        await house.predict(ETH, 20.0)
        await house.pass_s(3)
        assert house.venue.position_lots(ETH) == -500
        await house.stop()
        await house.start()
        await house.pass_s(60)
        assert not house.trader.state.paused
        found = [r for r in house.records if isinstance(r, AdjustmentRecord) and not r.amount_usdt]
        assert [(r.symbol, r.what, r.theirs) for r in found] == [(ETH, "external position lots", "-500")]
        assert house.book(ETH).lots == 0
        assert house.trader.guard.halts() == ("contract:ETHUSDT",)

    in_house(test)


@pytest.mark.parametrize("away", [False, True])
def test_a_position_that_nothing_explains_pauses_and_is_told_once(away: bool) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        if away:
            await house.stop()
        # A trade that the exchange does not list: nothing but the position itself tells of it.
        house.venue.place_external(house.clock.now_ms(), symbol=BTC, side="BUY", quantity="0.003")
        house.venue.ledger.trades.pop()
        if away:
            await house.start()
        house.weather.frames_of = lambda text: []
        await house.pass_s(70)
        found = [r for r in house.records if isinstance(r, AdjustmentRecord) and r.what == "position lots"]
        assert [(r.symbol, r.ours, r.theirs) for r in found] == [(BTC, "41", "44")]
        assert house.trader.state.paused
        assert len(house.open_algos()) == 2

    in_house(test)


def test_a_stop_that_rests_since_long_ago_is_known_after_a_restart() -> None:
    async def test(house: House) -> None:
        entry = await house.enter()
        await house.pass_s(2)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        later = [replace(entry, client_order_id=f"qd{i}", state=OrderState.REJECTED) for i in range(3000)]
        venue = ExchangeVenue(house.wire, house.instruments, house.settings.exchange)
        venue.restore([IntentRecord(order) for order in (stop, *later)], (), ())
        assert venue.known.by_client_id(stop.client_order_id) is not None
        assert venue.known.by_client_id("qd0") is None

    in_house(test)


def test_an_exit_that_was_lost_before_a_restart_is_sent_again_as_soon_as_it_can_arrive_no_more() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        house.weather.once("POST", "/fapi/v1/order", LOST)
        await house.command(Verb.FLATTEN)
        await house.pass_s(0.3)
        await house.stop()
        await house.start()
        await house.pass_s(1.2)
        assert house.venue.position_lots(BTC) != 0
        await house.pass_s(1.5)
        assert house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(test)
