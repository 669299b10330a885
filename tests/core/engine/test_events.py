"""Journalled facts as events: exact amounts, in the order of the journal."""

from __future__ import annotations

from decimal import Decimal

from core.control.events import FillEvent, LimitEvent, NoticeEvent, OperatorEvent, What
from core.domain import operator
from core.domain.operator import LimitEffect, OperatorCommand, Verb
from core.domain.orders import Fill, OrderState, OrderUpdate, Side
from core.domain.records import AdjustmentRecord, FillRecord, LimitRecord, OperatorRecord, OrderUpdateRecord, Record
from core.engine.events import events_of
from tests.core.trader.desk import make_trader
from tests.storage.examples import entry


def told(*records: Record) -> list[What]:
    symbols = make_trader().state.symbols
    return list(events_of(records, {symbol: s.instrument for symbol, s in symbols.items()}))


def test_a_fill_is_told_in_exact_amounts() -> None:
    order, instrument = entry(1), make_trader().state.symbols["BTCUSDT"].instrument
    fill = Fill("f1", order.client_order_id, "BTCUSDT", Side.BUY, 3, 1_000_001, Decimal("0.0123"), False, 5_000)
    (event,) = told(FillRecord(fill, order))
    assert event == FillEvent(
        5_000,
        "BTCUSDT",
        "buy",
        "entry",
        instrument.qty(3),
        instrument.price(1_000_001),
        Decimal("0.0123"),
        order.client_order_id,
    )


def test_limits_operators_and_notices_come_in_the_order_of_the_journal() -> None:
    fired = operator.LimitEvent("drawdown", "", 1, True, LimitEffect.NO_NEW_ENTRIES, 9.0, 8.0, "%", "when resumed")
    order = entry(1)
    unknown = OrderUpdate(order.client_order_id, order.symbol, OrderState.UNKNOWN, 3, reason="no answer")
    accepted = OrderUpdate(order.client_order_id, order.symbol, OrderState.ACCEPTED, 4)
    limit, acted, doubt, differs = told(
        LimitRecord(fired),
        OperatorRecord(OperatorCommand("op1", Verb.HALT, "", "ann", 2), "halted"),
        OrderUpdateRecord(unknown, order),
        OrderUpdateRecord(accepted, order),
        AdjustmentRecord("a1", 5, "", "balance", "1", "2"),
    )
    assert limit == LimitEvent(1, "drawdown", "", True, "no_new_entries", 9.0, 8.0, "%", "when resumed")
    assert acted == OperatorEvent(2, "op1", "halt", "", "ann", "halted")
    assert isinstance(doubt, NoticeEvent)
    assert (doubt.time_ms, doubt.level) == (3, "warning")
    assert "order UNKNOWN (no answer)" in doubt.text
    assert isinstance(differs, NoticeEvent)
    assert (differs.time_ms, differs.level) == (5, "error")
