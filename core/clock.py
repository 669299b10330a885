"""The only source of time. Everything else is given a clock or an event's own time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """UTC milliseconds since the epoch."""
        ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class EngineClock(Clock, Protocol):
    """The clock of an engine, which is told of the market's times as it takes them in."""

    def advance_to(self, time_ms: int) -> None: ...


class ExchangeClock:
    """The exchange's time: this machine's, set right by what the exchange says the time is."""

    def __init__(self, system: Clock) -> None:
        self._system = system
        self.offset_ms = 0

    def now_ms(self) -> int:
        return self._system.now_ms() + self.offset_ms

    def steady_ms(self) -> int:
        """For delays: goes on evenly, whatever this machine's clock and its offset are set to. Only differences mean
        anything."""
        # A thousandth of a millisecond absorbs the error of sums of floats.
        return int(asyncio.get_running_loop().time() * 1000.0 + 0.001)

    def set_right(self, offset_ms: int) -> None:
        """The exchange's time is so many ms ahead of this machine's."""
        self.offset_ms = offset_ms

    def advance_to(self, time_ms: int) -> None:
        """Real time moves by itself."""


class VirtualClock:
    """Time that moves only when it is told to, and never backwards."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance_to(self, time_ms: int) -> None:
        if time_ms < self._now_ms:
            raise ValueError(f"clock cannot go back from {self._now_ms} to {time_ms}")
        self._now_ms = time_ms


def monotonic_ns() -> int:
    """For durations and paces only, never for a time that is stored or decided on."""
    return time.monotonic_ns()


def monotonic_s() -> float:
    """The same in seconds."""
    return monotonic_ns() / 1e9
