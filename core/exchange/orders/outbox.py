"""Orders and withdrawals on their way to the exchange: bounded, several at a time, those that protect first."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from core.domain.errors import RejectKind, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderRole, OrderType
from core.exchange.connection.news import Topic
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders.rounding import as_sent
from core.exchange.orders.turns import NOTHING_LEFT, Turns
from core.settings.schema import ExchangeSettings

log = logging.getLogger("quarterdeck.exchange")

ENTRY_MAX_AGE_MS = 3000
"""An entry that could not be sent for so long is sent no more: its price is gone."""

SHORT_WINDOW_MS = 700
"""The receive window of a fresh order that only reduces, no longer than its answer is waited for. Until it is over a
try that was lost may still arrive: an exit is not sent again meanwhile, and a stop that was is not withdrawn, for its
id would be free again. Where one travels longer the exchange says so, and the next have the long window."""

_SHORT_TRIES, _WIDER = 2, 3
"""How many tries under the same id have the short window, and how much wider that of each later one is: what is lost
again may travel long."""

_FRESH_MS = 4000
_EXIT_FRESH_MS = 8000
_STALE_FOR_MS = 60_000
"""So long after a request came too late for its window every order has the long one."""

_MAX_AHEAD_MS = 1000
"""By how much exchanges let a request's time be ahead of theirs."""

_MAX_JOBS = 2000
_MAX_IN_FLIGHT = 12
_MAX_ENTRIES_IN_FLIGHT = 4
_KEEP_TRIES = 1000
_PAUSE_MS = 100
_LONGEST_PAUSE_MS = 1000
_PROTECTIVE = frozenset({OrderRole.STOP, OrderRole.EXIT, OrderRole.LIQUIDATION})


def is_protective(order: Order) -> bool:
    return order.role in _PROTECTIVE


_OF_RULES = frozenset({RejectKind.FILTER, RejectKind.PRECISION})


class Answers(Protocol):
    """Who is told what became of what was sent."""

    async def placed(self, order: Order, row: Row) -> None: ...

    async def refused(self, order: Order, error: VenueRejectedError, *, may_rest: bool) -> None:
        """A definite refusal; with `may_rest` an earlier try under the same id may have been taken."""
        ...

    async def unknown(self, order: Order, error: VenueUnknownError) -> None: ...

    async def withdrawn(self, order: Order) -> None:
        """The order was called back before it was sent."""
        ...

    async def canceled(self, order: Order, row: Row) -> None: ...

    async def cancel_failed(self, order: Order, reason: str) -> None:
        """The order may have ended, or still rests."""
        ...


class Rules(Protocol):
    """Who reads a contract's rules again."""

    async def refused(self, order: Order, sent: Order, error: VenueRejectedError) -> bool:
        """`order`, which went out as `sent`, was refused by them; True where it can be sent in another form now."""
        ...


_Told = Awaitable[None] | None


@dataclass(frozen=True, slots=True)
class _Try:
    """Of all tries under one id: how many there were, and from when on none can be taken any more."""

    count: int
    dead_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    order: Order
    is_cancel: bool
    queued_ms: int
    not_before_ms: int = 0

    @property
    def first(self) -> bool:
        return self.is_cancel or is_protective(self.order)


