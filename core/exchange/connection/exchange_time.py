"""What the exchange's clock says, and how far ours is from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.clock import ExchangeClock
from core.domain.errors import QuarterdeckError, VenueBusyError
from core.exchange.connection.health import Health

log = logging.getLogger(__name__)

SAMPLES = 5
TRIES = 2
"""How often the first sample is asked for."""
EVERY_MS = 600_000
AGAIN_MS = 10_000
"""After a measurement that failed."""

DOUBT_MS = 2_000
"""After one that moved the clock: entries wait for the next."""

_PART = "clock"


@dataclass(frozen=True, slots=True)
class Sample:
    """One asking: this machine's time before and after, and what the exchange said in between."""

    sent_ms: int
    received_ms: int
    exchange_ms: int

    @property
    def offset_ms(self) -> float:
        return self.exchange_ms - (self.sent_ms + self.received_ms) / 2

    @property
    def round_trip_ms(self) -> int:
        return self.received_ms - self.sent_ms


@dataclass(frozen=True, slots=True)
class Offset:
    """What to add to this machine's time to have the exchange's; the truth lies within `uncertainty_ms` of it."""

    offset_ms: int
    uncertainty_ms: int


def offset_of(samples: Sequence[Sample]) -> Offset:
    """The median over the quicker half of the samples: a slow answer was held up on one way, we cannot know which."""
    quick = sorted(samples, key=lambda sample: sample.round_trip_ms)[: (len(samples) + 1) // 2]
    return Offset(
        round(statistics.median(sample.offset_ms for sample in quick)),
        -(-max(sample.round_trip_ms for sample in quick) // 2),
    )


class Admission(Protocol):
    async def __call__(self, protective: bool, first: bool) -> None:
        """Wait until the exchange may be asked for its time; the first sample is worth a wait.

        Raises VenueBusyError where it may not be soon.
        """
        ...


async def _at_once(protective: bool, first: bool) -> None:
    return None


class TimeKeeper:
    """Keeps `clock` at the exchange's time, which `fetch_ms` asks for where `admit` allows it.

    An offset that moved by more than `max_offset_ms` is a problem of health until the next measurement agrees with it.
    """

    def __init__(
        self,
        clock: ExchangeClock,
        health: Health,
        max_offset_ms: int,
        fetch_ms: Callable[[], Awaitable[int]],
        admit: Admission = _at_once,
    ) -> None:
        self._clock = clock
        self._health = health
        self._max_offset_ms = max_offset_ms
        self._fetch_ms = fetch_ms
        self._admit = admit
        self._measuring: asyncio.Lock = asyncio.Lock()
        self._tried = 0
        self._failure: QuarterdeckError | None = None
        self._doubts = asyncio.Event()
        self.offset: Offset | None = None

    async def measure(self, *, protective: bool = True) -> Offset:
        """Ask the exchange a few times and set the clock; `protective` where something that protects waits for it.

        Raises UnavailableError, the clock unchanged, where it did not answer, and what `fetch_ms` raises of refusals.
        """
        number = self._tried
        async with self._measuring:
            # Whoever waited while another measured takes what came of that.
            if self._tried == number:
                await self._measure(protective)
            if self._failure is not None:
                raise self._failure
            assert self.offset is not None
            return self.offset

    async def _measure(self, protective: bool) -> None:
        try:
            self._take(offset_of(await self._samples(protective)))
            self._failure = None
        except QuarterdeckError as error:
            self._failure = error
        self._tried += 1

    async def keep(self) -> None:
        """Measure for ever: every EVERY_MS, sooner after one that failed, and soon after any that moved the clock."""
        measured = self.offset is not None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((EVERY_MS if measured else AGAIN_MS) / 1000):
                    await self._doubts.wait()
                    await asyncio.sleep(DOUBT_MS / 1000)
            try:
                await self.measure(protective=False)
            except QuarterdeckError as error:
                if measured:
                    log.warning("the exchange's time could not be measured: %s", error)
                measured = False
            else:
                measured = True

    async def _samples(self, protective: bool) -> list[Sample]:
        samples: list[Sample] = []
        failures = 0
        for _ in range(SAMPLES):
            try:
                await self._admit(protective, not samples)
                sent_ms = self._system_ms()
                exchange_ms = await self._fetch_ms()
            except QuarterdeckError as error:
                failures += 1
                # Who is told to come later is told so again, and would lose what may be sent instead.
                if not samples and (failures == TRIES or isinstance(error, VenueBusyError)):
                    raise
                if samples:
                    break
                continue
            samples.append(Sample(sent_ms, self._system_ms(), exchange_ms))
        return samples

    def _system_ms(self) -> int:
        return self._clock.now_ms() - self._clock.offset_ms

    def _take(self, measured: Offset) -> None:
        moved_ms = abs(measured.offset_ms - self._clock.offset_ms)
        first = self.offset is None
        self.offset = measured
        if moved_ms > measured.uncertainty_ms:
            # A difference within the uncertainty is no news, and time that does not jump is worth more.
            self._clock.set_right(measured.offset_ms)
        if moved_ms <= self._max_offset_ms:
            self._doubts.clear()
            self._health.report(_PART, "")
            return
        log.warning(
            "this machine's clock is %+d ms from the exchange's (within %d ms); requests are signed by the exchange's",
            -measured.offset_ms,
            measured.uncertainty_ms,
        )
        if not first:
            self._doubts.set()
            self._health.report(_PART, f"it moved by {moved_ms} ms; waiting for a second measurement")
