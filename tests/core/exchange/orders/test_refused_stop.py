"""A protective stop that the exchange refuses for good: the position is left, and none is opened there before the
operator has looked."""

from __future__ import annotations

import json

import pytest

from core.domain.operator import Verb
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome

CODES = {
    -2021: "Order would immediately trigger.",
    -4045: "Reach max stop order limit.",
    -4061: "Order's position side does not match user's setting.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    -4999: "A code that nobody knows.",
}


@pytest.mark.parametrize("code", list(CODES))
def test_it_costs_one_round_trip_and_not_one_a_signal(code: int) -> None:
    body = json.dumps({"code": code, "msg": CODES[code]})

    def refuse(method: str, path: str, params: str) -> Fate | None:
        is_stop = method == "POST" and path.endswith("/algoOrder") and "type=STOP_MARKET" in params
        return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(400, body, JSON)) if is_stop else None

    async def test(house: House) -> None:
        house.weather.rules.append(refuse)
        for _ in range(4):
            await house.predict(BTC, 20.0)
            await house.pass_s(30)
        assert len(house.trades) == 1
        assert house.venue.position_lots(BTC) == 0
        assert "stop_refused:BTCUSDT" in house.trader.guard.halts()
        await house.stop()
        await house.start()
        await house.pass_s(30)
        assert "stop_refused:BTCUSDT" in house.trader.guard.halts()
        house.weather.rules.remove(refuse)
        await house.predict(ETH, 20.0)
        await house.command(Verb.RESUME)
        await house.pass_s(30)
        await house.predict(BTC, 20.0)
        await house.pass_s(3)
        assert (house.book(BTC).lots, house.book(ETH).lots) == (41, 833)
        house.check_books()

    in_house(test)
