"""Rows that were written in different ticks and lots, told by all that read a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from core.domain.errors import RefusedError, StorageError
from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderRole, OrderState, OrderType, OrderUpdate, Side, advance, apply_fill
from core.domain.records import AdjustmentRecord, FillRecord, IntentRecord, OrderUpdateRecord, PositionRecord, Record
from core.domain.trading import Position
from core.engine.assembly.account import note_start, told_again
from core.engine.starts import Rules
from core.market.contracts.instruments import load_instruments
from core.settings.schema import CostSettings, Settings
from storage.database import Database
from storage.journal import SqliteJournal
from storage.journal_reader import JournalReader
from storage.reader import Reader
from tests.storage.examples import entry, fill_of

BTC = "BTCUSDT"
KNOWN = load_instruments(Path(__file__).parents[2] / "data" / "instruments.toml", CostSettings())[BTC]


def contract(tick: str, lot: str, size: str = "1") -> Instrument:
    return replace(KNOWN, tick_size=Decimal(tick), lot_size=Decimal(lot), contract_size=Decimal(size), min_lots=1)


OLD = contract("0.1", "0.001")


@pytest_asyncio.fixture
async def journal(database: Database) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(database, "live")
    yield journal
    await journal.close()


async def start(journal: SqliteJournal, fresh: Instrument) -> tuple[Instrument, list[Record]]:
    instruments, records = await told_again(journal, {BTC: fresh})
    await note_start(journal, 0, Rules(Settings(), instruments))
    return instruments[BTC], records


def resting_stop() -> Order:
    """41 lots at 59,400.0, which rests: 0.041 BTC in the old rules."""
    return replace(
        entry(1),
        role=OrderRole.STOP,
        type=OrderType.STOP_MARKET,
        side=Side.SELL,
        qty_lots=41,
        trigger_ticks=594_000,
        reduce_only=True,
        trade_id="t1",
    )


async def write_old(journal: SqliteJournal) -> list[Record]:
    stop = resting_stop()
    update = OrderUpdate(stop.client_order_id, BTC, OrderState.ACCEPTED, 2_000, "v1")
    records: list[Record] = [
        IntentRecord(stop),
        OrderUpdateRecord(update, advance(stop, OrderState.ACCEPTED, 2_000, venue_order_id="v1")),
        PositionRecord(Position(BTC, 41, Decimal("2460"), 1_000, "t1"), 1_000),
        AdjustmentRecord("e1", 1_000, BTC, "external position lots", "0", "-7"),
    ]
    await journal.commit(records)
    return records


@pytest.mark.parametrize(
    ("tick", "lot", "size"),
    [("0.01", "0.001", "1"), ("0.1", "0.0001", "1"), ("1", "0.01", "1"), ("0.25", "0.05", "1"), ("0.1", "1", "0.005")],
)
async def test_an_order_goes_on_under_other_rules(journal: SqliteJournal, tick: str, lot: str, size: str) -> None:
    await start(journal, OLD)
    old = await write_old(journal)
    now, records = await start(journal, contract(tick, lot, size))
    intent, update, position, others = records
    assert isinstance(intent, IntentRecord)
    assert isinstance(update, OrderUpdateRecord)
    assert isinstance(position, PositionRecord)
    assert isinstance(others, AdjustmentRecord)
    assert now.qty(intent.order.qty_lots) == now.qty(position.position.lots) == Decimal("0.041")
    assert now.price(intent.order.trigger_ticks or 0) == Decimal("59400.0")
    assert now.qty(int(others.theirs)) == Decimal("-0.007")
    assert (now.price_step, now.qty_step) == (Decimal(tick), Decimal(lot) * Decimal(size))

    order = update.order
    fill = replace(
        fill_of(order, "f1", order.qty_lots // 41 * 30), side=Side.SELL, price_ticks=order.trigger_ticks or 0
    )
    filled = FillRecord(fill, apply_fill(order, fill))
    await journal.commit(
        [filled, PositionRecord(replace(position.position, lots=position.position.lots // 41 * 11), 3)]
    )
    with Reader(journal._path) as reader:
        shown = reader.orders()[0]
        assert (shown["qty"], shown["filled_qty"], shown["price"]) == (0.041, 0.03, 59400.0)
    with JournalReader(Database(journal._path)) as reading:
        written = [record for _, record in reading.records(1, reading.last_seq)]
    assert written[:4] == old
    assert written[4] == filled
    assert await journal.load({BTC: now}) == [*records, filled, written[5]]


async def test_positions_are_shown_in_their_own_lots(journal: SqliteJournal) -> None:
    await start(journal, OLD)
    await write_old(journal)
    await start(journal, contract("0.01", "0.0001"))
    with Reader(journal._path) as reader:
        shown = reader.positions()[0]
    assert (shown["qty"], shown["entry_price"], shown["stop_price"]) == (0.041, 60000.0, 59400.0)


async def test_an_order_that_became_another_is_still_refused(journal: SqliteJournal) -> None:
    await start(journal, OLD)
    await write_old(journal)
    _, records = await start(journal, contract("0.01", "0.0001"))
    update = records[1]
    assert isinstance(update, OrderUpdateRecord)
    changed = replace(update.order, qty_lots=update.order.qty_lots + 10)
    with pytest.raises(StorageError, match="an order was updated that has no intent or differs from it"):
        await journal.commit([OrderUpdateRecord(update.update, changed)])


async def test_a_journal_that_kept_no_start_counts_by_its_instruments(journal: SqliteJournal) -> None:
    await journal.put_instruments([OLD])
    await write_old(journal)
    now, records = await start(journal, contract("0.01", "0.0001"))
    again, once_more = await start(journal, contract("0.01", "0.0001"))
    assert (now, records) == (again, once_more)
    first = records[0]
    assert isinstance(first, IntentRecord)
    assert now.qty(first.order.qty_lots) == Decimal("0.041")


async def test_a_contract_in_which_nothing_of_before_can_be_counted_is_refused(journal: SqliteJournal) -> None:
    await start(journal, OLD)
    await write_old(journal)
    with pytest.raises(RefusedError, match=r"^BTCUSDT: a contract is 0.0003 BTC now, in which .* use another --home$"):
        await start(journal, contract("0.1", "1", "0.0003"))
