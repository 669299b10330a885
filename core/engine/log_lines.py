"""One plain log line for each journalled fact that an operator cares about."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from core.domain.instrument import Instrument
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


def narrate(records: Sequence[Record], instruments: Mapping[str, Instrument]) -> None:
    for record in records:
        _narrate(record, instruments)


def _narrate(record: Record, instruments: Mapping[str, Instrument]) -> None:
    match record:
        case SignalRecord(s) if s.action is not SignalAction.VETOED:
            side = "long" if s.direction > 0 else "short"
            _trade_log.info("%s %s %s: %s (%s)", s.symbol, s.action, side, s.compared, s.reason)
        case SignalRecord(s):
            _trade_log.info("%s vetoed: %s (%s)", s.symbol, s.reason, s.compared)
        case FillRecord(fill, order):
            instrument = instruments[fill.symbol]
            _trade_log.info(
                "%s %s %s %s at %s, fee %.4f USDT",
                fill.symbol,
                order.role,
                fill.side,
                instrument.qty(fill.qty_lots),
                instrument.price(fill.price_ticks),
                fill.fee_usdt,
            )
        case TradeRecord(t):
            _trade_log.info("%s trade ended (%s): net %+.2f USDT", t.symbol, t.exit_reason, t.net_pnl_usdt)
        case FundingRecord(p):
            _trade_log.info("%s funding %+.4f USDT at %s", p.symbol, p.amount_usdt, p.rate)
        case OrderUpdateRecord(update, order) if update.state is OrderState.UNKNOWN:
            text = "%s %s order UNKNOWN (%s): the venue is asked by its id until it is known, and nothing is assumed"
            _trade_log.warning(text, order.symbol, order.role, update.reason)
        case OrderUpdateRecord(update, order) if update.state is OrderState.REJECTED:
            _trade_log.warning("%s %s order %s: %s", order.symbol, order.role, update.state, update.reason)
        case LimitRecord(e):
            # What is wrong comes before the figures, which say nothing of a connection.
            note = f"{e.note}; " if e.note else ""
            text = "%s %s: %s%.2f of %.2f %s"
            name = f"{e.limit} {e.symbol}".rstrip()
            args = (name, "fired" if e.fired else "cleared", note, e.used, e.limit_value, e.unit)
            if e.fired:
                _risk_log.warning(text + ", effect %s; clears %s", *args, e.effect, e.clears)
            else:
                _risk_log.info(text, *args)
        case OperatorRecord(command, result):
            what = f"{command.verb} {command.symbol}".rstrip()
            _risk_log.warning("%s: %s (operator %s)", what, result, command.operator)
        case AdjustmentRecord() if record.amount_usdt:
            _risk_log.warning("wallet moved by %+f USDT: %s", record.amount_usdt, record.what)
        case AdjustmentRecord():
            about = record.symbol or "account"
            text = "%s: our books and the venue's differ: %s, ours %s, the venue's %s"
            _risk_log.error(text, about, record.what, record.ours, record.theirs)
        case TrainingRecord() if record.status is not TrainingStatus.REQUESTED:
            level = logging.INFO if record.status is TrainingStatus.SWAPPED else logging.WARNING
            note = f": {record.note}" if record.note else ""
            version = f" ({record.origin.version})" if record.origin.version else ""
            _model_log.log(level, "%s %s%s%s", record.symbol, record.status, note, version)
        case _:
            pass
