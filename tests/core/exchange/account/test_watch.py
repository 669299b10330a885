"""Settings of the account that are changed while it is traded: told, entries stopped, set back when flat."""

from __future__ import annotations

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.exchange.account.reading import ContractSetup, PositionMode
from core.exchange.account.setup import Asked
from core.exchange.account.watch import HEDGED, difference, mode_problem
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.core.exchange.orders.panic_kit import Day
from tests.venue import by_hand

CONFIG, MODE = "/fapi/v1/symbolConfig", "/fapi/v1/positionSide/dual"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ContractSetup("cross", 3), ""),
        (
            ContractSetup("cross", 50),
            "the leverage is 50x and not 3x; it is set back once the contract is flat, then this clears",
        ),
        (
            ContractSetup("isolated", 100),
            "the margin mode is isolated and not cross, the leverage is 100x and not 3x; it is set back once the "
            "contract is flat, then this clears",
        ),
        (
            ContractSetup(None, 3, "no answer"),
            "the margin mode could not be read: no answer; clears when it can",
        ),
        (
            ContractSetup(None, None, "no answer"),
            "the margin mode and the leverage could not be read: no answer; clears when it can",
        ),
    ],
)
def test_a_difference_is_told_in_words(found: ContractSetup, said: str) -> None:
    assert difference(Asked("cross", 3), found) == said


def test_a_position_mode_is_told_in_words() -> None:
    assert mode_problem(PositionMode(False)) == ""
    assert mode_problem(PositionMode(True)) == HEDGED
    assert mode_problem(PositionMode(None, "no answer")) == (
        "the position mode could not be read: no answer; clears when it can"
    )


def test_leverage_changed_while_a_position_is_open_stops_entries_there_and_is_set_back_when_flat() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        by_hand.change_leverage(house.venue, BTC, 50, house.clock.now_ms())
        await house.pass_s(2)
        assert "the leverage is 50x and not 3x" in house.health.problem(BTC)
        assert house.trader.guard.halts() == (f"contract:{BTC}",)
        assert house.health.problem(ETH) == ""
        await house.predict(ETH, 20.0)
        await house.pass_s(3)
        assert house.book(ETH).lots > 0
        assert house.venue.settings.leverage(BTC) == 50
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert house.venue.settings.leverage(BTC) == 3
        assert house.health.problem(BTC) == ""
        assert house.trader.guard.halts() == ()
        await house.command(Verb.RESUME)
        await house.enter()
        await house.pass_s(3)
        assert house.book().lots > 0
        house.check_books()

    in_house(test)


def test_leverage_changed_while_flat_is_set_back_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        by_hand.change_leverage(house.venue, BTC, 50, house.clock.now_ms())
        await house.pass_s(3)
        assert house.venue.settings.leverage(BTC) == 3
        assert house.trader.guard.halts() == ()
        assert f"{BTC}: the leverage is 50x and not 3x" in caplog.text
        assert f"{BTC}: the account is set as asked again" in caplog.text

    in_house(test)


def test_a_change_that_no_stream_tells_is_found_at_the_next_reconciliation() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.venue.settings.leverages[BTC] = 100
        house.venue.settings.margin_types[BTC] = "ISOLATED"
        await house.pass_s(35)
        assert house.health.problem(BTC).startswith(
            "account setup: the margin mode is isolated and not cross, the leverage is 100x and not 3x"
        )
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert (house.venue.settings.leverage(BTC), house.venue.settings.margin_type(BTC)) == (3, "CROSSED")
        assert house.health.problem(BTC) == ""

    in_house(test)


def test_a_margin_type_changed_while_flat_is_set_back() -> None:
    async def test(house: House) -> None:
        by_hand.change_margin_type(house.venue, BTC, "ISOLATED", house.clock.now_ms())
        await house.pass_s(3)
        assert house.venue.settings.margin_type(BTC) == "CROSSED"
        assert house.trader.guard.halts() == ()

    in_house(test)


def test_what_others_hold_is_not_set_back_under_them() -> None:
    async def test(house: House) -> None:
        now_ms = house.clock.now_ms()
        by_hand.change_leverage(house.venue, BTC, 20, now_ms)
        house.venue.place_external(now_ms, symbol=BTC, side="BUY", quantity="0.02")
        await house.pass_s(40)
        assert house.venue.settings.leverage(BTC) == 20
        assert "the leverage is 20x and not 3x" in house.health.problem(BTC)
        house.venue.place_external(house.clock.now_ms(), symbol=BTC, side="SELL", quantity="0.02", reduceOnly="true")
        await house.pass_s(40)
        assert house.venue.settings.leverage(BTC) == 3
        assert house.health.problem(BTC) == ""

    in_house(test)


