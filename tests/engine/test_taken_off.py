"""A contract is taken off between two runs: the next start trades the other one, and remembers what was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.domain.operator import Verb
from core.home.folder import Home
from storage.reader import Reader
from tests.engine.day_runner import Market, Quarterdeck, live_a_day, replayed, threads_stop_time
from tests.engine.exchange_day import Jump
from tests.simulation.loop import VirtualLoop
from tests.venue import by_hand
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET

GONE, STAYS = "ETHUSDT", "BTCUSDT"
MOVES = (Jump(3, 1), Jump(5, -1), Jump(40, 1), Jump(44, -1))
STOPS, ENDS = 30, 55


def run(root: Path, mode: str, symbols_left: list[tuple[str, ...]]) -> None:
    def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        async def flatten() -> None:
            await quarterdeck.command(Verb.FLATTEN)

        async def take_off() -> None:
            await quarterdeck.command(Verb.RESUME)
            await quarterdeck.stop()
            by_hand.delist(server.venue, GONE)
            quarterdeck.start()

        async def look() -> None:
            assert quarterdeck.engine is not None
            symbols_left.append(quarterdeck.engine._symbols)

        market.acts = {STOPS - 3: flatten, STOPS: take_off, ENDS - 2: look}

    loop = VirtualLoop(real_io=True)
    with threads_stop_time(loop):
        try:
            loop.run_until_complete(live_a_day(loop, root, plan, mode=mode, minutes=ENDS, moves=MOVES))
        finally:
            loop.close()


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_the_account_goes_on_without_a_contract_that_was_taken_off(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARTERDECK_API_KEY", API_KEY)
    monkeypatch.setenv("QUARTERDECK_API_SECRET", API_SECRET)
    root, left = tmp_path / "home", list[tuple[str, ...]]()
    run(root, mode, left)
    assert left == [(STAYS,)]
    with Reader(Home(root).database, mode) as reader:
        trades = reader.trades()
    symbols = [row["symbol"] for row in sorted(trades, key=lambda row: row["entry_time_ms"])]
    assert {*symbols[:2]} == {GONE, STAYS}
    assert symbols[-1] == STAYS
    assert symbols.count(STAYS) == symbols.count(GONE) + 1
    starts, found = asyncio.run(replayed(Home(root), mode))
    assert starts == 2
    assert found.first_difference is None
