"""What models answer in real time: the market waits for none of it, and each answer is decided on when it comes."""

from __future__ import annotations

import asyncio
import logging
import math
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
    `is_whole` where every part was asked, and nothing came too late. What is said before `until_s`, of the loop's time,
    is there at once, waited for or not."""

    early: list[Forecast] | None = field(default_factory=list)
    is_whole: bool = True
    until_s: float = -math.inf


class Answers:
    """At most one question is out at a time to each part: where one still is when the next bars close, these are not
    asked about.

    An answer that comes within `at_once_ms` is one that was there at once, and so long the market waits for it: but for
    a part that was late at the last, which it does not wait for until that has answered at once again. What nobody
    waits for is given to `decide`, made at the time at which it came; what is older than its part's `max_age_ms` by
    then is dropped. `late`, `dropped` and `missing` count the forecasts, and those that were never asked for. Of the
    parts that are `slow` by their nature it is nothing to be told that they come late.
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
        self._not_waited_for: set[str] = set()
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

    async def at_once(self, question: Question, asked: Mapping[str, asyncio.Task[None]]) -> list[Forecast]:
        """What is answered at once by the parts that are `asked`; the rest is decided on when it comes."""
        wait_s = self._at_once_ms / 1_000.0
        question.until_s = asyncio.get_running_loop().time() + wait_s
        waited_for = [task for part, task in asked.items() if part not in self._not_waited_for and not task.done()]
        if waited_for:
            await asyncio.wait(waited_for, timeout=wait_s)
        early, question.early = question.early or [], None
        still_out = {part: task for part, task in asked.items() if not task.done()}
        self._not_waited_for.update(still_out)
        self._out = [*self.tasks(), *still_out.values()]
        if not still_out and question.is_whole:
            self._problem = ""
        for task in asked.values():
            if task.done():
                task.result()
        return early

    async def say(self, question: Question, forecasts: list[Forecast]) -> Sequence[Forecast]:
        """What a part says now, of bars of one instant. What counts of it: nothing where it is too old."""
        is_at_once = question.early is not None or asyncio.get_running_loop().time() < question.until_s
        if is_at_once:
            self._not_waited_for.difference_update({one.origin.part for one in forecasts})
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
        if not is_at_once:
            self.late += len(forecasts)
            if first.origin.part not in self._slow:
                self._tell(when)
        elif question.is_whole and len(self.tasks()) == 1:
            # It is the last that was out.
            self._problem = ""
        made = [replace(one, made_ms=max(one.made_ms, now_ms)) for one in forecasts]
        await self._decide(made)
        return made

    def _tell(self, problem: str) -> None:
        self._problem = problem
        log.warning("%s", problem)
