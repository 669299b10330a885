"""Engine sessions replayed from their SQLite journals: through restarts, crashes, other settings, and tampering."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.arithmetic import sizing
from core.domain.errors import BadInputError, UnavailableError
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS
from core.domain.operator import Verb
from core.engine.assembly.account import note_start, told_again
from core.engine.starts import Rules, Start, read_starts
from core.home.folder import Home
from core.lab.replay.verify import Verification, verify
from core.lab.run.overrides import with_overrides
from core.settings.schema import CostSettings, EventSettings, Settings
from core.strategy.declaration import Strategy
from core.trader.ids import NEWEST, WITHOUT_STRATEGY
from core.trader.trader import Trader
from quarterdeck import QuarterdeckRuntime
from storage.candles import SqliteCandles
from storage.database import Database, open_database
from storage.journal import SqliteJournal
from storage.journal_reader import JournalReader
from storage.reader import Reader
from tests.engine.scripted import ACCOUNT, SETTINGS, START_MS, STRATEGY, SYMBOLS, Act, instruments, prepare, run_hour

CUT_MS = START_MS + 31 * MINUTE_MS
KILLS = range(10, 250, 34)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market") / "template.db"
    prepare(path)
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Database:
    return Database(shutil.copy(template, tmp_path / "quarterdeck.db"))


@pytest.fixture(scope="module")
def whole(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripted hour in one run."""
    path = Path(shutil.copy(template, tmp_path_factory.mktemp("whole") / "quarterdeck.db"))
    asyncio.run(session(Database(path)))
    return path


@pytest.fixture
def journalled(whole: Path, tmp_path: Path) -> Database:
    return Database(shutil.copy(whole, tmp_path / "journalled.db"))


async def session(
    database: Database,
    settings: Settings = SETTINGS,
    fresh: dict[str, Instrument] | None = None,
    id_form: int = NEWEST,
    **parts: object,
) -> None:
    """A start that keeps its rules, as the command does, and its run."""
    journal = await SqliteJournal.open(database, ACCOUNT)
    known, _ = await told_again(journal, fresh or instruments(settings))
    await note_start(journal, 0, Rules(settings, known, id_form))
    await journal.close()
    await run_hour(database, settings=settings, fresh=fresh, id_form=id_form, **parts)  # type: ignore[arg-type]


async def verified(
    database: Database,
    strategy: Callable[[Rules], Strategy] = lambda _: STRATEGY,
    edit: Callable[[list[Start]], list[Start]] = lambda starts: starts,
) -> Verification:
    candles = await SqliteCandles.open(database)
    try:
        with JournalReader(database) as journal:
            return await verify(
                journal,
                candles,
                edit(read_starts(journal.meta())),
                START_MS,
                lambda rules: Trader(
                    ACCOUNT, strategy(rules), rules.settings, rules.instruments, rules.retired, rules.id_form
                ),
            )
    finally:
        await candles.close()


def starts_of(database: Database) -> list[Start]:
    with JournalReader(database) as journal:
        return read_starts(journal.meta())


def sql(database: Database, text: str, *values: object) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute(text, values).fetchall()
        connection.commit()
        return found


async def parts_at(
    database: Database, seq: int, strategy: Callable[[Rules], Strategy] = lambda _: STRATEGY
) -> tuple[str, str]:
    """What journal and trader say at the first difference, which must be at `seq`."""
    found = await verified(database, strategy)
    assert found.first_difference is not None
    assert (found.first_difference.record, found.records) == (seq, seq - 1)
    assert START_MS < found.first_difference.time_ms <= START_MS + 60 * MINUTE_MS
    return found.first_difference.journal, found.first_difference.trader


async def test_the_hour_replays_to_its_journal(journalled: Database) -> None:
    """Partial fills, stops, targets, reversals, funding, limits and an operator: `test_crash` holds that they occur."""
    found = await verified(journalled)
    assert found.first_difference is None
    assert found.records == sql(journalled, "SELECT last_seq FROM journals")[0][0]
    tables = ("signals", "orders", "cancels", "limit_events")
    assert found.decisions == sum(sql(journalled, f"SELECT count(*) FROM {table}")[0][0] for table in tables)
    with Reader(journalled.path) as reader:
        trades = reader.trades()
    known = ("confidence", "leverage", "margin_usdt", "expected_profit_usdt", "expected_loss_usdt")
    assert len(trades) > 10
    assert all(trade[name] is not None and trade[name] > 0 for trade in trades for name in known)


