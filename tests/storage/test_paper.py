"""How long a home has traded on paper, as its journal tells it."""

from __future__ import annotations

from decimal import Decimal

from core.domain.market import MINUTE_MS
from core.domain.records import CursorRecord, EquityRecord, Record
from core.domain.trading import EquitySample
from core.engine.starts import Rules, start_meta
from core.settings.schema import Settings
from storage.database import Database
from storage.journal import SqliteJournal
from storage.paper import has_traded, paper_hours

T0 = 1_780_000_020_000  # at a full minute


def sample(time_ms: int) -> EquityRecord:
    balance = Decimal(10_000)
    return EquityRecord(EquitySample(time_ms, balance, Decimal(0), balance, balance, balance))


def minutes(first: int, last: int) -> list[Record]:
    return [sample(T0 + minute * MINUTE_MS) for minute in range(first, last)]


async def trade(database: Database, account: str, *starts: tuple[int, list[Record]]) -> None:
    """Engines of one account after each other: when each was started, and what it wrote."""
    for started_ms, records in starts:
        journal = await SqliteJournal.open(database, account)
        await journal.set_meta(start_meta(journal.last_seq, started_ms, Rules(Settings(), {})))
        await journal.commit(records)
        await journal.close()


async def test_a_home_that_never_traded_on_paper_has_no_hours(database: Database) -> None:
    assert paper_hours(database) == 0.0
    await trade(database, "demo", (T0, minutes(0, 60)))
    assert paper_hours(database) == 0.0


async def test_a_minute_counts_once_however_often_it_is_sampled(database: Database) -> None:
    again = [sample(T0 + minute * MINUTE_MS + 20_000) for minute in range(30)]
    await trade(database, "paper", (T0, [*minutes(0, 90), *again]))
    assert paper_hours(database) == 1.5


async def test_sessions_add_up_and_the_time_between_them_does_not_count(database: Database) -> None:
    later = 10 * 60
    await trade(
        database,
        "paper",
        (T0, minutes(0, 60)),
        (T0 + later * MINUTE_MS, minutes(later, later + 30)),
    )
    assert paper_hours(database) == 1.5


async def test_bars_that_were_missed_and_walked_through_at_a_start_do_not_count(database: Database) -> None:
    later = 10 * 60
    caught_up = minutes(60, later + 30)
    await trade(database, "paper", (T0, minutes(0, 60)), (T0 + later * MINUTE_MS, caught_up))
    assert paper_hours(database) == 1.5


async def test_a_running_engine_without_bars_gains_nothing(database: Database) -> None:
    await trade(database, "paper", (T0, [CursorRecord("BTCUSDT", T0)]))
    assert paper_hours(database) == 0.0


async def test_other_accounts_do_not_count(database: Database) -> None:
    await trade(database, "paper", (T0, minutes(0, 6)))
    await trade(database, "live", (T0, minutes(0, 60)))
    assert paper_hours(database) == 0.1


async def test_an_account_that_was_only_opened_has_not_traded(database: Database) -> None:
    assert not has_traded(database, "live")
    await trade(database, "live", (T0, []))
    assert not has_traded(database, "live")
    await trade(database, "live", (T0, minutes(0, 1)))
    assert has_traded(database, "live")
