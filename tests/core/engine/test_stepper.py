"""A step that could not be made durable is the last one: nothing is decided on what the journal does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from core.domain.errors import StorageError
from core.domain.operator import OperatorCommand, Verb
from core.domain.records import OperatorRecord, Record
from tests.core.exchange.desk_kit import House, in_house


class Locked:
    """The journal of a house, which another program locks for the next commit of an operator's command."""

    def __init__(self, house: House) -> None:
        self._journal = house.stepper._journal
        self.is_locked = True

    async def commit(self, records: Sequence[Record]) -> None:
        if self.is_locked and any(isinstance(record, OperatorRecord) for record in records):
            self.is_locked = False
            raise StorageError("quarterdeck.db: is locked by another program")
        await self._journal.commit(records)


def test_a_command_whose_commit_failed_leaves_no_engine_that_only_seems_to_close() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        assert house.book().lots
        house.stepper._journal = Locked(house)  # type: ignore[assignment]
        for number in (1, 2):
            now_ms = house.clock.now_ms()
            with pytest.raises(StorageError, match="locked"):
                await house.stepper.step([OperatorCommand(f"op-{number}", Verb.FLATTEN, "", "test", now_ms)], now_ms)
        assert house.stepper.failed.is_set()
        with pytest.raises(StorageError):
            house.stepper.check()
        house.task.cancel()
        await asyncio.wait([house.task])

    in_house(test)