class Outbox:
    """`place` and `cancel` only queue; `run` sends.

    `others_lots` are the signed lots of each symbol that others hold, as of now. `leaving` is news that something is
    handed over to be sent.
    """

    def __init__(
        self,
        wire: Wire,
        instruments: Mapping[str, Instrument],
        settings: ExchangeSettings,
        others_lots: Mapping[str, int],
        turns: Turns,
    ) -> None:
        self._wire = wire
        self._turns = turns
        self._instruments = instruments
        self._settings = settings
        self._others_lots = others_lots
        self._jobs: list[_Job] = []
        self._in_flight: dict[str, _Job] = {}
        self._left_ms: dict[str, int] = {}
        self._in_line: set[str] = set()
        self._wake = asyncio.Event()
        self._tries: OrderedDict[str, _Try] = OrderedDict()
        self._stale_until_ms: int | None = None
        self._begun_ms: int | None = None
        self._uncertain: OrderedDict[str, int] = OrderedDict()
        self.version = 0
        self.leaving: Topic[()] = Topic()

    def place(self, order: Order) -> None:
        """Raises VenueRejectedError where too much waits already."""
        if not self._waits(order, is_cancel=False):
            self._put(_Job(order, is_cancel=False, queued_ms=self._now_ms()))

    def cancel(self, order: Order) -> None:
        """Raises VenueRejectedError where too much waits already."""
        if not self._waits(order, is_cancel=True):
            not_before_ms = self._uncertain.get(order.client_order_id, 0) if order.reduce_only else 0
            self._put(_Job(order, is_cancel=True, queued_ms=self._now_ms(), not_before_ms=not_before_ms))

    def is_busy_in(self, symbol: str) -> bool:
        """Whether anything about an order of a contract waits here or is under way."""
        return any(job.order.symbol == symbol for job in (*self._jobs, *self._in_flight.values()))

    def is_busy_with(self, client_order_id: str) -> bool:
        """Whether something about the order waits here or is under way."""
        return client_order_id in self._in_flight or any(
            job.order.client_order_id == client_order_id for job in self._jobs
        )

    def is_placing(self, client_order_id: str) -> bool:
        """Whether the order itself, and not its withdrawal, waits here or is under way."""
        return any(
            job.order.client_order_id == client_order_id and not job.is_cancel
            for job in (*self._jobs, *self._in_flight.values())
        )

    def left_ms(self, client_order_id: str) -> int | None:
        """Since when what is sent for the order is under way; None where nothing is."""
        return self._left_ms.get(client_order_id)

    def is_in_line(self, client_order_id: str) -> bool:
        """Whether what is under way for the order was handed over in a rate limit, and may wait for its turn still."""
        return client_order_id in self._in_line

    def dead_ms(self, order: Order) -> int:
        """From when on no try to place it can be taken any more, one of before a restart included."""
        tried = self._tries.get(order.client_order_id)
        if tried is not None:
            return tried.dead_ms
        if self._begun_ms is None:
            self._begun_ms = self._now_ms()
        return self._begun_ms + self._window_ms(order) + _MAX_AHEAD_MS

    def tries(self, client_order_id: str) -> int:
        """How often the order left since the start."""
        tried = self._tries.get(client_order_id)
        return tried.count if tried is not None else 0

    def suspect(self, order: Order) -> None:
        """An earlier try to place it, perhaps before a restart, may have been taken, or may be yet."""
        self._uncertain[order.client_order_id] = self.dead_ms(order)
        if len(self._uncertain) > _KEEP_TRIES:
            self._uncertain.popitem(last=False)

    async def run(self, answers: Answers, rules: Rules) -> None:
        self._begun_ms = self._begun_ms or self._now_ms()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                while (job := self._next()) is not None:
                    self._jobs.remove(job)
                    self._in_flight[job.order.client_order_id] = job
                    self._left_ms[job.order.client_order_id] = self._now_ms()
                    if self._is_paced():
                        self._in_line.add(job.order.client_order_id)
                    self.leaving.publish()
                    group.create_task(self._carry(job, answers, rules))
                await self._wait()

    def _now_ms(self) -> int:
        """Of the steady clock, as all times here are: an exit waits no longer because a clock was set."""
        return self._wire.clock.steady_ms()

    def _is_paced(self) -> bool:
        return self._wire.clock.now_ms() < self._wire.held_until_ms()

    async def _wait(self) -> None:
        now_ms = self._now_ms()
        due = [job.not_before_ms - now_ms for job in self._jobs if job.not_before_ms > now_ms]
        try:
            async with asyncio.timeout(min(due) / 1000 if due else None):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _waits(self, order: Order, *, is_cancel: bool) -> bool:
        return any(
            job.is_cancel == is_cancel and job.order.client_order_id == order.client_order_id for job in self._jobs
        )

    def _put(self, job: _Job) -> None:
        if len(self._jobs) >= _MAX_JOBS:
            raise VenueRejectedError(f"{len(self._jobs)} orders wait to be sent already")
        self._jobs.append(job)
        self._wake.set()

    def _next(self) -> _Job | None:
        now_ms = self._now_ms()
        if len(self._in_flight) >= _MAX_IN_FLIGHT:
            return None
        called_back = {job.order.client_order_id for job in self._jobs if job.is_cancel}
        ready = [
            job
            for job in self._jobs
            if job.not_before_ms <= now_ms
            and job.order.client_order_id not in self._in_flight
            and (job.is_cancel or job.order.client_order_id not in called_back)
        ]
        first = [job for job in ready if job.first]
        if first:
            # Of two that protect what is sent saves what a withdrawal leaves as it is.
            return min(first, key=lambda job: job.is_cancel)
        others = sum(1 for job in self._in_flight.values() if not job.first)
        return ready[0] if ready and others < _MAX_ENTRIES_IN_FLIGHT else None

    async def _carry(self, job: _Job, answers: Answers, rules: Rules) -> None:
        try:
            told = await (self._cancel(job, answers) if job.is_cancel else self._place(job, answers, rules))
        finally:
            del self._in_flight[job.order.client_order_id], self._left_ms[job.order.client_order_id]
            self._in_line.discard(job.order.client_order_id)
            self.version += 1
            self._wake.set()
        if told is not None:
            await told

    async def _place(self, job: _Job, answers: Answers, rules: Rules) -> _Told:
        """Sends, and returns what is to be told of it."""
        order = job.order
        may_rest = order.client_order_id in self._uncertain or order.client_order_id in self._tries
        if order.role is OrderRole.ENTRY and self._now_ms() - job.queued_ms > ENTRY_MAX_AGE_MS:
            late = VenueRejectedError("not sent: it came too late to be sent")
            return answers.refused(order, late, may_rest=may_rest)
        try:
            sent = self.as_sent(order)
        except VenueRejectedError as error:
            return answers.refused(order, error, may_rest=may_rest)
        call = self._wire.dialect.create(sent, self._instruments[order.symbol], self._wire.unified(order.symbol))
        window_ms = self._window_ms(order)
        params = dict(call.params)
        if window_ms != self._longest_window_ms:
            params[self._wire.dialect.window_param] = window_ms
        try:
            row = await self._wire.send(
                "create_order",
                call.symbol,
                call.type,
                call.side,
                call.amount,
                call.price,
                params,
                protective=is_protective(order),
                place=self._turns.of_order(order),
                timeout_ms=self._timeout_ms(order),
            )
        except VenueRejectedError as error:
            if error.kind in _OF_RULES and await rules.refused(order, sent, error):
                self._again(job, self._now_ms())
                return None
            if error.kind is RejectKind.REDUCE_ONLY:
                self._turns.note_vain(order.symbol, NOTHING_LEFT)
            return answers.refused(order, error, may_rest=may_rest or error.kind is RejectKind.DUPLICATE_ID)
        except VenueBusyError as error:
            return self._put_off(job, error, answers, may_rest=may_rest)
        except VenueUnknownError as error:
            self._note_try(order, error.sent_ms, window_ms)
            self._turns.note_vain(order.symbol)
            self.suspect(order)
            return answers.unknown(order, error)
        self._note_try(order, None, window_ms)
        return answers.placed(order, row)

    def is_shared(self, symbol: str) -> bool:
        """Whether others hold a part of the contract's position."""
        return bool(self._others_lots.get(symbol))

    def as_sent(self, order: Order) -> Order:
        """The order in the form in which it goes out now. Raises VenueRejectedError where it is too small to."""
        is_cut_down = self._wire.dialect.cuts_down and not self.is_shared(order.symbol)
        return as_sent(order, self._instruments[order.symbol], is_cut_down=is_cut_down)

    def _window_ms(self, order: Order) -> int:
        """Short for what only reduces, but where it did not get through for a while: it may be that it travels long."""
        longest_ms = self._longest_window_ms
        fresh_ms = _EXIT_FRESH_MS if order.type is OrderType.MARKET else _FRESH_MS
        is_stale = self._stale_until_ms is not None and self._now_ms() < self._stale_until_ms
        is_fresh = self._wire.clock.now_ms() - order.created_ms < fresh_ms and not is_stale
        if not order.reduce_only or not is_fresh or not self._wire.dialect.window_param:
            return longest_ms
        tried = self._tries.get(order.client_order_id)
        later = 0 if tried is None else max(0, tried.count + 1 - _SHORT_TRIES)
        if self._is_paced():
            # It is sent again at every turn, and once the limit is over its tries are to be dead soon.
            later = min(later, 1)
        return min(SHORT_WINDOW_MS * int(_WIDER**later), longest_ms)

    @property
    def _longest_window_ms(self) -> int:
        return int(self._wire.client.options.get("recvWindow", 10_000))

    def _timeout_ms(self, order: Order) -> int:
        """An entry whose answer is lost may be a position without a stop: it is asked for soon, too."""
        urgent_ms = self._settings.protective_timeout_ms
        return urgent_ms if is_protective(order) else min(urgent_ms * 3 // 2, self._settings.request_timeout_ms)

    def _put_off(self, job: _Job, error: VenueBusyError, answers: Answers, *, may_rest: bool) -> _Told:
        """Turned away unread: what protects waits for its time, an entry only while it is young."""
        order = job.order
        if error.is_stale:
            self._stale_until_ms = self._now_ms() + _STALE_FOR_MS
        if order.role is OrderRole.ENTRY and self._steady_ms(error.retry_ms) - job.queued_ms > ENTRY_MAX_AGE_MS:
            return answers.refused(order, VenueRejectedError(str(error)), may_rest=may_rest)
        if not job.not_before_ms:
            log.warning("%s %s waits: %s (%s)", order.symbol, order.role, error, order.client_order_id)
        self._again(job, self._steady_ms(error.retry_ms))
        return None

    def _steady_ms(self, exchange_ms: int) -> int:
        """A time of the exchange that it has just told, on the steady clock."""
        return self._now_ms() + exchange_ms - self._wire.clock.now_ms()

    async def _cancel(self, job: _Job, answers: Answers) -> _Told:
        order = job.order
        unsent = [
            other
            for other in self._jobs
            if not other.is_cancel and other.order.client_order_id == order.client_order_id
        ]
        if unsent:
            self._jobs = [other for other in self._jobs if other not in unsent]
            if order.client_order_id not in self._uncertain:
                return answers.withdrawn(order)
        order_id, params = self._wire.dialect.by_client_id(order)
        # What only reduces harms nobody while no entry can be made, and a market order that has arrived is carried out
        # already; an entry that rests and fills would harm.
        can_wait = order.reduce_only or order.type is OrderType.MARKET
        try:
            row = await self._wire.send(
                "cancel_order",
                order_id,
                self._wire.unified(order.symbol),
                params,
                protective=True,
                can_wait=can_wait,
                place=None if can_wait else self._turns.of_order(order),
                timeout_ms=self._settings.protective_timeout_ms,
            )
        except (VenueRejectedError, VenueUnknownError) as error:
            return answers.cancel_failed(order, str(error))
        except VenueBusyError as error:
            self._again(job, self._steady_ms(error.retry_ms))
            return None
        return answers.canceled(order, row)

    def _again(self, job: _Job, not_before_ms: int) -> None:
        """What protects does not wait out a rate limit: it is in line again at once, for the next turn, and without a
        limit it is tried again after half of the time that it has waited already. The limiter keeps a reserve for it,
        and holds it back itself where nothing at all may be sent."""
        now_ms = self._now_ms()
        soonest_ms = now_ms + _PAUSE_MS
        if job.first:
            longest_ms = 0 if self._is_paced() else _LONGEST_PAUSE_MS
            not_before_ms = min(not_before_ms, now_ms + min(longest_ms, (now_ms - job.queued_ms) // 2))
        self._jobs.append(_Job(job.order, job.is_cancel, job.queued_ms, max(not_before_ms, soonest_ms)))

    def _note_try(self, order: Order, sent_ms: int | None, window_ms: int) -> None:
        left_ms = self._now_ms() if sent_ms is None else sent_ms
        dead_ms = left_ms + window_ms + _MAX_AHEAD_MS
        # An earlier try may have had the longer window.
        earlier = self._tries.get(order.client_order_id, _Try(0, 0))
        self._tries[order.client_order_id] = _Try(earlier.count + 1, max(dead_ms, earlier.dead_ms))
        if len(self._tries) > _KEEP_TRIES:
            self._tries.popitem(last=False)
