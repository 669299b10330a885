"""One seed: an hour of trading through faults, then peace, then the books are compared."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.domain.operator import Verb
from core.domain.orders import Order, OrderState
from core.domain.records import CursorRecord, EquityRecord, FirstPriceRecord, OrderUpdateRecord, Record
from core.invariants import check_change, check_limits, check_trader, orders_of
from tests.simulation.candles import MemoryCandles
from tests.simulation.checker import compare, compare_books, journal_orders
from tests.simulation.faults import Asked
from tests.simulation.journal import Disk
from tests.simulation.loop import StuckError, VirtualLoop, end_all
from tests.simulation.plan import Episode, make_plan
from tests.simulation.process import Machine, Process, is_ordinary
from tests.simulation.proof import unproved
from tests.simulation.trading import make_settings, make_strategy
from tests.simulation.transport import Answer, Fate, Outcome, virtual_ccxt
from tests.simulation.world import START_PRICES, World

SYMBOLS = ("BTCUSDT", "ETHUSDT")
HOUR_MS = 3_600_000
QUIET_MS = 300_000
EPISODE_EVERY_MS = 45_000.0
START_MS = 1_795_246_200_000 - 1_795_246_200_000 % (8 * HOUR_MS) - HOUR_MS // 2
"""Half an hour before a funding."""

RESTART_S = (0.2, 0.5)
"""How long a supervisor takes to start an engine again that ended."""

LEFTOVER_LIMIT_MS = 60_000
UNPROTECTED_LIMIT_MS = 10_000
PROCESS_EPISODES = frozenset(
    {
        "kill",
        "kill at order",
        "kill at unknown",
        "stop",
        "operator pause",
        "operator halt",
        "operator flatten",
        "halt at entry",
    }
)


@dataclass
class Result:
    seed: int
    problems: list[str] = field(default_factory=list)
    gaps_ms: list[tuple[int, str, int]] = field(default_factory=list)
    leftovers_ms: list[tuple[int, str, int]] = field(default_factory=list)
    longest_whole_ms: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    converged_s: float | None = None
    trace: str = ""


class Trace:
    """A hash of everything that left the process and everything that it wrote down, with its time."""

    def __init__(self, world: World, whole: bool) -> None:
        self._hash = hashlib.blake2b(digest_size=12)
        self._world = world
        self._whole = whole

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        now_ms = self._world.clock.now_ms()
        text = f"{now_ms} {asked.method} {asked.path} {outcome.name}"
        self._hash.update((f"{text} {sorted(asked.params.items())}" if self._whole else text).encode())

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...

    def committed(self, records: Sequence[Record]) -> None:
        text = repr(records) if self._whole else " ".join(type(record).__name__ for record in records)
        self._hash.update(f"{self._world.clock.now_ms()} {text}".encode())

    def digest(self) -> str:
        return self._hash.hexdigest()


class Told:
    """Prints what happens, for a reader of a replay: requests and their fate, records, and the engine's own log."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _say(self, text: str) -> None:
        print(_at(self._world.clock.now_ms(), START_MS), text)

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        shown = {key: value for key, value in asked.params.items() if key not in _UNSHOWN}
        self._say(f"> {asked.method} {asked.path} {shown} {'' if outcome is Outcome.ANSWERED else outcome.name}")

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        sent = fate.answer or answer
        if sent is not None and (asked.method != "GET" or sent.status != 200):
            self._say(f"< {asked.method} {asked.path} {fate.outcome.name} {sent.status} {sent.body[:160]}")

    def committed(self, records: Sequence[Record]) -> None:
        for record in records:
            if not isinstance(record, CursorRecord | FirstPriceRecord | EquityRecord):
                self._say(f"= {record}")

    def log_handler(self) -> logging.Handler:
        said = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                said._say(f"# {record.levelname} {record.getMessage()}")

        return Handler(logging.INFO)


_UNSHOWN = frozenset({"timestamp", "recvWindow", "signature", "newOrderRespType", "algoType"})


