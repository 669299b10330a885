from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from core.clock import ExchangeClock, SystemClock
from core.exchange.connection.health import Health
from core.exchange.connection.requests import open_wire
from core.exchange.dialects import dialect_of
from core.market.fetch.archive import Archive
from core.settings.schema import parse_settings
from storage.database import open_database
from tests.core.market.fetch.desk import BTC, Desk
from tests.core.market.fetch.market import Past


async def no_pause(_: float) -> None:
    return None


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    past = Past()
    past.publish(BTC)
    async with AsyncExitStack() as stack:
        for server in (past.server, past.archive):
            await stack.enter_async_context(server)
        settings = parse_settings({"exchange": {"base_url": past.server.base_url}}, "test")
        clock = ExchangeClock(SystemClock())
        wire = await open_wire(settings, None, clock, Health(), dialect_of("binanceusdm"), [BTC])
        stack.push_async_callback(wire.close)
        archive = Archive(past.archive.url, tmp_path, no_pause)
        stack.push_async_callback(archive.close)
        yield Desk(past, wire, archive, open_database(tmp_path / "quarterdeck.db"))
