"""The engine on the scripted hour: reproducible, recoverable, and steered by its operator."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import StorageError
from core.domain.market import MINUTE_MS
from core.domain.operator import OperatorWish, Verb
from core.domain.records import OperatorRecord, Record
from core.engine.engine import Engine
from core.settings.schema import CostSettings
from core.venues.rebuild import journalled_venue
from storage.database import Database
from storage.journal import SqliteJournal
from tests.declared import never
from tests.engine import scripted
from tests.engine.books import read_books
from tests.engine.scripted import (
    ACTS,
    HOUR_MS,
    SETTINGS,
    START_MS,
    STRATEGY,
    SYMBOLS,
    Act,
    prepare,
    run_hour,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "template.db"
    prepare(path)
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Database:
    return Database(shutil.copy(template, tmp_path / "quarterdeck.db"))


async def test_two_runs_write_the_same_books(database: Database, template: Path, tmp_path: Path) -> None:
    other = Database(shutil.copy(template, tmp_path / "other.db"))
    await run_hour(database)
    await run_hour(other)
    assert read_books(database.path) == read_books(other.path)


async def test_the_hour_ends_trades_in_several_ways(database: Database) -> None:
    await run_hour(database)
    reasons = Counter(trade[7] for trade in read_books(database.path)["trades"])
    assert {"stop", "target", "reversal"} <= set(reasons)


async def test_a_run_in_two_parts_equals_one(database: Database, template: Path, tmp_path: Path) -> None:
    whole = Database(shutil.copy(template, tmp_path / "whole.db"))
    await run_hour(whole)
    await run_hour(database, end_ms=START_MS + 31 * MINUTE_MS)
    await run_hour(database)
    assert read_books(database.path) == read_books(whole.path)


async def test_an_ended_run_adds_nothing_when_started_again(database: Database) -> None:
    await run_hour(database)
    before = read_books(database.path)
    engine = await run_hour(database)
    assert read_books(database.path) == before
    assert engine.latest is not None
    assert engine.latest.trades[0].trade_id in {str(trade[0]) for trade in before["trades"]}


async def test_what_cannot_be_drawn_ends_no_engine_and_is_told_once(
    database: Database,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("could not convert string to float: ''")

    whole = Database(shutil.copy(template, tmp_path / "whole.db"))
    await run_hour(whole)
    monkeypatch.setattr("core.engine.engine.meter_views", broken)
    engine = await run_hour(database)
    assert engine.latest is None
    assert read_books(database.path) == read_books(whole.path)
    assert [line for line in caplog.messages if "drawn" in line] == ["the snapshot cannot be drawn; trading goes on"]


async def test_a_command_that_cannot_be_journalled_ends_the_engine_and_the_next_start_goes_on(
    database: Database, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for it, and though only the asker sees the error."""
    asked: list[asyncio.Task[object]] = []
    publish, commit = Engine._publish_now, SqliteJournal.commit

    def ask_once(engine: Engine) -> None:
        publish(engine)
        if not asked and engine._state == "running" and engine._trader.state.open_positions():
            asked.append(asyncio.ensure_future(engine.command(OperatorWish(Verb.FLATTEN, "", "script"))))

    async def refuse(journal: SqliteJournal, records: Sequence[Record]) -> None:
        if any(isinstance(record, OperatorRecord) for record in records):
            raise StorageError("quarterdeck.db: is locked by another program")
        await commit(journal, records)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_publish_now", ask_once)
        patch.setattr(Engine, "_note_progress", lambda engine, due_ms: ask_once(engine))
        patch.setattr(SqliteJournal, "commit", refuse)
        with pytest.raises(ExceptionGroup) as ended:
            await run_hour(database, acts=())
    assert ended.group_contains(StorageError, match="locked")
    with pytest.raises(StorageError, match="locked"):
        await asked[0]
    whole = Database(shutil.copy(template, tmp_path / "whole.db"))
    await run_hour(whole, acts=())
    await run_hour(database, acts=())
    assert read_books(database.path) == read_books(whole.path)


