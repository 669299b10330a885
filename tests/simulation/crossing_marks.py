"""Coverage marks of what crosses: told from the journal and from what the exchange holds at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitEvent, OperatorCommand, Verb
from core.domain.orders import Order, OrderRole, OrderState
from core.domain.records import (
    CursorRecord,
    EquityRecord,
    FillRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    Record,
)
from core.domain.trading import ExitReason
from tests.simulation.latches import DAY_LOSS, DAY_MS, Latches, is_accepted
from tests.simulation.shares import Claims, Shares
from tests.simulation.wishes import Wishes


@dataclass
class CrossingMarks:
    """A journal observer, to be told before the others that it looks at are. `reach` takes a mark's name."""

    reach: Callable[[str], None]
    shares: Shares
    claims: Claims
    latches: Latches
    wishes: Wishes
    _open: dict[str, Order] = field(default_factory=dict)
    _entered_late: set[str] = field(default_factory=set)
    _reversing: set[str] = field(default_factory=set)
    _day: int = -1

    def committed(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case IntentRecord(order):
                    self._keep(order)
                    if is_reversal(order):
                        self._reversing.add(order.trade_id)
                    if order.role is OrderRole.EXIT and order.trade_id in self._entered_late:
                        self.reach("entry filled after a flatten, and left")
                case OrderUpdateRecord(_, order):
                    self._keep(order)
                case FillRecord(_, order):
                    self._fill(order)
                    self._keep(order)
                case OperatorRecord(command, result) if is_accepted(command.command_id, result):
                    self._operate(command)
                case LimitRecord(event):
                    self._limit(event)
                case EquityRecord(sample):
                    self._day = max(self._day, sample.time_ms // DAY_MS)
                case CursorRecord(_, open_time_ms):
                    self._bar(open_time_ms)
                case _:
                    pass

    def _keep(self, order: Order) -> None:
        self._open.pop(order.client_order_id, None)
        if order.is_open:
            self._open[order.client_order_id] = order

    def _fill(self, order: Order) -> None:
        if order.role is OrderRole.ENTRY and self.wishes.is_flat_wished:
            self._entered_late.add(order.trade_id)
        if order.trade_id in self._reversing and order.role in (OrderRole.STOP, OrderRole.TARGET):
            self.reach(f"{order.role} filled while a reversal travelled")

    def _operate(self, command: OperatorCommand) -> None:
        if command.verb is not Verb.FLATTEN:
            return
        entries = [order for order in self._open.values() if order.role is OrderRole.ENTRY]
        if any(order.state is OrderState.UNKNOWN for order in entries):
            self.reach("flatten with an entry unknown")
        if any(order.state is not OrderState.UNKNOWN for order in entries):
            self.reach("flatten with an entry under way")
        if any(is_reversal(order) for order in self._open.values()):
            self.reach("flatten during a reversal")
        if any(lots and not self.shares.ours.get(symbol, 0) for symbol, lots in self.claims.ours.items()):
            self.reach("flatten while a stop filled")

    def _limit(self, event: LimitEvent) -> None:
        """As the latches know it before this commit."""
        name = "day loss" if event.limit in DAY_LOSS else event.limit
        if name not in ("day loss", "drawdown") or event.effect is LimitEffect.WARN:
            return
        if event.fired:
            self.reach(f"{name} latched")
        elif (event.limit, "") in self.latches.fired:
            self.reach(f"{name} cleared")

    def _bar(self, open_time_ms: int) -> None:
        if open_time_ms + 2 * MINUTE_MS <= self._day * DAY_MS:
            self.reach("bars of yesterday after the day had turned")
            if self.latches.has_day_limit:
                self.reach("bars of yesterday with a day limit latched")

    def started(self, now_ms: int) -> None:
        """A life begins that is not the first."""
        if self.latches.has_money_limit:
            self.reach("restarted with a limit latched")
        if self.wishes.is_flat_wished and (any(self.claims.ours.values()) or self._open):
            self.reach("restarted while a flatten was under way")
        if now_ms // DAY_MS > self._day >= 0:
            self.reach("restarted over midnight")
            if self.latches.has_day_limit:
                self.reach("restarted over midnight with a day limit latched")
            if any(lots and not self.shares.ours.get(symbol, 0) for symbol, lots in self.claims.ours.items()):
                self.reach("stop filled over midnight while no engine ran")


def is_reversal(order: Order) -> bool:
    return order.role is OrderRole.EXIT and order.reason == ExitReason.REVERSAL
