"""The emergency exit against an exchange in memory: what it closes, what it leaves alone, what it says in the end."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.domain.errors import VenueBusyError
from core.domain.operator import Verb
from core.exchange.orders.panic import Outcome
from core.exchange.orders.panic_plan import Owned
from tests.core.exchange.desk_kit import BTC, ETH, House
from tests.core.exchange.orders.panic_kit import KEYED, Day, after_the_engine
from tests.simulation.faults import JSON
from tests.simulation.memory_server import VenueServer
from tests.simulation.transport import Answer, Fate
from tests.simulation.transport import Outcome as Sent


def test_what_is_ours_is_closed_and_its_orders_go_last() -> None:
    async def test(day: Day) -> None:
        long, short = day.net(BTC), day.net(ETH)
        assert long > 0 > short
        assert len(day.resting()) == 4
        outcome = await day.panic()
        assert outcome == Outcome(())
        assert (day.net(BTC), day.net(ETH)) == (0, 0)
        assert day.resting() == []
        assert [(o.side, o.lots, o.reduce_only) for o in sorted(day.made, key=lambda o: o.symbol)] == [
            ("SELL", long, True),
            ("BUY", -short, True),
        ]
        asked = [method for method, path, _ in day.weather.asked if path.endswith(("/order", "/algoOrder"))]
        closes, cancels = asked.index("POST"), asked.index("DELETE")
        assert closes < cancels
        assert "POST" not in asked[cancels:]
        assert len([line for line in day.lines if line.endswith("filled")]) == 2
        assert len([line for line in day.lines if line.endswith("withdrawn")]) == 4

    after_the_engine(test)


def test_what_others_hold_and_placed_is_left_alone_and_everything_takes_it() -> None:
    async def test(day: Day) -> None:
        ours = day.net(BTC)
        day.venue.place_external(day.now_ms, symbol=BTC, side="BUY", quantity="0.020")
        other = day.venue.place_external_algo(
            day.now_ms, symbol=BTC, side="SELL", type="STOP_MARKET", quantity="0.02", triggerPrice="50000"
        )
        assert await day.panic() == Outcome(())
        assert day.net(BTC) == 20
        assert sum(order.filled_lots for order in day.made if order.symbol == BTC) == ours
        assert day.resting() == [other.client_id]
        assert await day.panic(everything=True) == Outcome(())
        assert day.net(BTC) == 0
        assert day.resting() == []

    after_the_engine(test)


def test_never_more_than_the_account_still_holds_on_our_side() -> None:
    async def test(day: Day) -> None:
        ours = day.net(BTC)
        # Closed by hand through zero: what is there now is another's, on the other side.
        day.venue.place_external(day.now_ms, symbol=BTC, side="SELL", quantity=f"{(ours + 5) / 1000:.3f}")
        day.venue.place_external(day.now_ms, symbol=ETH, side="BUY", quantity="0.010")
        left = day.net(ETH)
        assert await day.panic() == Outcome(())
        assert day.net(BTC) == -5
        assert [(order.symbol, order.lots) for order in day.made] == [(ETH, -left)]
        assert day.resting() == []

    after_the_engine(test)


def test_a_second_panic_knows_of_the_first() -> None:
    async def test(day: Day) -> None:
        day.venue.place_external(day.now_ms, symbol=BTC, side="BUY", quantity="0.020")
        day.venue.place_external(day.now_ms, symbol=ETH, side="SELL", quantity="1.5")
        for _ in range(2):
            assert await day.panic() == Outcome(())
            assert (day.net(BTC), day.net(ETH)) == (20, -1500)
        assert len(day.made) == 2

    after_the_engine(test)


def test_what_was_filled_after_the_journal_s_last_word_is_ours_too() -> None:
    async def before(house: House) -> None:
        house.weather.once("POST", "/order", Fate(Sent.ANSWER_LOST, 10.0, 10.0))
        house.weather.frames_of = lambda text: []
        await house.enter()
        await house.pass_s(0.1)

    async def test(day: Day) -> None:
        assert day.owned.amounts == {}
        assert day.net() > 0
        assert await day.panic() == Outcome(())
        assert day.net() == 0

    after_the_engine(test, before)


def test_a_close_that_fills_in_parts_is_sent_again_for_what_is_left() -> None:
    async def test(day: Day) -> None:
        ours = day.net(BTC)
        day.venue.expire_after(BTC, "0.002")
        assert await day.panic() == Outcome(())
        assert day.net(BTC) == 0
        assert [order.filled_lots for order in day.made if order.symbol == BTC] == [2, ours - 2]
        assert len({order.client_id for order in day.made}) == 3

    after_the_engine(test)


@pytest.mark.parametrize("fate", [Sent.ANSWER_LOST, Sent.RESET_AFTER, Sent.LOST_ON_THE_WAY])
def test_an_answer_that_is_lost_is_asked_for_and_never_closes_more_than_ours(fate: Sent) -> None:
    async def test(day: Day) -> None:
        day.venue.place_external(day.now_ms, symbol=BTC, side="BUY", quantity="0.100")
        ours = day.net(BTC) - 100
        day.weather.once("POST", "/v1/order", Fate(fate, 10.0, 10.0), times=2)
        assert await day.panic() == Outcome(())
        assert day.net(BTC) == 100
        assert sum(order.filled_lots for order in day.made if order.symbol == BTC) == ours

    after_the_engine(test)


def test_in_hedge_mode_each_side_is_closed_by_itself() -> None:
    async def test(day: Day) -> None:
        await day.panic()
        day.venue.settings.is_dual_side = True
        for side, position_side, quantity in (("BUY", "LONG", "0.020"), ("SELL", "SHORT", "0.030")):
            day.venue.place_external(day.now_ms, symbol=BTC, side=side, positionSide=position_side, quantity=quantity)
        day.owned = Owned({BTC: Decimal("0.015")}, day.owned.ids, (), {BTC: day.now_ms})
        assert await day.panic() == Outcome(())
        assert (day.net(BTC, "LONG"), day.net(BTC, "SHORT")) == (5, -30)
        assert await day.panic(everything=True) == Outcome(())
        assert (day.net(BTC, "LONG"), day.net(BTC, "SHORT")) == (0, 0)
        day.venue.settings.is_dual_side = False

    after_the_engine(test)


def test_a_stop_stays_where_its_position_could_not_be_closed() -> None:
    async def test(day: Day) -> None:
        refused = Fate(Sent.REPLACED, 10.0, 10.0, Answer(400, '{"code":-4131,"msg":"No counterparty."}', JSON))
        day.weather.rules.append(
            lambda method, path, params: refused if method == "POST" and "symbol=BTCUSDT" in params else None
        )
        outcome = await day.panic()
        long = day.net(BTC) / 1000
        assert outcome.left[0] == f"BTCUSDT long {long} is still open: create_order: No counterparty. (-4131)"
        assert [line for line in outcome.left if "still rests" in line] == list(outcome.left[1:])
        assert len(outcome.left) == 3
        assert len(day.resting()) == 2
        assert {algo.symbol for algo in day.house.open_algos()} == {BTC}
        assert day.net(ETH) == 0

    after_the_engine(test)


def test_it_waits_as_long_as_the_exchange_asks_for_and_says_so() -> None:
    async def test(day: Day) -> None:
        body = '{"code":-1003,"msg":"Too many requests."}'
        slow = Fate(Sent.REPLACED, 10.0, 10.0, Answer(418, body, {**JSON, "Retry-After": "40"}))
        day.weather.once("GET", "/positionRisk", slow)
        began_ms = day.now_ms
        assert await day.panic() == Outcome(())
        assert day.now_ms - began_ms >= 40_000
        assert day.net() == 0
        assert day.lines[0].startswith("the exchange wants no request before ")

    after_the_engine(test)


@pytest.mark.parametrize("reads", [0, 1])
def test_a_long_ban_ends_it_with_what_is_not_known(reads: int) -> None:
    async def test(day: Day) -> None:
        body = '{"code":-1003,"msg":"Way too many requests."}'
        banned = Fate(Sent.REPLACED, 10.0, 10.0, Answer(418, body, {**JSON, "Retry-After": "900"}))
        asked = day.weather.count("GET", "/positionRisk") + reads
        day.weather.rules.append(
            lambda method, path, params: (
                banned if path.endswith("/positionRisk") and day.weather.count("GET", "/positionRisk") > asked else None
            )
        )
        if not reads:
            with pytest.raises(VenueBusyError, match="free again at"):
                await day.panic()
            assert day.net() > 0
            return
        outcome = await day.panic()
        assert outcome.is_out_of_reach
        assert outcome.left[0].startswith(
            "what is left is not known: the account could not be read; seen last: BTCUSDT"
        )
        assert len(day.resting()) == 4

    after_the_engine(test)


def test_nothing_to_do_is_nothing_done() -> None:
    async def before(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)

    async def test(day: Day) -> None:
        day.weather.asked.clear()
        assert await day.panic() == Outcome(())
        assert [method for method, _, _ in day.weather.asked if method != "GET"] == []
        assert day.lines == []

    after_the_engine(test, before)


def test_an_order_of_another_engine_on_the_key_is_named() -> None:
    async def test(day: Day) -> None:
        day.owned = Owned(day.owned.amounts, frozenset())
        before = len(day.resting())
        assert await day.panic() == Outcome(())
        assert len(day.resting()) == before

    after_the_engine(test)


def test_a_position_that_cannot_be_read_is_never_taken_for_flat_and_keeps_no_other_open() -> None:
    async def test(day: Day) -> None:
        rest = day.weather.rules

        def spoiled(method: str, path: str, params: str) -> Fate | None:
            if not path.endswith("positionRisk"):
                return None
            told = json.loads(VenueServer(day.venue, day.house.clock).rest(method, path, params, "", KEYED).body)
            for row in told:
                if row["symbol"] == ETH:
                    row["positionAmt"] = row["notional"] = None
            return Fate(Sent.SPOILED, 10.0, 10.0, Answer(200, json.dumps(told), JSON))

        rest.append(spoiled)
        outcome = await day.panic()
        assert day.net(BTC) == 0
        assert day.net(ETH) != 0
        assert any("the position in 'ETH/USDT:USDT'" in text for text in outcome.left), outcome.left

    after_the_engine(test)