async def test_a_restart_makes_no_difference(database: Database, journalled: Database) -> None:
    await session(database, end_ms=CUT_MS)
    await session(database)
    found = await verified(database)
    assert found.first_difference is None
    assert found.digest == (await verified(journalled)).digest


async def test_a_symbol_is_retired_once_flat_and_may_come_back(database: Database) -> None:
    """What it earned stays in the books, nothing of it is traded or measured, and all of it is one proved account."""
    btc, sol = SYMBOLS
    roomy = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"max_trades_per_day": 40})})
    alone = roomy.model_copy(update={"market": SETTINGS.market.model_copy(update={"symbols": (btc,)})})
    flat_ms = START_MS + 43 * MINUTE_MS
    await session(database, settings=roomy, end_ms=flat_ms)
    before = sql(database, "SELECT symbol, trade_id FROM closed_trades ORDER BY trade_id")
    orders = "SELECT count(*) FROM orders WHERE symbol = ?"
    sent = sql(database, orders, sol), sql(database, orders, btc)
    assert sol in {symbol for symbol, _ in before}
    await session(database, settings=alone, end_ms=flat_ms + 10 * MINUTE_MS)
    assert sql(database, orders, sol) == sent[0]
    assert sql(database, orders, btc) > sent[1]
    assert set(before) <= set(sql(database, "SELECT symbol, trade_id FROM closed_trades"))
    with Reader(database.path) as reader:
        assert sol in {row["symbol"] for row in reader.trades()}
    await session(database, settings=roomy)
    assert sql(database, orders, sol) > sent[0]
    found = await verified(database)
    assert found.first_difference is None
    assert found.records == sql(database, "SELECT last_seq FROM journals")[0][0]


async def test_a_symbol_that_is_held_is_not_retired(database: Database) -> None:
    btc, sol = SYMBOLS
    alone = SETTINGS.model_copy(update={"market": SETTINGS.market.model_copy(update={"symbols": (btc,)})})
    await session(database, end_ms=CUT_MS)
    written = sql(database, "SELECT last_seq FROM journals")
    with pytest.raises(BadInputError, match=f"lack {sol}, of which this account holds"):
        await session(database, settings=alone)
    assert sql(database, "SELECT last_seq FROM journals") == written


async def test_what_was_aged_out_leaves_nothing_unproved(journalled: Database) -> None:
    before = await verified(journalled)
    journal = await SqliteJournal.open(journalled, ACCOUNT)
    assert await journal.age_out(2**60, 1_000) >= 4
    await journal.close()
    assert await verified(journalled) == before


@pytest.mark.parametrize("power", [-2, -1, 1, 2])
async def test_other_steps_of_the_contracts_are_proved_too(database: Database, power: int) -> None:
    """The market goes on in finer or coarser steps: each stretch is told in its own, and all of it is one account."""
    moved = {
        symbol: replace(
            item,
            tick_size=item.tick_size.scaleb(power),
            lot_size=item.lot_size.scaleb(power),
            min_lots=max(1, int(item.min_lots * 10**-power)),
            max_lots=int(item.max_lots * 10**-power),
        )
        for symbol, item in instruments().items()
    }
    await session(database, end_ms=CUT_MS)
    before = values_of(database)
    await session(database, fresh=moved, end_ms=CUT_MS + 10 * MINUTE_MS)
    await session(database)
    assert values_of(database)[: len(before)] == before
    found = await verified(database)
    assert found.first_difference is None
    assert found.records == sql(database, "SELECT last_seq FROM journals")[0][0]


@pytest.mark.parametrize("minutes", [7, 31, 44])
@pytest.mark.parametrize("finer", [1, 10])
async def test_rules_that_are_adopted_while_running_are_proved_too(
    database: Database, minutes: int, finer: int
) -> None:
    """From an instant between two of the market on, all is counted as fine, and orders are five times coarser; a
    restart makes no difference."""
    coarser = {
        symbol: replace(
            item,
            tick_size=item.tick_size / finer,
            lot_size=item.lot_size / finer,
            lot_step=5,
            tick_step=5,
            min_lots=5,
            max_lots=item.max_lots * finer,
        )
        for symbol, item in instruments().items()
    }
    waiting = [coarser]

    def adopt(time_ms: int, journal: SqliteJournal) -> dict[str, Instrument]:
        return waiting.pop() if waiting and time_ms >= START_MS + minutes * MINUTE_MS + 1_000 else {}

    await session(database, adopt=adopt, end_ms=START_MS + 50 * MINUTE_MS)
    seq = starts_of(database)[1].seq
    await session(database, fresh=coarser)
    assert [start.seq for start in starts_of(database)][:2] == [0, seq]
    entries = "SELECT min(qty_lots % 5), max(qty_lots % 5) FROM orders AS o JOIN order_events AS e USING (account, "
    entries += "client_order_id) WHERE role = 'entry' AND update_state IS NULL AND seq > ?"
    assert sql(database, entries, seq) == [(0, 0)]
    found = await verified(database)
    assert found.first_difference is None
    assert found.records == sql(database, "SELECT last_seq FROM journals")[0][0]


