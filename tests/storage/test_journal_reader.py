"""The whole journal, in pieces, as one snapshot."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from core.domain.errors import UnavailableError
from core.domain.forecast import Forecast
from core.domain.origin import champion
from core.domain.records import CursorRecord, FirstPriceRecord, ForecastRecord, IntentRecord, Record
from core.lab.replay.record_text import bits
from core.market.contracts.instruments import load_instruments
from core.settings.schema import CostSettings
from storage import journal_reader
from storage.database import Database
from storage.journal import SqliteJournal
from storage.journal_reader import JournalReader
from storage.journal_records import RECENT
from tests.storage.examples import entry, journals

ROOT = Path(__file__).parents[2]
_accounts = count()


def kept(records: list[Record]) -> list[tuple[int, Record]]:
    """With their places, without the cursors that a later one replaced."""
    newest = {(type(r), r.symbol): n for n, r in enumerate(records) if isinstance(r, CursorRecord | FirstPriceRecord)}
    return [
        (n + 1, record)
        for n, record in enumerate(records)
        if not isinstance(record, CursorRecord | FirstPriceRecord) or n in newest.values()
    ]


async def commit(database: Database, account: str, records: list[Record]) -> None:
    journal = await SqliteJournal.open(database, account)
    try:
        await journal.commit(records)
    finally:
        await journal.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=journals())
def test_every_record_is_read_back_to_the_bit(
    database: Database, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_reader, "PIECE", 3)
    asyncio.run(commit(database, f"account{next(_accounts)}", records))
    with JournalReader(database) as journal:
        assert journal.last_seq == len(records)
        found = list(journal.records(1, journal.last_seq))
        middle = list(journal.records(2, len(records) - 1))
    told = kept(records)
    assert [(seq, bits(record)) for seq, record in found] == [(seq, bits(record)) for seq, record in told]
    assert middle == [(seq, record) for seq, record in told if 2 <= seq < len(records)]


async def test_all_predictions_are_read_and_not_the_newest_alone(database: Database) -> None:
    many = RECENT + 50
    told = [ForecastRecord(Forecast("BTCUSDT", n, n, (0.5,), champion("s", "v"))) for n in range(many)]
    await commit(database, "demo", [*told])
    with JournalReader(database) as journal:
        assert [record for _, record in journal.records(1, many)] == told


async def test_what_is_committed_later_is_not_seen(database: Database) -> None:
    await commit(database, "demo", [IntentRecord(entry(1))])
    with JournalReader(database) as journal:
        await commit(database, "demo", [IntentRecord(entry(2))])
        assert journal.last_seq == 1
        assert list(journal.records(1, 10)) == [(1, IntentRecord(entry(1)))]
        assert journal.meta() == {}
    with JournalReader(database) as journal:
        assert [seq for seq, _ in journal.records(1, 10)] == [1, 2]


async def test_the_account_written_last_with_its_facts(database: Database) -> None:
    known = load_instruments(ROOT / "data/instruments.toml", CostSettings())
    await commit(database, "other", [CursorRecord("BTCUSDT", 0)])
    journal = await SqliteJournal.open(database, "demo")
    await journal.commit([CursorRecord("BTCUSDT", 0), CursorRecord("BTCUSDT", 60_000)])
    await journal.set_meta({"opening": "then"})
    await journal.put_instruments(list(known.values()))
    assert journal.last_seq == 2
    await journal.close()
    with JournalReader(database) as reader:
        assert (reader.account, reader.last_seq) == ("demo", 2)
        assert reader.meta() == {"opening": "then"}
        assert reader.instruments() == known
        assert list(reader.records(1, 2)) == [(2, CursorRecord("BTCUSDT", 60_000))]


def test_a_home_without_an_account_is_told(database: Database) -> None:
    with pytest.raises(UnavailableError, match=r"no account in .* yet; start one with: quarterdeck run"):
        JournalReader(database)
