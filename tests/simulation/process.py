"""One life of the engine's process: built as production builds it, ended as by SIGTERM or as by SIGKILL."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from core.clock import ExchangeClock
from core.domain.errors import QuarterdeckError
from core.domain.market import MINUTE_MS, Bar, MarketBatch
from core.domain.operator import OperatorWish, Verb
from core.engine.assembly.exchange import RESTART_PATIENCE_S
from core.engine.assembly.real_time import real_time_parts
from core.engine.engine import Engine
from core.engine.starts import Rules
from core.exchange.account.desk import AccountDesk
from core.exchange.account.setup import holds_anything
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.client import build_client
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests
from core.exchange.markets.contracts import load_instruments
from core.exchange.orders.venue import ExchangeVenue
from core.home.logbook import Logbook
from core.market.live.beside import StreamsBeside
from core.market.live.market import LiveMarket
from core.market.replay.resuming import ResumePoint
from core.market.seeing import observed_of
from core.ports import Forecaster
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.trader.account import retired_symbols
from core.trader.trader import Trader
from tests.simulation.candles import MemoryCandles
from tests.simulation.journal import Disk, MemoryJournal
from tests.simulation.observations import MemoryObservations
from tests.simulation.transport import Network, attach
from tests.simulation.world import World
from tests.venue.venue import API_KEY, API_SECRET

ACCOUNT = "live"
PAST_MS = 20 * MINUTE_MS
PUBLISH_HZ = 0.02
Feed = Callable[[ResumePoint], AsyncIterator[MarketBatch]]
LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)


@dataclass(frozen=True, slots=True)
class Machine:
    """What all lives share: the disk, the settings and the world; `forecaster` is None where a rule forecasts."""

    world: World
    disk: Disk
    candles: MemoryCandles
    settings: Settings
    strategy: Strategy
    publish_hz: float = PUBLISH_HZ
    forecaster: Forecaster | None = None
    observations: MemoryObservations = field(default_factory=MemoryObservations)


class Process:
    """`number` tells the lives apart, `settings` are those of this one. `task` ends with the engine."""

    def __init__(self, machine: Machine, number: int, settings: Settings | None = None) -> None:
        self.machine = machine
        self.settings = settings or machine.settings
        self.number = number
        self.trader: Trader | None = None
        self.engine: Engine | None = None
        self.wire: Requests | None = None
        self.desk: AccountDesk | None = None
        self.market: LiveMarket | None = None
        self.health = Health()
        self.network: Network = machine.world.new_network()
        context = contextvars.copy_context()
        context.run(LIFE.set, number)
        self._context = context
        self._remains: list[asyncio.Task[Any]] = []
        self.task = machine.world.loop.create_task(self._run(), context=context)

    @property
    def is_running(self) -> bool:
        engine = self.engine
        return engine is not None and engine.latest is not None and engine.latest.status.state not in _NOT_RUNNING

    def kill(self) -> None:
        """End it between two callbacks: nothing of it runs again, no exit handler, no answer."""
        self.network.cut()
        self._client.session = None
        loop = self.machine.world.loop
        # What is kept is not taken apart while the simulation goes on, which would run its exit handlers.
        self._remains = list(asyncio.all_tasks(loop))
        for task in self._remains:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.forget(LIFE, self.number)

    async def stop(self) -> None:
        """End it as SIGTERM does, and wait for it."""
        if self.engine is None:
            self.task.cancel()
        else:
            self.engine.stop()
        await asyncio.wait([self.task])
        self.network.cut()

    def ask(self, verb: Verb, *, include_external: bool = False) -> asyncio.Task[object] | None:
        """An operator's command; refused where the engine is not ready for it. None where there is none to ask."""
        if self.engine is None or not self.network.alive:
            return None
        return self._background(self.engine.command(OperatorWish(verb, "", "simulation", include_external)))

    def _background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        return self.machine.world.loop.create_task(work, context=self._context)

    async def _run(self) -> None:
        machine, settings = self.machine, self.settings
        clock = ExchangeClock(machine.world.system_clock)
        client = build_client(settings.exchange, Keys(API_KEY, API_SECRET), clock.now_ms, BinanceUsdm())
        attach(client, self.network)
        self._client = client
        wire = Requests(
            client, BinanceUsdm(), clock, self.health, settings.exchange, (API_SECRET,), machine.world.rng.random
        )
        self.wire = wire
        try:
            await wire.time.measure()
            await wire.load_symbols(settings.market.symbols, machine.disk.instruments)
            await self._trade(wire)
        finally:
            if self.network.alive:
                await wire.close()

    async def _trade(self, wire: Requests) -> None:
        """As `core.engine.assembly.exchange.exchange_parts` puts a live engine together."""
        machine, settings, symbols = self.machine, self.settings, self.settings.market.symbols
        journal = MemoryJournal(machine.disk)
        patience_s = RESTART_PATIENCE_S if machine.disk.records else None
        fresh = await load_instruments(wire, settings, symbols, with_account=True, patience_s=patience_s)
        instruments, records = machine.disk.told_again(fresh)
        retired = retired_symbols(records, fresh)
        venue = ExchangeVenue(wire, {symbol: instruments[symbol] for symbol in fresh}, settings.exchange)
        desk = self.desk = AccountDesk(venue, settings, machine.disk.change_rules)
        self._mark_frames(wire)
        if holds_anything(records):
            desk.prepare_beside()
        else:
            await desk.prepare()
        opening = machine.disk.meta.get("opening")
        if opening is None:
            opening = (await venue.wallet_usdt(), wire.clock.now_ms() // MINUTE_MS * MINUTE_MS)
            machine.disk.meta["opening"] = opening
        initial_usdt, start_ms = opening
        market = self.market = LiveMarket(wire, machine.candles, tuple(fresh), settings)
        if not records:
            await market.back_fill(dict.fromkeys(fresh, start_ms - PAST_MS))
        streams = self._streams(wire, market)
        settings = settings.with_initial_balance(initial_usdt)
        machine.disk.starts[len(machine.disk.records)] = Rules(settings, instruments)
        self.trader = Trader(ACCOUNT, machine.strategy, settings, instruments, retired)
        parts = real_time_parts(
            mode="live",
            wire=wire,
            market=market,
            trader=self.trader,
            venue=venue,
            desk=desk,
            journal=journal,
            records=records,
            candles=machine.candles,
            forecasters={} if machine.forecaster is None else {machine.strategy.part.name: machine.forecaster},
            logbook=Logbook(),
            start_ms=start_ms,
            publish_hz=machine.publish_hz,
            observations=streams.stored if streams is not None else None,
            streams=streams,
        )
        self.engine = Engine(replace(parts, feed=self._watched(parts.feed), lag_period_s=600.0))
        await self.engine.run()

    def _streams(self, wire: Requests, market: LiveMarket) -> StreamsBeside | None:
        """What the strategy sees beside its bars; None where it sees nothing else."""
        names = observed_of(self.machine.strategy.market_inputs)
        if not names:
            return None
        stale_ms = int(self.settings.exchange.stale_after_seconds * 1_000)
        return StreamsBeside(
            wire,
            self.settings.market.symbols,
            names,
            self.machine.observations,
            followed=market.followed,
            stale_ms=stale_ms,
        )

    def _mark_frames(self, wire: Requests) -> None:
        wire.unreadable_frames.subscribe(lambda _: self.machine.world.marks.reach("frame that is no JSON"))

    def _watched(self, feed: Feed) -> Feed:
        """The same feed, with late bars noted."""
        marks = self.machine.world.marks

        async def batches(point: ResumePoint) -> AsyncIterator[MarketBatch]:
            async for batch in feed(point):
                if not batch.trading and any(isinstance(event, Bar) for event in batch.events):
                    marks.reach("bars too late to trade on")
                yield batch

        return batches


_NOT_RUNNING = frozenset({"starting", "recovering", "stopping", "failed"})


def is_ordinary(error: BaseException) -> bool:
    """Whether an engine may end with this: what it says of itself, for a supervisor to start it again."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_ordinary(inner) for inner in error.exceptions)
    return isinstance(error, QuarterdeckError)
