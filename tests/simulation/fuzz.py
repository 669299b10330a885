"""An exchange whose messages are spoiled, in part: the whole engine must live, tell, protect and keep its books.

`python -m tests.simulation.fuzz --messages 100000` draws as many; the suite draws a few thousand. In every spoiled
message one or more fields of what the exchange answers or streams are missing, empty, huge, negative, not finite or of
another type. The engine is the one of the simulation, genuine ccxt included; after each stretch the exchange speaks
plainly again, and the books must come to agree.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import json
import logging
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.control.codec import encode_line
from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.domain.records import Record
from core.trader.invariants import check_state
from tests.simulation.candles import MemoryCandles
from tests.simulation.checker import compare, compare_books, journal_orders, known_of_others, outside_fees_usdt
from tests.simulation.journal import Disk
from tests.simulation.loop import StuckError, VirtualLoop, end_all
from tests.simulation.process import Machine, Process
from tests.simulation.telling import START_MS, Told
from tests.simulation.trading import make_settings, make_strategy
from tests.simulation.transport import Answer, Peer, Server, virtual_ccxt
from tests.simulation.world import START_PRICES, World

SYMBOLS = ("BTCUSDT", "ETHUSDT")
STRETCH_S = 60.0
PLAIN_S = 90.0
TRADING_S = (20.0, 150.0)
"""How long the exchange speaks plainly between two stretches: long enough for positions to be there in the next."""

SHARES = (0.02, 0.1, 0.3, 0.6)
"""How many of the messages are spoiled in a stretch."""

MORE_FIELDS = 0.02
"""One field is spoiled of a spoiled message, and each other with this probability."""

VALUES: tuple[Any, ...] = (
    None,
    "",
    " ",
    "0",
    0,
    -1,
    "-1",
    1e40,
    "1e40",
    "-1e40",
    "1e-400",
    10**400,
    "9" * 5000,
    float("inf"),
    float("nan"),
    "NaN",
    "Infinity",
    "sNaN",
    "nonsense",
    "\x1b[2J\x1b]0;owned\x07\u202e\n2026-01-01 forged",
    "\ud800",
    True,
    False,
    [],
    {},
    [None],
    {"e": "trade"},
    2**63,
)
_GONE = object()
_FEES = frozenset({"n", "N", "commission", "commissionAsset"})
"""Spared: a trade without a fee, or with another, is one that can be. The wallet tells it, and is booked as that."""


class Spoiler:
    """A `transport.Server` that spoils a `share` of what another one says."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self.share = 0.0
        self.spoiled = 0
        self.seen: Counter[str] = Counter()

    def rest(self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer:
        answer = self._server.rest(method, path, query, body, headers)
        # Without the time of day no request is signed for its window: that is the weather's business.
        if path.endswith("/time"):
            return answer
        return Answer(answer.status, self._perhaps(answer.body, path.rpartition("/")[2]), answer.headers)

    def connect(self, path: str, query: str, send: Callable[[str], None], close: Callable[[int], None]) -> Peer:
        return self._server.connect(path, query, lambda text: send(self._perhaps(text, "stream")), close)

    def _perhaps(self, text: str, what: str) -> str:
        if not self.share or self._rng.random() >= self.share:
            return text
        try:
            told = json.loads(text)
        except ValueError:
            return text
        self.spoiled += 1
        self.seen[what] += 1
        return json.dumps(spoil(told, self._rng))


def spoil(told: Any, rng: random.Random) -> Any:
    """`told` with one of its fields, or a few, put wrong; now and then all of it."""
    places = list(_places(told))
    if not places or rng.random() < 0.03:
        return rng.choice(VALUES)
    chosen = [rng.choice(places)] + [place for place in places if rng.random() < MORE_FIELDS]
    for holder, key in chosen:
        value = rng.choice((*VALUES, _GONE, _GONE, _GONE))
        if value is not _GONE:
            holder[key] = value
        elif isinstance(holder, dict):
            holder.pop(key, None)
        elif key < len(holder):
            holder[key] = None
    return told


def _places(told: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(told, dict):
        keys: Iterable[Any] = [key for key in told if key not in _FEES]
    elif isinstance(told, list):
        keys = range(min(len(told), 20))
    else:
        return
    for key in keys:
        yield told, key
        yield from _places(told[key])


@dataclass
class Found:
    """What a run came to."""

    problems: list[str] = field(default_factory=list)
    spoiled: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    told: int = 0
    halts: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    virtual_s: float = 0.0


class _Count(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()
        self.lines += 1


def _write_down(records: Sequence[Record]) -> None:
    """As the journal does: raises where a text among them cannot be."""
    for record in records:
        json.dumps(dataclasses.asdict(record), default=str, ensure_ascii=False).encode()


class Stretch:
    """One engine from its start, through `messages` spoiled messages, to books that agree."""

    def __init__(self, loop: VirtualLoop, seed: int, messages: int, found: Found, *, told: bool) -> None:
        self.loop = loop
        self.messages = messages
        self.found = found
        self.world = World(loop, seed, SYMBOLS, START_MS, START_PRICES)
        self.world.storm.observers.clear()  # They read what the exchange answers.
        self.spoiler = Spoiler(self.world.server, random.Random(f"spoiler {seed}"))
        self.world.server = self.spoiler  # type: ignore[assignment]
        self.disk = Disk()
        self.disk.observers.append(_write_down)
        settings = make_settings(SYMBOLS, reconcile_seconds=20.0)
        strategy = make_strategy(seed, reverses=seed % 2 == 0)
        self.rng = random.Random(f"stretch {seed}")
        self.machine = Machine(self.world, self.disk, MemoryCandles(), settings, strategy, publish_hz=1.0)
        if told:
            reader = Told(self.world)
            self.world.storm.observers.append(reader)
            self.disk.observers.append(reader.committed)
            logging.getLogger("quarterdeck").handlers = [reader.log_handler()]

    async def run(self) -> None:
        process = Process(self.machine, 1)
        await asyncio.sleep(5)
        self.world.start()
        self.world.storm.calm()
        self._act_by_hand()
        while not self.found.problems and self.spoiler.spoiled < self.messages:
            self.spoiler.share = self.rng.choice(SHARES)
            await self._pass(process, STRETCH_S)
            self.spoiler.share = 0.0
            await self._agree(process)
            await self._pass(process, self.rng.uniform(*TRADING_S))
        self.found.spoiled += self.spoiler.spoiled
        self.found.seen += self.spoiler.seen
        self.found.entries += sum(order.role is OrderRole.ENTRY for order in journal_orders(self.disk.records).values())
        if not process.task.done():
            await process.stop()
        if not process.task.cancelled() and process.task.exception() is not None:
            self._note_death(process)

    def _act_by_hand(self) -> None:
        """Others rest a stop that closes whatever is held, and an order far away: both are read again and again."""
        now_ms = self.world.clock.now_ms()
        self.world.venue.place_external_algo(
            now_ms, symbol="XRPUSDT", side="SELL", type="STOP_MARKET", closePosition="true", triggerPrice="1.0"
        )
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "40000.0", "quantity": "0.010"}
        self.world.venue.place_external(now_ms, symbol="BTCUSDT", side="BUY", **limit)

    async def _pass(self, process: Process, seconds: float) -> None:
        done, _ = await asyncio.wait([process.task], timeout=seconds)
        if done:
            self._note_death(process)
        elif process.trader is not None and process.engine is not None:
            self.found.problems += check_state(process.trader.state)
            encode_line(process.engine.latest)

    def _note_death(self, process: Process) -> None:
        error = process.task.exception() if not process.task.cancelled() else None
        text = "".join(traceback.format_exception(error)) if error is not None else "it ended"
        if text not in self.found.problems:
            self.found.problems.append(text)

    async def _agree(self, process: Process) -> None:
        """The exchange speaks plainly again: positions are protected, and the books agree before long."""
        began_s = self.loop.time()
        process.ask(Verb.RESUME)
        for _ in range(int(PLAIN_S)):
            await self._pass(process, 1.0)
            if self.found.problems:
                return
            if not (differences := self._differences(process)):
                break
        else:
            self.found.problems += [f"{PLAIN_S:g} s after the last spoiled message: {text}" for text in differences]
        self.found.slowest_s = max(self.found.slowest_s, self.loop.time() - began_s)
        if process.trader is not None:
            self.found.halts.update(process.trader.guard.halts())

    def _differences(self, process: Process) -> list[str]:
        if process.trader is None or not process.is_running:
            return ["the engine does not run"]
        records = self.disk.records
        found = compare(self.world.exchange, records)
        found += compare_books(
            self.world.exchange, process.trader, known_of_others(records), outside_fees_usdt(records)
        )
        if self.world.meter.is_open:
            found.append("a position is without its stop")
        return found


def fuzz(seed: int, messages: int, *, told: bool = False) -> Found:
    """`messages` spoiled messages to one engine; what goes wrong is in the result, never raised."""
    found = Found()
    loop = VirtualLoop(f"fuzz {seed}")
    asyncio.set_event_loop(loop)
    stretch = Stretch(loop, seed, messages, found, told=told)
    loop.set_exception_handler(lambda _, what: found.problems.append(f"left to the loop: {_stray(what)}"))
    try:
        with virtual_ccxt(stretch.world.clock), _counted(found, told=told):
            try:
                loop.run_until_complete(stretch.run())
            except StuckError as error:
                found.problems.append(f"stuck: {error}")
            found.virtual_s = loop.time()
            loop.set_exception_handler(lambda _, what: None)
            end_all(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return found


def _stray(what: Mapping[str, Any]) -> str:
    error = what.get("exception")
    return f"{what.get('message')} " + ("".join(traceback.format_exception(error)) if error is not None else "")


@contextmanager
def _counted(found: Found, *, told: bool) -> Iterator[None]:
    """What the engine tells is counted, and written for nobody but the reader of one seed."""
    counter, loggers = _Count(), (logging.getLogger("quarterdeck"), logging.getLogger("core"))
    kept = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = ([*logger.handlers, counter] if told else [counter]), False
        logger.setLevel(logging.INFO if told else logging.WARNING)
    try:
        yield
    finally:
        found.told = counter.lines
        for logger, (handlers, propagate, level) in zip(loggers, kept, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="how many spoiled messages to draw")
    parser.add_argument("--each", type=int, default=5_000, help="how many of them an engine is told")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and tell what happens")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    if asked.replay is not None:
        found = fuzz(asked.replay, asked.each, told=True)
        print("\n".join(found.problems) or "no problems")
        return 1 if found.problems else 0
    total, seed, failed = 0, asked.first, 0
    seen: Counter[str] = Counter()
    while total < asked.messages:
        found = fuzz(seed, min(asked.each, asked.messages - total))
        gc.collect()
        total, seen = total + max(1, found.spoiled), seen + found.seen
        print(
            f"seed {seed}: {found.spoiled} spoiled messages in {found.virtual_s:.0f} virtual s, "
            f"{found.entries} entries, {found.told} lines told, "
            f"books equal at most {found.slowest_s:.0f} s after; {dict(found.halts)}",
            flush=True,
        )
        if found.problems:
            failed += 1
            print("\n".join(found.problems[:3]), flush=True)
        seed += 1
    print(f"{total} spoiled messages; {failed} engines failed; {dict(seen.most_common())}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
