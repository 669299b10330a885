"""Rows that cannot be read: no entry until the books are known to agree, and then no row is held against them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.domain.records import LimitRecord
from core.exchange.connection.health import Health
from core.exchange.connection.wire import Row
from core.exchange.orders.unreadable import Oddities
from tests.core.exchange.account.test_desk_faults import JSON, replaced
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.transport import Answer, Delivery


def test_what_was_noted_before_a_comparison_is_settled_by_it_and_what_came_after_is_not() -> None:
    health = Health()
    oddities = Oddities(health)
    assert oddities.note("account data", "a price is no number", "trade 1")
    noted = oddities.noted()
    assert oddities.note("account data", "an amount is no number", "trade 2")
    oddities.note("fees", "paid in BNB", "trade 2")
    oddities.settle(noted)
    assert health.problem() == "account data: an amount is no number; fees: paid in BNB"
    oddities.settle(oddities.noted())
    assert health.problem() == ""


def test_a_row_that_is_read_again_is_news_once() -> None:
    health = Health()
    oddities = Oddities(health)
    assert oddities.note("account data", "a price is no number", "trade 1")
    assert not oddities.note("account data", "a price is no number", "trade 1")
    oddities.settle(oddities.noted())
    assert not oddities.note("account data", "a price is no number", "trade 1")
    assert health.problem() == ""
    assert oddities.note("account data", "a price is no number", "trade 2")
    assert health.problem() == "account data: a price is no number"


def spoil_one(house: House, news: str, field: str, value: str) -> None:
    """One frame of the account stream, of this kind of news, comes with another value."""
    left = [1]

    def frames(text: str) -> list[Delivery]:
        message = json.loads(text)
        if message.get("e") == "ORDER_TRADE_UPDATE" and message["o"].get("x") == news and left[0]:
            left[0] -= 1
            message["o"][field] = value
            return [Delivery(5.0, json.dumps(message))]
        return [Delivery(5.0, text)]

    house.weather.frames_of = frames


@pytest.mark.parametrize(
    ("part", "news", "field", "value"), [("account data", "NEW", "X", "STRANGE"), ("fees", "TRADE", "N", "BNB")]
)
def test_one_unreadable_row_forbids_entries_until_the_books_agree(part: str, news: str, field: str, value: str) -> None:
    async def test(house: House) -> None:
        spoil_one(house, news, field, value)
        await house.enter()
        await house.pass_s(2)
        assert part in house.health.problem()
        assert house.trader.guard.halts() == ("connection",)
        await house.pass_s(90)
        assert house.health.problem() == ""
        assert house.trader.guard.halts() == ()
        house.check_books()
        await house.enter(ETH)
        await house.pass_s(2)
        assert house.book(ETH).lots

    in_house(test)


def test_a_row_that_stays_unreadable_forbids_entries_once() -> None:
    """With every comparison the open stop is told again in a state that is not known here; the books agree."""

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        real = house.exchange_venue.open_rows

        async def strange(*args: Any, **more: Any) -> list[tuple[str, Row]]:
            return [(symbol, {**row, "status": "strange"}) for symbol, row in await real(*args, **more)]

        house.exchange_venue.open_rows = strange  # type: ignore[method-assign]
        await house.pass_s(600)
        assert house.health.problem() == ""
        fired = [r.event for r in house.records if isinstance(r, LimitRecord) and r.event.limit == "connection"]
        assert [event.fired for event in fired][-2:] == [True, False]
        assert len([event for event in fired if "strange" in event.note]) == 1

    in_house(test)


def test_an_account_that_could_never_be_compared_is_not_treated_as_well() -> None:
    """What became of the stop is not told: so nothing was compared since the start, and nothing is entered."""

    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        await house.stop()
        house.venue.place_external(house.clock.now_ms(), symbol=BTC, side="SELL", quantity="0.041")
        refused = replaced(Answer(503, '{"code":-1000,"msg":"x"}', JSON))
        house.weather.rules.append(
            lambda method, path, params: refused if method == "GET" and path.endswith("algoOrder") else None
        )
        await house.start()
        for _ in range(30):
            await house.pass_s(5)
            assert "connection" in house.trader.guard.halts()
        await house.predict(ETH, 20.0)
        await house.pass_s(2)
        assert house.book(ETH).lots == 0
        house.weather.rules.clear()
        await house.pass_s(60)
        assert house.trader.guard.halts() == ()
        house.check_books()

    in_house(test)
