"""Exits that look back on a trade: after a start they know what they knew, in the engine and in the proof."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain.market import MINUTE_MS
from core.position.kit.atr_stop import atr_stop
from core.position.kit.break_even import break_even
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import HOLD, REDUCE, Candle, ExitPolicy, Held
from storage.database import Database
from tests.declared import Vector
from tests.engine.books import read_books
from tests.engine.scripted import SETTINGS, START_MS, STRATEGY, prepare
from tests.engine.test_replay import session, verified


def _half(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    """Half, once, when the close is ahead."""
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    is_whole = held.qty >= held.opened_qty * (1.0 - 1e-9)
    return (REDUCE, 0.5) if is_whole and ahead_pct > parameters[0] else (HOLD, 0.0)


HALF_OFF = ExitPolicy("half off", _half, (0.03,), says=(REDUCE,))
EXITS = (HALF_OFF, trailing(0.15, 0.05), atr_stop(4, 2.0), break_even(0.05, 1.0), time_limit(8.0 * MINUTE_MS))
LOOKING_BACK = replace(STRATEGY, exits=(), policies=EXITS, target_pct=0.4)
CUT_MS = START_MS + 31 * MINUTE_MS + 1_500
KILLS = (40, 70, 100, 130)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("template") / "quarterdeck.db").path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Database:
    return Database(shutil.copy(template, tmp_path / "quarterdeck.db"))


@pytest.fixture(scope="module")
def uncut(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(template, tmp_path_factory.mktemp("uncut") / "quarterdeck.db"))
    asyncio.run(session(Database(path), strategy=LOOKING_BACK))
    return path


async def test_the_hour_is_worth_it_and_replays(uncut: Path) -> None:
    books = read_books(uncut)
    told = [str(row[2]) for row in books["signals"] if row[1] == "stop"]
    assert [row for row in books["signals"] if row[1] == "reduce"]
    assert len([row for row in books["orders"] if row[4] == "reduce" and row[7] == "filled"]) > 3
    assert set(told) == {"trailing stop", "ATR stop", "break-even stop"}
    assert len(told) > 20
    assert "time limit" in {row[-2] for row in books["trades"]}
    found = await verified(Database(uncut), lambda rules: LOOKING_BACK)
    assert found.first_difference is None


@pytest.mark.parametrize("write", KILLS)
async def test_a_crash_makes_no_difference_to_what_they_say(database: Database, uncut: Path, write: int) -> None:
    def die(number: int) -> None:
        if number == 2 * write:
            raise KilledError

    with pytest.raises((KilledError, BaseExceptionGroup)):
        await session(database, strategy=LOOKING_BACK, on_write=die)
    await session(database, strategy=LOOKING_BACK)
    assert read_books(database.path) == read_books(uncut)


async def test_a_start_with_other_settings_is_proved_with_their_memory(database: Database) -> None:
    more = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"max_trades_per_day": 23})})
    await session(database, strategy=LOOKING_BACK, end_ms=CUT_MS)
    assert any(row[1] for row in read_books(database.path)["positions"])
    await session(database, more, strategy=LOOKING_BACK)
    assert (await verified(database, lambda rules: LOOKING_BACK)).first_difference is None
