from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from core.domain.errors import StorageError
from core.domain.forecast import Forecast
from core.domain.orders import OrderState, OrderUpdate, Side, apply_fill
from core.domain.origin import champion
from core.domain.records import (
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    ForecastRecord,
    IntentRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    TradeRecord,
    TrainingRecord,
)
from core.domain.trading import EquitySample, Position, Trade
from core.market.contracts.instruments import load_instruments
from core.settings.schema import CostSettings
from storage.database import Database, connect_read_only
from storage.journal import SqliteJournal
from storage.journal_records import RECENT
from tests.storage.examples import entry, fill_of, journals

ROOT = Path(__file__).parents[2]
_accounts = count()


@pytest_asyncio.fixture
async def journal(database: Database) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(database, "demo")
    yield journal
    await journal.close()


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    with closing(connect_read_only(database.path)) as connection:
        return connection.execute(sql).fetchall()


def newest_only(records: list[Record]) -> list[Record]:
    """What `load` keeps of a journal shorter than RECENT."""
    last: dict[object, int] = {}
    for index, record in enumerate(records):
        if isinstance(record, CursorRecord | FirstPriceRecord):
            last[type(record), record.symbol] = index
        elif isinstance(record, TrainingRecord):
            last[record.origin.strategy, record.origin.part, record.symbol, record.status] = index
        elif isinstance(record, EquityRecord):
            last[EquityRecord] = index
    kinds = (CursorRecord, FirstPriceRecord, EquityRecord, TrainingRecord)
    return [r for i, r in enumerate(records) if not isinstance(r, kinds) or i in last.values()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=journals())
def test_what_was_committed_is_loaded(database: Database, records: list[Record]) -> None:
    async def round_trip() -> list[Record]:
        account = f"account{next(_accounts)}"
        journal = await SqliteJournal.open(database, account)
        await journal.commit(records[:7])
        await journal.commit(records[7:])
        await journal.close()
        again = await SqliteJournal.open(database, account)
        try:
            return await again.load()
        finally:
            await again.close()

    assert asyncio.run(round_trip()) == newest_only(records)


async def test_load_keeps_the_newest_predictions(journal: SqliteJournal) -> None:
    origin = champion("scalper", "v1")
    predictions = [ForecastRecord(Forecast("BTCUSDT", n, n, (1.5, None, 0.1), origin)) for n in range(RECENT + 5)]
    await journal.commit(predictions)
    assert await journal.load() == predictions[5:]


async def test_an_order_is_kept_as_it_is_now(journal: SqliteJournal, database: Database) -> None:
    order = entry(1)
    sent = replace(order, state=OrderState.SENT, venue_order_id="v9", updated_ms=1_500)
    fill = fill_of(order, "f1", 10)
    done = apply_fill(sent, fill)
    await journal.commit([IntentRecord(order)])
    update = OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, 1_500, "v9")
    await journal.commit([OrderUpdateRecord(update, sent), FillRecord(fill, done)])
    assert rows(database, "SELECT state, filled_lots, venue_order_id, updated_ms FROM orders") == [
        ("filled", 10, "v9", 2_000)
    ]


async def test_a_fill_is_applied_once(journal: SqliteJournal) -> None:
    order = entry(1)
    fill = fill_of(order, "f1", 4)
    first = [IntentRecord(order), FillRecord(fill, replace(order, filled_lots=4))]
    await journal.commit(first)
    with pytest.raises(StorageError, match="breaks a rule of the database"):
        await journal.commit([FillRecord(fill, replace(order, filled_lots=8))])
    assert await journal.load() == first


async def test_a_trade_that_is_told_again_counts_once_as_it_was_told_last(
    journal: SqliteJournal, database: Database
) -> None:
    one = Decimal(1)
    side, reason = Side.BUY, "target"
    trade = Trade("t1", "BTCUSDT", side, *[one] * 3, 1, 2, *[one] * 4, reason, champion("scalper"))
    other = replace(trade, trade_id="t2")
    told = [TradeRecord(trade), TradeRecord(other), TradeRecord(replace(trade, funding_usdt=Decimal(-3)))]
    await journal.commit(told)
    assert await journal.load() == told
    seen = rows(database, "SELECT trade_id, funding_usdt FROM closed_trades ORDER BY trade_id")
    assert seen == [("t1", "-3"), ("t2", "1")]


async def test_the_same_fill_number_of_two_symbols_is_two_fills(journal: SqliteJournal) -> None:
    orders = [entry(1, "BTCUSDT"), entry(2, "ETHUSDT")]
    records = [
        record
        for order in orders
        for record in (IntentRecord(order), FillRecord(fill_of(order, "7", 10), replace(order, filled_lots=10)))
    ]
    await journal.commit(records)
    assert await journal.load() == records


async def test_a_failing_record_takes_the_whole_commit_back(journal: SqliteJournal, database: Database) -> None:
    await journal.commit([IntentRecord(entry(1))])
    before = await journal.load()
    with pytest.raises(StorageError):
        await journal.commit([CursorRecord("BTCUSDT", 60_000), IntentRecord(entry(2)), IntentRecord(entry(1))])
    assert await journal.load() == before
    await journal.commit([IntentRecord(entry(2))])
    assert len(await journal.load()) == 2


async def test_an_exception_just_before_the_commit_leaves_nothing(database: Database) -> None:
    def fail(number: int) -> None:
        if number == 1:
            raise RuntimeError("pulled the plug")

    journal = await SqliteJournal.open(database, "demo", on_write=fail)
    with pytest.raises(RuntimeError):
        await journal.commit([IntentRecord(entry(1)), CursorRecord("BTCUSDT", 0)])
    assert await journal.load() == []
    await journal.commit([IntentRecord(entry(1))])
    assert await journal.load() == [IntentRecord(entry(1))]
    await journal.close()


