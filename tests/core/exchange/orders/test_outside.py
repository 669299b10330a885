"""Others on the account: what they do to our position is booked as theirs and ends nothing but what it ended."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.operator import Verb
from core.domain.orders import OrderRole, make_client_order_id
from core.domain.records import AdjustmentRecord, SignalRecord
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Delivery, Fate, Outcome

NO_MARGIN = Answer(400, '{"code":-2019,"msg":"Margin is insufficient."}', JSON)
THROTTLED = Answer(503, '{"code":-1008,"msg":"Request throttled by system-level protection."}', JSON)


def trade_by_hand(house: House, side: str, qty: str, *, reduce_only: bool = False) -> None:
    params = {"reduceOnly": "true"} if reduce_only else {}
    house.venue.place_external(house.clock.now_ms(), symbol=BTC, side=side, quantity=qty, **params)


def last_signal(house: House) -> str:
    return next(record.signal.reason for record in reversed(house.records) if isinstance(record, SignalRecord))


def others(house: House) -> list[tuple[str, str]]:
    """What the journal says that others held, before and after."""
    found = [r for r in house.records if isinstance(r, AdjustmentRecord) and r.what == "external position lots"]
    return [(record.ours, record.theirs) for record in found]


def no_trades(method: str, path: str, params: str) -> Fate | None:
    """The exchange does not list the trades."""
    return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(200, "[]", JSON)) if path.endswith("/userTrades") else None


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_closed_by_hand_ends_its_trade_at_the_hands_price_and_fee(side: int) -> None:
    async def test(house: House) -> None:
        await house.enter(side=side)
        await house.pass_s(3)
        lots = abs(house.book().lots)
        house.quote(BTC, "60100.0", "60100.1")
        price = Decimal("60100.0") if side > 0 else Decimal("60100.1")
        trade_by_hand(house, "SELL" if side > 0 else "BUY", f"0.0{lots}", reduce_only=True)
        await house.pass_s(8)
        assert house.book().lots == 0
        (trade,) = house.trades
        assert (trade.exit_reason, trade.exit_price) == ("closed outside", price)
        assert house.fills[-1].fee_usdt == house.venue.ledger.trades[-1].fee_usdt > 0
        assert house.open_algos() == []
        assert house.desk.external_positions == {}
        assert not house.trader.state.paused
        house.check_books()
        await house.pass_s(60)
        await house.predict(BTC, 20.0)
        await house.pass_s(3)
        assert house.book().lots == house.venue.position_lots(BTC) == 41
        house.check_books()

    in_house(test)


def test_what_tells_of_a_difference_is_asked_for_again_at_once_where_it_is_turned_away() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        throttled = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
        house.weather.once("GET", "/positionRisk", throttled, times=2)
        house.weather.once("GET", "/userTrades", throttled, times=2)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(4)
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        house.check_books()

    in_house(test)


def test_where_the_trades_cannot_be_read_what_the_stream_told_of_them_is_enough() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        silent = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
        house.weather.once("GET", "/userTrades", silent, times=1000)
        house.quote(BTC, "60100.0", "60100.1")
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(4)
        (trade,) = house.trades
        assert (trade.exit_reason, trade.exit_price) == ("closed outside", Decimal("60100.0"))
        assert house.fills[-1].fee_usdt == house.venue.ledger.trades[-1].fee_usdt > 0
        house.check_books()

    in_house(test)


def test_where_neither_tells_of_a_trade_a_difference_waits() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        silent = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
        house.weather.once("GET", "/userTrades", silent, times=1000)
        house.weather.frames_of = lambda text: []
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(30)
        assert house.trades == []
        assert house.trader.guard.halts()

    in_house(test)


def test_a_part_closed_by_hand_cuts_stop_and_target_and_the_rest_lives_on() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trade_by_hand(house, "SELL", "0.020", reduce_only=True)
        await house.pass_s(8)
        assert house.book().lots == 21 == house.venue.position_lots(BTC)
        assert sorted((algo.type, algo.lots) for algo in house.open_algos()) == [
            ("STOP_MARKET", 21),
            ("TAKE_PROFIT_MARKET", 21),
        ]
        assert house.trades == []
        assert others(house) == []
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(5)
        (trade,) = house.trades
        assert (trade.exit_reason, trade.qty) == ("stop", Decimal("0.041"))
        house.check_books()

    in_house(test)


def test_a_trade_of_others_through_our_position_leaves_only_what_is_over_to_them() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trade_by_hand(house, "SELL", "0.060")
        await house.pass_s(8)
        assert house.book().lots == 0
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        assert house.desk.external_positions == {BTC: Decimal("-0.019")}
        assert others(house) == [("0", "-19")]
        assert house.open_algos() == []
        await house.pass_s(60)
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt
        assert not house.trader.state.paused

    in_house(test)


def test_what_an_order_of_ours_closed_of_others_is_no_position_of_ours_and_costs_nothing_more() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        lost = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
        house.weather.rules.append(lambda method, path, params: lost if method == "DELETE" else None)
        trade_by_hand(house, "SELL", "0.040", reduce_only=True)
        await house.pass_s(8)
        trade_by_hand(house, "BUY", "0.006")
        await house.pass_s(8)
        assert house.book().lots == 1
        assert house.desk.external_positions == {BTC: Decimal("0.006")}
        house.quote(BTC, "62000.0", "62000.1")
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == 0
        assert house.book().lots == 0
        assert house.desk.external_positions == {}
        crossed = house.trades[-1]
        assert (crossed.exit_reason, crossed.qty) == ("closed outside", Decimal("0.006"))
        assert crossed.gross_pnl_usdt == 0
        assert house.fills[-1].fee_usdt == 0
        assert not house.trader.state.paused
        await house.pass_s(60)
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("before", "since", "crossed_lots", "left"),
    [("0.060", "", 41, 19), ("0.020", "", 20, 0), ("0.060", "0.005", 41, 24), ("0.060", "0.050", 41, 69)],
)
def test_what_two_orders_of_ours_closed_of_others_while_the_engine_was_off_is_no_position_of_ours(
    side: int, before: str, since: str, crossed_lots: int, left: int
) -> None:
    async def test(house: House) -> None:
        hand = "BUY" if side > 0 else "SELL"
        await house.enter(side=side)
        await house.pass_s(3)
        await house.stop()
        trade_by_hand(house, hand, before)
        await asyncio.sleep(30)
        house.quote(BTC, "62000.0", "62000.1")
        house.quote(BTC, "58000.0", "58000.1")
        if since:
            await asyncio.sleep(20)
            trade_by_hand(house, hand, since)
        assert house.venue.position_lots(BTC) == side * left
        await house.start()
        await house.pass_s(4)
        assert house.book().lots == 0
        assert house.desk.external_positions == ({BTC: side * Decimal(left) / 1000} if left else {})
        crossed = house.trades[-1]
        assert (crossed.exit_reason, crossed.qty) == ("closed outside", Decimal(crossed_lots) / 1000)
        assert crossed.gross_pnl_usdt == house.fills[-1].fee_usdt == 0
        await house.pass_s(60)
        assert not house.trader.state.paused
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


def test_a_contract_in_which_others_hold_gets_no_entry_and_no_reversal() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trade_by_hand(house, "BUY", "0.005")
        await house.pass_s(8)
        assert house.trader.guard.halts() == ("contract:BTCUSDT",)
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(5)
        assert (house.book().lots, house.venue.position_lots(BTC)) == (0, 5)
        await house.predict(BTC, 20.0)
        await house.pass_s(3)
        assert house.book().lots == 0
        assert "limit contract (others: long 0.005 BTC on this account are not ours)" in last_signal(house)
        await house.stop()
        await house.start()
        await house.pass_s(3)
        await house.predict(BTC, 20.0)
        assert "limit contract" in last_signal(house)
        trade_by_hand(house, "SELL", "0.005")
        await house.pass_s(40)
        assert house.trader.guard.halts() == ()
        await house.predict(BTC, 20.0)
        await house.pass_s(3)
        assert house.book().lots == 41
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


@pytest.mark.parametrize(("qty", "ours", "theirs"), [("0.041", 0, 0), ("0.020", 21, 0), ("0.050", 0, -9)])
def test_what_others_did_while_the_engine_was_off_is_found_at_the_start(qty: str, ours: int, theirs: int) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.stop()
        house.quote(BTC, "60050.0", "60050.1")
        trade_by_hand(house, "SELL", qty)
        await house.start()
        await house.pass_s(20)
        assert house.book().lots == ours == house.venue.position_lots(BTC) - theirs
        assert others(house) == ([("0", str(theirs))] if theirs else [])
        outside = [fill for fill in house.fills if fill.client_order_id.startswith("outside-")]
        assert sum(fill.qty_lots for fill in outside) == 41 - ours
        assert {fill.price_ticks for fill in outside} == {600_500}
        assert not house.trader.state.paused
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt
        await house.stop()
        await house.start()
        await house.pass_s(20)
        assert house.book().lots == ours
        assert len([f for f in house.fills if f.client_order_id.startswith("outside-")]) == len(outside)

    in_house(test)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("against", "ours", "theirs"), [("0.026", 15, 14), ("0.055", 0, 0), ("0.060", 0, -5)])
def test_what_others_did_while_the_engine_was_off_is_told_from_what_was_known_of_them_before(
    side: int, against: str, ours: int, theirs: int
) -> None:
    async def test(house: House) -> None:
        along, back = ("BUY", "SELL") if side > 0 else ("SELL", "BUY")
        await house.enter(side=side)
        await house.pass_s(3)
        trade_by_hand(house, along, "0.014")
        await house.pass_s(8)
        assert house.desk.external_positions == {BTC: side * Decimal("0.014")}
        await house.stop()
        house.quote(BTC, "60050.0", "60050.1")
        trade_by_hand(house, back, against)
        await house.start()
        await house.pass_s(4)
        assert house.book().lots == side * ours
        assert house.desk.external_positions == ({BTC: side * Decimal(theirs) / 1000} if theirs else {})
        outside = [fill for fill in house.fills if fill.client_order_id.startswith("outside-")]
        assert sum(fill.qty_lots for fill in outside) == 41 - ours
        assert {fill.price_ticks for fill in outside} == {600_500 if side > 0 else 600_501}
        await house.pass_s(60)
        assert not house.trader.state.paused
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


def test_an_exit_with_nothing_to_reduce_looks_at_the_position_and_ends() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.weather.frames_of = lambda text: []
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(6)
        assert house.book().lots == 0
        asked = house.weather.count("POST", "/order")
        await house.pass_s(60)
        assert house.weather.count("POST", "/order") == asked <= 6
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        house.check_books()

    in_house(test)


def test_an_exit_whose_refusals_are_all_lost_looks_whether_there_is_anything_left_to_close() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.weather.frames_of = lambda text: []
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        house.weather.once("POST", "/fapi/v1/order", Fate(Outcome.ANSWER_LOST, 10.0, 10.0), times=1000)
        await house.command(Verb.FLATTEN, BTC)
        await house.pass_s(9)
        assert house.book().lots == 0
        assert house.weather.count("POST", "/fapi/v1/order") <= 4
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        house.check_books()

    in_house(test)


def test_a_look_at_the_position_that_is_lost_on_its_way_is_made_again_soon() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.weather.once("GET", "/positionRisk", Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0), times=2)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(6)
        assert house.book().lots == 0
        house.check_books()

    in_house(test)


def test_a_look_at_the_position_is_given_time_where_the_exchange_is_slow() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)

        def slow(method: str, path: str, params: str) -> Fate | None:
            return Fate(Outcome.ANSWERED, 10.0, 4_000.0) if path.endswith("/positionRisk") else None

        house.weather.rules.append(slow)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(30)
        assert house.book().lots == 0
        house.check_books()

    in_house(test)


def test_a_close_that_no_trade_tells_is_booked_from_the_position_and_told() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.weather.frames_of = lambda text: []
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        house.weather.rules.append(no_trades)
        await house.pass_s(20)
        assert house.book().lots == 0
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        assert house.trader.state.paused, "nothing explains it: an operator has to look"
        await house.pass_s(40)
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


def late(text: str) -> list[Delivery]:
    return [Delivery(900.0, text)]


@pytest.mark.parametrize("theirs", ["0.020", "0.100"])
def test_flatten_with_what_others_hold_waits_for_our_exit_and_closes_the_whole_net(theirs: str) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        trade_by_hand(house, "BUY", theirs)
        their_stop = house.venue.place_external_algo(
            house.clock.now_ms(), symbol=BTC, side="SELL", type="STOP_MARKET", quantity=theirs, triggerPrice="50000"
        )
        house.weather.frames_of = late
        await house.command(Verb.FLATTEN, BTC)
        said = await house.desk.flatten_external(BTC)
        assert said == f"BTCUSDT: flat; {theirs} BTC of others closed, 1 orders of theirs canceled"
        assert house.venue.position_lots(BTC) == 0 == house.book().lots
        assert [trade.exit_reason for trade in house.trades] == ["flatten"]
        assert not their_stop.is_open
        await house.pass_s(40)
        assert house.desk.external_positions == {}
        assert house.trader.state.ledger.wallet_usdt == house.venue.ledger.wallet_usdt

    in_house(test)


def test_flatten_of_others_tells_what_is_left_and_leaves_their_stop() -> None:
    async def test(house: House) -> None:
        trade_by_hand(house, "BUY", "0.020")
        their_stop = house.venue.place_external_algo(
            house.clock.now_ms(), symbol=BTC, side="SELL", type="STOP_MARKET", quantity="0.020", triggerPrice="50000"
        )
        house.weather.once("POST", "/order", Fate(Outcome.REPLACED, 10.0, 10.0, NO_MARGIN), times=1000)
        said = await house.desk.flatten_external(BTC)
        assert said.startswith("BTCUSDT: 0.020 BTC LEFT OPEN: ")
        assert said.endswith("0.000 BTC closed, stops stay")
        assert their_stop.is_open
        assert 3 <= house.weather.count("POST", "/order") <= 10, (
            "what is refused again and again is tried ever less often"
        )

    in_house(test)


@pytest.mark.parametrize("after_send", [False, True])
def test_flatten_of_others_asks_again_what_the_exchange_turns_away_for_a_while(after_send: bool) -> None:
    async def test(house: House) -> None:
        trade_by_hand(house, "BUY", "0.020")
        await house.pass_s(30)
        away_until_ms = 0 if after_send else house.clock.now_ms() + 4000

        def turned_away(method: str, path: str, params: str) -> Fate | None:
            nonlocal away_until_ms
            if after_send and method == "POST" and path.endswith("/order"):
                away_until_ms = house.clock.now_ms() + 4000
            is_away = house.clock.now_ms() < away_until_ms and path.endswith("/positionRisk")
            return Fate(Outcome.REPLACED, 10.0, 10.0, THROTTLED) if is_away else None

        house.weather.rules.append(turned_away)
        said = await house.desk.flatten_external(BTC)
        assert said == "BTCUSDT: flat; 0.020 BTC of others closed, 0 orders of theirs canceled"
        assert house.venue.position_lots(BTC) == 0

    in_house(test)


def test_flatten_of_others_says_that_it_does_not_know_what_is_left() -> None:
    async def test(house: House) -> None:
        trade_by_hand(house, "BUY", "0.020")
        await house.pass_s(30)
        sent: list[str] = []

        def turned_away(method: str, path: str, params: str) -> Fate | None:
            if method == "POST" and path.endswith("/order"):
                sent.append(path)
            return Fate(Outcome.REPLACED, 10.0, 10.0, THROTTLED) if sent and path.endswith("/positionRisk") else None

        house.weather.rules.append(turned_away)
        said = await house.desk.flatten_external(BTC)
        assert said.startswith("BTCUSDT: how much of 0.020 BTC is LEFT OPEN is not known: ")
        assert len(sent) == 1, "nothing is sent again before somebody has looked"

    in_house(test)


@pytest.mark.parametrize("resting", [True, False])
def test_another_engine_on_the_key_is_noticed_by_its_ids_and_ends_entries(resting: bool) -> None:
    async def test(house: House) -> None:
        strange = make_client_order_id("live", "plain", ETH, "1", OrderRole.ENTRY, "0")
        kind = {"type": "LIMIT", "price": "50000", "timeInForce": "GTC"} if resting else {"type": "MARKET"}
        if resting:
            house.weather.frames_of = lambda text: []
        house.venue.place_external(
            house.clock.now_ms(), symbol=BTC, side="BUY", quantity="0.01", newClientOrderId=strange, **kind
        )
        await house.pass_s(40)
        assert "second_engine" in house.trader.guard.halts()
        await house.predict(ETH, 20.0)
        assert house.book(ETH).orders == {}
        assert "another engine trades on this key" in last_signal(house)
        await house.command(Verb.RESUME)
        await house.pass_s(70)
        assert "second_engine" not in house.trader.guard.halts()

    in_house(test)


def test_our_own_orders_are_no_other_engine_s_after_a_restart() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        await house.stop()
        await house.start()
        await house.command(Verb.FLATTEN)
        await house.pass_s(40)
        assert house.trader.guard.halts() == ()

    in_house(test)


def test_whose_a_trade_is_is_asked_of_each_order_again_only_when_all_have_been_asked() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        stop, target = house.order(OrderRole.STOP), house.order(OrderRole.TARGET)
        assert stop is not None
        assert target is not None
        asked: list[str] = []

        def one_does_not_answer(method: str, path: str, params: str) -> Fate | None:
            if method != "GET" or not path.endswith("/algoOrder"):
                return None
            order = next(order for order in (stop, target) if order.client_order_id in params)
            asked.append(order.role)
            if asked.count("stop") <= 3 and order is stop:
                return Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
            return None

        house.weather.rules.append(one_does_not_answer)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(9)
        assert house.book().lots == 0
        assert asked[:6] == ["target", "stop", "stop", "stop", "stop", "target"]
        house.check_books()

    in_house(test)


def test_an_order_that_was_read_and_is_not_ours_is_not_read_again() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        house.weather.frames_of = lambda text: []
        read = 0

        def once(method: str, path: str, params: str) -> Fate | None:
            nonlocal read
            if method != "GET" or not path.endswith("/v1/order"):
                return None
            read += 1
            throttled = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
            return throttled if read > 1 else None

        house.weather.rules.append(once)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(6)
        assert house.book().lots == 0
        assert read == 1
        house.check_books()

    in_house(test)


@pytest.mark.parametrize("is_heard", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_whose_a_trade_is_becomes_known_while_the_exchange_turns_three_of_four_requests_away(
    seed: int, is_heard: bool
) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        if not is_heard:
            house.weather.frames_of = lambda text: []
        draws = random.Random(seed)

        def overload(method: str, path: str, params: str) -> Fate | None:
            throttled = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1008,"msg":"Throttled."}', JSON))
            return throttled if draws.random() < 0.75 else None

        house.weather.rules.append(overload)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(9)
        assert house.book().lots == 0
        house.weather.rules.clear()
        await house.pass_s(30)
        house.check_books()

    in_house(test)


def test_a_trade_that_becomes_known_while_another_is_asked_for_is_asked_for_no_more() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)

        def slow(method: str, path: str, params: str) -> Fate | None:
            return Fate(Outcome.ANSWERED, 10.0, 500.0) if path.endswith("/algoOrder") else None

        house.weather.rules.append(slow)
        trade_by_hand(house, "SELL", "0.010", reduce_only=True)
        trade_by_hand(house, "SELL", "0.011", reduce_only=True)
        await house.pass_s(1.3)
        incoming, second = house.desk.at_work.incoming, str(house.venue.orders[-1].order_id)
        house.exchange_venue.known.set_aside(BTC, second)
        await incoming._release(BTC, second)
        await house.pass_s(10)
        assert not incoming.waits
        assert house.book().lots == 20
        house.check_books()

    in_house(test)


def test_nothing_is_turned_while_nobody_knows_whose_a_trade_is() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        silent = Fate(Outcome.LOST_ON_THE_WAY, 10.0, 10.0)
        house.weather.once("GET", "/algoOrder", silent, times=4)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.pass_s(0.3)
        assert house.book().lots == 41
        assert house.health.problem(BTC) == "trades: a trade of which nobody knows yet whose it is"
        assert "whose it is" in house.trader.guard.blocks(BTC).note
        await house.pass_s(30)
        assert house.health.problem(BTC) == ""
        assert house.book().lots == house.venue.position_lots(BTC) == 0
        house.check_books()

    in_house(test)


def test_nothing_is_turned_between_a_foreign_trade_and_the_look_that_tells_what_it_did() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        slow = Fate(Outcome.REPLACED, 10.0, 10.0, Answer(503, '{"code":-1016,"msg":"Service Unavailable."}', JSON))
        house.weather.once("GET", "/positionRisk", slow, times=12)
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        for _ in range(10):
            await house.pass_s(0.5)
            if house.book().lots:
                assert "contract:BTCUSDT" in house.trader.guard.halts()
        await house.pass_s(40)
        assert house.book().lots == 0
        assert house.trader.guard.halts() == ()

    in_house(test)


def test_a_position_closed_by_hand_unheard_is_not_turned_by_an_order_of_twice_the_size() -> None:
    async def test(house: House) -> None:
        house.trader.follow(replace(house.trader.strategy, reverses=True))
        await house.enter()
        await house.pass_s(4)
        house.weather.frames_of = lambda text: []
        trade_by_hand(house, "SELL", "0.041", reduce_only=True)
        await house.predict(BTC, -20.0)
        await house.pass_s(20)
        assert house.venue.position_lots(BTC) == 0 == house.book().lots
        assert [trade.exit_reason for trade in house.trades] == ["closed outside"]
        house.check_books()

    in_house(test)


def test_a_position_that_is_there_is_turned_as_ever() -> None:
    async def test(house: House) -> None:
        house.trader.follow(replace(house.trader.strategy, reverses=True))
        await house.enter()
        await house.pass_s(4)
        await house.predict(BTC, -20.0)
        await house.pass_s(5)
        assert house.venue.position_lots(BTC) == house.book().lots < 0
        assert [trade.exit_reason for trade in house.trades] == ["reversal"]
        house.check_books()

    in_house(test)


def test_what_others_held_in_a_contract_that_is_traded_no_more_is_nothing_here() -> None:
    async def test(house: House) -> None:
        await house.enter(ETH)
        await house.pass_s(3)
        await house.command(Verb.FLATTEN)
        await house.pass_s(10)
        house.venue.place_external(house.clock.now_ms(), symbol=ETH, side="SELL", quantity="0.385")
        await house.pass_s(40)
        assert house.desk.external_positions == {ETH: Decimal("-0.385")}
        await house.stop()
        house.symbols = (BTC,)
        await house.start()
        await house.pass_s(40)
        assert house.desk.external_positions == {}
        assert ETH not in house.health.problem()
        assert not house.health.problem(ETH)

    in_house(test)