def values_of(database: Database) -> list[tuple[str, float, float | None]]:
    """What the journal says of its orders' quantities and prices, oldest first."""
    with Reader(database.path) as reader:
        return [(row["client_order_id"], row["qty"], row["price"]) for row in reader.orders()]


@pytest.mark.parametrize("write", KILLS)
async def test_a_crash_makes_no_difference(database: Database, write: int) -> None:
    """The process ends just after a commit, before anything of it was sent; then it starts again."""

    def die(number: int) -> None:
        if number == 2 * write:
            raise KilledError

    with pytest.raises((KilledError, BaseExceptionGroup)):
        await session(database, on_write=die)
    await session(database)
    assert len(starts_of(database)) == 2
    assert (await verified(database)).first_difference is None


async def test_a_start_with_other_settings_is_replayed_by_them(database: Database) -> None:
    fewer = SETTINGS.model_copy(
        update={"limits": SETTINGS.limits.model_copy(update={"max_trades_per_day": 12, "max_exposure_pct": 40.0})}
    )
    await session(database, end_ms=CUT_MS)
    await session(database, fewer)
    assert (await verified(database)).first_difference is None
    blind = await verified(database, edit=lambda starts: starts[:1])
    (second,) = starts_of(database)[1:]
    assert blind.first_difference is not None
    assert blind.first_difference.record > second.seq


@pytest.mark.parametrize("cut_minutes", [None, 4, 26, 43])
async def test_times_without_entries_and_locks_are_replayed(database: Database, cut_minutes: int | None) -> None:
    """Also where a start falls into one of them. The hour begins at 15:30 UTC, and funding is settled at 16:00."""
    event = EventSettings(name="speech", from_utc="2025-06-06T16:10Z", to_utc="2025-06-06T16:14Z")
    changed = {
        "no_trade_hours": ("15:41-15:47",),
        "funding_quiet_minutes": 7,
        "events": (event,),
        "max_symbol_losses_in_row": 1,
        "symbol_lock_minutes": 3.5,
    }
    timed = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update=changed)})
    lock = Act(START_MS + 2 * MINUTE_MS + 5_000, Verb.LOCK, SYMBOLS[0], 7 * MINUTE_MS + 1)
    acts = (
        lock,
        Act(START_MS + 35 * MINUTE_MS, Verb.LOCK, SYMBOLS[1]),
        Act(START_MS + 50 * MINUTE_MS, Verb.UNLOCK, SYMBOLS[1]),
    )
    if cut_minutes is not None:
        await session(database, timed, acts=acts, end_ms=START_MS + cut_minutes * MINUTE_MS)
    await session(database, timed, acts=acts)
    assert (await verified(database)).first_difference is None
    told = sql(database, "SELECT \"limit\", fired, count(*) FROM limit_events WHERE scope <> 'trade' GROUP BY 1, 2")
    counts = {(limit, bool(fired)): count for limit, fired, count in told}
    assert {name for name, fired in counts if fired} >= {
        *("no_trade_hours", "no_trade_event", "funding_quiet", "lock", "symbol_losses")
    }
    for name, count in (("no_trade_hours", 1), ("no_trade_event", 1), ("funding_quiet", 2), ("lock", 2)):
        assert (counts[name, True], counts[name, False]) == (count, count)
    locks = 'SELECT min(until_ms), max(time_ms) FROM limit_events WHERE "limit" = ? AND symbol = ?'
    ((until_ms, ended_ms),) = sql(database, locks, "lock", SYMBOLS[0])
    assert START_MS + 9 * MINUTE_MS < until_ms <= ended_ms < until_ms + MINUTE_MS