async def test_a_canceled_task_leaves_a_whole_commit(journal: SqliteJournal) -> None:
    records = [IntentRecord(entry(n)) for n in range(50)]
    task = asyncio.create_task(journal.commit(records))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await journal.load() == records


async def test_an_update_without_an_intent_is_refused(journal: SqliteJournal) -> None:
    order = entry(1)
    update = OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, 5)
    with pytest.raises(StorageError, match="no intent"):
        await journal.commit([OrderUpdateRecord(update, order)])
    assert await journal.load() == []


async def test_an_order_cannot_change_what_it_asked_for(journal: SqliteJournal) -> None:
    order = entry(1)
    await journal.commit([IntentRecord(order)])
    update = OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, 5)
    with pytest.raises(StorageError, match="differs from it"):
        await journal.commit([OrderUpdateRecord(update, replace(order, qty_lots=11))])


async def test_an_event_must_belong_to_its_order(journal: SqliteJournal) -> None:
    await journal.commit([IntentRecord(entry(1)), IntentRecord(entry(2))])
    with pytest.raises(StorageError, match="qd1 was given with order qd2"):
        await journal.commit([FillRecord(fill_of(entry(1), "f1", 1), entry(2))])


async def test_a_second_writer_of_the_account_is_refused(journal: SqliteJournal, database: Database) -> None:
    other = await SqliteJournal.open(database, "demo")
    await journal.commit([CursorRecord("BTCUSDT", 0)])
    with pytest.raises(StorageError, match="another program writes account demo"):
        await other.commit([CursorRecord("BTCUSDT", 60_000)])
    await other.close()


async def test_accounts_do_not_mix(journal: SqliteJournal, database: Database) -> None:
    paper = await SqliteJournal.open(database, "paper")
    await journal.commit([IntentRecord(entry(1))])
    await paper.commit([IntentRecord(entry(1)), CursorRecord("BTCUSDT", 0)])
    await paper.set_meta({"seed": "9"})
    assert await journal.load() == [IntentRecord(entry(1))]
    assert await journal.get_meta("seed") is None
    await paper.close()


async def test_the_positions_view_shows_the_newest(journal: SqliteJournal, database: Database) -> None:
    for lots in (5, 0, -3):
        await journal.commit([PositionRecord(Position("BTCUSDT", lots, Decimal(lots * 100), 1, "t1"), 2)])
    await journal.commit([PositionRecord(Position("ETHUSDT", 1, Decimal("0.10"), 1, "t2"), 2)])
    assert rows(database, "SELECT symbol, lots, cost_usdt FROM positions ORDER BY symbol") == [
        ("BTCUSDT", -3, "-300"),
        ("ETHUSDT", 1, "0.10"),
    ]


async def test_meta_and_instruments_are_overwritten(journal: SqliteJournal, database: Database) -> None:
    await journal.set_meta({"mode": "demo", "seed": "7"})
    await journal.set_meta({"seed": "8"})
    assert (await journal.get_meta("mode"), await journal.get_meta("seed")) == ("demo", "8")
    instruments = list(load_instruments(ROOT / "data" / "instruments.toml", CostSettings()).values())
    await journal.put_instruments(instruments)
    await journal.put_instruments(instruments)
    assert rows(database, "SELECT tick_size, lot_size FROM instruments WHERE symbol = 'BTCUSDT'") == [("0.1", "0.001")]


async def test_the_hook_counts_before_and_after_each_commit(database: Database) -> None:
    seen: list[tuple[int, int]] = []

    def look(number: int) -> None:
        seen.append((number, int(str(rows(database, "SELECT count(*) FROM cursors")[0][0]))))

    journal = await SqliteJournal.open(database, "demo", on_write=look)
    await journal.commit([CursorRecord("BTCUSDT", 0)])
    await journal.commit([CursorRecord("ETHUSDT", 0)])
    await journal.commit([])
    await journal.close()
    assert seen == [(1, 0), (2, 1), (3, 1), (4, 2)]


async def test_readers_see_whole_commits_while_it_writes(journal: SqliteJournal, database: Database) -> None:
    """Each commit writes one sample and one cursor; no reader may see one without the other."""
    zero = Decimal(0)

    def read_until_done() -> set[tuple[object, ...]]:
        seen = set()
        with closing(connect_read_only(database.path)) as connection:
            while (80, 80 * 60_000) not in seen:
                row = connection.execute(
                    "SELECT (SELECT count(*) FROM equity), (SELECT coalesce(max(open_time_ms), 0) FROM cursors)"
                ).fetchone()
                seen.add(row)
        return seen

    reading = asyncio.create_task(asyncio.to_thread(read_until_done))
    for n in range(1, 81):
        sample = EquitySample(n, zero, zero, zero, zero, zero)
        await journal.commit([EquityRecord(sample), CursorRecord("BTCUSDT", n * 60_000)])
    seen = await reading
    assert all(number * 60_000 == cursor for number, cursor in seen)  # type: ignore[operator]


async def test_a_locked_database_is_told(journal: SqliteJournal, database: Database) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await journal._connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(StorageError, match="is locked by another program"):
        await journal.commit([CursorRecord("BTCUSDT", 0)])
    other.execute("ROLLBACK")
    other.close()
    await journal.commit([CursorRecord("BTCUSDT", 0)])
    assert await journal.load() == [CursorRecord("BTCUSDT", 0)]
