"""People close, trade, set and stop things by hand while genuine ccxt clients trade; the books of both sides are then
equal, and what others did is told as theirs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from core.exchange.connection.keys import Keys
from core.home.folder import Home
from tests.engine.day_runner import (
    LEVERAGE,
    START_MS,
    SYMBOLS,
    Market,
    Quarterdeck,
    live_a_day,
    replayed,
    threads_stop_time,
)
from tests.engine.people_day import BTC, ETH, MINUTES, MOVES, STEPS_CHANGE_MINUTE, Notes, PeopleDay, is_told
from tests.simulation.loop import VirtualLoop
from tests.venue.orders import Trade
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

OLD_GRIDS = {BTC: (Decimal("0.001"), Decimal("0.1")), ETH: (Decimal("0.001"), Decimal("0.01"))}
"""The lot and tick in which each contract is counted, before the exchange's steps change and after."""
NEW_GRIDS = {BTC: (Decimal("0.0001"), Decimal("0.01")), ETH: (Decimal("0.001"), Decimal("0.01"))}

Day = tuple[BinanceVenue, Home, Notes]


@pytest.fixture
def day(tmp_path: Path) -> Day:
    root = tmp_path / "home"
    loop = VirtualLoop(real_io=True)
    notes = Notes()

    def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        market.acts = PeopleDay(market, quarterdeck, server, notes).acts()

    with pytest.MonkeyPatch.context() as patch, threads_stop_time(loop):
        patch.setenv("QUARTERDECK_API_KEY", API_KEY)
        patch.setenv("QUARTERDECK_API_SECRET", API_SECRET)
        try:
            venue = loop.run_until_complete(live_a_day(loop, root, plan, minutes=MINUTES, moves=MOVES))
        finally:
            loop.close()
    return venue, Home(root), notes


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.database)) as connection:
        return connection.execute(sql).fetchall()


def is_ours(venue: BinanceVenue, trade: Trade) -> bool:
    parent = venue.exchange.algos.get(trade.order.parent)
    return (parent.client_id if parent else trade.order.client_id).startswith("qd")


def position_and_wallet_are_the_exchanges(day: Day) -> None:
    venue, home, _ = day
    venue.ledger.check()
    assert [venue.position_lots(symbol) for symbol in SYMBOLS] == [0, 0]
    assert rows(home, "SELECT symbol, lots FROM positions WHERE lots != 0") == []
    (wallet,) = rows(home, "SELECT wallet_usdt FROM equity ORDER BY seq DESC LIMIT 1")[0]
    assert Decimal(str(wallet)) == venue.ledger.wallet_usdt


def told_fills(home: Home) -> dict[str, tuple[str, Decimal, Decimal, Decimal]]:
    """Client order id, amount, price and fee by fill id, each row counted by the steps of its time."""
    found = {}
    sql = "SELECT symbol, fill_id, client_order_id, qty_lots, price_ticks, fee_usdt, time_ms FROM fills"
    for symbol, fill_id, order_id, lots, ticks, fee, time_ms in rows(home, sql):
        is_new = int(str(time_ms)) >= START_MS + STEPS_CHANGE_MINUTE * 60_000
        lot, tick = (NEW_GRIDS if is_new else OLD_GRIDS)[str(symbol)]
        qty, price = lot * int(str(lots)), tick * int(str(ticks))
        found[str(fill_id)] = str(order_id), qty, price, Decimal(str(fee))
    return found


def every_trade_of_ours_is_booked_and_what_others_closed_of_it_at_their_price_and_fee(day: Day) -> None:
    venue, home, _ = day
    told = told_fills(home)
    theirs = {f"{trade.order.symbol}-{trade.trade_id}": trade for trade in venue.ledger.trades}
    ours = {fill_id for fill_id, trade in theirs.items() if is_ours(venue, trade)}
    outside = {fill_id for fill_id, (order_id, *_) in told.items() if order_id.startswith("outside-")}
    assert set(told) - outside == ours
    for fill_id in ours:
        trade, contract = theirs[fill_id], theirs[fill_id].order.contract
        assert told[fill_id][1:] == (contract.qty(trade.lots), contract.price(trade.price_ticks), trade.fee_usdt)
    for fill_id in outside:
        _, qty, price, fee = told[fill_id]
        trade, contract = theirs[fill_id], theirs[fill_id].order.contract
        assert price == contract.price(trade.price_ticks)
        assert 0 < qty <= contract.qty(trade.lots)
        assert fee == (trade.fee_usdt * qty / contract.qty(trade.lots)).quantize(Decimal("1e-8"))


