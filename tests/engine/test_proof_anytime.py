"""Paper and live homes as they are at any moment, of an engine that runs or was killed just then: each is proved."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.domain.market import MINUTE_MS
from core.domain.operator import Verb
from core.home.folder import Home
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, live_a_day, replayed, threads_stop_time
from tests.simulation.loop import LoopClock, VirtualLoop
from tests.venue.server import Call, Fault, VenueServer
from tests.venue.venue import API_KEY, API_SECRET

MINUTES = 80
KILLED = {14: 300, 37: 1_400, 38: 59_990, 61: 2_500}
"""Minutes, and how far into them the process is killed: after a bar, after a first price, before one, while the rate of
a settlement is waited for."""
LATE = range(21, 25)
"""While these minutes are open, and when they close, nobody hears of the candles of the second symbol."""
FUNDED = 60

PLACES = {
    "fill": "SELECT max(seq) FROM fills",
    "intent": "SELECT max(seq) FROM order_events WHERE update_state IS NULL",
    "sample": "SELECT max(seq) FROM equity",
    "bar": "SELECT min(seq) FROM market_told WHERE kind = 'bar' AND seq > (SELECT min(seq) FROM fills)",
}
CHANGES = {
    "fill": "UPDATE fills SET price_ticks = price_ticks + 1 WHERE seq = ?",
    "intent": "DELETE FROM order_events WHERE seq = ?",
    "sample": "UPDATE equity SET unrealised_usdt = '1' WHERE seq = ?",
    "bar": "UPDATE market_told SET open_time_ms = open_time_ms + 60000 WHERE seq = ?",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A home as it was, and whether its candles were read a while after its journal, as beside a running engine."""

    at_ms: int
    home: Home


def copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read, closing(sqlite3.connect(target)) as made:
        read.backup(made)


