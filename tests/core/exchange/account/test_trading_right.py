"""A live start with a key that may not trade is refused; what is not known is said and blocks nothing."""

from __future__ import annotations

import pytest

from core.domain.errors import RefusedError
from core.exchange.account.trading_right import TradingRight, ask_trading_right, check_trading_right
from tests.core.exchange.desk_kit import BTC, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

MISSING = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(404, '{"code":-5000,"msg":"Path is invalid"}', JSON))


def test_the_order_is_tested_and_not_placed() -> None:
    async def test(house: House) -> None:
        placed = len(house.venue.orders)
        right = await ask_trading_right(house.wire, BTC)
        assert right == TradingRight(True, "granted: an order was tested and not placed")
        assert house.weather.count("POST", "/order/test") == 1
        assert len(house.venue.orders) == placed

    in_house(test)


def test_a_key_that_may_not_trade_refuses_the_start() -> None:
    async def test(house: House) -> None:
        house.venue.settings.can_trade = False
        with pytest.raises(RefusedError, match=r"^this key may not trade: .*\(-2015\).*; check the key, its rights"):
            await check_trading_right(house.wire, BTC, None)

    in_house(test)


@pytest.mark.parametrize("fate", [MISSING, Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)])
def test_what_is_not_known_is_said_and_blocks_nothing(fate: Fate, caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        house.weather.once("POST", "/order/test", fate, times=10)
        await check_trading_right(house.wire, BTC, 0.5)

    in_house(test)
    assert "whether the key may trade is not known: " in caplog.text


def test_an_exchange_without_such_a_test_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(house: House) -> None:
        monkeypatch.setattr(type(house.wire.dialect), "order_test", "")
        right = await ask_trading_right(house.wire, BTC)
        assert right == TradingRight(None, "binanceusdm has no test for an order; the first one will show it")

    in_house(test)
