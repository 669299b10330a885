"""How many requests may go to an exchange: our count, set right by its answers, with a reserve for protection."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.domain.errors import VenueBusyError
from core.domain.market import MINUTE_MS
from core.exchange.connection.health import Health
from core.home.logbook import iso_utc

ORDINARY_SHARE_PCT = 80
PACE_MS = 1000
"""Between two requests while the exchange wants fewer (429): only what protects or closes goes out, so often in all."""

MAX_WAITING = 512
_BAN_MS = 2 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` units in any `length_ms`. `header` is where the exchange says how many it has counted in the
    current one, which starts at a multiple of its length; empty where it does not say."""

    length_ms: int
    limit: int
    header: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """`weight` limits all requests by their weight, `orders` limits new orders by their number."""

    weight: tuple[Window, ...]
    orders: tuple[Window, ...] = ()


@dataclass(slots=True)
class _Count:
    """What was used of one window: ours one by one, and what the exchange counted beyond ours (other programs)."""

    window: Window
    taken: deque[tuple[int, int]] = field(default_factory=deque)
    ours: int = 0
    others: int = 0
    others_until_ms: int = 0

    def used(self, now_ms: int) -> int:
        while self.taken and self.taken[0][0] <= now_ms - self.window.length_ms:
            self.ours -= self.taken.popleft()[1]
        return self.ours + (self.others if now_ms < self.others_until_ms else 0)

    def take(self, units: int, now_ms: int) -> None:
        self.taken.append((now_ms, units))
        self.ours += units

    def wait_ms(self, units: int, share_pct: int, now_ms: int) -> int:
        """How long until `units` more fit into the share; 0 at once. More than the share fits into an empty window."""
        room = self.window.limit * share_pct // 100 - units
        left = self.used(now_ms)
        if left <= room or left == 0:
            return 0
        ends = [(time_ms + self.window.length_ms, taken) for time_ms, taken in self.taken]
        if now_ms < self.others_until_ms:
            ends.append((self.others_until_ms, self.others))
        for end_ms, freed in sorted(ends):
            left -= freed
            if left <= room or left == 0:
                return end_ms - now_ms
        raise AssertionError("an empty window has room")

    def correct(self, counted: int, now_ms: int, exchange_ms: int) -> None:
        start_ms = now_ms - exchange_ms % self.window.length_ms
        ours = sum(units for time_ms, units in self.taken if time_ms >= start_ms)
        self.others = max(0, counted - ours)
        self.others_until_ms = start_ms + self.window.length_ms


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where one of what protects or closes stands among its like, the least first: what serves a position without a
    stop, or what may be one, before what serves one that is covered; who has waited for longest, by the steady clock;
    of one position the next step to its safety before those that it would save."""

    is_covered: bool
    since_ms: int
    step: int = 0


@dataclass(slots=True, eq=False)
class _Ticket:
    weight: int
    orders: int
    protective: bool
    place: Callable[[], Place]
    granted: asyncio.Future[None]


class Limiter:
    """Lets requests pass in the order they came, protective ones first: of these what sets our clock, new orders and
    what has a place among them, what asks about an order, the others. New orders go by their places, as these are when
    it is somebody's turn.

    Ordinary requests may use ORDINARY_SHARE_PCT of every window, protective ones all of it. After a 429 only protective
    ones pass until the exchange's time, one every PACE_MS; after a 418 (ban) none do. Either is a problem of health
    until it is over.
    """

    def __init__(
        self,
        budget: Budget,
        exchange_ms: Callable[[], int],
        health: Health,
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        self._weight = [_Count(window) for window in budget.weight]
        self._orders = [_Count(window) for window in budget.orders]
        self._exchange_ms = exchange_ms
        self._now_ms = steady_ms or exchange_ms
        self._health = health
        self._slow_until_ms = 0
        self._banned_until_ms = 0
        self._passed_ms = -PACE_MS
        self._queues = tuple(deque[_Ticket]() for _ in range(5))
        self._timing, self._closing, self._asking, self._guarding, self._ordinary = self._queues
        self._timer: asyncio.TimerHandle | None = None
        self._told: asyncio.TimerHandle | None = None

    def blocked_until_ms(self, protective: bool) -> int:
        """The exchange's time before which it wants no request of this kind; in the past when it wants them."""
        return self._exchange_time_ms(self._blocked_ms(protective))

    def _blocked_ms(self, protective: bool) -> int:
        return self._banned_until_ms if protective else max(self._banned_until_ms, self._slow_until_ms)

    def _exchange_time_ms(self, time_ms: int) -> int:
        """A time of the steady clock, by which everything is counted here, as the exchange's clock has it now."""
        return time_ms + self._exchange_ms() - self._now_ms()

    def waiting(self) -> int:
        """How many requests wait."""
        return sum(len(queue) for queue in self._queues)

    def used_pct(self) -> float:
        """How much of the tightest window is used, in percent."""
        now_ms = self._now_ms()
        return max(100 * count.used(now_ms) / count.window.limit for count in (*self._weight, *self._orders))

    async def acquire(
        self,
        weight: int,
        *,
        orders: int = 0,
        protective: bool = False,
        asks: bool = False,
        times: bool = False,
        place: Callable[[], Place] | None = None,
        patience_ms: int,
    ) -> None:
        """Wait until a request of `weight`, with `orders` new orders, may be made, and count it. Of protective ones,
        `asks` is for what asks what became of an order, `times` for what sets our clock: signed with a wrong one,
        nothing else is taken. `place` is asked where a new order, or what may wait no longer than one, stands now; an
        order without one stands behind those with, as one that came now.

        Raises VenueBusyError when that would take longer than `patience_ms`, or too many are waiting.
        """
        now_ms = self._now_ms()
        wait_ms = self._wait_ms(weight, orders, protective, now_ms)
        if wait_ms > patience_ms:
            raise self._busy(wait_ms)
        queue = self._ordinary
        if protective:
            others = self._closing if orders or place else self._asking if asks else self._guarding
            queue = self._timing if times else others
        if wait_ms == 0 and not any(self._ahead_of(queue)):
            self._take(weight, orders, now_ms)
            return
        came = Place(is_covered=True, since_ms=now_ms)
        granted = asyncio.get_running_loop().create_future()
        ticket = _Ticket(weight, orders, protective, place or (lambda: came), granted)
        if len(queue) >= MAX_WAITING:
            raise VenueBusyError(f"{MAX_WAITING} requests are waiting for the rate limit", self._exchange_ms() + 1000)
        queue.append(ticket)
        self._pump()
        try:
            async with asyncio.timeout(patience_ms / 1000):
                await ticket.granted
        except TimeoutError:
            if not ticket.granted.done() or ticket.granted.cancelled():
                wait_ms = self._wait_ms(weight, orders, protective, self._now_ms())
                raise self._busy(wait_ms) from None
        finally:
            with contextlib.suppress(ValueError):
                queue.remove(ticket)
            if self.waiting():
                self._pump()

    def adopt(self, told: Budget) -> None:
        """Keep to the limits that the exchange tells, as far as it tells any, instead of the documented ones."""
        self._weight = _recounted(self._weight, told.weight)
        self._orders = _recounted(self._orders, told.orders)

    def observe(self, status: int, headers: Mapping[str, str], retry_ms: int | None = None) -> None:
        """Take in an answer: what it says was used, and whether it wants us to stop until `retry_ms`."""
        now_ms = self._now_ms()
        told = {name.lower(): value for name, value in headers.items()}
        for count in (*self._weight, *self._orders):
            value = told.get(count.window.header, "") if count.window.header else ""
            if value.isdecimal():
                count.correct(int(value), now_ms, self._exchange_ms())
        if status not in (418, 429):
            return
        until_ms = self._retry_ms(told.get("retry-after", ""), status, now_ms)
        if retry_ms:
            until_ms = now_ms + retry_ms - self._exchange_ms()
        if status == 429:
            self._slow_until_ms = max(self._slow_until_ms, until_ms)
        else:
            self._banned_until_ms = max(self._banned_until_ms, until_ms)
        self._tell()

    def holds(self) -> str:
        """What keeps orders that close from going out at once, and until when; empty where nothing does."""
        now_ms = self._now_ms()
        if now_ms < self._banned_until_ms:
            return f"the exchange's ban holds every order until {self._utc(self._banned_until_ms)}"
        if now_ms < self._slow_until_ms:
            return (
                f"the exchange's rate limit holds orders until {self._utc(self._slow_until_ms)}; "
                "those that close go out one a second"
            )
        wait_ms = self._wait_ms(1, 1, protective=True, now_ms=now_ms)
        return f"the exchange's rate limit holds orders until {self._utc(now_ms + wait_ms)}" if wait_ms else ""

    def _ahead_of(self, queue: deque[_Ticket]) -> Iterator[deque[_Ticket]]:
        """What waits and goes before a newcomer to `queue`, the queue itself included."""
        for other in self._queues:
            yield other
            if other is queue:
                return

    def _tell(self) -> None:
        """Say what the exchange does not want now, and that it is over when it is."""
        if self._told is not None:
            self._told.cancel()
            self._told = None
        now_ms = self._now_ms()
        if now_ms < self._banned_until_ms:
            until_ms, problem = self._banned_until_ms, "banned by the exchange until {}"
        else:
            until_ms = self._slow_until_ms
            problem = "limited by the exchange (429) until {}; only what protects or closes is sent"
        if now_ms >= until_ms:
            self._health.report("requests", "")
            return
        self._health.report("requests", problem.format(self._utc(until_ms)))
        self._told = asyncio.get_running_loop().call_later((until_ms - now_ms) / 1000, self._tell)

    def _retry_ms(self, retry_after: str, status: int, now_ms: int) -> int:
        if retry_after.strip().isdecimal() and int(retry_after) > 0:
            return now_ms + 1000 * int(retry_after)
        return now_ms + (_BAN_MS if status == 418 else MINUTE_MS - self._exchange_ms() % MINUTE_MS)

    def _busy(self, wait_ms: int) -> VenueBusyError:
        now_ms = self._now_ms()
        if now_ms < self._banned_until_ms:
            why = f"the exchange has banned us until {self._utc(self._banned_until_ms)}"
        elif now_ms < self._slow_until_ms:
            why = f"the exchange limits requests until {self._utc(self._slow_until_ms)}"
        else:
            why = "the rate limit is used up"
        return VenueBusyError(f"{why}; free in {(wait_ms + 999) // 1000} s", self._exchange_ms() + max(wait_ms, 1))

    def _utc(self, time_ms: int) -> str:
        return utc(self._exchange_time_ms(time_ms))

    def _wait_ms(self, weight: int, orders: int, protective: bool, now_ms: int) -> int:
        share_pct = 100 if protective else ORDINARY_SHARE_PCT
        waits = [self._blocked_ms(protective) - now_ms, 0]
        if now_ms < self._slow_until_ms:
            waits.append(self._passed_ms + PACE_MS - now_ms)
        waits += [count.wait_ms(weight, share_pct, now_ms) for count in self._weight]
        if orders:
            waits += [count.wait_ms(orders, share_pct, now_ms) for count in self._orders]
        return max(waits)

    def _take(self, weight: int, orders: int, now_ms: int) -> None:
        if now_ms < self._slow_until_ms:
            self._passed_ms = now_ms
        for count in self._weight:
            count.take(weight, now_ms)
        for count in self._orders if orders else ():
            count.take(orders, now_ms)

    def _pump(self) -> None:
        """Let pass who may, and come again when the next may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ms = self._now_ms()
        for queue in self._queues:
            while queue:
                first = min(queue, key=lambda ticket: ticket.place()) if queue is self._closing else queue[0]
                if first.granted.done():
                    queue.remove(first)
                    continue
                wait_ms = self._wait_ms(first.weight, first.orders, first.protective, now_ms)
                if wait_ms > 0:
                    self._timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self._pump)
                    return
                queue.remove(first)
                self._take(first.weight, first.orders, now_ms)
                first.granted.set_result(None)


def utc(time_ms: int) -> str:
    """A time of day as the operator is told it: 12:34:56 UTC."""
    return f"{iso_utc(time_ms)[11:19]} UTC"


def _recounted(counts: list[_Count], windows: Sequence[Window]) -> list[_Count]:
    """What was taken of the windows of the same length stays taken."""
    known = {count.window.length_ms: count for count in counts}
    if not windows:
        return counts
    return [
        replace(known[window.length_ms], window=window) if window.length_ms in known else _Count(window)
        for window in windows
    ]
