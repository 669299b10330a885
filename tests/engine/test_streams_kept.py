"""What paper stored of a stream long ago goes while it runs, as the settings say, and what is young stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.domain.market import MINUTE_MS
from core.domain.stream import Observation
from core.home.folder import Home
from core.settings.schema import CollectSettings, Settings
from core.strategy.declaration import Rule, Strategy
from storage.database import Database, open_database
from storage.observations import SqliteObservations
from tests.declared import declared, never, with_part
from tests.engine import day_runner
from tests.engine.day_runner import START_MS, SYMBOLS, paper_home
from tests.engine.test_exchange_seen import scan

STREAM = "open_interest.5m"
DAY_MS = 86_400_000
KEPT_DAYS = 3


def looking() -> Strategy:
    """Under the name of the day's, which its replay asks for."""
    strategy = declared("jumps", source=Rule(scan, 1, ()), lookback_bars=5, decide=never)
    return with_part(strategy, inputs=(STREAM, "bars.15m", "time"))


def rows(symbol: str, age_days: float) -> list[Observation]:
    first_ms = START_MS - int(age_days * DAY_MS)
    times = range(first_ms, first_ms + 60 * MINUTE_MS, 5 * MINUTE_MS)
    return [Observation(symbol, STREAM, at_ms, at_ms + 5 * MINUTE_MS, (1.0, 60_000.0)) for at_ms in times]


async def put(database: Database, observations: list[Observation]) -> None:
    store = await SqliteObservations.open(database)
    await store.append(observations)
    await store.close()


async def ages_days(database: Database, symbol: str) -> set[int]:
    store = await SqliteObservations.open(database, read_only=True)
    found = await store.observations(symbol, STREAM, 0, START_MS - MINUTE_MS * 60)
    await store.close()
    return set(((START_MS - found.time_ms) // DAY_MS).tolist())


def test_old_rows_go_and_young_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = day_runner.day_settings

    def kept(*told: Any, **exchange: Any) -> Settings:
        return plain(*told, **exchange).model_copy(
            update={"collect": CollectSettings(keep_open_interest_days=KEPT_DAYS)}
        )

    monkeypatch.setattr(day_runner, "day_settings", kept)
    home = Home(tmp_path / "home")
    home.create()
    database = open_database(home.market("binanceusdm"))
    asyncio.run(put(database, [row for symbol in SYMBOLS for age in (40.5, 9.5, 2.5) for row in rows(symbol, age)]))
    paper_home(home.root, looking, lambda *_: None, 12)
    for symbol in SYMBOLS:
        assert asyncio.run(ages_days(database, symbol)) == {2}
