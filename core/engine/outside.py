"""Analysts: sources outside that are slow and may fail. Asked in real time; in virtual time what they said then stands.

Both implement `core.ports.Forecaster` for one part, so that their answers come through the same door as a model's. A
failure is told and counted, and nothing stands in for the answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import Forecast, outputs_problem
from core.domain.origin import champion
from core.domain.plain import plain
from core.ports import BarColumns, Forecaster, TrainingResult
from core.strategy.declaration import Analyst, Part, Strategy

log = logging.getLogger("quarterdeck.engine")

Said = Sequence[float | None] | None
Aside = Callable[[Callable[[], Said]], Awaitable[Said]]
"""Runs what would block where it keeps nobody waiting."""

AT_ONCE = 8
"""So many questions of one part are out at a time; the others wait, and their time runs."""

_MOST_TEXT = 200


async def in_a_thread(work: Callable[[], Said]) -> Said:
    """In a thread of its own, which an engine that ends does not wait for."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Said] = loop.create_future()

    def tell(set_it: Callable[[Any], None], what: object) -> None:
        if not answer.done():
            set_it(what)

    def run() -> None:
        told: tuple[Callable[[Any], None], object]
        try:
            told = answer.set_result, work()
        except Exception as error:  # noqa: BLE001 -- whatever a stranger's code raises is a failure of its answer
            told = answer.set_exception, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, *told)

    threading.Thread(target=run, name="analyst", daemon=True).start()
    return await answer


class OutsideAnalyst:
    """Asks the analyst of one part, in real time. Of a symbol at most one question is out: while one is, though its
    time is over, the next is not asked."""

    def __init__(self, strategy: Strategy, part: Part, aside: Aside = in_a_thread) -> None:
        """Raises BadInputError, in one line, where the analyst cannot be made."""
        if part.analyst is None:
            raise ValueError(f"part {part.name} has no analyst")
        self._analyst: Analyst = part.analyst
        self._strategy = strategy.name
        self._part = part
        self._aside = aside
        self._room = asyncio.Semaphore(AT_ONCE)
        self._out: dict[str, asyncio.Task[Said]] = {}
        self._failures: Counter[str] = Counter()
        self._problems: dict[str, str] = {}
        try:
            self._ask = self._analyst.create()
        except Exception as error:
            text = f"{type(error).__name__}: {plain(str(error))[:_MOST_TEXT]}"
            raise BadInputError(f"strategy {strategy.name}: part {part.name}: its analyst fails: {text}") from error
        called = getattr(type(self._ask), "__call__", None)  # noqa: B004 -- an object may be asked, too
        self._is_coroutine = inspect.iscoroutinefunction(self._ask) or inspect.iscoroutinefunction(called)

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        """One answer a window, asked side by side; None where there is none, which `describe` explains."""
        return list(await asyncio.gather(*(self._one(window, made_ms) for window, _ in windows)))

    async def _one(self, window: BarColumns, made_ms: int) -> Forecast | None:
        symbol = window.symbol
        if len(window.close) < self._part.lookback_bars:
            return None
        if symbol in self._out:
            self._fail(symbol, "it has not come back from an earlier question")
            return None
        task = self._out[symbol] = asyncio.ensure_future(self._answer(window))
        task.add_done_callback(lambda _: self._out.pop(symbol, None))
        try:
            done, _ = await asyncio.wait((task,), timeout=self._analyst.timeout_ms / 1_000.0)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            if self._is_coroutine:
                task.cancel()  # A thread goes on until it comes back.
            self._fail(symbol, f"no answer within {self._analyst.timeout_ms / 1_000:g} s")
            return None
        if task.cancelled() or (error := task.exception()) is not None:
            problem = "it gave up" if task.cancelled() else f"{type(error).__name__}: {error}"
            self._fail(symbol, problem)
            return None
        return self._forecast(window, task.result(), made_ms)

    async def _answer(self, window: BarColumns) -> Said:
        async with self._room:
            if self._is_coroutine:
                said: Said = await self._ask(window)
                return said
            return await self._aside(lambda: self._ask(window))

    def _forecast(self, window: BarColumns, said: Said, made_ms: int) -> Forecast | None:
        try:
            values = tuple(None if value is None or value != value else float(value) for value in said or ())
        except (TypeError, ValueError) as error:
            self._fail(window.symbol, f"answers what is no numbers: {error}")
            return None
        problem = outputs_problem(self._part.outputs, values) if said is not None else ""
        if problem:
            self._fail(window.symbol, f"answers {problem}")
            return None
        self._problems.pop(window.symbol, None)
        if values.count(None) == len(values):
            return None
        close_ms = int(window.open_time_ms[-1]) + window.interval_ms
        return Forecast(window.symbol, close_ms, made_ms, values, champion(self._strategy, part=self._part.name))

    def _fail(self, symbol: str, problem: str) -> None:
        self._failures[symbol] += 1
        told = f"the analyst failed, {plain(problem)[:_MOST_TEXT]} ({self._failures[symbol]} times so far)"
        self._problems[symbol] = told

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        raise ModelError(f"part {self._part.name}: an analyst is not trained")

    async def warm_up(self) -> None:
        """There is nothing to start."""

    def describe(self) -> dict[str, Any]:
        return {"part": self._part.name, "failures": dict(self._failures), "unusable": dict(self._problems)}


class StoredAnalyst:
    """Tells again what the analyst of one part said in real time, at the times at which it was known. Of what it did
    not say nothing is made up, and nobody outside is asked."""

    def __init__(self, part: Part, told: Sequence[Forecast]) -> None:
        self._part = part
        self._told = {(one.symbol, one.bar_close_ms): one for one in told}

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        closes = ((window.symbol, int(window.open_time_ms[-1]) + window.interval_ms) for window, _ in windows)
        found = [self._told.get(which) for which in closes]
        return [None if one is None else replace(one, made_ms=max(made_ms, one.made_ms)) for one in found]

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        raise ModelError(f"part {self._part.name}: an analyst is not trained")

    async def warm_up(self) -> None:
        """There is nothing to start."""

    def describe(self) -> dict[str, Any]:
        digest = hashlib.blake2b(digest_size=4)
        for one in self._told.values():
            digest.update(repr((one.symbol, one.bar_close_ms, one.made_ms, one.values)).encode())
        return {"part": self._part.name, "stored": len(self._told), "digest": digest.hexdigest(), "unusable": {}}


def stored_analysts(
    strategy: Strategy, told: Sequence[Forecast], symbols: Sequence[str], from_ms: int, to_ms: int, period: str
) -> Mapping[str, Forecaster]:
    """By part, what analysts said of bars of `symbols` that closed in (from_ms, to_ms], as it is stored.

    Raises BadInputError, in one line, where nothing is stored of one; `period` are those times in words.
    """
    found: dict[str, Forecaster] = {}
    for part in strategy.parts:
        if part.analyst is None:
            continue
        its = [one for one in told if one.origin.part == part.name and len(one.values) == len(part.outputs)]
        its = [one for one in its if one.symbol in symbols and from_ms < one.bar_close_ms <= to_ms]
        if not its:
            raise BadInputError(
                f"strategy {strategy.name}: its part {part.name} is an analyst, who is asked in real time alone, and "
                f"nothing is stored of what it said of {', '.join(symbols)} in {period}; run it in paper, and take a "
                "period of that"
            )
        found[part.name] = StoredAnalyst(part, its)
    return found
