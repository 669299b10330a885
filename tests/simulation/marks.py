"""Coverage marks: rare states that a run of many seeds must have reached, told from what is seen from outside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType
from core.domain.records import (
    AdjustmentRecord,
    CancelRecord,
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
)
from core.domain.trading import ExitReason, SignalAction
from tests.simulation.checker import OUTSIDE_PREFIX
from tests.simulation.faults import Asked
from tests.simulation.shares import EXTERNAL_LOTS, Held
from tests.simulation.transport import Answer, Fate, Outcome

LATE_MS = 1_000

OF_PEOPLE = (
    "closed by hand whole",
    "closed by hand in part",
    "closed by hand right after an entry",
    "closed by hand while the engine was off",
    "foreign trade through zero",
    "foreign trade along ours",
    "foreign trade where nothing is held",
    "foreign trade to and fro",
    "foreign trade while the engine was off",
    "others closed theirs",
    "order by hand filled",
    "order by hand cancelled",
    "stop by hand filled",
    "everything cancelled by hand",
    "leverage changed by hand",
    "margin mode changed by hand",
    "transfer in",
    "transfer out",
    "closed outside, booked",
    "closed outside in part, the stop cut",
    "others' lots booked",
    "entry vetoed because others hold",
    "external flatten",
)

OF_CROSSINGS = (
    "stop filled while a reversal travelled",
    "target filled while a reversal travelled",
    "flatten with an entry under way",
    "flatten with an entry unknown",
    "flatten during a reversal",
    "flatten while a stop filled",
    "flatten given up by who asked",
    "restarted while a flatten was under way",
    "entry filled after a flatten, and left",
    "day loss latched",
    "day loss cleared",
    "drawdown latched",
    "drawdown cleared",
    "restarted with a limit latched",
    "restarted over midnight",
    "restarted over midnight with a day limit latched",
    "stop filled over midnight while no engine ran",
    "day opened after fills of its own",
    "bars of yesterday after the day had turned",
    "bars of yesterday with a day limit latched",
    "large transfer in",
    "large transfer out",
    "transfer out with a limit latched",
    "started without a symbol that is held",
    "started without a symbol that is flat",
    "data imported amid orders",
)

OF_LADDERS = (
    "farther target filled",
    "target placed for another part",
    "part of a target left at market",
    "reduced by an exit",
    "added by an exit",
)

OF_SEVERAL = (
    "two strategies hold a symbol",
    "vetoed by the name of who holds the other side",
    "one's order closed lots of another",
)

OF_MODELS = (
    "forecast at once",
    "forecast soon",
    "forecast late",
    "forecast too late",
    "forecast never",
    "forecast dead",
    "training failed",
    "training refused",
    "entry on a late forecast",
)

ALL = (
    "unknown, then filled",
    "unknown, then accepted",
    "unknown, never arrived",
    "resent under the same id",
    "duplicate id refused",
    "partly filled, then the rest expired",
    "filled while being cancelled",
    "private stream opened inside a bracket",
    "stop placed ahead",
    "stop put back",
    "stop would trigger at once",
    "emergency exit",
    "stop filled",
    "target filled",
    "reversed",
    "listen key expired",
    "429 obeyed",
    "418 seen",
    "-1021 and signed anew",
    "kline gap filled over REST",
    "bars too late to trade on",
    "killed with an intent not sent",
    "killed with an order in flight",
    "restarted with a position",
    "restarted with an unknown order",
    "external order seen",
    "wallet adjusted",
    "funding booked",
    "paused",
    "halted",
    "resumed",
    "flattened",
    "maintenance",
    "stream stalled",
    "frame that is no JSON",
    "answer that is no JSON",
    "human cancelled our stop",
    "429 on a protective request",
    "no entry while the venue is unwell",
    "stop left in part, the rest protected again",
    *OF_PEOPLE,
    *OF_CROSSINGS,
    *OF_MODELS,
    *OF_LADDERS,
    *OF_SEVERAL,
)


@dataclass
class Marks:
    """A `faults.Storm` observer and a journal observer in one."""

    reached: Counter[str] = field(default_factory=Counter)
    _orders: dict[str, Order] = field(default_factory=dict)
    _held: Held = field(default_factory=Held)
    _was_unknown: set[str] = field(default_factory=set)
    _canceling: set[str] = field(default_factory=set)
    _stopped_in_part: set[str] = field(default_factory=set)
    _closed_outside: set[str] = field(default_factory=set)
    _posted: set[str] = field(default_factory=set)
    _limited: int = 0
    _stale: bool = False

    def reach(self, name: str) -> None:
        assert name in ALL, name
        self.reached[name] += 1

    def missing(self) -> list[str]:
        return [name for name in ALL if not self.reached[name]]

    # The wire

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        if asked.is_new_order:
            if asked.client_id in self._posted:
                self.reach("resent under the same id")
            self._posted.add(asked.client_id)

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        sent = fate.answer if fate.outcome in (Outcome.REPLACED, Outcome.SPOILED) else answer
        if sent is None:
            return
        if sent.status == 418:
            self.reach("418 seen")
        elif sent.status == 429:
            self._limited += 1
            if asked.is_protective:
                self.reach("429 on a protective request")
        elif sent.status == 200:
            if self._limited:
                self.reach("429 obeyed")
                self._limited = 0
            if self._stale:
                self.reach("-1021 and signed anew")
                self._stale = False
            if fate.outcome is Outcome.SPOILED:
                self.reach("answer that is no JSON")
        elif sent.status == 400:
            self._refused(asked, sent)

    def _refused(self, asked: Asked, answer: Answer) -> None:
        code = json.loads(answer.body).get("code")
        if code == -4116:
            self.reach("duplicate id refused")
        elif code == -2021:
            self.reach("stop would trigger at once")
        elif code == -1021:
            self._stale = True

    # The journal

    def committed(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case IntentRecord(order):
                    self._intent(order)
                case OrderUpdateRecord(_, order):
                    self._update(order)
                case FillRecord(_, order):
                    self._fill(order)
                    self._ladder(order)
                case CancelRecord(client_order_id):
                    self._canceling.add(client_order_id)
                case FundingRecord():
                    self.reach("funding booked")
                case AdjustmentRecord() if record.amount_usdt:
                    self.reach("wallet adjusted")
                case AdjustmentRecord(what=what, theirs=theirs) if what == EXTERNAL_LOTS and theirs != "0":
                    self.reach("others' lots booked")
                case SignalRecord(signal) if signal.action is not SignalAction.ENTER and "not ours" in signal.reason:
                    self.reach("entry vetoed because others hold")
                case SignalRecord(signal) if (
                    signal.action is SignalAction.VETOED and "limit connection" in signal.reason
                ):
                    self.reach("no entry while the venue is unwell")
                case SignalRecord(signal) if "side of this symbol is held by" in signal.reason:
                    self.reach("vetoed by the name of who holds the other side")
                case PositionRecord() if record.strategy:
                    self._held.take(record)
                    if len(self._held.trade_ids(record.position.symbol)) > 1:
                        self.reach("two strategies hold a symbol")
                    if record.strategy != next((r.order.origin.strategy for r in _fills(records)), record.strategy):
                        self.reach("one's order closed lots of another")
                case TradeRecord(trade) if trade.exit_reason == ExitReason.REVERSAL and _is_entered(records):
                    self.reach("reversed")
                case ForecastRecord(said) if said.made_ms - said.bar_close_ms > LATE_MS and _is_entered(records):
                    self.reach("entry on a late forecast")
                case OperatorRecord(command, result):
                    if not result.startswith("refused"):
                        self.reach(_OF_VERB[command.verb])
                        if command.include_external:
                            self.reach("external flatten")
                case _:
                    pass

    def _ladder(self, order: Order) -> None:
        """After a fill of it."""
        if order.role is OrderRole.REDUCE:
            self.reach("reduced by an exit")
        elif order.role is OrderRole.ENTRY and order.place:
            self.reach("added by an exit")
        elif order.role is OrderRole.TARGET and order.type is OrderType.MARKET:
            self.reach("part of a target left at market")
        elif order.role is OrderRole.TARGET and order.place:
            self.reach("farther target filled")

    def _intent(self, order: Order) -> None:
        if order.role is OrderRole.TARGET and any(
            other.trade_id == order.trade_id and other.place == order.place and other.qty_lots != order.qty_lots
            for other in self._orders.values()
            if other.role is OrderRole.TARGET
        ):
            self.reach("target placed for another part")
        if order.role is OrderRole.STOP and any(
            other.role is OrderRole.STOP and other.trade_id == order.trade_id and not other.is_ahead
            for other in self._orders.values()
        ):
            self.reach("stop put back")
        if order.is_ahead:
            self.reach("stop placed ahead")
        if order.role in (OrderRole.STOP, OrderRole.EXIT) and order.trade_id in self._stopped_in_part:
            self.reach("stop left in part, the rest protected again")
        if order.role is OrderRole.STOP and order.trade_id in self._closed_outside:
            self.reach("closed outside in part, the stop cut")
        if order.role is OrderRole.EXIT and order.reason == ExitReason.UNPROTECTED:
            self.reach("emergency exit")
        self._orders[order.client_order_id] = order

    def _update(self, order: Order) -> None:
        name = order.client_order_id
        if order.state is OrderState.UNKNOWN:
            self._was_unknown.add(name)
        elif name in self._was_unknown:
            if order.state is OrderState.REJECTED and "never arrived" in order.reason:
                self.reach("unknown, never arrived")
            elif order.state is OrderState.ACCEPTED:
                self.reach("unknown, then accepted")
        if order.state in (OrderState.CANCELED, OrderState.EXPIRED) and order.filled_lots:
            self.reach("partly filled, then the rest expired")
            if order.role is OrderRole.STOP:
                self._stopped_in_part.add(order.trade_id)
        self._orders[name] = order

    def _fill(self, order: Order) -> None:
        name = order.client_order_id
        if name.startswith(OUTSIDE_PREFIX):
            self.reach("closed outside, booked")
            self._closed_outside.add(order.trade_id)
            return
        if name in self._was_unknown:
            self.reach("unknown, then filled")
        if name in self._canceling:
            self.reach("filled while being cancelled")
        if order.state is OrderState.FILLED and order.role in (OrderRole.STOP, OrderRole.TARGET):
            self.reach("stop filled" if order.role is OrderRole.STOP else "target filled")
        self._orders[name] = order


def _fills(records: Sequence[Record]) -> Iterator[FillRecord]:
    return (record for record in records if isinstance(record, FillRecord))


def _is_entered(records: Sequence[Record]) -> bool:
    return any(isinstance(record, IntentRecord) and record.order.role is OrderRole.ENTRY for record in records)


_OF_VERB = {
    Verb.PAUSE: "paused",
    Verb.RESUME: "resumed",
    Verb.HALT: "halted",
    Verb.FLATTEN: "flattened",
}
