"""What an operator does to one open trade: it alone moves, and nothing is sent for what cannot be done."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.errors import RejectKind
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType
from core.domain.records import FillRecord, OperatorRecord, TradeRecord
from core.domain.trading import ExitReason
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Command
from core.trader.restore import restore
from tests.core.trader.desk import (
    BTC,
    ETH,
    INSTRUMENTS,
    Desk,
    canceled,
    make_instrument,
    make_strategy,
    make_trader,
    placed,
    records,
)

OTHER = "other"


def act(desk: Desk, verb: Verb, trade: str, share: str = "", price: str = "") -> list[Command]:
    command = OperatorCommand(
        f"act{len(desk.said)}",
        verb,
        "",
        "test",
        desk.now_ms,
        trade=trade,
        share_pct=Decimal(share) if share else None,
        price=Decimal(price) if price else None,
    )
    return desk.handle(command)


def close(desk: Desk, trade: str, share: str = "") -> list[Command]:
    return act(desk, Verb.CLOSE, trade, share)


def move(desk: Desk, trade: str, price: str) -> list[Command]:
    return act(desk, Verb.MOVE_STOP, trade, price=price)


def result(commands: list[Command]) -> str:
    (record,) = records(commands, OperatorRecord)
    return record.result


def trade_id(desk: Desk, symbol: str = BTC, strategy: str = "") -> str:
    trade = desk.book(symbol, strategy).trade
    assert trade is not None
    return trade.trade_id


def held(value_bps: float = 20.0) -> Desk:
    """A position of 41 lots at 60,000 whose stop and target rest."""
    desk = Desk(make_trader())
    desk.hold(value_bps)
    return desk


def pair() -> Desk:
    """Two strategies that hold the symbol on one side, each with its stop and target at rest."""
    desk = Desk(make_trader(beside=[replace(make_strategy(), name=OTHER)]))
    desk.minute()
    for strategy in ("plain", OTHER):
        (entry,) = placed(desk.predict(20.0, strategy=strategy), OrderRole.ENTRY)
        desk.accept(entry)
        desk.accept(*placed(desk.fill(entry)))
    return desk


def resting(desk: Desk, role: OrderRole, strategy: str = "") -> list[Order]:
    s = desk.book(strategy=strategy)
    return [o for o in s.orders.values() if o.role is role and o.client_order_id not in s.canceling]


def as_told(desk: Desk) -> list[Desk]:
    """Two desks of after a start: one told by the journal, one by a checkpoint of it."""
    again, recalled = (make_trader(beside=desk.trader.strategies[1:]) for _ in range(2))
    assert restore(again, desk.records) == []
    fills = [(r.fill.symbol, r.fill.fill_id) for r in desk.records if isinstance(r, FillRecord)]
    recall(recalled, deepcopy(remember(again)), Seen(fills=fills))
    for told in (again, recalled):
        for ours in desk.trader.state.books():
            theirs = told.state.symbols[ours.instrument.symbol].book(ours.strategy)
            assert (theirs.lots, theirs.trade, theirs.orders) == (ours.lots, ours.trade, ours.orders)
            theirs.mark = ours.mark
    return [Desk(told, desk.now_ms) for told in (again, recalled)]


@pytest.mark.parametrize("named", ["", BTC, "btcusdt"], ids=["id", "symbol", "lower case"])
def test_a_trade_is_closed_at_market_by_its_id_or_its_symbol(named: str) -> None:
    desk = held()
    said = close(desk, named or trade_id(desk))
    (out,) = placed(said)
    assert (out.role, out.type, out.qty_lots, out.reduce_only) == (OrderRole.EXIT, OrderType.MARKET, 41, True)
    assert result(said) == f"closing 0.041 BTC at market: all of {out.trade_id}"
    assert canceled(said) == []  # The stop stays until it is flat.
    desk.accept(out)
    done = desk.fill(out)
    (trade,) = (r.trade for r in records(done, TradeRecord))
    assert trade.exit_reason == ExitReason.OPERATOR == "closed by the operator"
    assert {o.role for o in canceled(done)} == {OrderRole.STOP, OrderRole.TARGET}
    assert not desk.trader.state.paused


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.HALT])
def test_it_is_closed_and_its_stop_moved_while_nothing_is_entered(verb: Verb) -> None:
    desk = held()
    desk.operator(verb)
    assert len(placed(move(desk, BTC, "59500"), OrderRole.STOP)) == 1
    assert len(placed(close(desk, BTC), OrderRole.EXIT)) == 1


def test_of_a_share_the_rest_stays_with_stop_and_target_cut_to_it() -> None:
    desk = held()
    said = close(desk, BTC, "50")
    (part,) = placed(said)
    assert (part.role, part.qty_lots, part.reduce_only, part.reason) == (
        OrderRole.REDUCE,
        20,
        True,
        ExitReason.OPERATOR,
    )
    assert "the 0.021 BTC that are left" in result(said)
    desk.accept(part)
    desk.accept(*placed(desk.fill(part)))
    book = desk.book()
    assert book.trade is not None
    assert (book.lots, book.trade.leaving) == (21, "")
    assert book.is_protected()
    for order in list(book.orders.values()):
        if order.client_order_id in book.canceling:
            desk.accept(*placed(desk.update(order, OrderState.CANCELED)))
    for role in (OrderRole.STOP, OrderRole.TARGET):
        assert [o.qty_lots for o in resting(desk, role)] == [21]
    (rest,) = placed(close(desk, BTC))
    assert (rest.role, rest.qty_lots) == (OrderRole.EXIT, 21)


def test_a_share_that_leaves_too_little_closes_it_whole_and_says_so() -> None:
    desk = Desk(make_trader(instruments={**INSTRUMENTS, BTC: make_instrument(BTC, "0.1", "0.001", min_lots=5)}))
    desk.hold()
    said = close(desk, BTC, "91")
    (out,) = placed(said)
    assert (out.role, out.qty_lots) == (OrderRole.EXIT, 41)
    assert "what 91 % would leave is less than the least order of 0.005 BTC" in result(said)


@pytest.mark.parametrize(
    ("share", "why"),
    [
        ("12", "is 0.004 BTC, less than the least order of 0.005 BTC"),
        ("0", "a share is above 0 and 100 % at most, not 0 %"),
        ("100.5", "a share is above 0 and 100 % at most, not 100.5 %"),
        ("-5", "a share is above 0 and 100 % at most, not -5 %"),
    ],
)
def test_a_share_that_is_no_order_is_refused(share: str, why: str) -> None:
    desk = Desk(make_trader(instruments={**INSTRUMENTS, BTC: make_instrument(BTC, "0.1", "0.001", min_lots=5)}))
    desk.hold()
    said = close(desk, BTC, share)
    assert why in result(said)
    assert result(said).startswith("refused: ")
    assert placed(said) == canceled(said) == []


def test_a_second_close_is_answered_so_and_sends_nothing() -> None:
    desk = held()
    (out,) = placed(close(desk, BTC))
    for again in (close(desk, BTC), close(desk, BTC, "50"), move(desk, BTC, "59500")):
        assert result(again) == f"refused: {out.trade_id} is being left already: closed by the operator"
        assert placed(again) == canceled(again) == []


def test_while_a_part_is_under_way_no_other_is_sent() -> None:
    desk = held()
    (part,) = placed(close(desk, BTC, "50"))
    for again in (close(desk, BTC, "50"), close(desk, BTC)):
        assert "a part of" in result(again)
        assert placed(again) == []
    desk.accept(part)
    desk.fill(part)
    assert len(placed(close(desk, BTC), OrderRole.EXIT)) == 1


def test_an_exit_that_came_to_nothing_is_tried_again() -> None:
    desk = held()
    (out,) = placed(close(desk, BTC))
    desk.reject(out)
    (again,) = placed(desk.watch(60_000), OrderRole.EXIT)
    assert (again.qty_lots, again.reason) == (41, ExitReason.OPERATOR)


def test_what_is_not_open_is_refused_with_what_is() -> None:
    desk = Desk(make_trader())
    desk.minute()
    assert result(close(desk, BTC)) == f"refused: no open trade is {BTC}; none is open"
    desk.hold()
    open_id = trade_id(desk)
    assert result(close(desk, "t9")) == f"refused: no open trade is t9; open: {open_id}"
    assert result(move(desk, ETH, "1")) == f"refused: no open trade is {ETH}; open: {open_id}"
    assert result(close(desk, "")) == f"refused: name a trade; open: {open_id}"


def test_of_what_is_only_being_entered_nothing_can_be_closed() -> None:
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20.0), OrderRole.ENTRY)
    said = close(desk, entry.trade_id)
    assert result(said).startswith(f"refused: nothing of {entry.trade_id} is held yet")
    assert placed(said) == canceled(said) == []


def test_of_two_in_a_symbol_only_the_named_one_moves() -> None:
    desk = pair()
    ids = [trade_id(desk, strategy=name) for name in ("plain", OTHER)]
    several = f"refused: 2 trades are open in {BTC}: {', '.join(ids)}; name one"
    for said in (close(desk, BTC), move(desk, BTC, "59500")):
        assert result(said) == several
        assert placed(said) == []
    theirs = desk.book(strategy="plain")
    before = (theirs.lots, list(theirs.orders.values()))
    desk.accept(*placed(move(desk, ids[1], "59500")))
    (part,) = placed(close(desk, ids[1], "50"))
    desk.accept(part)
    desk.fill(part)
    (out,) = placed(close(desk, ids[1]))
    desk.accept(out)
    desk.fill(out)
    assert {o.trade_id for o in (part, out)} == {ids[1]}
    assert desk.book(strategy=OTHER).lots == 0
    assert (theirs.lots, list(theirs.orders.values())) == before
    as_told(desk)


@pytest.mark.parametrize(
    ("value_bps", "price", "lies_at"),
    [
        (20.0, "59500", "59500.0"),
        (20.0, "59500.01", "59500.1"),
        (-20.0, "60500.09", "60500.0"),
        (20.0, "58000", "58000.0"),
    ],
    ids=["long", "off the grid", "short", "looser"],
)
def test_the_new_stop_rests_before_the_old_one_goes(value_bps: float, price: str, lies_at: str) -> None:
    desk = held(value_bps)
    old = desk.order(OrderRole.STOP)
    said = move(desk, BTC, price)
    (new,) = placed(said)
    assert (new.role, new.qty_lots, new.reduce_only) == (OrderRole.STOP, abs(desk.book().lots), True)
    assert desk.book().instrument.price(new.trigger_ticks or 0) == Decimal(lies_at)
    assert f"to {lies_at}; the old one goes once the new one rests" in result(said)
    assert canceled(said) == []
    assert desk.book().is_protected()
    assert [o.client_order_id for o in canceled(desk.accept(new))] == [old.client_order_id]
    desk.update(old, OrderState.CANCELED)
    assert resting(desk, OrderRole.STOP) == [desk.order(OrderRole.STOP)]
    # Lost at the venue, it comes back where it was put.
    (back,) = placed(desk.update(new, OrderState.CANCELED, "by the venue"), OrderRole.STOP)
    assert back.trigger_ticks == new.trigger_ticks


@pytest.mark.parametrize(
    ("value_bps", "price", "why"),
    [
        (20.0, "60000", "a stop at 60000.0 would fire at once"),
        (20.0, "61000", "lies below the price, 60000.0"),
        (-20.0, "60000", "a stop at 60000.0 would fire at once"),
        (-20.0, "59000", "lies above the price, 60000.0"),
        (-20.0, "0.01", "a stop at 0.0 would fire at once"),
        (20.0, "0", "a stop needs a price above 0"),
        (20.0, "-5", "a stop needs a price above 0"),
        (20.0, "nan", "a stop needs a price above 0"),
        (20.0, "inf", "a stop needs a price above 0"),
        (20.0, "", "a stop needs a price above 0"),
        (20.0, "59400", "lies at 59400.0 already"),
    ],
)
def test_a_stop_that_cannot_be_is_refused(value_bps: float, price: str, why: str) -> None:
    desk = held(value_bps)
    said = move(desk, BTC, price)
    assert result(said).startswith("refused: ")
    assert why in result(said)
    assert placed(said) == canceled(said) == []


def test_where_no_stop_can_rest_none_is_moved() -> None:
    desk = held()
    trade = desk.book().trade
    assert trade is not None
    trade.stop_refused = True
    assert result(move(desk, BTC, "59500")).startswith(f"refused: no stop can rest for {trade.trade_id}")
    trade.stop_refused, trade.lost_stops = False, 3
    assert result(move(desk, BTC, "59500")).startswith(f"refused: no stop can rest for {trade.trade_id}")


def test_what_has_no_stop_yet_is_asked_for_again() -> None:
    desk = held()
    s = desk.book()
    stop = desk.order(OrderRole.STOP)
    s.orders.pop(stop.client_order_id)
    said = move(desk, BTC, "59500")
    assert "has no stop at the venue yet; ask again once it rests" in result(said)
    assert placed(said) == []


def test_a_stop_that_the_market_has_passed_when_it_arrives_leaves_the_trade() -> None:
    desk = held()
    (new,) = placed(move(desk, BTC, "59990"))
    desk.update(new, OrderState.SENT)
    said = desk.update(new, OrderState.REJECTED, "would trigger", RejectKind.WOULD_TRIGGER)
    assert [o.role for o in placed(said)] == [OrderRole.EXIT]


def test_a_start_knows_where_the_stop_was_put_and_what_is_being_closed() -> None:
    desk = held()
    desk.accept(*placed(move(desk, BTC, "59500")))
    for again in as_told(desk):
        assert "lies at 59500.0 already" in result(move(again, BTC, "59500"))
        assert len(placed(close(again, BTC))) == 1
    (part,) = placed(close(desk, BTC, "50"))
    for again in as_told(desk):
        assert "a part of" in result(close(again, BTC))
        again.accept(part)
        again.fill(part, fill_id="again")
        assert again.book().lots == 21
    desk.accept(part)
    desk.fill(part)
    (out,) = placed(close(desk, BTC))
    for again in as_told(desk):
        assert "is being left already: closed by the operator" in result(close(again, BTC))
        again.accept(out)
        (trade,) = (r.trade for r in records(again.fill(out, fill_id="over"), TradeRecord))
        assert trade.exit_reason == ExitReason.OPERATOR


def test_a_refused_act_is_in_the_journal_and_tells_a_start_nothing() -> None:
    desk = held()
    close(desk, "nothing")
    assert desk.records[-1].result.startswith("refused")  # type: ignore[union-attr]
    as_told(desk)


def test_the_lots_that_others_of_the_account_hold_are_left() -> None:
    desk = held()
    desk.hold(symbol=ETH)
    (out,) = placed(close(desk, ETH))
    assert out.symbol == ETH
    assert desk.book().lots == 41