def what_others_closed_of_ours_is_what_they_closed(day: Day) -> None:
    _, home, _ = day
    lots = rows(
        home,
        "SELECT symbol, qty_lots FROM fills WHERE client_order_id LIKE 'outside-%' ORDER BY time_ms, symbol",
    )
    btc = [lots for symbol, lots in lots if symbol == BTC]
    eth = [lots for symbol, lots in lots if symbol == ETH]
    assert btc == [49, 48, 48, 48, 47]
    assert eth == [400, 250, 1048]
    reasons = rows(home, "SELECT symbol, exit_reason FROM trades WHERE account = 'live' ORDER BY exit_time_ms, symbol")
    assert reasons.count((BTC, "closed outside")) == 5
    assert reasons.count((ETH, "target")) == 5


def what_was_left_over_is_of_others_until_they_are_gone(day: Day) -> None:
    _, home, _ = day
    known = rows(
        home, "SELECT symbol, theirs FROM adjustments WHERE what = 'external position lots' ORDER BY time_ms, symbol"
    )
    assert [int(str(lots)) < 0 for symbol, lots in known if symbol == BTC] == [True, False, True, False]
    assert [lots for symbol, lots in known if symbol == ETH] == ["-300", "0"]
    assert not [what for (what,) in rows(home, "SELECT what FROM adjustments") if str(what) == "position lots"]


def nobody_enters_where_others_hold(day: Day) -> None:
    _, home, _ = day
    told = rows(home, "SELECT symbol, action FROM signals WHERE reason LIKE '%not ours%'")
    assert set(told) == {(BTC, "vetoed"), (ETH, "vetoed")}


def flatten_with_others_said_that_everything_is_flat(day: Day) -> None:
    _, _, notes = day
    assert "BTCUSDT: flat" in notes.flattened
    assert "ETHUSDT: flat" in notes.flattened
    assert "LEFT" not in notes.flattened


def leverage_changed_by_hand_is_set_back_when_flat_and_not_before(day: Day) -> None:
    venue, _, notes = day
    assert notes.leverages == [{BTC: 10, ETH: 2}, dict.fromkeys(SYMBOLS, LEVERAGE)]
    assert {symbol: venue.settings.leverage(symbol) for symbol in SYMBOLS} == dict.fromkeys(SYMBOLS, LEVERAGE)


def an_account_whose_settings_cannot_be_read_is_not_traded(day: Day) -> None:
    _, _, notes = day
    assert len(notes.refusals) == 1
    assert is_told(notes.refusals[0]), notes.refusals


def what_is_held_over_new_steps_is_closed_whole_and_new_orders_are_multiples_of_them(day: Day) -> None:
    venue, home, _ = day
    over = START_MS + STEPS_CHANGE_MINUTE * 60_000
    trades = rows(
        home,
        "SELECT symbol, qty, entry_time_ms, exit_time_ms, exit_reason FROM trades WHERE account = 'live'"
        f" AND exit_time_ms > {over} ORDER BY entry_time_ms, symbol",
    )
    held, entered = trades[:2], trades[2:]
    assert [(symbol, reason) for symbol, *_, reason in held] == [(BTC, "target"), (ETH, "target")]
    assert all(int(str(entry_ms)) < over for _, _, entry_ms, _, _ in held)
    assert Decimal(str(held[1][1])) % Decimal("0.01") != 0
    assert [(symbol, reason) for symbol, *_, reason in entered] == [(BTC, "flatten"), (ETH, "flatten")]
    assert Decimal(str(entered[0][1])) % Decimal("0.001") != 0
    assert Decimal(str(entered[1][1])) % Decimal("0.01") == 0
    told = venue.exchange.contracts[BTC].info["filters"]
    assert {entry["stepSize"] for entry in told if entry["filterType"] == "LOT_SIZE"} == {"0.001"}


def no_secret_was_written(day: Day) -> None:
    _, home, _ = day
    for path in (path for path in home.root.rglob("*") if path.is_file()):
        written = path.read_bytes()
        assert not any(secret.encode() in written for secret in Keys(API_KEY, API_SECRET).secrets()), path.name


async def the_day_is_replayed_to_the_bit(day: Day) -> None:
    _, home, _ = day
    starts, found = await replayed(home, "live")
    assert starts == 6  # The last begins where the rules were read anew, in a running engine.
    assert found.first_difference is None


async def test_after_a_day_with_people_everything_agrees(day: Day) -> None:
    """One test, because two workers that share these checks would each live the day."""
    for check in (
        position_and_wallet_are_the_exchanges,
        every_trade_of_ours_is_booked_and_what_others_closed_of_it_at_their_price_and_fee,
        what_others_closed_of_ours_is_what_they_closed,
        what_was_left_over_is_of_others_until_they_are_gone,
        nobody_enters_where_others_hold,
        flatten_with_others_said_that_everything_is_flat,
        leverage_changed_by_hand_is_set_back_when_flat_and_not_before,
        an_account_whose_settings_cannot_be_read_is_not_traded,
        what_is_held_over_new_steps_is_closed_whole_and_new_orders_are_multiples_of_them,
        no_secret_was_written,
    ):
        check(day)
    await the_day_is_replayed_to_the_bit(day)
