"""The rules that journals in memory keep are those of the database: what one refuses, the other does."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.errors import StorageError
from core.domain.records import IntentRecord, Record
from storage.database import Database
from storage.journal import SqliteJournal
from tests.journal_rules import JournalRules
from tests.simulation.journal import Disk, MemoryJournal
from tests.storage.examples import entry, journals

_accounts = count()


def is_taken_in_memory(records: list[Record], then: list[Record]) -> bool:
    rules = JournalRules(records)
    try:
        rules.take(then)
    except StorageError:
        return False
    return True


async def is_taken_on_disk(database: Database, records: list[Record], then: list[Record]) -> bool:
    journal = await SqliteJournal.open(database, f"account{next(_accounts)}")
    try:
        await journal.commit(records)
        try:
            await journal.commit(then)
        except StorageError:
            return False
        return True
    finally:
        await journal.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=journals(), data=st.data())
def test_a_record_that_comes_twice_is_refused_by_both_or_by_neither(
    database: Database, records: list[Record], data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(records)) if records else None
    then = [] if again is None else [again]
    on_disk = asyncio.run(is_taken_on_disk(database, records, then))
    assert is_taken_in_memory(records, then) == on_disk


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=journals(), data=st.data())
def test_news_of_an_order_without_an_intent_is_refused_by_both(
    database: Database, records: list[Record], data: st.DataObject
) -> None:
    intents = [record for record in records if isinstance(record, IntentRecord)]
    left_out = data.draw(st.sampled_from(intents)) if intents else None
    lacking = [record for record in records if record is not left_out]
    on_disk = asyncio.run(is_taken_on_disk(database, [], lacking))
    try:
        JournalRules().take(lacking)
        in_memory = True
    except StorageError:
        in_memory = False
    assert in_memory == on_disk


async def test_what_a_journal_in_memory_refuses_is_not_written() -> None:
    disk = Disk()
    journal, intent = MemoryJournal(disk), IntentRecord(entry(1))
    await journal.commit([intent])
    with pytest.raises(StorageError, match="UNIQUE order: qd1"):
        await journal.commit([IntentRecord(entry(2)), intent])
    assert disk.records == [intent]
    await journal.commit([IntentRecord(entry(2))])
