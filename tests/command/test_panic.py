"""`quarterdeck panic` as a process of its own, against the exchange on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.domain.orders import Fill, OrderState, OrderUpdate, Side, advance, apply_fill
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord
from core.engine.starts import Rules, start_meta
from core.home.folder import EngineLock, Home
from core.settings.schema import Settings
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.command import kit
from tests.core.trader.desk import make_instrument
from tests.storage.examples import entry
from tests.venue import by_hand
from tests.venue.server import Fault, VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

BTC, ETH = "BTCUSDT", "ETHUSDT"
LOTS = 23
KEYS = {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": API_SECRET}
TAG = API_KEY[-4:]


def now_ms() -> int:
    return SystemClock().now_ms()


@pytest.fixture
async def server() -> AsyncIterator[VenueServer]:
    """Ours is a long of 0.023 BTC with its stop; 0.010 BTC and 0.5 ETH short are another's."""
    venue = BinanceVenue([BTC, ETH], start_ms=now_ms())
    venue.set_book(BTC, "50000.0", "50000.1", now_ms())
    venue.set_book(ETH, "3000.00", "3000.01", now_ms())
    ours = entry(1, BTC).client_order_id
    venue.place_external(now_ms(), symbol=BTC, side="BUY", quantity="0.023", newClientOrderId=ours)
    venue.place_external(now_ms(), symbol=BTC, side="BUY", quantity="0.010")
    venue.place_external(now_ms(), symbol=ETH, side="SELL", quantity="0.5")
    venue.place_external_algo(
        now_ms(),
        symbol=BTC,
        side="SELL",
        type="STOP_MARKET",
        quantity="0.023",
        triggerPrice="49000",
        clientAlgoId=entry(2, BTC).client_order_id,
    )
    async with VenueServer(venue, now_ms) as server:
        yield server


@pytest.fixture
async def home(server: VenueServer, tmp_path: Path) -> Path:
    """A home whose settings name a contract that is gone and hold a key that is wrong: no engine would start."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text(
        f'mode = "live"\n\n[exchange]\nbase_url = "{server.base_url}"\nsymbols = ["LUNAUSDT"]\n'
        "\n[sizing]\nno_such_key = 1\n"
    )
    rules = replace(make_instrument(BTC, "0.1", "0.001"), symbol=BTC, lot_size=Decimal("0.001"))
    order = replace(entry(1, BTC), side=Side.BUY, qty_lots=LOTS)
    stop = replace(entry(2, BTC), side=Side.SELL, qty_lots=LOTS, reduce_only=True)
    sent, stop_sent = advance(order, OrderState.SENT, 1), advance(stop, OrderState.SENT, 2)
    fill = Fill("BTCUSDT-1", order.client_order_id, BTC, Side.BUY, LOTS, 500_001, Decimal(0), False, 2)
    journal = await SqliteJournal.open(open_database(Home(home).database), "live")
    await journal.put_instruments([rules])
    await journal.set_meta({"exchange": "binanceusdm"} | start_meta(0, 1, Rules(Settings(), {BTC: rules})))
    await journal.commit(
        [
            IntentRecord(order),
            OrderUpdateRecord(OrderUpdate(order.client_order_id, BTC, OrderState.SENT, 1), sent),
            FillRecord(fill, apply_fill(sent, fill)),
            IntentRecord(stop),
            OrderUpdateRecord(OrderUpdate(stop.client_order_id, BTC, OrderState.SENT, 2), stop_sent),
        ]
    )
    await journal.close()
    return home


async def panic(home: Path, *arguments: str) -> kit.Answer:
    return await asyncio.to_thread(lambda: kit.quarterdeck("panic", "--home", home, *arguments, **KEYS))


async def test_what_the_journal_owns_is_closed_and_nothing_else(home: Path, server: VenueServer) -> None:
    before = kit.contents(home)
    answer = await panic(home, "--yes")
    assert answer.code == 0, answer
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0].startswith("of the settings only [exchange] is used: ")
    assert lines[1:] == [
        f"account: binanceusdm at {server.base_url}, API key ...{TAG}",
        "BTCUSDT long 0.023: sell at market, 0.023 filled",
        "BTCUSDT stop_market sell at 49000.0: withdrawn",
        "flat: nothing of ours is left",
    ]
    assert (server.venue.position_lots(BTC), server.venue.position_lots(ETH)) == (10, -500)
    assert not any(algo.is_open for algo in server.venue.algos)
    assert kit.contents(home) == before


async def test_without_a_journal_only_everything_can_be_closed(home: Path, server: VenueServer) -> None:
    Home(home).database.write_bytes(b"no database")
    before = kit.contents(home)
    refused = await panic(home, "--yes")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == (
        f"quarterdeck: {Home(home).database}: is damaged (is not an SQLite database); restore a backup, or move it and "
        "its -wal file away; what of the account is ours is not known, and nothing was closed: "
        "`quarterdeck panic --everything` closes all"
    )
    assert server.venue.position_lots(BTC) == 33
    answer = await panic(home, "--everything", "--yes")
    assert answer.code == 0, answer
    assert answer.out.splitlines()[-1] == "flat: nothing is left"
    assert (server.venue.position_lots(BTC), server.venue.position_lots(ETH)) == (0, 0)
    assert not any(algo.is_open for algo in server.venue.algos)
    assert kit.contents(home) == before


async def test_beside_an_engine_it_warns_and_asks(home: Path, server: VenueServer) -> None:
    with EngineLock(Home(home)):
        answer = await panic(home)
    assert answer.code == 1
    assert "`quarterdeck flatten` is the better way" in answer.out
    assert "to close at market: BTCUSDT long 0.023" in answer.out
    assert "left alone: BTCUSDT long 0.01" in answer.out
    assert answer.err.splitlines()[-1] == "quarterdeck: not done: there is no terminal to ask on; add --yes"
    assert server.venue.position_lots(BTC) == 33


async def test_an_exchange_out_of_reach_ends_with_3(home: Path, server: VenueServer) -> None:
    await server.close()
    answer = await panic(home, "--yes")
    assert answer.code == 3, answer
    assert len(answer.err.splitlines()) == 1


async def test_an_exchange_whose_answers_are_slow_is_no_obstacle(home: Path, server: VenueServer) -> None:
    """Its time is told too late to be worth anything; everything else comes within the usual time."""
    server.fault = lambda call: Fault(stall=call.path.endswith("/time"))
    answer = await panic(home, "--yes")
    assert answer.code == 0, answer
    assert "requests are signed by this machine's clock, the exchange's time was not told: " in answer.out
    assert answer.out.splitlines()[-1] == "flat: nothing of ours is left"
    assert server.venue.position_lots(BTC) == 10


async def test_what_cannot_be_read_is_not_told_as_nothing_to_do(home: Path, server: VenueServer) -> None:
    server.venue.place_external(now_ms(), symbol=BTC, side="SELL", quantity="0.033", reduceOnly="true")
    server.venue.exchange.cancel_algo(server.venue.algos[0], now_ms())
    by_hand.refuse_for_good(server.venue, "GET", "/fapi/v1/openAlgoOrders")
    answer = await panic(home)
    assert answer.code == 1, answer
    assert "LEFT: which conditional orders rest could not be read: " in answer.out
    assert answer.err.splitlines()[-1].startswith("quarterdeck: not flat; ")
