"""Genuine ccxt clients trade a whole day against the loopback exchange; the books of both sides are then equal."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.operator import Verb
from core.exchange.connection.keys import Keys
from core.home.folder import Home
from tests.engine.day_runner import LEVERAGE, SYMBOLS, Market, Quarterdeck, live_a_day, replayed, threads_stop_time
from tests.simulation.loop import VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

Day = tuple[BinanceVenue, Home]


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def flatten() -> None:
        await quarterdeck.command(Verb.FLATTEN)

    async def resume() -> None:
        await quarterdeck.command(Verb.RESUME)

    async def stop() -> None:
        await quarterdeck.stop()

    async def start() -> None:
        quarterdeck.start()

    async def kill() -> None:
        await quarterdeck.kill()
        quarterdeck.start()

    async def cut() -> None:
        server.refuses_websockets = True
        await server.cut()

    async def mend() -> None:
        server.refuses_websockets = False

    market.acts = {610: flatten, 615: resume, 725: stop, 745: start, 840: kill, 1_115: cut, 1_125: mend, 1_430: flatten}


@pytest.fixture
def day(tmp_path: Path) -> Day:
    root = tmp_path / "home"
    loop = VirtualLoop(real_io=True)
    with pytest.MonkeyPatch.context() as patch, threads_stop_time(loop):
        patch.setenv("QUARTERDECK_API_KEY", API_KEY)
        patch.setenv("QUARTERDECK_API_SECRET", API_SECRET)
        try:
            venue = loop.run_until_complete(live_a_day(loop, root, plan))
        finally:
            loop.close()
    return venue, Home(root)


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.database)) as connection:
        return connection.execute(sql).fetchall()


def the_day_had_everything_in_it(day: Day) -> None:
    _, home = day
    reasons = Counter(reason for (reason,) in rows(home, "SELECT exit_reason FROM trades WHERE account = 'live'"))
    assert {"stop", "target", "reversal", "flatten"} <= set(reasons), reasons
    fills_of_an_order = Counter(order for (order,) in rows(home, "SELECT client_order_id FROM fills"))
    assert max(fills_of_an_order.values()) > 1
    assert rows(home, "SELECT count(*) FROM funding_payments") == [(4,)]


def orders_and_fills_are_the_exchanges(day: Day) -> None:
    venue, home = day
    ours = {
        client_id: (state, filled)
        for client_id, state, filled in rows(home, "SELECT client_order_id, state, filled_lots FROM orders")
    }
    placed = [order.client_id for order in venue.orders if not order.parent] + [algo.client_id for algo in venue.algos]
    assert len(placed) == len(set(placed))
    assert set(placed) == set(ours)
    assert all(state in ("filled", "canceled", "expired") for state, _ in ours.values())
    told = rows(home, "SELECT symbol, fill_id, qty_lots, price_ticks, fee_usdt FROM fills")
    theirs = [
        (t.order.symbol, f"{t.order.symbol}-{t.trade_id}", t.lots, t.price_ticks, t.fee_usdt)
        for t in venue.ledger.trades
    ]
    assert sorted((s, str(i), q, p, Decimal(str(f))) for s, i, q, p, f in told) == sorted(theirs)


def position_balance_and_fees_are_the_exchanges(day: Day) -> None:
    venue, home = day
    venue.ledger.check()
    assert [venue.position_lots(symbol) for symbol in ("BTCUSDT", "ETHUSDT")] == [0, 0]
    assert rows(home, "SELECT symbol, lots FROM positions WHERE lots != 0") == []
    (wallet,) = rows(home, "SELECT wallet_usdt FROM equity ORDER BY seq DESC LIMIT 1")[0]
    assert Decimal(str(wallet)) == venue.ledger.wallet_usdt
    fees = sum(Decimal(str(fee)) for (fee,) in rows(home, "SELECT fee_usdt FROM fills"))
    assert fees == venue.ledger.fees_usdt
    assert rows(home, "SELECT what, ours, theirs FROM adjustments") == []


def the_account_was_set_up(day: Day) -> None:
    venue, _ = day
    assert {symbol: venue.settings.leverage(symbol) for symbol in SYMBOLS} == dict.fromkeys(SYMBOLS, LEVERAGE)


def no_candle_is_missing(day: Day) -> None:
    _, home = day
    with closing(sqlite3.connect(home.market("binanceusdm"))) as connection:
        for symbol, count, first, last in connection.execute(
            "SELECT symbol, count(*), min(open_time_ms), max(open_time_ms) FROM candles GROUP BY symbol"
        ):
            assert count == (last - first) // 60_000 + 1, symbol


def no_secret_was_written(day: Day) -> None:
    _, home = day
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert {"quarterdeck.db", "quarterdeck.log", "market-binanceusdm.db"} <= {path.name for path in files}
    for path in files:
        written = path.read_bytes()
        for secret in Keys(API_KEY, API_SECRET).secrets():
            assert secret.encode() not in written, path.name


def its_later_starts_went_on_from_a_checkpoint(day: Day) -> None:
    _, home = day
    told = [json.loads(line)["message"] for line in home.log.read_text().splitlines()]
    before = [int(found[1]) for line in told if (found := re.search("the ([0-9]+) before them by a checkpoint", line))]
    assert len(before) == 2
    assert all(before)
    (seq,), (last_seq,) = rows(home, "SELECT seq FROM checkpoints UNION ALL SELECT last_seq FROM journals")
    assert max(before) < int(str(seq)) <= int(str(last_seq))


async def the_day_is_replayed_to_the_bit(day: Day) -> None:
    _, home = day
    starts, found = await replayed(home, "live")
    assert starts == 3
    assert found.first_difference is None
    assert found.records > 7_000


async def test_after_a_day_everything_agrees(day: Day) -> None:
    """One test, because two workers that share these checks would each live the day."""
    for check in (
        the_day_had_everything_in_it,
        orders_and_fills_are_the_exchanges,
        position_balance_and_fees_are_the_exchanges,
        the_account_was_set_up,
        no_candle_is_missing,
        no_secret_was_written,
        its_later_starts_went_on_from_a_checkpoint,
    ):
        check(day)
    await the_day_is_replayed_to_the_bit(day)
