"""Paper and live on bars of 15 minutes, which the exchange's own streams bring: on the loopback exchange, through a
kill in the middle of a bar."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.domain.operator import Verb
from core.home.folder import Home
from storage.database import open_database
from storage.paper import paper_hours
from storage.reader import Reader
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, live_a_day, replayed, threads_stop_time
from tests.engine.exchange_day import Drift
from tests.simulation.loop import VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

INTERVAL_MS = 15 * MINUTE_MS
MINUTES = 225
# A signal, what takes it to its target and is a signal itself, one against that, and what stops this.
MOVES = (Drift(15, 1.0, 15), Drift(35, 2.0, 8), Drift(120, -1.3, 15), Drift(140, 1.6, 8))


@pytest.fixture(scope="module", params=["paper", "live"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Home]:
    mode = request.param
    root = tmp_path_factory.mktemp(mode) / "home"
    streams: set[str] = set()
    refusals: list[BaseException | None] = []

    def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        async def kill() -> None:
            assert isinstance(server.venue, BinanceVenue)
            streams.update(server.venue.exchange.hub.listeners)
            await quarterdeck.kill()
            quarterdeck.set_interval(1)
            quarterdeck.start()
            refusals.append(await quarterdeck.refusal())
            quarterdeck.set_interval(15)
            quarterdeck.start()

        async def flatten() -> None:
            await quarterdeck.command(Verb.FLATTEN)

        market.acts = {68: kill, 217: flatten}

    loop = VirtualLoop(real_io=True)
    with threads_stop_time(loop), pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARTERDECK_API_KEY", API_KEY)
        patch.setenv("QUARTERDECK_API_SECRET", API_SECRET)
        try:
            day = live_a_day(loop, root, plan, mode=mode, minutes=MINUTES, moves=MOVES, interval_minutes=15)
            loop.run_until_complete(day)
        finally:
            loop.close()
    assert [type(error) for error in refusals] == [BadInputError]
    assert "this account trades bars of 15 min, and market.interval_minutes is 1" in str(refusals[0])
    assert {f"{symbol.lower()}@kline_15m" for symbol in SYMBOLS} <= streams
    assert not any(name.endswith("kline_1m") for name in streams)
    return mode, Home(root)


def test_bars_of_the_interval_alone_are_stored_and_none_is_missing(session: tuple[str, Home]) -> None:
    _, home = session
    with closing(sqlite3.connect(home.market("binanceusdm"))) as connection:
        stored = connection.execute(
            "SELECT symbol, interval_ms, open_time_ms FROM candles WHERE open_time_ms >= ?", (START_MS,)
        ).fetchall()
    times = range(START_MS, START_MS + MINUTES * MINUTE_MS, INTERVAL_MS)
    assert sorted(stored) == [(symbol, INTERVAL_MS, time_ms) for symbol in SYMBOLS for time_ms in times]


def test_signals_come_with_the_closes_and_their_trades_end_where_prices_say(session: tuple[str, Home]) -> None:
    mode, home = session
    with closing(sqlite3.connect(home.database)) as connection:
        entries = connection.execute(
            "SELECT created_ms FROM orders WHERE role = 'entry' AND account = ? ORDER BY created_ms", (mode,)
        ).fetchall()
        trades = connection.execute(
            "SELECT symbol, exit_reason FROM trades WHERE account = ? ORDER BY exit_time_ms", (mode,)
        ).fetchall()
    assert len(entries) >= 2 * len(SYMBOLS)
    assert all((created_ms - START_MS) % INTERVAL_MS < 1_000 for (created_ms,) in entries)
    for symbol in SYMBOLS:
        assert [reason for traded, reason in trades if traded == symbol] == ["target", "stop", "stop", "flatten"]


async def test_it_is_replayed_to_the_bit_and_counted_in_hours(session: tuple[str, Home]) -> None:
    mode, home = session
    starts, found = await replayed(home, mode, INTERVAL_MS)
    assert starts == 2
    assert found.first_difference is None
    if mode == "paper":
        assert paper_hours(open_database(home.database)) == pytest.approx(MINUTES / 60, abs=0.3)
    with Reader(home.database, mode) as reader:
        assert reader.positions() == []
