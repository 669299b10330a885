"""What models answer in real time: the market waits for none of it, and each answer is decided on when it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.clock import Clock
from core.domain.forecast import Forecast
from core.trader.account import iso

log = logging.getLogger("quarterdeck.engine")

Decide = Callable[[Sequence[Forecast]], Awaitable[None]]


@dataclass(slots=True)
class Question:
    """What goes out at one close. What is said to it is kept in `early` as long as that is waited for; None after it.
    `is_whole` where every part was asked, and nothing came too late."""

    early: list[Forecast] | None = field(default_factory=list)
    is_whole: bool = True


class Answers:
    """At most one question is out at a time to each part: where one still is when the next bars close, these are not
    asked about.

    An answer that comes within `at_once_ms` is one that was there at once. What comes later is given to `decide`, made
    at the time at which it came; what is older than its part's `max_age_ms` by then is dropped. `late`, `dropped` and
    `missing` count the forecasts, and those that were never asked for. Of the parts that are `slow` by their nature it
    is nothing to be told that they come late.
    """

    def __init__(
        self,
        clock: Clock,
        decide: Decide,
        at_once_ms: int,
        max_age_ms: Mapping[str, int],
        slow: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._decide = decide
        self._at_once_ms = at_once_ms
        self._max_age_ms = max_age_ms
        self._slow = slow
        self._out: list[asyncio.Task[None]] = []
        self._problem = ""
        self.late = 0
        self.dropped = 0
        self.missing = 0

    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in self._out if not task.done()]

    def note(self) -> str:
        """What is wrong with the newest answer, for the operator; empty where it was there at once."""
        if not self._problem:
            return ""
        return f"{self._problem} (so far {self.late} late, {self.dropped} too old, {self.missing} not asked for)"

    def miss(self, question: Question, symbols: int, close_ms: int) -> None:
        """Bars that closed at `close_ms` are not asked about, as the answer before is still out."""
        self.missing += symbols
        question.is_whole = False
        self._tell(f"no forecasts at {iso(close_ms)}: the models still think about the bars before")

    async def at_once(self, question: Question, asking: asyncio.Task[None]) -> list[Forecast]:
        """What is answered at once; the rest is decided on when it comes."""
        done, _ = await asyncio.wait((asking,), timeout=self._at_once_ms / 1_000.0)
        early, question.early = question.early or [], None
        self._out = [task for task in self._out if not task.done()]
        if done:
            self._problem = "" if question.is_whole else self._problem
            asking.result()
        else:
            self._out.append(asking)
        return early

    async def say(self, question: Question, forecasts: list[Forecast]) -> Sequence[Forecast]:
        """What a part says now, of bars of one instant. What counts of it: nothing where it is too old."""
        if question.early is not None:
            young = [one for one in forecasts if one.made_ms - one.bar_close_ms <= self._max_age_ms[one.origin.part]]
            if len(young) < len(forecasts):
                self.dropped += len(forecasts) - len(young)
                question.is_whole = False
                when = iso(forecasts[0].bar_close_ms)
                self._tell(f"forecasts of {when} are known too late: nothing is decided on them")
            question.early += young
            return young
        now_ms = self._clock.now_ms()
        first = forecasts[0]
        age_ms = now_ms - first.bar_close_ms
        when = f"forecasts of {iso(first.bar_close_ms)} came {age_ms / 1_000.0:.1f} s after the close"
        if age_ms > self._max_age_ms[first.origin.part]:
            self.dropped += len(forecasts)
            self._tell(f"{when}: nothing is decided on them")
            return ()
        self.late += len(forecasts)
        if first.origin.part not in self._slow:
            self._tell(when)
        made = [replace(one, made_ms=max(one.made_ms, now_ms)) for one in forecasts]
        await self._decide(made)
        return made

    def _tell(self, problem: str) -> None:
        self._problem = problem
        log.warning("%s", problem)