async def test_pause_makes_no_entries_and_leaves_exits_alone(database: Database) -> None:
    await run_hour(database, acts=(Act(START_MS + 12 * MINUTE_MS, Verb.PAUSE),))
    books = read_books(database.path)
    entered = [signal for signal in books["signals"] if signal[1] == "enter"]
    vetoed = [signal for signal in books["signals"] if signal[2] == "entries paused by the operator"]
    assert vetoed
    assert max(int(str(signal[0]).split("-")[2]) for signal in entered) <= START_MS + 12 * MINUTE_MS
    assert all(position[1] == 0 for position in books["positions"])


async def test_halt_cancels_entries_that_still_wait(database: Database) -> None:
    engine = await run_hour(database, acts=(Act(START_MS + 4 * MINUTE_MS + 100, Verb.HALT),))
    assert engine.latest is not None
    assert engine.latest.status.halts == ("halted",)
    entries = [order for order in read_books(database.path)["orders"] if order[4] == "entry"]
    assert all(order[7] in ("filled", "canceled") for order in entries)


async def test_flatten_of_everything_closes_and_pauses(database: Database) -> None:
    """Whole fills and far levels here, so that nothing else closes the positions first."""
    deep = SETTINGS.model_copy(update={"costs": CostSettings()})
    wide = replace(STRATEGY, stop_pct=3.0, target_pct=3.0, exits=())
    flatten = Act(START_MS + 31 * MINUTE_MS, Verb.FLATTEN)
    engine = await run_hour(database, settings=deep, strategy=wide, acts=(flatten,))
    books = read_books(database.path)
    assert [trade[7] for trade in books["trades"]] == ["flatten"] * len(SYMBOLS)
    assert all(position[1] == 0 for position in books["positions"])
    assert engine.latest is not None
    assert engine.latest.status.open_positions == 0
    assert engine.latest.status.halts == ("paused",)


async def test_flatten_of_an_unknown_symbol_is_refused(database: Database) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        await run_hour(database, acts=(Act(START_MS + MINUTE_MS, Verb.FLATTEN, "DOGEUSDT"),))
    assert "refused: DOGEUSDT is not traded here" in str(caught.value.exceptions[0])
    assert read_books(database.path)["operator_commands"] == [
        ("flatten", "DOGEUSDT", "refused: DOGEUSDT is not traded here")
    ]


async def test_downtime_is_walked_through_on_the_candles(database: Database) -> None:
    """A stop or target that was hit while the engine was away closes the trade at that bar, and nothing is entered."""
    deep = SETTINGS.model_copy(update={"costs": CostSettings()})
    levels_only = replace(STRATEGY, exits=())
    cut_ms = START_MS + 9 * MINUTE_MS
    await run_hour(database, acts=(), settings=deep, strategy=levels_only, end_ms=cut_ms)
    held = [position for position in read_books(database.path)["positions"] if position[1] != 0]
    assert held, "the script must leave a position open here"
    back_ms = START_MS + 50 * MINUTE_MS
    await run_hour(database, acts=(), settings=deep, strategy=levels_only, trade_from_ms=back_ms)
    books = read_books(database.path)
    away = [trade for trade in books["trades"] if cut_ms < int(str(trade[2])) < back_ms]
    assert {str(trade[7]) for trade in away} <= {"stop", "target"}
    assert {str(trade[0]) for trade in away} == {str(position[3]) for position in held}
    entries = [order for order in books["orders"] if order[4] == "entry"]
    decided = [int(str(order[9]).split("-")[2]) for order in entries]
    assert not [ms for ms in decided if cut_ms < ms < back_ms]
    assert [ms for ms in decided if ms >= back_ms]