class Hour:
    """Lives of the process through a plan of episodes."""

    def __init__(
        self, loop: VirtualLoop, seed: int, length_ms: int, plan: Sequence[Episode], *, whole_trace: bool, told: bool
    ) -> None:
        self.loop = loop
        self.rng = random.Random(f"hour {seed}")
        self.world = World(loop, seed, SYMBOLS, START_MS, START_PRICES)
        self.disk = Disk()
        self.length_ms = length_ms
        self.plan = plan
        self.result = Result(seed)
        self.trace = Trace(self.world, whole_trace)
        self.world.storm.observers += [self.trace, self]
        self.disk.observers += [self.world.marks.committed, self.trace.committed, self._committed]
        self.told = Told(self.world) if told else None
        if self.told is not None:
            self.world.storm.observers.append(self.told)
            self.disk.observers.append(self.told.committed)
        settings = make_settings(SYMBOLS)
        self.machine = Machine(
            world=self.world,
            disk=self.disk,
            candles=MemoryCandles(),
            settings=settings,
            strategy=make_strategy(seed, reverses=seed % 2 == 0),
        )
        self.world.is_recovering = lambda: self._killed.is_set() or self.process is None or not self.process.is_running
        self.lives = 0
        self.process: Process | None = None
        self._over = asyncio.Event()
        self._killed = asyncio.Event()
        self._dead: list[Process] = []
        self._kill_at_unknown = 0
        self._orders: dict[str, Order] = {}

    async def run(self) -> None:
        world = self.world
        supervisor = self.loop.create_task(self._supervise())
        await asyncio.sleep(5)
        world.start()
        for episode in self.plan:
            self.loop.call_later(episode.at_ms / 1000.0, self._begin, episode)
        await asyncio.sleep((self.length_ms - QUIET_MS) / 1000.0)
        world.calm()
        calm_s = self.loop.time()
        await asyncio.sleep(1)
        if self.process is not None:
            self.process.ask(Verb.RESUME)
        self.result.converged_s = await self._until_equal(120)
        if self.result.converged_s is None:
            self.result.problems += [f"not equal {120} s after the faults: {text}" for text in self._differences()]
        else:
            self.result.converged_s = self.loop.time() - calm_s
        await asyncio.sleep(max(0.0, self.length_ms / 1000.0 - self.loop.time()))
        if await self._until_equal(60) is None:
            self.result.problems += self._differences()
        self._over.set()
        await supervisor
        self._finish()
        self.result.problems += await unproved(self.machine)

    def _finish(self) -> None:
        world, result = self.world, self.result
        now_ms = world.clock.now_ms()
        world.meter.end(now_ms)
        result.gaps_ms = world.meter.gaps_ms
        result.leftovers_ms = world.meter.leftovers_ms
        result.longest_whole_ms = world.meter.longest_whole_ms
        result.problems += [
            f"unprotected: {symbol} for {gap} ms from {_at(began, START_MS)}"
            for gap, symbol, began in result.gaps_ms
            if gap > UNPROTECTED_LIMIT_MS
        ]
        result.problems += [
            f"flat with our orders resting: {symbol} for {gap} ms from {_at(began, START_MS)}"
            for gap, symbol, began in result.leftovers_ms
            if gap > LEFTOVER_LIMIT_MS
        ]
        for symbol in SYMBOLS:
            holes = self.machine.candles.holes(symbol)
            if holes:
                result.problems.append(f"{symbol}: {len(holes)} bars are missing in the store")
        try:
            world.venue.ledger.check()
        except AssertionError as error:
            result.problems.append(f"the exchange's own books: {error}")
        orders = journal_orders(self.disk.records)
        result.counts.update(f"{order.role}" for order in orders.values())
        result.counts["fills"] = len(world.venue.ledger.trades)
        result.counts["lives"] = self.lives
        result.counts["records"] = len(self.disk.records)
        result.reached = world.marks.reached
        result.faults = world.storm.seen
        result.faults.update(f"episode {episode.kind}" for episode in self.plan)
        result.trace = self.trace.digest()

    def note_stray(self, told: dict[str, Any]) -> None:
        """An error that nobody awaited. ccxt leaves a frame that is no JSON to the loop, and stops listening."""
        error = told.get("exception")
        if isinstance(error, ValueError) and "JSON" in type(error).__name__:
            self.world.marks.reach("frame that is no JSON")
            return
        where = "".join(traceback.format_exception(error)) if error is not None else ""
        self.result.problems.append(f"left to the loop: {told.get('message')} {told.get('task', '')} {where}")

    def _differences(self) -> list[str]:
        if self.process is None or self.process.trader is None or not self.process.is_running:
            return ["the engine does not run"]
        found = compare(self.world.exchange, self.disk.records)
        return found + compare_books(self.world.exchange, self.process.trader, {})

    async def _until_equal(self, limit_s: int) -> float | None:
        """Seconds until the books were equal once; an order may be under way at any single moment."""
        for second in range(limit_s):
            if not self._differences():
                return float(second)
            await asyncio.sleep(1)
        return None

    def asked(self, asked: Asked, outcome: Outcome) -> None: ...

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        is_klines = asked.path.endswith("/klines") and answer is not None and fate.outcome is Outcome.ANSWERED
        if is_klines and self.world.clock.now_ms() < self.world.storm.no_klines_until_ms:
            self.world.marks.reach("kline gap filled over REST")

    def _committed(self, records: Sequence[Record]) -> None:
        """After everything that the engine wrote down: its invariants."""
        trader = self.process.trader if self.process is not None else None
        if trader is not None and not self.result.problems:
            orders = orders_of(trader)
            broken = check_trader(trader) + check_limits(trader) + check_change(self._orders, orders)
            self.result.problems += [f"{_at(self.world.clock.now_ms(), START_MS)}: {text}" for text in broken]
            self._orders = orders
        if self._kill_at_unknown and any(
            isinstance(record, OrderUpdateRecord) and record.order.state is OrderState.UNKNOWN for record in records
        ):
            self.loop.after_callbacks(self._kill_at_unknown, self._kill)
            self._kill_at_unknown = 0

    # The process

    async def _supervise(self) -> None:
        """Start the engine, and start it again a moment after it ended."""
        while not self._over.is_set():
            self.lives += 1
            self._note_restart()
            self._killed.clear()
            self._orders = {}
            process = self.process = Process(self.machine, self.lives)
            killed = asyncio.ensure_future(self._killed.wait())
            over = asyncio.ensure_future(self._over.wait())
            await asyncio.wait((process.task, killed, over), return_when=asyncio.FIRST_COMPLETED)
            for waiter in (killed, over):
                waiter.cancel()
            if self._over.is_set():
                await self._end(process)
                return
            self._dead.append(process)
            if process.task.done():
                self._note_end(process)
                process.kill()  # What the engine's end left behind ends with the process.
            await asyncio.sleep(RESTART_S[0] + (RESTART_S[1] - RESTART_S[0]) * self.rng.random())

    async def _end(self, process: Process) -> None:
        await process.stop()
        if not process.task.cancelled() and process.task.exception() is not None:
            self._note_end(process)

    def _note_end(self, process: Process) -> None:
        if process.task.cancelled():
            return
        error = process.task.exception()
        if error is None or (is_ordinary(error) and not process.is_running):
            return
        text = "".join(traceback.format_exception(error))
        self.result.problems.append(f"the engine died at {self.loop.time():.3f}: {text}")

    def _note_restart(self) -> None:
        marks, orders = self.world.marks, journal_orders(self.disk.records)
        if any(self.world.exchange.ledger.position(symbol).lots for symbol in SYMBOLS) and self.lives > 1:
            marks.reach("restarted with a position")
        if any(order.state is OrderState.UNKNOWN for order in orders.values()):
            marks.reach("restarted with an unknown order")

    def _kill(self) -> None:
        process = self.process
        if process is None or process.task.done() or self._killed.is_set() or self.world.is_calm:
            return
        if self.world.storm.is_limiting:
            return  # Who may ask nothing cannot recover: what would be measured is the exchange.
        marks = self.world.marks
        for order in journal_orders(self.disk.records).values():
            if order.state is OrderState.INTENT:
                sent = order.client_order_id in marks._posted
                marks.reach("killed with an order in flight" if sent else "killed with an intent not sent")
        if self.told is not None:
            self.told._say("! the process is killed")
        process.kill()
        self._killed.set()

    def _begin(self, episode: Episode) -> None:
        if self.world.is_calm:
            return
        if self.told is not None:
            self.told._say(f"! {episode}")
        if episode.kind not in PROCESS_EPISODES:
            self.world.begin(episode)
        elif episode.kind == "kill":
            self.loop.after_callbacks(1 + int(episode.amount * 300), self._kill)
        elif episode.kind == "kill at order":
            self.world.storm.observers.append(_KillAtOrder(self, 1 + int(episode.amount * 60)))
        elif episode.kind == "kill at unknown":
            self._kill_at_unknown = 1 + int(episode.amount * 30)
        elif episode.kind == "halt at entry":
            self.world._at_entry(lambda _: self._operate(episode))
        elif episode.kind == "stop":
            if self.process is not None and self.process.engine is not None:
                self.process.engine.stop()
        else:
            self._operate(episode)

    def _operate(self, episode: Episode) -> None:
        verb = _VERBS[episode.kind]
        if self.process is not None:
            self.process.ask(verb)
        self.loop.call_later(episode.length_ms / 1000.0, self._resume)

    def _resume(self) -> None:
        if self.process is not None:
            self.process.ask(Verb.RESUME)


