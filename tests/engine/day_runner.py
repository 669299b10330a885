"""Runs the scripted day: the loopback exchange and its market on one side, the engine of a home on the other, all in
virtual time over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.clock import ExchangeClock
from core.control.arming import account_of
from core.control.requests import RunRequest
from core.domain.market import MINUTE_MS, Bar
from core.domain.operator import OperatorWish, Verb
from core.engine import retention as keeping
from core.engine.assembly.exchange import exchange_parts
from core.engine.assembly.start import EngineStart
from core.engine.engine import Engine
from core.engine.starts import read_starts
from core.home.folder import Home
from core.home.logbook import set_up
from core.lab.replay.verify import Verification, verify
from core.market.shipped import DATA
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import Strategy
from core.trader.account import Opening
from core.trader.trader import Trader
from storage.candles import SqliteCandles
from storage.connection import Connection
from storage.database import open_database
from storage.home import SqliteHome
from storage.journal_reader import JournalReader
from tests.engine.exchange_day import DAY_MINUTES, MOVES, Drift, Jump, closes, jump_follower
from tests.simulation.loop import LoopClock, VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, BinanceVenue

START_MS = 1_780_012_800_000
assert START_MS % 86_400_000 == 0
SYMBOLS = ("BTCUSDT", "ETHUSDT")
STARTS = {"BTCUSDT": (60_000.0, 0.1, 1), "ETHUSDT": (3_000.0, 0.01, -1)}
LEVERAGE = 4
STEP_MS = 20_000
STEPS = MINUTE_MS // STEP_MS
THIN_MINUTES = range(296, 312)
HISTORY_BARS = 30


def day_settings(base_url: str, mode: str = "live", interval_minutes: int = 1, **exchange: Any) -> Settings:
    return parse_settings(
        {
            "mode": mode,
            "market": {"symbols": list(SYMBOLS), "interval_minutes": interval_minutes},
            "account": {"leverage": LEVERAGE},
            "sizing": {"notional_usdt": 3_000.0},
            # The market of the script has next to no volume.
            "costs": {"max_participation_pct": 0.0},
            "limits": {"max_losses_in_row": 50, "day_loss_usdt": 5_000.0, "day_loss_pct": 50.0},
            "exchange": {"base_url": base_url, "stale_after_seconds": 90.0, "reconcile_seconds": 300.0, **exchange},
            "live": {"paper_hours_first": 24.0 if exchange.get("testnet") else 0.0},
        },
        "the day",
    )


class Market:
    """What the exchange's prices do. `minute` is the minute of the day that has begun."""

    def __init__(
        self, venue: BinanceVenue, clock: LoopClock, minutes: int, moves: Sequence[Jump | Drift] = MOVES
    ) -> None:
        self.venue = venue
        self._clock = clock
        self._minutes = minutes
        self.minute = -1
        self._closes = {symbol: list(closes(*STARTS[symbol][:2], moves, STARTS[symbol][2])) for symbol in SYMBOLS}
        self._now = {symbol: STARTS[symbol][0] for symbol in SYMBOLS}
        self.acts: dict[int, Callable[[], Any]] = {}

    def load_history(self) -> None:
        for symbol in SYMBOLS:
            price = STARTS[symbol][0]
            first_ms = START_MS - (HISTORY_BARS + 2) * MINUTE_MS
            bars = [
                Bar(symbol, first_ms + i * MINUTE_MS, MINUTE_MS, price, price, price, price, 10.0)
                for i in range(HISTORY_BARS)
            ]
            self.venue.load_history(symbol, bars)
            self._quote(symbol, price)

    async def run(self) -> None:
        for minute in range(self._minutes):
            begin_ms = START_MS + minute * MINUTE_MS
            for step in range(STEPS):
                await self._until(begin_ms + step * STEP_MS + 40)
                if step == 0:
                    self.minute = minute
                for symbol in SYMBOLS:
                    close = self._closes[symbol][minute]
                    self._quote(symbol, self._now[symbol] + (close - self._now[symbol]) * (step + 1) / STEPS)
                if step == 0 and minute % 480 == 0 and minute:
                    for symbol in SYMBOLS:
                        self.venue.fund(symbol, "0.0001", f"{self._now[symbol]:.2f}", self._clock.now_ms())
            for symbol in SYMBOLS:
                self._now[symbol] = self._closes[symbol][minute]
            if (act := self.acts.pop(minute, None)) is not None:
                await act()
        await self._until(START_MS + self._minutes * MINUTE_MS + 40)
        self.venue.advance(self._clock.now_ms())

    def _quote(self, symbol: str, price: float) -> None:
        if symbol not in self.venue.exchange.contracts:
            return
        tick = STARTS[symbol][1]
        bid = round(round(price / tick) * tick, 8)
        thin = "0.010" if self.minute in THIN_MINUTES and symbol == "BTCUSDT" else None
        quantities = {"bid_qty": thin, "ask_qty": thin}
        self.venue.set_book(
            symbol, f"{bid:.2f}", f"{bid + tick:.2f}", self._clock.now_ms(), last=f"{bid:.2f}", **quantities
        )

    async def _until(self, time_ms: int) -> None:
        wait_ms = time_ms - self._clock.now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1_000)


