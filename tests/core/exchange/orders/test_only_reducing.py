"""An account that the exchange lets only reduce: entries wait, told for how long, and what closes goes on."""

from __future__ import annotations

import json

import pytest

from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.exchange.account.trading_right import ask_trading_right
from core.exchange.orders.only_reducing import PAUSE_S
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

CODES = {
    -4087: "User can only place reduce only order",
    -4140: "Invalid symbol status for opening position",
    -4400: "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later.",
    -4401: "Futures Trading Risk Control Rules of large position holding violated, only reduceOnly order is allowed",
    -4408: "This symbol is in reduce only mode due to regulation requirements.",
}


def refused(code: int, text: str) -> Fate:
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(400, json.dumps({"code": code, "msg": text}), JSON))


@pytest.mark.parametrize("code", list(CODES))
def test_entries_wait_there_and_what_closes_goes_on(code: int) -> None:
    def refuse(method: str, path: str, params: str) -> Fate | None:
        is_entry = (method, path) == ("POST", "/fapi/v1/order") and BTC in params and "reduceOnly" not in params
        return refused(code, CODES[code]) if is_entry else None

    async def scene(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(30)
        house.weather.rules.append(refuse)
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == 0
        sent = house.weather.count("POST", "/fapi/v1/order")
        await house.predict(BTC, 20.0)
        await house.pass_s(1)
        told = house.health.problem(BTC)
        assert told.startswith("entries: create_order: ")
        assert "entries are refused, what reduces or closes is taken" in told
        assert "; the next entry is tried after 20:37:" in told
        assert house.health.problem() == ""
        for _ in range(5):
            await house.predict(BTC, 20.0)
            await house.pass_s(60)
        assert house.weather.count("POST", "/fapi/v1/order") == sent + 1, "one try tells it"
        await house.predict(ETH, 20.0)
        await house.pass_s(5)
        assert house.book(ETH).is_protected()
        house.weather.rules.remove(refuse)
        await house.pass_s(PAUSE_S - 300)
        assert house.health.problem(BTC) == ""
        await house.predict(BTC, 20.0)
        await house.pass_s(5)
        assert house.order(OrderRole.STOP) is not None
        house.check_books()

    in_house(scene)


@pytest.mark.parametrize("code", [-4400, -4401, -4087])
def test_a_key_of_such_an_account_may_trade(code: int) -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/order/test", refused(code, CODES[code]), times=9)
        assert (await ask_trading_right(house.wire, BTC)).granted is True

    in_house(scene)


@pytest.mark.parametrize("code", [-4088, -4192, -4402])
def test_an_account_that_may_not_trade_is_not_told_to_mend_its_key(code: int) -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/order/test", refused(code, "Trade forbidden"), times=9)
        right = await ask_trading_right(house.wire, BTC)
        assert right.granted is None
        assert "the account may not trade now, whatever its key; the exchange's own page says why" in right.detail

    in_house(scene)


@pytest.mark.parametrize("code", [-4403, -4206, -4202])
def test_a_leverage_that_the_account_may_not_have_names_the_setting(code: int) -> None:
    async def scene(house: House) -> None:
        house.weather.once("POST", "/leverage", refused(code, "the leverage can only up to 10x in your region"))
        with pytest.raises(VenueRejectedError, match=r"; lower account\.leverage to what the exchange allows") as told:
            await house.wire.send("set_leverage", 20, house.wire.unified(BTC))
        assert told.value.kind is RejectKind.OTHER

    in_house(scene)
