"""A run as lines of text: every decision, order, fill and amount of it, without the ids under which they are kept.

The fields are named here one by one, so that a record which learns another field tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS
from core.domain.records import (
    CancelRecord,
    EquityRecord,
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
)
from core.domain.trading import Signal
from core.lab.run.result import EquityCurve, ForecastColumns, RunResult

_ORDER = ("symbol", "side", "type", "role", "qty_lots", "price_ticks", "trigger_ticks", "reduce_only", "reason")
_FILL = ("symbol", "side", "qty_lots", "price_ticks", "fee_usdt", "is_maker")
_FUNDING = ("symbol", "rate", "mark_price", "position_lots", "amount_usdt")
_SIGNAL = ("symbol", "direction", "confidence", "action", "reason")
_TRADE = (
    *("symbol", "side", "qty", "entry_price", "exit_price", "entry_time_ms", "exit_time_ms", "gross_pnl_usdt"),
    *("fees_usdt", "funding_usdt", "net_pnl_usdt", "exit_reason"),
)
_LIMIT = ("limit", "symbol", "fired", "effect", "used", "limit_value", "unit", "clears", "note")
_EQUITY = ("wallet_usdt", "unrealised_usdt", "equity_usdt", "peak_equity_usdt", "day_start_equity_usdt")
_DIGEST_MS = 60 * MINUTE_MS
_PLACES = ".9e"
"""Of a trained model's forecasts nine digits count: what is below them is the processor's."""


def of_journal(records: Iterable[Record]) -> Iterator[str]:
    """Orders are told by the number in which they were first wanted."""
    numbers: dict[str, int] = {}
    digests = _Digests()
    for record in records:
        match record:
            case ForecastRecord(made):
                yield from digests.take("forecasts", made.bar_close_ms, _forecast(made))
            case EquityRecord(sample):
                yield from digests.take("equity", sample.time_ms, _told(sample, _EQUITY))
            case _:
                yield from _line(record, numbers)
    yield from digests.rest()


def _line(record: Record, numbers: dict[str, int]) -> Iterator[str]:
    def number(client_order_id: str) -> str:
        return f"#{numbers.setdefault(client_order_id, len(numbers) + 1)}"

    match record:
        case IntentRecord(order):
            yield f"{order.created_ms} order {number(order.client_order_id)} {_told(order, _ORDER)}"
        case CancelRecord():
            yield f"{record.time_ms} cancel {number(record.client_order_id)} {record.symbol} {record.reason}"
        case OrderUpdateRecord(update, order):
            yield f"{update.time_ms} {number(order.client_order_id)} {update.state} {update.reason}".rstrip()
        case FillRecord(fill, order):
            yield f"{fill.time_ms} fill {number(order.client_order_id)} {order.state} {_told(fill, _FILL)}"
        case PositionRecord(position, time_ms):
            yield f"{time_ms} position {position.symbol} {position.lots} {position.cost_usdt}"
        case FundingRecord(payment):
            yield f"{payment.time_ms} funding {_told(payment, _FUNDING)}"
        case SignalRecord(signal):
            yield f"{signal.time_ms} signal {_told(signal, _SIGNAL)} because={_because(signal)}"
        case TradeRecord(trade):
            yield f"{trade.exit_time_ms} trade {_told(trade, _TRADE)}"
        case LimitRecord(event):
            yield f"{event.time_ms} limit {_told(event, _LIMIT)}"
        case OperatorRecord(command, result):
            yield f"{command.time_ms} operator {command.verb} {command.symbol} {result}"
        case TrainingRecord():
            yield f"{record.requested_ms} training {record.symbol} {record.status}"


def of_run(result: RunResult) -> Iterator[str]:
    """A backtest's trades, fills, equity and forecasts."""
    for kind, columns in (("trade", result.trades), ("fill", result.fills)):
        if columns is None:
            continue
        names = [item.name for item in fields(columns)]
        for row in zip(*(getattr(columns, name).tolist() for name in names), strict=True):
            yield f"{kind} {' '.join(f'{name}={_text(value)}' for name, value in zip(names, row, strict=True))}"
    yield from _equity(result.curve)
    for symbol, told in result.predictions.items():
        yield from _forecasts(symbol, told)
    yield f"final_usdt {_text(result.final_usdt)}"


def _equity(curve: EquityCurve) -> Iterator[str]:
    digests = _Digests()
    rows = zip(*(getattr(curve, item.name).tolist() for item in fields(curve)), strict=True)
    for time_ms, *amounts in rows:
        yield from digests.take("equity", time_ms, " ".join(map(_text, amounts)))
    yield from digests.rest()


def _forecasts(symbol: str, told: ForecastColumns) -> Iterator[str]:
    digests = _Digests()
    for close_ms, values in zip(told.close_ms.tolist(), told.values.tolist(), strict=True):
        yield from digests.take(f"forecasts {symbol}", close_ms, " ".join(map(_text, values)))
    yield from digests.rest()


class _Digests:
    """Many small facts, of each hour one hash."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, int, Any]] = {}

    def take(self, kind: str, time_ms: int, text: str) -> Iterator[str]:
        hour = time_ms // _DIGEST_MS
        if kind in self._open and self._open[kind][0] != hour:
            yield self._close(kind)
        _, count, digest = self._open.get(kind, (hour, 0, hashlib.blake2b(digest_size=12)))
        digest.update(f"{time_ms} {text}\n".encode())
        self._open[kind] = (hour, count + 1, digest)

    def rest(self) -> Iterator[str]:
        for kind in list(self._open):
            yield self._close(kind)

    def _close(self, kind: str) -> str:
        hour, count, digest = self._open.pop(kind)
        return f"{hour * _DIGEST_MS} {count} {kind} {digest.hexdigest()}"


def _forecast(made: Forecast) -> str:
    values = " ".join(map(_text, made.values))
    return f"symbol={made.symbol} bar_close_ms={made.bar_close_ms} values={values}"


def _because(signal: Signal) -> str:
    """The figures and their words, each to its last digit."""
    told = ((_text(b.value), _text(b.needed), b.unit, b.note) for b in signal.because)
    return "; ".join(
        " ".join((one.what, *filter(None, parts))) for one, parts in zip(signal.because, told, strict=True)
    )


def _told(value: Any, names: Iterable[str]) -> str:
    return " ".join(f"{name}={_text(getattr(value, name))}" for name in names)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value + 0.0:{_PLACES}}"
    return str(value.normalize()) if isinstance(value, Decimal) else str(value)