def test_hedge_mode_switched_on_while_a_position_is_open_stops_all_entries_and_no_book_is_changed() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        by_hand.change_position_mode(house.venue, True, house.clock.now_ms(), forced=True)
        await house.pass_s(70)
        assert f"account setup: {HEDGED}" in house.health.problem()
        assert house.trader.guard.halts() == ("connection",)
        assert house.book().lots == 41
        assert house.desk.external_positions == {}
        await house.predict(ETH, 20.0)
        await house.pass_s(3)
        assert house.book(ETH).lots == 0
        by_hand.change_position_mode(house.venue, False, house.clock.now_ms(), forced=True)
        await house.pass_s(70)
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_in_hedge_mode_the_other_side_of_others_takes_nothing_of_ours() -> None:
    """The net of both sides would say that ours is half closed; also before anybody has read the mode."""

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(30)
        now_ms = house.clock.now_ms()
        by_hand.change_position_mode(house.venue, True, now_ms, forced=True)
        house.venue.place_external(now_ms, symbol=BTC, side="SELL", quantity="0.02", positionSide="SHORT")
        await house.pass_s(5)
        assert f"account setup: {HEDGED}" in house.health.problem()
        await house.pass_s(70)
        assert house.book().lots == 41
        assert [fill.client_order_id for fill in house.fills if fill.client_order_id.startswith("outside-")] == []
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        assert stop.qty_lots == 41

    in_house(test, reconcile_seconds=600.0)


@pytest.mark.parametrize("by", ["panic", "hand"])
def test_the_way_out_of_hedge_mode_with_a_position_is_as_it_is_told(by: str) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(30)
        by_hand.change_position_mode(house.venue, True, house.clock.now_ms(), forced=True)
        await house.pass_s(40)
        assert HEDGED in house.health.problem()
        assert "`quarterdeck panic`" in HEDGED
        if by == "panic":
            assert (await Day(house).panic()).is_flat
        else:
            now_ms = house.clock.now_ms()
            house.venue.place_external(now_ms, symbol=BTC, side="SELL", quantity="0.041", positionSide="LONG")
            for algo in house.open_algos():
                house.venue.exchange.cancel_algo(algo, now_ms)
        await house.pass_s(60)
        assert not house.venue.settings.is_dual_side
        assert house.book().lots == 0
        assert [trade.exit_reason for trade in house.trades] == [OrderRole.OUTSIDE]
        await house.command(Verb.RESUME)
        await house.pass_s(1)
        assert house.trader.guard.halts() == ()
        await house.predict(BTC, 20.0)
        await house.pass_s(5)
        assert house.book().is_protected()
        house.check_books()

    in_house(test)


def test_hedge_mode_switched_on_while_flat_is_set_back() -> None:
    async def test(house: House) -> None:
        by_hand.change_position_mode(house.venue, True, house.clock.now_ms())
        await house.pass_s(35)
        assert not house.venue.settings.is_dual_side
        assert house.trader.guard.halts() == ()
        await house.enter()
        await house.pass_s(3)
        assert house.book().lots == 41

    in_house(test)


def test_a_refused_entry_has_the_settings_read_at_once() -> None:
    """Nothing told that hedge mode was switched on: the exchange refuses the entry's position side."""

    async def test(house: House) -> None:
        house.weather.frames_of = lambda text: []
        house.venue.settings.is_dual_side = True
        await house.predict(BTC, 20.0)
        await house.pass_s(3)
        assert not house.venue.settings.is_dual_side
        assert house.weather.count("POST", "/order") == 1

    in_house(test, reconcile_seconds=600.0)


def test_hedge_mode_that_others_need_stays_and_stops_entries() -> None:
    async def test(house: House) -> None:
        now_ms = house.clock.now_ms()
        by_hand.change_position_mode(house.venue, True, now_ms)
        house.venue.place_external(now_ms, symbol=BTC, side="BUY", quantity="0.02", positionSide="LONG")
        await house.pass_s(40)
        assert house.venue.settings.is_dual_side
        assert HEDGED in house.health.problem()

    in_house(test)


@pytest.mark.parametrize(
    ("path", "symbol", "said"),
    [
        (MODE, "", "the position mode could not be read: "),
        (CONFIG, BTC, "the margin mode and the leverage could not be read: "),
    ],
)
def test_a_setting_that_cannot_be_read_any_more_stops_entries_until_it_can(path: str, symbol: str, said: str) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        by_hand.refuse_for_good(house.venue, "GET", path)
        await house.pass_s(40)
        assert house.health.problem(symbol).startswith(f"account setup: {said}")
        assert house.book().lots == 41
        by_hand.refuse_for_good(house.venue, "GET", path, None)
        await house.pass_s(40)
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_multi_assets_mode_switched_on_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        by_hand.change_multi_assets(house.venue, True, house.clock.now_ms())
        await house.pass_s(2)
        assert "multi-assets mode is on: other assets are margin as well" in caplog.text
        assert house.trader.guard.halts() == ()

    in_house(test)


def test_a_restart_that_holds_a_position_protects_it_first_and_enters_nothing_until_all_is_read() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.stop()
        for path in (MODE, CONFIG):
            by_hand.refuse_for_good(house.venue, "GET", path)
        await house.start(beside=True)
        await house.pass_s(10)
        assert house.health.problem().startswith("account setup: the position mode could not be read: ")
        assert "the margin mode and the leverage could not be read" in house.health.problem(ETH)
        assert len(house.open_algos()) == 2
        for path in (MODE, CONFIG):
            by_hand.refuse_for_good(house.venue, "GET", path, None)
        await house.pass_s(60)
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)


def test_a_restart_with_a_position_under_another_leverage_tells_it_and_waits_until_flat() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.stop()
        by_hand.change_leverage(house.venue, BTC, 100, house.clock.now_ms())
        await house.start(beside=True)
        await house.pass_s(10)
        assert "the leverage is 100x and not 3x" in house.health.problem(BTC)
        assert house.venue.settings.leverage(BTC) == 100
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert house.venue.settings.leverage(BTC) == 3
        assert house.health.problem(BTC) == ""

    in_house(test)
