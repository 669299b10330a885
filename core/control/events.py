"""What an engine tells of its journal as it is written: typed, numbered without gaps, and kept for a while.

Amounts are exact: Decimals, which travel as text. An engine never waits for who listens: who is too slow is told how
much was missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from threading import Lock
from typing import Literal

from msgspec import Struct, structs

KEPT_EVENTS = 2_000


class FillEvent(Struct, frozen=True, tag_field="event", tag="fill"):
    """An execution. The fee is positive when paid."""

    time_ms: int
    symbol: str
    side: str
    role: str
    qty: Decimal
    price: Decimal
    fee_usdt: Decimal
    client_order_id: str


class TradeEvent(Struct, frozen=True, tag_field="event", tag="trade"):
    """A round trip that ended, or one that is told again with funding that became known since: then its id was told
    before. `side` is that of the entry; net = gross - fees + funding."""

    time_ms: int
    trade_id: str
    symbol: str
    strategy: str
    side: str
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_time_ms: int
    gross_pnl_usdt: Decimal
    fees_usdt: Decimal
    funding_usdt: Decimal
    net_pnl_usdt: Decimal
    exit_reason: str


class BecauseView(Struct, frozen=True, array_like=True):
    """What was compared with what; see `core.domain.forecast.Because`, whose fields these are."""

    what: str
    value: float | None
    needed: float | None
    unit: str = ""
    note: str = ""


class SignalEvent(Struct, frozen=True, tag_field="event", tag="signal"):
    """What a strategy wanted, and what became of it; the fields are those of a SignalView."""

    time_ms: int
    strategy: str
    symbol: str
    direction: int
    confidence: float | None
    action: str
    reason: str
    model_version: str
    because: tuple[BecauseView, ...] = ()


class LimitEvent(Struct, frozen=True, tag_field="event", tag="limit"):
    """A limit that fired, or cleared. Whom it binds says `scope` (account, strategy, symbol or trade), with `symbol`
    and `strategy` where it is one's; `used` and `limit_value` are in `unit`; `clears` says what ends it."""

    time_ms: int
    limit: str
    symbol: str
    fired: bool
    effect: str
    used: float
    limit_value: float
    unit: str
    clears: str
    note: str = ""
    scope: str = "account"
    strategy: str = ""


class OperatorEvent(Struct, frozen=True, tag_field="event", tag="operator"):
    """What an operator asked for, and what came of it. `symbol` is empty for the whole account."""

    time_ms: int
    command_id: str
    operation: str
    symbol: str
    operator: str
    result: str


class NoticeEvent(Struct, frozen=True, tag_field="event", tag="notice"):
    """Something else that an operator cares about, in the words of the log."""

    time_ms: int
    level: Literal["info", "warning", "error"]
    text: str


What = FillEvent | TradeEvent | SignalEvent | LimitEvent | OperatorEvent | NoticeEvent


class Event(Struct, frozen=True):
    """One event of a run; `number` counts from 1."""

    number: int
    what: What


class Events(Struct, frozen=True):
    """What came behind a cursor, oldest first: the next cursor, how many events were missed before them, and they."""

    next: int
    missed: int = 0
    events: tuple[Event, ...] = ()


def counted_on(events: Events, before: int) -> Events:
    """The same where `before` others come before the first."""
    moved = (structs.replace(event, number=event.number + before) for event in events.events)
    return structs.replace(events, next=events.next + before, events=tuple(moved)) if before else events


class EventLog:
    """The newest `kept` events. All of it is safe from any thread, and nobody waits for who reads."""

    def __init__(self, kept: int = KEPT_EVENTS) -> None:
        self._events: deque[Event] = deque(maxlen=kept)
        self._last = 0
        self._lock = Lock()

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._last

    def tell(self, whats: Iterable[What]) -> None:
        with self._lock:
            for what in whats:
                self._last += 1
                self._events.append(Event(self._last, what))

    def take(self, events: Events) -> None:
        """What another log gave. Behind what was missed there is nothing older to be had here, either."""
        with self._lock:
            if events.missed:
                self._events.clear()
            self._events.extend(events.events)
            self._last = events.next

    def since(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        """Those behind number `after` (0 at first), the oldest `at_most` of them."""
        with self._lock:
            gone = self._last - len(self._events)
            start = min(max(after, gone), self._last)
            events = tuple(islice(self._events, start - gone, start - gone + at_most))
        return Events(start + len(events), max(0, gone - after), events)
