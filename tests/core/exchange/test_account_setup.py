"""Modes and leverage: set once where they differ, read back, and a start refused where they do not come out right."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.errors import RefusedError
from core.exchange.account_setup import set_up_account
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

NO = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(400, '{"code":-4067,"msg":"Position side cannot be changed."}', JSON))
SAME = Answer(400, '{"code":-4046,"msg":"No need to change margin type."}', JSON)
NO_CHANGE = Fate(Outcome.REPLACED, 10.0, 10.0, SAME)


async def set_up(house: House) -> None:
    house.weather.asked.clear()
    await set_up_account(house.wire, house.instruments, house.settings)


def test_leverage_is_the_account_s_capped_and_set_once() -> None:
    async def test(house: House) -> None:
        assert [house.venue.settings.leverage(symbol) for symbol in (BTC, ETH)] == [4, 4]
        await set_up(house)
        assert house.weather.count("POST", "") == 0

    in_house(test, leverage=20, leverage_cap=4)


def test_hedge_mode_is_changed_back() -> None:
    async def test(house: House) -> None:
        house.venue.settings.is_dual_side = True
        await set_up(house)
        assert not house.venue.settings.is_dual_side

    in_house(test)


def test_hedge_mode_that_stays_refuses_the_start() -> None:
    async def test(house: House) -> None:
        house.venue.settings.is_dual_side = True
        house.weather.once("POST", "/positionSide/dual", NO)
        with pytest.raises(RefusedError, match="in hedge mode and could not be changed: close its positions"):
            await set_up(house)

    in_house(test)


def test_margin_mode_is_set_and_nothing_to_change_is_well() -> None:
    async def test(house: House) -> None:
        assert house.venue.settings.margin_type(BTC) == "ISOLATED"
        house.weather.once("POST", "/marginType", NO_CHANGE)
        await set_up(house)

    in_house(test, margin_mode="isolated")


def test_leverage_that_does_not_come_out_right_refuses_the_start() -> None:
    async def test(house: House) -> None:
        house.venue.exchange.set_leverage(BTC, 7, house.clock.now_ms())
        house.weather.once("POST", "/leverage", NO)
        with pytest.raises(RefusedError, match="BTCUSDT: leverage is 7 and could not be set to 3"):
            await set_up(house)

    in_house(test)


def test_what_cannot_be_read_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        missing = Answer(404, '{"code":-5000,"msg":"Path /fapi/v1/symbolConfig, Method GET is invalid"}', JSON)
        fate = Fate(Outcome.REPLACED, 10.0, 10.0, missing)
        house.weather.once("GET", "/symbolConfig", fate, times=100)
        house.weather.once("GET", "/positionSide/dual", fate, times=100)
        await set_up(house)

    in_house(test)
    assert "the position mode could not be read; one-way is taken to be set" in caplog.text
    assert "BTCUSDT: the leverage could not be read; 3 is taken to be set" in caplog.text


def test_what_others_hold_is_closed_only_when_asked_for() -> None:
    async def test(house: House) -> None:
        now_ms = house.clock.now_ms()
        house.venue.place_external(now_ms, symbol=BTC, side="BUY", quantity="0.02")
        other = house.venue.place_external_algo(
            now_ms, symbol=BTC, side="SELL", type="STOP_MARKET", quantity="0.02", triggerPrice="50000"
        )
        await house.enter(ETH)
        await house.pass_s(40)
        assert house.desk.external_positions == {BTC: Decimal("0.020")}
        said = await house.desk.flatten_external(BTC)
        assert said == "BTCUSDT: flat; 0.020 BTC of others closed, 1 orders of theirs canceled"
        await house.pass_s(70)
        assert not other.is_open
        assert house.venue.position_lots(BTC) == 0
        assert house.book(ETH).lots > 0
        assert not house.trader.state.paused
        house.check_books()

    in_house(test)