class Session:
    """Runs a session and copies its home at many moments."""

    def __init__(self, root: Path, loop: VirtualLoop, mode: str) -> None:
        self.root = root
        self.moments: list[Moment] = []
        self._loop = loop
        self._clock = LoopClock(loop, START_MS - 90_000)
        self._mode = mode
        self._tasks: list[asyncio.Task[None]] = []

    def run(self) -> Home:
        home = self.root / "home"
        self._loop.run_until_complete(live_a_day(self._loop, home, self._plan, mode=self._mode, minutes=MINUTES))
        for task in self._tasks:
            self._loop.run_until_complete(task)
        return Home(home)

    def _plan(self, market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        venue, home = market.venue, quarterdeck.home
        rng = random.Random(self._mode)
        second = SYMBOLS[1]

        async def kill() -> None:
            await quarterdeck.kill()
            await self._copy(home, 0)
            quarterdeck.start()

        async def fund() -> None:
            for symbol in SYMBOLS:
                venue.fund(symbol, "0.0001", "1000.00", self._clock.now_ms())

        async def flatten() -> None:
            await quarterdeck.command(Verb.FLATTEN)
            await self._copy(home, 0)
            await quarterdeck.command(Verb.RESUME)
            await self._copy(home, 0)

        def is_late() -> bool:
            return (self._clock.now_ms() - START_MS) // MINUTE_MS in LATE

        def fault(call: Call) -> Fault:
            asks = call.path.endswith("/klines") and call.params.get("symbol") == second
            return Fault(drop_before=asks and is_late())

        publish = venue.exchange.hub.publish

        def told(stream: str, message: Any) -> None:
            if not (stream.startswith(f"{second.lower()}@kline") and is_late()):
                publish(stream, message)

        server.fault = fault
        venue.exchange.hub.publish = told  # type: ignore[method-assign]
        for minute, into_ms in KILLED.items():
            self._at(minute * MINUTE_MS + into_ms, kill)
        self._at(FUNDED * MINUTE_MS + 20, fund)
        self._at(65 * MINUTE_MS + 7_000, flatten)
        into = [300, 999, 1_010, 1_300, 1_700, 30_000, 59_995]
        for minute in range(MINUTES):
            into_ms = rng.choice((*into, rng.randrange(MINUTE_MS)))
            self._at(minute * MINUTE_MS + into_ms, partial(self._copy, home, rng.choice((0, 0, 90_000))))

    def _at(self, after_ms: int, act: Callable[[], Any]) -> None:
        async def work() -> None:
            await asyncio.sleep((START_MS + after_ms - self._clock.now_ms()) / 1_000)
            await act()

        self._tasks.append(self._loop.create_task(work()))

    async def _copy(self, home: Home, later_ms: int) -> None:
        at_ms = self._clock.now_ms()
        target = Home(self.root / f"{len(self.moments)}")
        target.create()
        self.moments.append(Moment(at_ms - START_MS, target))
        copy(home.database, target.database)
        await asyncio.sleep(later_ms / 1_000)
        copy(home.market("binanceusdm"), target.market("binanceusdm"))


@pytest.fixture(scope="module", params=["paper", "live"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Session, Home]:
    loop = VirtualLoop(real_io=True)
    with pytest.MonkeyPatch.context() as patch, threads_stop_time(loop):
        patch.setenv("QUARTERDECK_API_KEY", API_KEY)
        patch.setenv("QUARTERDECK_API_SECRET", API_SECRET)
        patch.setattr("tests.venue.market.FUNDING_INTERVAL_MS", 60 * MINUTE_MS)
        patch.setattr("core.engine.retention.CHECKPOINT_RECORDS", 40)
        try:
            made = Session(tmp_path_factory.mktemp("anytime"), loop, request.param)
            home = made.run()
        finally:
            loop.close()
    return request.param, made, home


async def test_every_moment_is_proved(session: tuple[str, Session, Home]) -> None:
    mode, made, _ = session
    records: list[int] = []
    for moment in made.moments:
        _, found = await replayed(moment.home, mode)
        assert found.first_difference is None, (moment.at_ms, found)
        records.append(found.records)
    assert len(set(records)) > 60


def test_the_starts_went_on_from_checkpoints(session: tuple[str, Session, Home]) -> None:
    """So what is proved of a restart is proved of one from there."""
    mode, made, _ = session
    stood_for = []
    for moment in made.moments:
        with closing(sqlite3.connect(moment.home.database)) as connection:
            (seq,) = connection.execute("SELECT max(seq) FROM checkpoints WHERE account = ?", (mode,)).fetchone()
            stood_for.append((moment.at_ms, seq or 0))
    assert all(any(seq for at_ms, seq in stood_for if at_ms < minute * MINUTE_MS) for minute in sorted(KILLED)[1:])


def test_a_late_symbol_was_told_behind_the_other(session: tuple[str, Session, Home]) -> None:
    _, _, home = session
    with closing(sqlite3.connect(home.database)) as connection:
        told = connection.execute("SELECT symbol, open_time_ms FROM market_told WHERE kind = 'bar' ORDER BY seq")
        minutes = [(symbol, (open_ms - START_MS) // MINUTE_MS) for symbol, open_ms in told]
    first, second = SYMBOLS
    assert minutes.index((second, LATE[0])) > minutes.index((first, LATE[-1] - 1))
    assert {symbol for symbol, _ in minutes} == set(SYMBOLS)


@pytest.mark.parametrize("change", ["fill", "intent", "sample", "bar"])
async def test_a_planted_difference_is_found(session: tuple[str, Session, Home], tmp_path: Path, change: str) -> None:
    mode, _, home = session
    planted = Home(tmp_path)
    copy(home.database, planted.database)
    copy(home.market("binanceusdm"), planted.market("binanceusdm"))
    with closing(sqlite3.connect(planted.database)) as connection:
        (seq,) = connection.execute(PLACES[change]).fetchone()
        connection.execute(CHANGES[change], (seq,))
        connection.commit()
    _, found = await replayed(planted, mode)
    assert found.first_difference is not None
    assert seq <= found.first_difference.record <= seq + (2 if change == "fill" else 0)
