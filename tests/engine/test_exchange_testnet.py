"""Live on test hosts: an account, keys, candles and models of their own in a home that knows no real ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.domain.operator import Verb
from core.home.folder import Home
from storage.database import open_database
from storage.journal_reader import JournalReader
from storage.paper import has_traded, paper_hours
from storage.reader import Reader
from tests.engine.day_runner import Market, Quarterdeck, live_a_day, threads_stop_time
from tests.simulation.loop import VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

MINUTES = 40
said: list[str] = []


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def flatten() -> None:
        said.append(await quarterdeck.command(Verb.FLATTEN))
        assert quarterdeck.engine is not None
        assert quarterdeck.engine.latest is not None
        status = quarterdeck.engine.latest.status
        said.extend((status.mode, status.source))

    market.acts = {MINUTES - 5: flatten}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[BinanceVenue, Home]:
    root = tmp_path_factory.mktemp("testnet") / "home"
    loop = VirtualLoop(real_io=True)
    said.clear()
    with pytest.MonkeyPatch.context() as patch, threads_stop_time(loop):
        # Those of a real account are never taken, though they are there.
        patch.setenv("QUARTERDECK_API_KEY", "a-real-key-of-real-money")
        patch.setenv("QUARTERDECK_API_SECRET", "a-real-secret-of-real-money")
        patch.setenv("QUARTERDECK_TESTNET_API_KEY", API_KEY)
        patch.setenv("QUARTERDECK_TESTNET_API_SECRET", API_SECRET)
        try:
            venue = loop.run_until_complete(live_a_day(loop, root, plan, minutes=MINUTES, testnet=True))
        finally:
            loop.close()
    return venue, Home(root)


def test_it_trades_at_once_without_paper_hours_and_without_a_typed_tag(session: tuple[BinanceVenue, Home]) -> None:
    venue, _ = session
    assert [order.client_id[:2] for order in venue.orders][:2] == ["qd", "qd"]
    assert len(venue.ledger.trades) >= 4
    assert venue.position_lots("BTCUSDT") == 0


def test_every_word_of_it_says_testnet(session: tuple[BinanceVenue, Home]) -> None:
    told, mode, source = said
    assert told.startswith(("TESTNET: flat, nothing open", "TESTNET: closing "))
    assert mode == "testnet"
    assert source.startswith("binanceusdm test account at http://127.0.0.1:")


def test_its_account_and_candles_stand_beside_the_others(session: tuple[BinanceVenue, Home]) -> None:
    _, home = session
    database = open_database(home.database)
    with JournalReader(database) as journal:
        assert journal.account == "testnet"
        meta = journal.meta()
    assert (meta["mode"], meta["exchange"]) == ("testnet", "binanceusdm-testnet")
    with closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("SELECT DISTINCT account FROM orders").fetchall() == [("testnet",)]
    assert not has_traded(database, "live")
    assert paper_hours(database) == 0.0
    assert not home.market("binanceusdm").exists()
    assert home.market("binanceusdm-testnet").exists()
    with Reader(home.database, "testnet") as reader:
        assert reader.account == "testnet"
        assert reader.status()["mode"] == "testnet"


def test_no_secret_was_written(session: tuple[BinanceVenue, Home]) -> None:
    _, home = session
    for path in Path(home.root).iterdir():
        if path.is_file():
            assert API_SECRET.encode() not in path.read_bytes()