async def test_books_that_differ_from_the_venue_are_told_and_stop_new_entries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_hour(database, acts=(), end_ms=START_MS + 9 * MINUTE_MS)
    poorer = SETTINGS.with_initial_balance(Decimal(9_999))
    monkeypatch.setattr(scripted, "journalled_venue", lambda known, settings: journalled_venue(known, poorer))
    engine = await run_hour(database, acts=())
    with closing(sqlite3.connect(database.path)) as connection:
        told = connection.execute("SELECT what, ours, theirs FROM adjustments").fetchall()
    assert [what for what, _, _ in told] == ["wallet USDT"]
    assert Decimal(told[0][1]) - Decimal(told[0][2]) == 1
    books = read_books(database.path)
    assert books["operator_commands"][-1][0] == "pause"
    entered = [int(str(order[9]).split("-")[2]) for order in books["orders"] if order[4] == "entry"]
    assert max(entered) <= START_MS + 9 * MINUTE_MS
    assert engine.latest is not None
    assert engine.latest.status.halts == ("paused",)
    assert "settled at start" not in engine.latest.status.note


async def test_a_symbol_that_joins_later_begins_where_the_account_is(database: Database) -> None:
    one = SETTINGS.model_copy(update={"market": SETTINGS.market.model_copy(update={"symbols": SYMBOLS[:1]})})
    joined_ms = START_MS + 20 * MINUTE_MS
    await run_hour(database, acts=(), settings=one, end_ms=joined_ms)
    await run_hour(database, acts=())
    books = read_books(database.path)
    of_the_new = [int(str(row[1])) for row in books["forecasts"] if row[0] == SYMBOLS[1]]
    assert of_the_new
    assert min(of_the_new) > joined_ms
    times = [row[0] for row in books["equity"]]
    assert times == sorted(set(times))


async def test_every_exit_and_stop_of_a_flat_symbol_is_withdrawn(database: Database) -> None:
    await run_hour(database, acts=(*ACTS, Act(START_MS + 50 * MINUTE_MS, Verb.FLATTEN)))
    waiting = [order for order in read_books(database.path)["orders"] if order[7] in ("accepted", "partially_filled")]
    assert waiting == []


async def test_no_entry_of_a_later_hour_when_limits_forbid(database: Database) -> None:
    limits = SETTINGS.limits.model_copy(update={"max_trades_per_day": 3})
    await run_hour(database, settings=SETTINGS.model_copy(update={"limits": limits}))
    books = read_books(database.path)
    assert sum(1 for order in books["orders"] if order[4] == "entry") == 3
    fired = [event for event in books["limit_events"] if event[0] == "day_trades" and event[3] == 1]
    assert fired


async def test_a_refused_model_does_not_trade(database: Database) -> None:
    await run_hour(database)
    books = read_books(database.path)
    refused = {row[3] for row in books["training"] if row[2] == "refused"}
    assert refused
    assert not refused & {row[3] for row in books["forecasts"]}


async def test_models_are_swapped_at_a_fixed_virtual_delay(database: Database) -> None:
    await run_hour(database)
    swaps = [row for row in read_books(database.path)["training"] if row[2] == "swapped"]
    delay_ms = SETTINGS.engine.training_delay_seconds * 1_000
    with closing(sqlite3.connect(database.path)) as connection:
        first_use = dict(connection.execute("SELECT version, min(bar_close_ms) FROM forecasts GROUP BY version"))
    assert all(first_use[row[3]] >= int(str(row[1])) + delay_ms for row in swaps if row[3] in first_use)


async def test_a_strategy_that_never_decides_never_trades(database: Database) -> None:
    await run_hour(database, acts=(), strategy=replace(STRATEGY, decide=never))
    books = read_books(database.path)
    assert books["orders"] == []
    assert len(books["forecasts"]) > 2 * len(SYMBOLS)
    assert len(books["equity"]) == HOUR_MS // MINUTE_MS
