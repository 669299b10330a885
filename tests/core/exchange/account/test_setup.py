"""Modes and leverage: set once where they differ, read back, and a start refused where they do not come out right."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.errors import RefusedError, UnavailableError
from core.domain.operator import Verb
from core.exchange.account.setup import holds_anything, set_up_account
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue import by_hand

NO = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(400, '{"code":-4067,"msg":"Position side cannot be changed."}', JSON))
MEND = "doctor --exchange says what the exchange tells, then start again"
SAME = Answer(400, '{"code":-4046,"msg":"No need to change margin type."}', JSON)
NO_CHANGE = Fate(Outcome.REPLACED, 10.0, 10.0, SAME)

LOST = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)


def replaced(status: int, body: str) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(status, body, JSON))


MISSING = replaced(404, '{"code":-5000,"msg":"Path is invalid"}')
FORBIDDEN = replaced(401, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action"}')


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


def test_a_contract_that_is_not_traded_now_keeps_no_start_from_being_made() -> None:
    """Its setup is told of itself, and it alone is not entered."""

    async def test(house: House) -> None:
        await house.stop()
        by_hand.change_status(house.venue, BTC, "SETTLING")
        house.venue.exchange.set_leverage(BTC, 7, house.clock.now_ms())
        house.weather.once("POST", "/leverage", NO, times=100)
        await house.start()
        await house.pass_s(5)
        assert house.health.problem(BTC).startswith("account setup: the leverage is 7x and not 3x")
        assert (house.health.problem(), house.health.problem(ETH)) == ("", "")

    in_house(test)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/positionSide/dual", "the position mode could not be read: "),
        ("/symbolConfig", "BTCUSDT: the margin mode and the leverage could not be read: "),
    ],
)
@pytest.mark.parametrize("fate", [MISSING, FORBIDDEN, LOST], ids=["no such path", "no permission", "no answer"])
def test_what_cannot_be_read_refuses_the_start(path: str, what: str, fate: Fate) -> None:
    async def test(house: House) -> None:
        house.weather.once("GET", path, fate, times=100)
        with pytest.raises(UnavailableError) as refused:
            await set_up(house)
        line = str(refused.value)
        assert line.startswith(what)
        assert line.endswith("live does not start without it; " + MEND)
        assert "\n" not in line
        assert house.weather.count("POST", "") == 0
        assert refused.value.exit_code == 3

    in_house(test)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('[{"symbol":"BTCUSDT","marginType":"CROSSED","leverage":3}]', "ETHUSDT: the margin mode and the leverage"),
        ('[{"symbol":"BTCUSDT","leverage":3},{"symbol":"ETHUSDT","marginType":"CROSSED","leverage":3}]', "the margin"),
        ('[{"symbol":"BTCUSDT","marginType":"CROSSED"}]', "BTCUSDT: the leverage could not be read"),
        ("[]", "BTCUSDT: the margin mode and the leverage could not be read: the exchange did not say"),
    ],
)
def test_an_answer_that_leaves_something_out_refuses_the_start(row: str, what: str) -> None:
    async def test(house: House) -> None:
        house.weather.once("GET", "/symbolConfig", replaced(200, row), times=100)
        with pytest.raises(UnavailableError, match=what):
            await set_up(house)

    in_house(test)


def test_a_position_mode_that_is_not_in_the_answer_is_not_one_way() -> None:
    async def test(house: House) -> None:
        house.weather.once("GET", "/positionSide/dual", replaced(200, "{}"), times=100)
        with pytest.raises(UnavailableError, match="the position mode could not be read: the exchange did not say"):
            await set_up(house)

    in_house(test)


def test_leverage_set_and_then_not_read_back_refuses_the_start() -> None:
    async def test(house: House) -> None:
        house.venue.exchange.set_leverage(BTC, 7, house.clock.now_ms())
        answers = iter([None] + [MISSING] * 100)
        house.weather.rules.append(
            lambda method, path, params: next(answers) if path.endswith("/symbolConfig") else None
        )
        with pytest.raises(UnavailableError, match="BTCUSDT: the margin mode and the leverage could not be read"):
            await set_up(house)
        assert house.venue.settings.leverage(BTC) == 3

    in_house(test)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"is_multi_assets": True}, "multi-assets mode is on: other assets are margin as well"),
        ({"is_fee_burn": True}, "fees are paid in another coin, which the USDT books do not see"),
    ],
)
def test_what_the_books_do_not_see_is_said(
    change: dict[str, bool], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(house: House) -> None:
        caplog.clear()
        await set_up(house)
        assert caplog.text == ""
        for name, value in change.items():
            setattr(house.venue.settings, name, value)
        await set_up(house)
        assert said in caplog.text

    in_house(test)


def test_a_small_balance_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        house.venue.transfer("-9900.01", house.clock.now_ms())
        await set_up(house)
        assert "the account holds 99.99 USDT, under 100" in caplog.text

    in_house(test)


def test_switches_that_cannot_be_read_are_said_and_refuse_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        for path in ("/multiAssetsMargin", "/feeBurn", "/account"):
            house.weather.once("GET", path, MISSING, times=100)
        await set_up(house)
        assert "multi-assets mode could not be read" in caplog.text
        assert "fees in another coin could not be read" in caplog.text
        assert "the balance could not be read" in caplog.text

    in_house(test)


def test_a_journal_holds_something_while_a_position_or_an_order_is_open() -> None:
    async def test(house: House) -> None:
        assert not holds_anything(house.records)
        await house.enter()
        assert holds_anything(house.records)
        await house.pass_s(3)
        assert house.book().lots == 41
        assert holds_anything(house.records)
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)
        assert house.book().lots == 0
        assert not holds_anything(house.records)

    in_house(test)


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