_VERBS = {
    "operator pause": Verb.PAUSE,
    "operator halt": Verb.HALT,
    "operator flatten": Verb.FLATTEN,
    "halt at entry": Verb.HALT,
}


class _KillAtOrder:
    """Kills the process some callbacks after its next new order leaves."""

    def __init__(self, hour: Hour, callbacks: int) -> None:
        self._hour = hour
        self._callbacks = callbacks

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        if asked.is_new_order:
            self._hour.world.storm.observers.remove(self)
            self._hour.loop.after_callbacks(self._callbacks, self._hour._kill)

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...


def run_seed(seed: int, *, hours: float = 1.0, whole_trace: bool = False, told: bool = False) -> Result:
    """The result of one seed; what goes wrong is in it, never raised."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = _run_hour(seed, int(hours * HOUR_MS), whole_trace=whole_trace, told=told)
    with _unheard():
        gc.collect()
    result.wall_s, result.cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return result


def _run_hour(seed: int, length_ms: int, *, whole_trace: bool, told: bool) -> Result:
    plan = make_plan(seed, length_ms, QUIET_MS, EPISODE_EVERY_MS)
    loop = VirtualLoop(f"loop {seed}")
    asyncio.set_event_loop(loop)
    hour = Hour(loop, seed, length_ms, plan, whole_trace=whole_trace, told=told)
    result = hour.result
    loop.set_exception_handler(lambda _, what: hour.note_stray(what))
    try:
        with virtual_ccxt(hour.world.clock), quiet_machine(hour.told):
            try:
                loop.run_until_complete(hour.run())
            except StuckError as error:
                result.problems.append(f"stuck: {error}")
            except Exception:  # noqa: BLE001 - a seed that breaks the harness is a finding like any other
                result.problems.append(f"the simulation broke: {traceback.format_exc()}")
            result.virtual_s = loop.time()
            loop.set_exception_handler(lambda _, what: None)
            with _unheard():
                end_all(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return result


@contextmanager
def _unheard() -> Iterator[None]:
    """What a killed process's coroutines say when they are taken apart is of no account."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = hook


def _at(time_ms: int, start_ms: int) -> str:
    minutes, seconds = divmod((time_ms - start_ms) / 1000.0, 60.0)
    return f"{int(minutes):02d}:{seconds:06.3f}"


@contextmanager
def quiet_machine(told: Told | None) -> Iterator[None]:
    """No log is written, except where it is `told`."""
    product = logging.getLogger("quarterdeck"), logging.getLogger("core")
    disabled = logging.root.manager.disable
    if told is None:
        logging.disable(logging.CRITICAL)
    for logger in product if told is not None else ():
        logger.setLevel(logging.INFO)
        logger.handlers = [told.log_handler()]
    try:
        yield
    finally:
        logging.disable(disabled)
        for logger in product if told is not None else ():
            logger.handlers = []
