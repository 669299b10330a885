"""Paper on the loopback exchange: its prices, our fills, and no order anywhere, through two kills."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.home.folder import Home
from storage.database import open_database
from storage.paper import paper_hours
from tests.engine.day_runner import SYMBOLS, Market, Quarterdeck, live_a_day, replayed, threads_stop_time
from tests.simulation.loop import VirtualLoop
from tests.venue import by_hand
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue

MINUTES = 150


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def kill() -> None:
        await quarterdeck.kill()
        quarterdeck.start()

    market.acts = {14: kill, 70: kill}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[BinanceVenue, Home]:
    root = tmp_path_factory.mktemp("paper") / "home"
    loop = VirtualLoop(real_io=True)
    with threads_stop_time(loop):
        try:
            venue = loop.run_until_complete(live_a_day(loop, root, plan, mode="paper", minutes=MINUTES))
        finally:
            loop.close()
    return venue, Home(root)


def test_it_trades_what_the_script_says_and_nothing_reaches_the_exchange(
    session: tuple[BinanceVenue, Home],
) -> None:
    venue, home = session
    with closing(sqlite3.connect(home.database)) as connection:
        trades = connection.execute(
            "SELECT symbol, exit_reason FROM trades WHERE account = 'paper' ORDER BY exit_time_ms"
        ).fetchall()
    for symbol in SYMBOLS:
        assert [reason for traded, reason in trades if traded == symbol] == ["target", "stop", "target"]
    assert venue.orders == []
    assert venue.algos == []
    assert paper_hours(open_database(home.database)) == pytest.approx(MINUTES / 60, abs=0.15)


def test_a_fill_comes_after_its_order_and_pays_for_it(
    session: tuple[BinanceVenue, Home],
) -> None:
    _, home = session
    with closing(sqlite3.connect(home.database)) as connection:
        fills = connection.execute(
            "SELECT f.time_ms, e.update_time_ms, CAST(f.fee_usdt AS REAL) FROM fills f "
            "JOIN order_events e ON e.client_order_id = f.client_order_id AND e.update_state = 'accepted' "
            "JOIN orders o ON o.client_order_id = f.client_order_id WHERE o.role = 'entry'"
        ).fetchall()
    assert len(fills) >= 3 * len(SYMBOLS)
    for filled_ms, accepted_ms, fee_usdt in fills:
        assert filled_ms >= accepted_ms + 150
        assert fee_usdt > 0


async def test_it_is_replayed_to_the_bit(session: tuple[BinanceVenue, Home]) -> None:
    _, home = session
    starts, found = await replayed(home, "paper")
    assert starts == 3
    assert found.first_difference is None


def test_a_contract_that_is_paused_is_not_entered_on_paper_either(tmp_path: Path) -> None:
    def pause_btc(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        by_hand.change_status(server.venue, "BTCUSDT", "BREAK")

    loop, root = VirtualLoop(real_io=True), tmp_path / "home"
    with threads_stop_time(loop):
        try:
            loop.run_until_complete(live_a_day(loop, root, pause_btc, mode="paper", minutes=30))
        finally:
            loop.close()
    with closing(sqlite3.connect(Home(root).database)) as connection:
        traded = {symbol for (symbol,) in connection.execute("SELECT DISTINCT symbol FROM fills")}
        fired = connection.execute('SELECT symbol, note FROM limit_events WHERE "limit" = ? AND fired', ("contract",))
        told = fired.fetchall()
    assert traded == {"ETHUSDT"}
    assert told == [("BTCUSDT", "contract: it is paused; clears when the exchange trades it")]
    _, found = asyncio.run(replayed(Home(root), "paper"))
    assert found.first_difference is None