@pytest.mark.parametrize("cut_minutes", [None, 35, 45])
async def test_acts_on_one_trade_are_replayed(database: Database, cut_minutes: int | None) -> None:
    """Also where a start falls between them. One short is held from minute 33 to 36, one from 37 on."""
    btc = SYMBOLS[0]
    acts = (
        Act(START_MS + 34 * MINUTE_MS + 5_000, Verb.MOVE_STOP, trade=btc, price=Decimal("105200.05")),
        Act(START_MS + 34 * MINUTE_MS + 6_000, Verb.CLOSE, trade=btc, share_pct=Decimal("33.3")),
        Act(START_MS + 38 * MINUTE_MS + 5_000, Verb.CLOSE, trade=btc),
    )
    if cut_minutes is not None:
        await session(database, acts=acts, end_ms=START_MS + cut_minutes * MINUTE_MS)
    await session(database, acts=acts)
    assert (await verified(database)).first_difference is None
    told = sql(database, "SELECT verb, trade, share_pct, price FROM operator_commands ORDER BY seq")
    assert told == [
        ("move-stop", btc, None, "105200.05"),
        ("close", btc, "33.3", None),
        ("close", btc, None, None),
    ]
    moved = "SELECT count(*) FROM orders WHERE symbol = ? AND role = 'stop' AND trigger_ticks = 1052000"
    assert sql(database, moved, btc)[0][0] >= 1
    assert sql(database, "SELECT state FROM orders WHERE role = 'reduce'") == [("filled",)]
    closed = "SELECT symbol FROM trades WHERE exit_reason = 'closed by the operator'"
    assert sql(database, closed) == [(btc,)]


async def test_a_start_with_another_strategy_is_replayed_by_it(database: Database) -> None:
    """A longer cooldown also counts for the trade before the restart."""
    calm = replace(STRATEGY, stop_pct=0.2, cooldown_ms=4 * MINUTE_MS)
    later = with_overrides(SETTINGS, SETTINGS.strategy, (("cooldown_minutes", 4),))
    await session(database, end_ms=CUT_MS)
    await session(database, later, strategy=calm)
    found = await verified(database, lambda rules: calm if rules.settings.tables == later.tables else STRATEGY)
    assert found.first_difference is None
    assert (await verified(database)).first_difference is not None


async def test_a_stretch_of_before_ids_carried_the_strategy_is_replayed_in_its_form(database: Database) -> None:
    """As an older program wrote it, which kept no form of ids; the next start closes what it left open."""
    await session(database, end_ms=CUT_MS, id_form=WITHOUT_STRATEGY)
    sql(database, """UPDATE meta SET value = json_remove(value, '$.id_form') WHERE key LIKE 'rules-%'""")
    assert "id_form" not in "".join(value for (value,) in sql(database, "SELECT value FROM meta"))
    assert (await verified(database)).first_difference is None
    (left,) = sql(database, "SELECT count(*) FROM positions WHERE lots <> 0")[0]
    await session(database)
    old, new = (
        sql(database, f"SELECT count(*) FROM orders WHERE role = 'entry' AND trade_id {how} 'scripted-%'")[0][0]
        for how in ("NOT LIKE", "LIKE")
    )
    assert min(left, old, new) > 0
    assert (await verified(database)).first_difference is None
    mixed = await verified(
        database, edit=lambda starts: [replace(s, rules=replace(s.rules, id_form=NEWEST)) for s in starts]
    )
    assert mixed.first_difference is not None


async def test_a_symbol_that_joins_later_is_replayed_from_there(database: Database) -> None:
    one = SETTINGS.model_copy(update={"market": SETTINGS.market.model_copy(update={"symbols": SYMBOLS[:1]})})
    await session(database, one, end_ms=CUT_MS)
    await session(database)
    assert sql(database, "SELECT count(*) FROM orders WHERE symbol = ?", SYMBOLS[1])[0][0]
    assert (await verified(database)).first_difference is None


async def test_downtime_walked_through_is_replayed(database: Database) -> None:
    deep = SETTINGS.model_copy(update={"costs": CostSettings()})
    await session(database, deep, end_ms=START_MS + 9 * MINUTE_MS)
    await session(database, deep, trade_from_ms=START_MS + 50 * MINUTE_MS)
    assert (await verified(database)).first_difference is None


async def test_liquidations_are_replayed(database: Database) -> None:
    """At a hundredfold leverage, without near stops, the hour's prices end a position at the venue's wish."""
    account = SETTINGS.account.model_copy(update={"leverage": 100})
    limits = SETTINGS.limits.model_copy(update={"max_leverage": 100.0, "max_exposure_pct": 9_000.0})
    bold = SETTINGS.model_copy(update={"account": account, "limits": limits, "costs": CostSettings()})
    held = replace(
        STRATEGY,
        stop_pct=4.0,
        target_pct=4.0,
        exits=(),
        decide=lambda values, cost_bps, parameters: (int(abs(values[0]) > cost_bps + 1.0), values[1]),
    )
    await session(database, bold, strategy=held, acts=())
    assert sql(database, "SELECT count(*) FROM orders WHERE role = 'liquidation'")[0][0]
    assert (await verified(database, lambda _: held)).first_difference is None


