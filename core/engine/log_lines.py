"""One plain log line for each journalled fact that an operator cares about."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.domain.forecast import words
from core.domain.instrument import Instrument
from core.domain.operator import LimitEvent
from core.domain.orders import OrderState
from core.domain.records import (
    AdjustmentRecord,
    FillRecord,
    FundingRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
    TrainingStatus,
)
from core.domain.trading import SignalAction

_trade_log = logging.getLogger("quarterdeck.trade")
_risk_log = logging.getLogger("quarterdeck.risk")
_model_log = logging.getLogger("quarterdeck.model")


class Line(NamedTuple):
    """`level` is that of `logging`."""

    log: logging.Logger
    level: int
    text: str


def narrate(records: Sequence[Record], instruments: Mapping[str, Instrument]) -> None:
    for record in records:
        if (line := line_of(record, instruments)) is not None:
            line.log.log(line.level, "%s", line.text)


def line_of(record: Record, instruments: Mapping[str, Instrument]) -> Line | None:
    """None for a fact that nobody reads the log for."""
    match record:
        case SignalRecord(s) if s.action is not SignalAction.VETOED:
            # An exit's way is that of its order, against what is held.
            leaves = s.action is SignalAction.EXIT
            side = f"{'from ' if leaves else ''}{'long' if (s.direction > 0) != leaves else 'short'}"
            return _trade(logging.INFO, f"{s.symbol} {s.action} {side}: {words(s.because)} ({s.reason})")
        case SignalRecord(s):
            return _trade(logging.INFO, f"{s.symbol} vetoed: {s.reason} ({words(s.because)})")
        case FillRecord(fill, order):
            instrument = instruments[fill.symbol]
            qty, price = instrument.qty(fill.qty_lots), instrument.price(fill.price_ticks)
            what = f"{fill.symbol} {order.role} {fill.side} {qty} at {price}"
            return _trade(logging.INFO, f"{what}, fee {fill.fee_usdt:.4f} USDT")
        case TradeRecord(t):
            return _trade(logging.INFO, f"{t.symbol} trade ended ({t.exit_reason}): net {t.net_pnl_usdt:+.2f} USDT")
        case FundingRecord(p):
            return _trade(logging.INFO, f"{p.symbol} funding {p.amount_usdt:+.4f} USDT at {p.rate}")
        case OrderUpdateRecord(update, order) if update.state is OrderState.UNKNOWN:
            text = f"{order.symbol} {order.role} order UNKNOWN ({update.reason})"
            asks = "the venue is asked by its id until it is known, and nothing is assumed"
            return _trade(logging.WARNING, f"{text}: {asks}")
        case OrderUpdateRecord(update, order) if update.state is OrderState.REJECTED:
            return _trade(logging.WARNING, f"{order.symbol} {order.role} order {update.state}: {update.reason}")
        case LimitRecord(e):
            return _limit_line(e)
        case OperatorRecord(command, result):
            what = f"{command.verb} {command.symbol or command.trade}".rstrip()
            return _risk(logging.WARNING, f"{what}: {result} (operator {command.operator})")
        case AdjustmentRecord() if record.amount_usdt:
            return _risk(logging.WARNING, f"wallet moved by {record.amount_usdt:+f} USDT: {record.what}")
        case AdjustmentRecord():
            what = f"{record.symbol or 'account'}: our books and the venue's differ: {record.what}"
            return _risk(logging.ERROR, f"{what}, ours {record.ours}, the venue's {record.theirs}")
        case TrainingRecord() if record.status is not TrainingStatus.REQUESTED:
            level = logging.INFO if record.status is TrainingStatus.SWAPPED else logging.WARNING
            note = f": {record.note}" if record.note else ""
            version = f" ({record.origin.version})" if record.origin.version else ""
            return Line(_model_log, level, f"{record.symbol} {record.status}{note}{version}")
        case _:
            return None


def _limit_line(e: LimitEvent) -> Line:
    # What is wrong comes before the figures, which say nothing of a connection.
    note = f"{e.note}; " if e.note else ""
    name = f"{e.limit} {e.symbol}".rstrip()
    text = f"{name} {'fired' if e.fired else 'cleared'}: {note}{e.used:.2f} of {e.limit_value:.2f} {e.unit}"
    if e.fired:
        return _risk(logging.WARNING, f"{text}, effect {e.effect}; clears {e.clears}")
    return _risk(logging.INFO, text)


def _trade(level: int, text: str) -> Line:
    return Line(_trade_log, level, text)


def _risk(level: int, text: str) -> Line:
    return Line(_risk_log, level, text)
