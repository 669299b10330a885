"""An asyncio loop whose time is virtual: when nothing is ready, it jumps to the next timer.

Built on `_ready` and `_run_once` of Python 3.11's base loop; `test_loop.py` pins what is relied on.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_POLLS = 3
_REAL_WAIT_S = 0.001
_OUTSIDE_LIMIT_S = 300.0
_END_ROUNDS = 5
_END_ROUND_S = 3.0


class StuckError(Exception):
    """The simulated program can never go on, or goes round without time passing."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time moves only while every task waits.

    With `seed`, the callbacks that are ready in one turn run in an order drawn from it; without, in the order in which
    they became ready. With `real_io`, sockets of this process work too: they are polled before each jump, which is
    enough for loopback, where what is sent is there at once (give no seed then: transports rely on the order of their
    callbacks). `turn_limit` bounds the callbacks of one instant.
    """

    def __init__(self, seed: int | str | None = None, *, real_io: bool = False, turn_limit: int = 200_000) -> None:
        super().__init__(selectors.DefaultSelector())
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._clock_resolution = 1e-9
        self._rng = None if seed is None else random.Random(seed)
        self._real_io = real_io
        self._turn_limit = turn_limit
        self._at_instant = 0
        self._io_seen = False
        self._outside = 0
        self._countdown = -1
        self._on_zero: Callable[[], None] | None = None
        self._dead: dict[contextvars.ContextVar[Any], set[object]] = {}
        self.callbacks = 0
        self.jumps = 0

    def time(self) -> float:
        return self._now

    def after_callbacks(self, count: int, action: Callable[[], None]) -> None:
        """Call `action` between two callbacks, once `count` more have run. One at a time; a later one replaces it."""
        self._countdown, self._on_zero = max(1, count), action

    @contextmanager
    def waiting_outside(self) -> Iterator[None]:
        """While the body runs, something outside the loop works for it (a thread): time stands still until it is
        there."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def forget(self, variable: contextvars.ContextVar[T], value: T) -> None:
        """Drop every callback in whose context `variable` has this value, unrun: those that wait, and those that come
        of what others still do with it. It is what a kill does to a process."""
        self._dead.setdefault(variable, set()).add(value)
        for handle in (*self._ready, *(timer for _, _, timer in self._timers)):
            self._drop_dead(handle)

    def _drop_dead(self, handle: asyncio.Handle) -> None:
        context = handle._context
        if context is None or handle._cancelled:
            return
        if any(context.get(variable) in values for variable, values in self._dead.items()):
            handle.cancel()

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        if self._dead:
            self._drop_dead(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Timers of the same time come in the order in which they were set, which Python's own heap does not keep."""
        self._check_closed()  # type: ignore[attr-defined]
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if self._dead:
            self._drop_dead(timer)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def _run_once(self) -> None:
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if self._real_io:
            self._poll(0.0)
        if not ready and not self._stopping:
            self._advance()
        due = self._now + self._clock_resolution
        while timers and timers[0][0] < due:
            handle = heapq.heappop(timers)[2]
            if not handle._cancelled:
                ready.append(handle)
        count = len(ready)
        if count > 1 and self._rng is not None:
            self._shuffle()
        self._at_instant += count
        if self._at_instant > self._turn_limit:
            self._at_instant = 0
            raise StuckError(f"{self._turn_limit} callbacks at {self._now} s without time passing; next: {ready[0]!r}")
        self.callbacks += count
        if self._countdown >= 0:
            self._run_counted(count)
            return
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _run_counted(self, count: int) -> None:
        for _ in range(count):
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()
            self._countdown -= 1
            if self._countdown == 0 and self._on_zero is not None:
                action, self._on_zero = self._on_zero, None
                action()

    def _shuffle(self) -> None:
        assert self._rng is not None
        draw = self._rng.random
        handles = list(self._ready)
        for i in range(len(handles) - 1, 0, -1):
            j = int(draw() * (i + 1))
            handles[i], handles[j] = handles[j], handles[i]
        self._ready.clear()
        self._ready.extend(handles)

    def _advance(self) -> None:
        """Let time come to the next timer, unless something real happens first."""
        if self._real_io:
            for _ in range(_POLLS):
                if self._poll(0.0):
                    return
            if self._io_seen:
                # There is traffic: give the kernel one chance to deliver what it may still hold.
                self._io_seen = False
                if self._poll(_REAL_WAIT_S):
                    return
        waited_s = 0.0
        while self._outside and not self._ready:
            self._poll(_REAL_WAIT_S)
            waited_s += _REAL_WAIT_S
            if waited_s > _OUTSIDE_LIMIT_S:
                raise StuckError("what is awaited from outside the loop does not come")
        if self._ready:
            return
        if not self._timers:
            if self._real_io and self._poll(_OUTSIDE_LIMIT_S):
                return
            raise StuckError("every task waits and no timer is set: " + self._waiting())
        when = self._timers[0][0]
        if when > self._now:
            self._now = when
            self._at_instant = 0
            self.jumps += 1

    def _poll(self, timeout_s: float) -> bool:
        events = self._selector.select(timeout_s)
        if events:
            self._process_events(events)
            self._io_seen = True
        return bool(self._ready)

    def _waiting(self) -> str:
        return "; ".join(sorted(str(task.get_coro()) for task in asyncio.all_tasks(self)))


class LoopClock:
    """UTC milliseconds of a virtual loop: `epoch_ms` at its start. A `core.clock.Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_ms: int) -> None:
        self._loop = loop
        self.epoch_ms = epoch_ms

    def now_ms(self) -> int:
        # A thousandth of a millisecond absorbs the error of sums of floats.
        return self.epoch_ms + int(self._loop.time() * 1000.0 + 0.001)


class SkewedClock(LoopClock):
    """The clock of a machine that is wrong: off by `skew_ms` at `since_ms`, and by `drift_ppm` more since then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_ms: int) -> None:
        super().__init__(loop, epoch_ms)
        self._skew_ms = 0.0
        self._drift_ppm = 0.0
        self._since_s = 0.0

    def set_wrong(self, skew_ms: float, drift_ppm: float) -> None:
        self._skew_ms, self._drift_ppm, self._since_s = skew_ms, drift_ppm, self._loop.time()

    def now_ms(self) -> int:
        now_s = self._loop.time()
        drift_ms = (now_s - self._since_s) * self._drift_ppm / 1000.0
        return self.epoch_ms + int(now_s * 1000.0 + 0.001) + int(self._skew_ms + drift_ms)


def run_virtual(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], *, seed: int | str | None = None, real_io: bool = False
) -> T:
    """Run `main(loop)` to its end on a new virtual loop, and end what it left running."""
    loop = VirtualLoop(seed, real_io=real_io)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main(loop))
    finally:
        end_all(loop)
        asyncio.set_event_loop(None)
        loop.close()


def end_all(loop: VirtualLoop) -> None:
    """Cancel every task that is left and let them end; what cannot end, as a killed process cannot, is dropped."""
    for _ in range(_END_ROUNDS):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(_END_ROUND_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop._ready.clear()
    loop._timers.clear()
