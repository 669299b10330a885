"""An hour of trading through faults, in lives of the engine's process; then peace, and the books are compared."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.domain.market import MINUTE_MS
from core.domain.operator import Verb
from core.domain.orders import RESTING_STATES, Order, OrderState
from core.domain.records import OrderUpdateRecord, Record
from core.settings.schema import Settings
from core.trader.invariants import check_state
from tests.invariants import check_change, check_limits, orders_of
from tests.simulation.candles import MemoryCandles
from tests.simulation.checker import compare, compare_books, journal_orders, known_of_others, outside_fees_usdt
from tests.simulation.crossing_marks import CrossingMarks
from tests.simulation.crossings import Crossings
from tests.simulation.days import Days
from tests.simulation.faults import Asked
from tests.simulation.importing import Imports
from tests.simulation.invariants import Invariants, unattended
from tests.simulation.journal import Disk
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import AT_MIDNIGHT, CROSSINGS, Episode
from tests.simulation.process import Machine, Process, is_ordinary
from tests.simulation.proof import unproved
from tests.simulation.telling import START_MS, Told, Trace, at
from tests.simulation.thinking import Thinking, modelled
from tests.simulation.trading import NOTIONAL_USDT, laddered, make_settings, make_strategy
from tests.simulation.transport import Answer, Fate, Outcome
from tests.simulation.world import START_PRICES, World

SYMBOLS = ("BTCUSDT", "ETHUSDT")
QUIET_MS = 300_000
EPISODE_EVERY_MS = 45_000.0
RESTART_S = (0.2, 0.5)
"""How long a supervisor takes to start an engine again that ended."""

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
        "killed and traded",
        "stopped and traded",
        "external flatten",
    }
)


@dataclass
class Result:
    seed: int
    problems: list[str] = field(default_factory=list)
    gaps_ms: list[tuple[int, str, int]] = field(default_factory=list)
    leftovers_ms: list[tuple[int, str, int]] = field(default_factory=list)
    longest_whole_ms: int = 0
    longest_ms: dict[str, int] = field(default_factory=dict)
    had_people: bool = False
    had_crossings: bool = False
    had_models: bool = False
    had_ladder: bool = False
    had_several: bool = False
    reached: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    converged_s: float | None = None
    trace: str = ""


class Hour:
    """Lives of the process through a plan of episodes."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        length_ms: int,
        plan: Sequence[Episode],
        limits: Mapping[str, float],
        *,
        whole_trace: bool,
        told: bool,
        models: bool = False,
        ladder: bool = False,
        several: bool = False,
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
        self.invariants = Invariants(self.world, NOTIONAL_USDT, self._is_engine_there, self._is_traded)
        candles = MemoryCandles()
        self.days = Days(
            self.world.exchange,
            SYMBOLS,
            self.world.claims,
            candles.close,
            lambda: self.world.marks.reach("day opened after fills of its own"),
        )
        self.imports = Imports(
            self.loop, self.disk.records, lambda: self.world.marks.reach("data imported amid orders")
        )
        self.crossings = Crossings(self, seed)
        self.world.storm.observers.append(self.crossings)
        self.crossing_marks = CrossingMarks(
            self.world.marks.reach,
            self.world.shares,
            self.world.claims,
            self.invariants.latches,
            self.invariants.wishes,
        )
        self.disk.observers += [
            self.world.marks.committed,
            self.crossing_marks.committed,
            self.imports.committed,
            self.crossings.committed,
            self.trace.committed,
            self.invariants.committed,
            self.days.committed,
            self._committed,
        ]
        self.told = Told(self.world) if told else None
        if self.told is not None:
            self.world.storm.observers.append(self.told)
            self.disk.observers.append(self.told.committed)
        strategy = make_strategy(seed, reverses=seed % 2 == 0)
        strategy = laddered(strategy) if ladder else strategy
        thinking = Thinking(strategy, random.Random(f"models {seed}"), self.world.marks.reach) if models else None
        self.machine = Machine(
            world=self.world,
            disk=self.disk,
            candles=candles,
            settings=make_settings(SYMBOLS, limits),
            strategy=modelled(strategy) if models else strategy,
            forecaster=thinking,
            beside=(make_strategy(seed + 1, reverses=seed % 4 < 2, name="second"),) if several else (),
        )
        self.world.is_recovering = lambda: self._killed.is_set() or self.process is None or not self.process.is_running
        self.lives = 0
        self.process: Process | None = None
        self._over = asyncio.Event()
        self._killed = asyncio.Event()
        self._dead: list[Process] = []
        self._kill_at_unknown = 0
        self._while_off: Episode | None = None
        self._limits = limits
        self._without = ""
        self._retired: list[tuple[str, int, int]] = []
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
        world.people.clear_the_way()
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
        self.imports.end()
        result.problems += self.invariants.end(world.clock.now_ms()) + self.days.problems + self.imports.problems
        result.gaps_ms = world.meter.gaps_ms
        result.leftovers_ms = world.meter.leftovers_ms
        result.longest_whole_ms = world.meter.longest_whole_ms
        result.longest_ms = self.invariants.longest_ms()
        for symbol in SYMBOLS:
            holes = [
                open_ms for open_ms in self.machine.candles.holes(symbol) if not self._was_retired(symbol, open_ms)
            ]
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

    def _was_retired(self, symbol: str, open_ms: int) -> bool:
        """Whether a bar is of the time for which its contract was not traded: of one that comes back nothing is made
        up for, from the newest bar before that on."""
        away = [(newest_ms, back_ms) for retired, newest_ms, back_ms in self._retired if retired == symbol]
        return any(newest_ms < open_ms <= back_ms + MINUTE_MS for newest_ms, back_ms in away)

    def note_stray(self, told: dict[str, Any]) -> None:
        """An error that nobody awaited."""
        error = told.get("exception")
        where = "".join(traceback.format_exception(error)) if error is not None else ""
        self.result.problems.append(f"left to the loop: {told.get('message')} {told.get('task', '')} {where}")

    def _differences(self) -> list[str]:
        if self.process is None or self.process.trader is None or not self.process.is_running:
            return ["the engine does not run"]
        found = compare(self.world.exchange, self.disk.records)
        records = self.disk.records
        return found + compare_books(
            self.world.exchange, self.process.trader, known_of_others(records), outside_fees_usdt(records)
        )

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
            broken = check_state(trader.state) + check_limits(trader) + check_change(self._orders, orders)
            broken += unattended(trader.state.traded, self.world.shares.ours) + self._undrawn()
            self.result.problems += [f"{at(self.world.clock.now_ms())}: {text}" for text in broken]
            self._orders = orders
        if self._kill_at_unknown and any(
            isinstance(record, OrderUpdateRecord) and record.order.state is OrderState.UNKNOWN for record in records
        ):
            self.loop.after_callbacks(self._kill_at_unknown, self.kill)
            self._kill_at_unknown = 0

    def _undrawn(self) -> list[str]:
        """What kept the engine from showing itself."""
        engine = self.process.engine if self.process is not None else None
        return [engine._drawing.problem] if engine is not None and engine._drawing.problem else []

    # The process

    async def _supervise(self) -> None:
        """Start the engine, and start it again a moment after it ended."""
        while not self._over.is_set():
            self.lives += 1
            self._note_restart()
            self._killed.clear()
            self._orders = {}
            without = self._without
            newest_ms = self.machine.candles.newest_ms(without)
            self._note_back()
            process = self.process = Process(self.machine, self.lives, self._settings())
            killed = asyncio.ensure_future(self._killed.wait())
            over = asyncio.ensure_future(self._over.wait())
            await asyncio.wait((process.task, killed, over), return_when=asyncio.FIRST_COMPLETED)
            for waiter in (killed, over):
                waiter.cancel()
            if self._over.is_set():
                await self._end(process)
                return
            self._dead.append(process)
            if without:
                self._retired.append((without, newest_ms, self.world.clock.now_ms()))
                self._without = ""  # Once only: a start that was refused is made again with every symbol.
            if process.task.done():
                self._note_end(process)
                process.kill()  # What the engine's end left behind ends with the process.
            restart_s = RESTART_S[0] + (RESTART_S[1] - RESTART_S[0]) * self.rng.random()
            if self._while_off is None:
                await asyncio.sleep(restart_s)
            else:
                await self._stay_off(self._while_off, restart_s)

    async def _stay_off(self, episode: Episode, restart_s: float) -> None:
        """Somebody trades while no engine runs: for longer where it left everything in order, else for a moment."""
        world, self._while_off = self.world, None
        orders = journal_orders(self.disk.records).values()
        is_in_order = not world.meter.is_open and not any(
            order.is_open and order.state not in RESTING_STATES for order in orders
        )
        off_s = episode.length_ms / 1000.0 if is_in_order else restart_s
        world.meter.set_shut(True, world.clock.now_ms(), "nobody there")
        world.people.is_engine_off = True
        await asyncio.sleep(off_s / 2)
        if not world.is_calm and episode.kind not in AT_MIDNIGHT:
            world.people.act_while_off(episode)
        await asyncio.sleep(off_s / 2)
        world.people.is_engine_off = False
        world.meter.set_shut(False, world.clock.now_ms(), "nobody there")

    def _note_back(self) -> None:
        """A contract of which no bar came since it is back comes back with this start anew."""
        now_ms, newest_ms = self.world.clock.now_ms(), self.machine.candles.newest_ms
        self._retired = [
            (symbol, last_ms, now_ms if newest_ms(symbol) == last_ms else back_ms)
            for symbol, last_ms, back_ms in self._retired
        ]

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
        if self.lives > 1:
            self.crossing_marks.started(self.world.clock.now_ms())
        if any(self.world.exchange.ledger.position(symbol).lots for symbol in SYMBOLS) and self.lives > 1:
            marks.reach("restarted with a position")
        if any(order.state is OrderState.UNKNOWN for order in orders.values()):
            marks.reach("restarted with an unknown order")

    def _settings(self) -> Settings:
        """Those of the next life."""
        if not self._without:
            return self.machine.settings
        is_held = self.world.shares.ours.get(self._without, 0)
        self.world.marks.reach(f"started without a symbol that is {'held' if is_held else 'flat'}")
        return make_settings(tuple(symbol for symbol in SYMBOLS if symbol != self._without), self._limits)

    def kill(self) -> None:
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
            self.told.say("! the process is killed")
        process.kill()
        self._killed.set()

    def _begin(self, episode: Episode) -> None:
        if self.world.is_calm:
            return
        if self.told is not None:
            self.told.say(f"! {episode}")
        if episode.kind in CROSSINGS or episode.kind in AT_MIDNIGHT:
            self.crossings.begin(episode)
        elif episode.kind not in PROCESS_EPISODES:
            self.world.begin(episode)
        elif episode.kind == "kill":
            self.loop.after_callbacks(1 + int(episode.amount * 300), self.kill)
        elif episode.kind == "kill at order":
            self.world.storm.observers.append(_KillAtOrder(self, 1 + int(episode.amount * 60)))
        elif episode.kind == "kill at unknown":
            self._kill_at_unknown = 1 + int(episode.amount * 30)
        elif episode.kind == "halt at entry":
            self.world._at_entry(lambda _: self._operate(episode))
        elif episode.kind == "stop":
            self._stop()
        elif episode.kind in ("killed and traded", "stopped and traded"):
            self.stay_off(episode, is_killed=episode.kind == "killed and traded")
        else:
            self._operate(episode)

    def _stop(self) -> None:
        if self.process is not None and self.process.engine is not None:
            self.process.engine.stop()

    def stay_off(self, episode: Episode, *, is_killed: bool) -> None:
        """End the process, and start it again only after the episode's length."""
        self._while_off = episode
        (self.kill if is_killed else self._stop)()

    def retire(self, symbol: str, episode: Episode) -> None:
        """End the process, and start it with settings that lack a symbol, for the episode's length."""
        if self._is_engine_there():
            self._without = symbol
            self._stop()
            self.loop.call_later(episode.length_ms / 1000.0, self._bring_back)

    def _bring_back(self) -> None:
        if self._without:
            self._without = ""
            self._stop()

    def _is_engine_there(self) -> bool:
        return self.process is not None and not self._killed.is_set() and self.process.is_running

    def _is_traded(self, symbol: str) -> bool:
        trader = self.process.trader if self.process is not None else None
        return trader is not None and symbol in trader.state.traded

    def _operate(self, episode: Episode) -> None:
        verb = _VERBS[episode.kind]
        self.operate(verb, episode.length_ms, include_external=episode.kind == "external flatten")

    def operate(self, verb: Verb, length_ms: int, *, include_external: bool = False) -> asyncio.Task[object] | None:
        """An operator's command, with entries resumed after `length_ms`."""
        self.loop.call_later(length_ms / 1000.0, self.ask, Verb.RESUME)
        return self.ask(verb, include_external=include_external)

    def ask(self, verb: Verb, *, include_external: bool = False) -> asyncio.Task[object] | None:
        return None if self.process is None else self.process.ask(verb, include_external=include_external)


_VERBS = {
    "operator pause": Verb.PAUSE,
    "operator halt": Verb.HALT,
    "operator flatten": Verb.FLATTEN,
    "halt at entry": Verb.HALT,
    "external flatten": Verb.FLATTEN,
}


class _KillAtOrder:
    """Kills the process some callbacks after its next new order leaves."""

    def __init__(self, hour: Hour, callbacks: int) -> None:
        self._hour = hour
        self._callbacks = callbacks

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        if asked.is_new_order:
            self._hour.world.storm.observers.remove(self)
            self._hour.loop.after_callbacks(self._callbacks, self._hour.kill)

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...
