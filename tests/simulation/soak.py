"""A day of twenty symbols without a restart: what the engine holds on to must not grow, and nothing of it may be lost.

Memory is that of the product and its libraries by `tracemalloc`; what the simulated exchange keeps in the same process
does not count.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.exchange.connection.requests import Requests
from tests.simulation.candles import MemoryCandles
from tests.simulation.faults import EVERYDAY, EVERYDAY_FRAMES
from tests.simulation.journal import Disk
from tests.simulation.loop import VirtualLoop, end_all
from tests.simulation.process import Machine, Process
from tests.simulation.telling import START_MS, quiet_machine
from tests.simulation.trading import make_settings, make_strategy
from tests.simulation.transport import virtual_ccxt
from tests.simulation.world import World
from tests.venue.contracts import load_contracts

GROWTH_LIMIT_BYTES = 5_000_000
KEPT_BARS = 60
_NOT_COUNTED = ("*/tests/*", "*tracemalloc*", "*/linecache.py")


@dataclass
class Soak:
    """What a soak found. `queues` are (name, longest seen, bound)."""

    hours: float
    grown_bytes: int = 0
    tasks: tuple[int, int] = (0, 0)
    queues: list[tuple[str, int, int]] = field(default_factory=list)
    bars: int = 0
    fills: int = 0
    wall_s: float = 0.0
    top: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def run_soak(*, hours: float, warm_up_hours: float, symbols: int, step_s: float, often: float, seed: int = 1) -> Soak:
    """Let the engine trade for `hours` in everyday faults; memory is compared from the end of the warm-up on."""
    result = Soak(hours)
    names = tuple(load_contracts())[:symbols]
    loop = VirtualLoop(f"soak {seed}")
    asyncio.set_event_loop(loop)
    prices = {name: _price(name) for name in names}
    world = World(loop, seed, names, START_MS, prices, step_ms=int(step_s * 1000))
    world.venue.pace.kline_push_ms = world.venue.pace.mark_push_ms = int(step_s * 1000)
    settings = make_settings(names, stale_after_seconds=min(300.0, 4.0 * step_s), reconcile_seconds=300.0)
    disk, candles = Disk(keeps=False), MemoryCandles(KEPT_BARS)
    machine = Machine(world, disk, candles, settings, make_strategy(seed, reverses=True, often=often))
    began = time.perf_counter()
    tracemalloc.start()
    try:
        with virtual_ccxt(world.clock), quiet_machine(None):
            loop.run_until_complete(_watch(machine, result, hours, warm_up_hours))
            end_all(loop)
    finally:
        tracemalloc.stop()
        asyncio.set_event_loop(None)
        loop.close()
    result.fills = len(world.venue.ledger.trades)
    result.wall_s = time.perf_counter() - began
    return result


def _price(symbol: str) -> float:
    """A price at which the smallest order is far below a trade's size, and the tick far below a stop's distance."""
    contract = load_contracts([symbol])[symbol]
    return float(contract.tick_size) * 20_000


async def _watch(machine: Machine, result: Soak, hours: float, warm_up_hours: float) -> None:
    process = Process(machine, 1)
    await asyncio.sleep(10)
    machine.world.start()
    machine.world.storm.odds, machine.world.storm.frame_odds = EVERYDAY, EVERYDAY_FRAMES
    await asyncio.sleep(warm_up_hours * 3600)
    before, tasks_before = _snapshot(), len(asyncio.all_tasks())
    longest: dict[str, tuple[int, int]] = {}
    for _ in range(int((hours - warm_up_hours) * 60)):
        await asyncio.sleep(60)
        if process.task.done():
            result.problems.append(f"the engine ended: {process.task.exception()!r}")
            return
        for name, length, bound in _queues(process):
            longest[name] = max(longest.get(name, (0, bound)), (length, bound))
    after = _snapshot()
    result.queues = [(name, length, bound) for name, (length, bound) in longest.items()]
    result.tasks = tasks_before, len(asyncio.all_tasks())
    result.bars = sum(len(machine.candles.all_bars(symbol)) for symbol in machine.world.symbols)
    changes = after.compare_to(before, "filename")
    result.grown_bytes = sum(change.size_diff for change in changes)
    result.top = [str(change) for change in sorted(changes, key=lambda c: -c.size_diff)[:16]]
    machine.world.calm()
    await process.stop()
    if not process.task.cancelled() and process.task.exception() is not None:
        result.problems.append(f"the engine did not end well: {process.task.exception()!r}")
    await asyncio.sleep(1)


def _snapshot() -> tracemalloc.Snapshot:
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, name) for name in _NOT_COUNTED])


def _queues(process: Process) -> Iterator[tuple[str, int, int]]:
    """Every queue and cache of the engine, with what bounds it."""
    wire, engine, trader = process.wire, process.engine, process.trader
    desk, market = process.desk, process.market
    assert isinstance(wire, Requests)
    assert engine is not None
    assert trader is not None
    assert desk is not None
    assert desk.at_work is not None
    assert market is not None
    symbols = len(trader.state.symbols)
    yield "outbox", len(desk._venue.outbox._jobs), 2_000
    yield "outbox tries", len(desk._venue.outbox._tries), 1_000
    yield "known orders", len(desk._venue.known._ours), 1_000
    yield "account rows", len(desk.stream.rows), 5_000
    yield "account fills told", len(desk.stream._told), 1_000
    yield "waiting trades", len(desk.at_work.incoming._waiting), 1_000
    yield "questions", len(desk.at_work.questions), 64 * symbols
    yield "limiter", wire.limiter.waiting(), 4 * 512
    yield "ccxt orders", len(wire.client.orders or ()), 100
    yield "ccxt trades", len(wire.client.myTrades or ()), 100
    yield "ccxt connections", len(wire.client.clients), 8
    yield "ended orders", max(len(s.ended) for s in trader.state.books()), 256
    yield "open orders", sum(len(s.orders) for s in trader.state.books()), 8 * symbols
    yield "timers", len(process.machine.world.loop._timers), 20_000
    yield "tasks", len(asyncio.all_tasks()), 100 + 4 * symbols


def problems_of(result: Soak) -> list[str]:
    found = list(result.problems)
    if result.grown_bytes >= GROWTH_LIMIT_BYTES:
        found.append(f"memory grew by {result.grown_bytes / 1e6:.1f} MB: " + "; ".join(result.top))
    before, after = result.tasks
    if abs(after - before) > 8:
        found.append(f"{before} tasks after the warm-up, {after} at the end")
    found += [f"{name} held {length}, its bound is {bound}" for name, length, bound in result.queues if length > bound]
    if not result.fills:
        found.append("nothing was traded")
    return found


def soak() -> int:
    """The full soak by command. The longest window in memory is the 300 bars of a chart, full after five hours."""
    result = run_soak(hours=24.0, warm_up_hours=6.0, symbols=20, step_s=60.0, often=0.05)
    print(
        f"{result.hours:g} virtual hours, 20 symbols, {result.fills} fills in {result.wall_s:.0f} s: "
        f"memory grew by {result.grown_bytes / 1e6:.2f} MB after the first 6 hours, "
        f"{result.tasks[0]} tasks then and {result.tasks[1]} at the end"
    )
    print("queues: " + ", ".join(f"{name} {length}/{bound}" for name, length, bound in result.queues))
    print("\n".join(result.top))
    problems = problems_of(result)
    print("\n".join(problems) or "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(soak())
