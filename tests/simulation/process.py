"""One life of the engine's process: built as production builds it, ended as by SIGTERM or as by SIGKILL."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.clock import ExchangeClock
from core.domain.errors import QuarterdeckError
from core.domain.instrument import Instrument
from core.domain.operator import Verb
from core.domain.records import Record
from core.engine import Engine, EngineParts
from core.exchange.account_desk import AccountDesk
from core.exchange.binance_dialect import BinanceUsdm
from core.exchange.client import build_client
from core.exchange.health import Health
from core.exchange.keys import Keys
from core.exchange.requests import Requests, keep_time
from core.exchange.venue import ExchangeVenue
from core.logbook import Logbook
from core.market.live import LiveMarket
from core.pace import Pacer
from core.settings import Settings
from core.strategy import Strategy
from core.trader.trader import Trader
from tests.simulation.candles import MemoryCandles
from tests.simulation.journal import Disk, MemoryJournal
from tests.simulation.transport import Network, attach
from tests.simulation.world import World
from tests.venue.venue import API_KEY, API_SECRET

ACCOUNT = "live-simulated"
LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)


@dataclass(frozen=True, slots=True)
class Machine:
    """What all lives share: the disk, the settings and the world outside."""

    world: World
    disk: Disk
    candles: MemoryCandles
    settings: Settings
    strategy: Strategy
    instruments: dict[str, Instrument]
    initial_usdt: Decimal


class Process:
    """`number` tells the lives apart. `task` ends with the engine."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.number = number
        self.trader: Trader | None = None
        self.engine: Engine | None = None
        self.wire: Requests | None = None
        self.health = Health()
        self.network: Network = machine.world.new_network()
        context = contextvars.copy_context()
        context.run(LIFE.set, number)
        self._context = context
        self.task = machine.world.loop.create_task(self._run(), context=context)

    @property
    def is_running(self) -> bool:
        engine = self.engine
        return engine is not None and engine.latest is not None and engine.latest.status.state not in _NOT_RUNNING

    def kill(self) -> None:
        """End it between two callbacks: nothing of it runs again, no exit handler, no answer."""
        self.network.cut()
        number = self.number
        self.machine.world.loop.forget(lambda context: context.get(LIFE) == number)

    async def stop(self) -> None:
        """End it as SIGTERM does, and wait for it."""
        if self.engine is None:
            self.task.cancel()
        else:
            self.engine.stop()
        await asyncio.wait([self.task])
        self.network.cut()

    def ask(self, verb: Verb) -> None:
        """An operator's command; refused where the engine is not ready for it."""
        if self.engine is not None:
            self._background(self.engine.command(verb, "", "simulation"))

    def _background(self, work: Coroutine[Any, Any, object]) -> None:
        self.machine.world.loop.create_task(work, context=self._context)

    async def _run(self) -> None:
        machine = self.machine
        settings, instruments = machine.settings, machine.instruments
        clock = ExchangeClock(machine.world.system_clock)
        client = build_client(settings.exchange, Keys(API_KEY, API_SECRET), clock.now_ms)
        attach(client, self.network)
        wire = Requests(
            client, BinanceUsdm(), clock, self.health, settings.exchange, (API_SECRET,), machine.world.rng.random
        )
        self.wire = wire
        try:
            await wire.time.measure()
            await wire.load_symbols(list(instruments))
            await self._trade(wire, clock)
        finally:
            await wire.close()

    async def _trade(self, wire: Requests, clock: ExchangeClock) -> None:
        machine = self.machine
        settings, instruments = machine.settings, machine.instruments
        journal = MemoryJournal(machine.disk)
        records = await journal.load()
        venue = ExchangeVenue(wire, instruments, settings.exchange)
        market = LiveMarket(wire, machine.candles, tuple(instruments), settings)
        trader = Trader(ACCOUNT, machine.strategy, settings.with_initial_balance(machine.initial_usdt), instruments)
        self.trader = trader
        desk = AccountDesk(venue, settings)
        self.engine = Engine(
            EngineParts(
                mode="live",
                source="simulation",
                trader=trader,
                venue=venue,
                journal=journal,
                records=records,
                candles=machine.candles,
                forecaster=None,
                feed=market.batches,
                clock=clock,
                pacer=Pacer(None, None),
                logbook=Logbook(),
                start_ms=clock.now_ms() // 60_000 * 60_000,
                trade_from_ms=0,
                end_with_feed=False,
                publish_hz=0.02,
                reconcile=desk.reconcile,
                attendants=(desk.run, _beside(market.run), _beside(lambda: keep_time(wire))),
                real_time=market,
            )
        )
        await self.engine.run()


def _beside(run: Callable[[], Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    async def attend(trader: Trader, stepper: object) -> None:
        await run()

    return attend


_NOT_RUNNING = frozenset({"starting", "recovering", "stopping", "failed"})


def is_ordinary(error: BaseException) -> bool:
    """Whether an engine may end with this: what it says of itself, for a supervisor to start it again."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_ordinary(inner) for inner in error.exceptions)
    return isinstance(error, QuarterdeckError)


def records_of(disk: Disk) -> Sequence[Record]:
    return disk.records
