"""Journalled facts as the events that whoever listens is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from core.control.events import FillEvent, LimitEvent, NoticeEvent, OperatorEvent, SignalEvent, TradeEvent, What
from core.domain.instrument import Instrument
from core.domain.records import (
    AdjustmentRecord,
    FillRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
)
from core.engine.log_lines import line_of
from core.engine.views import because_views

_LEVELS: dict[int, Literal["info", "warning", "error"]] = {
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
}


def events_of(records: Sequence[Record], instruments: Mapping[str, Instrument]) -> Iterator[What]:
    """In the order of the records; most of them are no event."""
    for record in records:
        match record:
            case FillRecord(fill, order):
                instrument = instruments[fill.symbol]
                yield FillEvent(
                    time_ms=fill.time_ms,
                    symbol=fill.symbol,
                    side=fill.side,
                    role=order.role,
                    qty=instrument.qty(fill.qty_lots),
                    price=instrument.price(fill.price_ticks),
                    fee_usdt=fill.fee_usdt,
                    client_order_id=fill.client_order_id,
                )
            case TradeRecord(t):
                yield TradeEvent(
                    time_ms=t.exit_time_ms,
                    trade_id=t.trade_id,
                    symbol=t.symbol,
                    strategy=t.origin.strategy,
                    side="long" if t.side.sign > 0 else "short",
                    qty=t.qty,
                    entry_price=t.entry_price,
                    exit_price=t.exit_price,
                    entry_time_ms=t.entry_time_ms,
                    gross_pnl_usdt=t.gross_pnl_usdt,
                    fees_usdt=t.fees_usdt,
                    funding_usdt=t.funding_usdt,
                    net_pnl_usdt=t.net_pnl_usdt,
                    exit_reason=t.exit_reason,
                )
            case SignalRecord(s):
                yield SignalEvent(
                    time_ms=s.time_ms,
                    strategy=s.origin.strategy,
                    symbol=s.symbol,
                    direction=s.direction,
                    confidence=s.confidence,
                    action=s.action,
                    reason=s.reason,
                    model_version=s.origin.version,
                    because=because_views(s.because),
                )
            case LimitRecord(e):
                yield LimitEvent(
                    e.time_ms,
                    e.limit,
                    e.symbol,
                    e.fired,
                    e.effect,
                    e.used,
                    e.limit_value,
                    e.unit,
                    e.clears,
                    e.note,
                    e.scope,
                    e.origin.strategy,
                )
            case OperatorRecord(command, result):
                c = command
                yield OperatorEvent(c.time_ms, c.command_id, c.verb, c.symbol, c.operator, result)
            case OrderUpdateRecord(update, _):
                yield from _notice(record, update.time_ms, instruments)
            case AdjustmentRecord():
                yield from _notice(record, record.time_ms, instruments)
            case TrainingRecord():
                yield from _notice(record, record.due_ms, instruments)
            case _:
                pass


def _notice(record: Record, time_ms: int, instruments: Mapping[str, Instrument]) -> Iterator[NoticeEvent]:
    """Where the log has a line for it."""
    if (line := line_of(record, instruments)) is not None:
        yield NoticeEvent(time_ms, _LEVELS[line.level], line.text)