class Quarterdeck:
    """The engine of one home, started and ended as often as the day wants."""

    def __init__(self, home: Home, settings: Settings, clock: LoopClock) -> None:
        self.home = home
        self._settings = settings
        self._clock = clock
        self.engine: Engine | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.engine = None
        self._task = asyncio.create_task(self._run())

    def set_interval(self, minutes: int) -> None:
        """As who edits the settings between two starts."""
        market = self._settings.market.model_copy(update={"interval_minutes": minutes})
        self._settings = self._settings.model_copy(update={"market": market})

    async def refusal(self) -> BaseException | None:
        """What a start that does not come about ends with."""
        assert self._task is not None
        await asyncio.wait((self._task,))
        error, self._task = self._task.exception(), None
        return error

    async def stop(self) -> None:
        """As SIGTERM does."""
        assert self.engine is not None
        assert self._task is not None
        self.engine.stop()
        await self._task

    async def kill(self) -> None:
        """Between two steps of the loop, without a farewell."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def command(self, verb: Verb, symbol: str = "", *, include_external: bool = False) -> str:
        self.check()
        assert self.engine is not None
        result = await self.engine.command(OperatorWish(verb, symbol, "the day", include_external))
        assert result.accepted, result.message
        return result.message

    def check(self) -> None:
        """Raise what ended the engine, if it has ended."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _run(self) -> None:
        tag = API_KEY[-4:] if account_of(self._settings, self._settings.mode) == "live" else ""
        request = RunRequest(self._settings.mode, self.home.root, confirm_live=tag)
        clock = ExchangeClock(self._clock)
        async with AsyncExitStack() as stack:
            logs = set_up(self.home.log, clock.now_ms)
            stack.callback(logs.close)
            stores = SqliteHome(self.home, DATA, self._clock)
            start = EngineStart(
                request, self.home, stores, self._settings, jump_follower(), logs, stack, self._clock, console=False
            )
            parts = await exchange_parts(start, clock)
            # Nobody looks at the screen, and the loop of a test has no lag to measure.
            self.engine = Engine(replace(parts, publish_hz=0.02, lag_period_s=600.0))
            await self.engine.run()


def patient(loop: VirtualLoop, genuine: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same call, for which virtual time waits."""

    async def wait(*args: Any, **kwargs: Any) -> Any:
        with loop.waiting_outside():
            return await genuine(*args, **kwargs)

    return wait


@contextmanager
def threads_stop_time(loop: VirtualLoop) -> Iterator[None]:
    """SQLite answers from its thread, and rules learn in one: virtual time waits for them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_execute", "_connect", "close"):
            patch.setattr(Connection, name, patient(loop, getattr(Connection, name)))
        patch.setattr(asyncio, "to_thread", patient(loop, asyncio.to_thread))
        # So that each start of a day goes on from one.
        patch.setattr(keeping, "CHECKPOINT_RECORDS", 50)
        yield


async def live_a_day(
    loop: VirtualLoop,
    root: Path,
    plan: Callable[[Market, Quarterdeck, VenueServer], None],
    *,
    mode: str = "live",
    minutes: int = DAY_MINUTES,
    moves: Sequence[Jump | Drift] = MOVES,
    interval_minutes: int = 1,
    **exchange: Any,
) -> BinanceVenue:
    """`plan` hangs what shall happen, beside the market, on minutes of the day; keyword arguments are settings of the
    exchange."""
    clock = LoopClock(loop, START_MS - 90_000)
    venue = BinanceVenue(SYMBOLS, wallet_usdt="10000", start_ms=START_MS - MINUTE_MS)
    venue.pace.kline_push_ms, venue.pace.mark_push_ms = 20_000, 30_000
    home = Home(root)
    home.create()
    async with VenueServer(venue, clock.now_ms) as server:
        market = Market(venue, clock, minutes, moves)
        market.load_history()
        quarterdeck = Quarterdeck(home, day_settings(server.base_url, mode, interval_minutes, **exchange), clock)
        plan(market, quarterdeck, server)
        quarterdeck.start()
        await market.run()
        await asyncio.sleep(45)
        quarterdeck.check()
        await quarterdeck.stop()
    return venue


async def replayed(home: Home, account: str, interval_ms: int = MINUTE_MS) -> tuple[int, Verification]:
    """How many starts the account's journal tells of, and what came of replaying it."""
    with JournalReader(open_database(home.database)) as journal:
        candles = await SqliteCandles.open(open_database(home.market("binanceusdm")), interval_ms)
        try:
            opening, starts = Opening.from_json(journal.meta()["opening"]), read_starts(journal.meta())
            found = await verify(
                journal,
                candles,
                starts,
                opening.start_ms,
                lambda rules: Trader(
                    account, jump_follower(), rules.settings, rules.instruments, rules.retired, rules.id_form
                ),
            )
        finally:
            await candles.close()
    return len(starts), found


def paper_home(
    root: Path,
    strategy: Callable[[], Strategy],
    plan: Callable[[Market, Quarterdeck, VenueServer], None],
    minutes: int,
) -> Home:
    """The home of a paper account on the loopback exchange that traded by a strategy for so long."""
    loop = VirtualLoop(real_io=True)
    with threads_stop_time(loop), pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.engine.day_runner.jump_follower", strategy)
        try:
            loop.run_until_complete(live_a_day(loop, root, plan, mode="paper", minutes=minutes))
        finally:
            loop.close()
    return Home(root)