async def test_a_home_whose_first_start_was_cut_short_has_nothing_to_prove(tmp_path: Path) -> None:
    home = Home(tmp_path)
    journal = await SqliteJournal.open(open_database(home.database), "paper")
    await journal.close()
    with pytest.raises(UnavailableError, match="its first start did not come as far as a record"):
        await asyncio.to_thread(QuarterdeckRuntime().replay_verify, tmp_path, None)


async def test_a_changed_price_of_a_fill_is_found_at_the_position_it_makes(journalled: Database) -> None:
    # After a fill that closes everything there is no position to tell the difference.
    (seq,) = sql(journalled, "SELECT seq FROM fills ORDER BY seq LIMIT 1 OFFSET 21")[0]
    sql(journalled, "UPDATE fills SET price_ticks = price_ticks + 1 WHERE seq = ?", seq)
    journal, trader = await parts_at(journalled, seq + 1)
    assert journal.startswith("position")
    assert trader.startswith("position")
    assert "cost_usdt" in journal


async def test_a_missing_intent_is_found_at_its_place(journalled: Database) -> None:
    (seq,) = sql(journalled, "SELECT seq FROM order_events WHERE update_state IS NULL ORDER BY seq LIMIT 1 OFFSET 9")[0]
    sql(journalled, "DELETE FROM order_events WHERE seq = ?", seq)
    journal, trader = await parts_at(journalled, seq)
    assert journal == "nothing: a record is missing"
    assert trader.startswith("intent")


async def test_a_changed_stop_is_found_at_the_first_stop(journalled: Database) -> None:
    (seq,) = sql(
        journalled,
        "SELECT e.seq FROM order_events AS e JOIN orders USING (account, client_order_id) "
        "WHERE role = 'stop' AND update_state IS NULL ORDER BY e.seq LIMIT 1",
    )[0]
    journal, trader = await parts_at(journalled, seq, lambda _: replace(STRATEGY, stop_pct=0.13))
    assert journal.startswith("intent")
    assert "stop" in journal
    assert "trigger_ticks" in trader


async def test_a_changed_rule_is_found_at_the_first_order_it_sizes(
    journalled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (seq,) = sql(journalled, "SELECT min(seq) FROM order_events")[0]
    lots = sizing.lots_for_notional
    monkeypatch.setattr(sizing, "lots_for_notional", lambda *amounts: lots(*amounts) + 1)
    journal, trader = await parts_at(journalled, seq)
    assert "qty_lots" in journal
    assert "qty_lots" in trader


async def test_a_changed_candle_is_found_at_the_first_sample_it_moves(journalled: Database) -> None:
    held_at_its_close = """SELECT symbol, time_ms FROM position_events AS p WHERE lots <> 0 AND (time_ms / ?1 + 1) * ?1
    < (SELECT min(n.time_ms) FROM position_events AS n WHERE n.symbol = p.symbol AND n.seq > p.seq) ORDER BY seq"""
    symbol, opened_ms = sql(journalled, held_at_its_close, MINUTE_MS)[0]
    open_ms = int(opened_ms) // MINUTE_MS * MINUTE_MS
    sql(journalled, "UPDATE candles SET close = close * 1.0001 WHERE symbol = ? AND open_time_ms = ?", symbol, open_ms)
    (seq,) = sql(journalled, "SELECT seq FROM equity WHERE time_ms = ?", open_ms + MINUTE_MS)[0]
    journal, _ = await parts_at(journalled, seq)
    assert "unrealised_usdt" in journal


@pytest.mark.parametrize("change", ["lost", "added"])
async def test_a_candle_lost_or_added_is_found_within_its_minute(journalled: Database, change: str) -> None:
    open_ms = START_MS + 25 * MINUTE_MS
    if change == "lost":
        sql(journalled, "DELETE FROM candles WHERE symbol = ? AND open_time_ms = ?", SYMBOLS[0], open_ms)
    else:
        sql(
            journalled,
            "INSERT INTO candles SELECT symbol, interval_ms, open_time_ms + 1000, open, high, low, close, volume, "
            "source_id FROM candles WHERE symbol = ? AND open_time_ms = ?",
            SYMBOLS[0],
            open_ms,
        )
    found = await verified(journalled)
    assert found.first_difference is not None
    assert abs(found.first_difference.time_ms - open_ms - MINUTE_MS) <= MINUTE_MS
