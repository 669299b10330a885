from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.control.protocol import PositionView
from core.domain.errors import StorageError, UnavailableError
from core.domain.forecast import Because, Contribution
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar
from core.domain.operator import LimitEffect, LimitEvent, OperatorCommand, Verb
from core.domain.orders import OrderRole, OrderState, OrderType, OrderUpdate, Side
from core.domain.origin import champion
from core.domain.records import (
    CursorRecord,
    EquityRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
    TrainingStatus,
)
from core.domain.trading import EquitySample, Position, Signal, SignalAction, Trade
from core.engine.starts import Rules, start_meta
from core.market.contracts.instruments import load_instruments
from core.settings.schema import CostSettings, Settings
from core.trader.state import FLAT_ID, KEPT_ID
from storage.candles import SqliteCandles
from storage.database import Database, connect_read_only
from storage.journal import SqliteJournal
from storage.reader import Reader
from tests.storage.examples import entry

ROOT = Path(__file__).parents[2]
DAY = 86_400_000
T0 = 1_748_995_200_000  # 2025-06-04 00:00


@pytest_asyncio.fixture
async def journal(database: Database) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(database, "demo")
    await journal.put_instruments(_instruments())
    yield journal
    await journal.close()


def _instruments() -> list[Instrument]:
    return list(load_instruments(ROOT / "data" / "instruments.toml", CostSettings()).values())


def equity(time_ms: int, wallet: str, unrealised: str = "0", peak: str = "10000", start: str = "10000") -> EquityRecord:
    total = Decimal(wallet) + Decimal(unrealised)
    return EquityRecord(
        EquitySample(time_ms, Decimal(wallet), Decimal(unrealised), total, Decimal(peak), Decimal(start))
    )


def trade(trade_id: str, exit_ms: int, net: str) -> TradeRecord:
    return TradeRecord(
        Trade(
            trade_id=trade_id,
            symbol="BTCUSDT",
            side=Side.SELL,
            qty=Decimal("0.012"),
            entry_price=Decimal("105000.1"),
            exit_price=Decimal("104000.2"),
            entry_time_ms=exit_ms - 60_000,
            exit_time_ms=exit_ms,
            gross_pnl_usdt=Decimal(net) + Decimal("0.3"),
            fees_usdt=Decimal("0.2"),
            funding_usdt=Decimal("-0.1"),
            net_pnl_usdt=Decimal(net),
            exit_reason="target",
            origin=champion("scalper", "v1"),
        )
    )


async def test_status_of_an_open_position(journal: SqliteJournal, database: Database) -> None:
    candles = await SqliteCandles.open(database)
    await candles.append([Bar("BTCUSDT", T0, 60_000, 100_000.0, 101_000.0, 99_000.0, 100_500.0, 3.0)])
    await candles.close()
    stop = replace(
        entry(2), role=OrderRole.STOP, type=OrderType.STOP_MARKET, side=Side.SELL, trade_id="t1", trigger_ticks=990_000
    )
    await journal.set_meta({"mode": "demo", "seed": "7"})
    await journal.commit(
        [
            IntentRecord(entry(1)),
            IntentRecord(stop),
            PositionRecord(Position("BTCUSDT", 10, Decimal(1_000), T0, "t1"), T0),
            PositionRecord(Position("ETHUSDT", 0, Decimal(0), T0, "t0"), T0),
            CursorRecord("BTCUSDT", T0),
            equity(T0 + 60_000, "10000", "5", peak="10050", start="9990"),
        ]
    )
    with Reader(database.path) as reader:
        assert reader.account == "demo"
        assert reader.meta() == {"mode": "demo", "seed": "7"}
        assert reader.status() == {
            "mode": "demo",
            "state": "stopped",
            "running": False,
            "as_of_ms": T0 + 60_000,
            "balance_usdt": 10_000.0,
            "equity_usdt": 10_005.0,
            "day_pnl_usdt": 15.0,
            "drawdown_pct": pytest.approx(100 * 45 / 10_050),
            "exposure_pct": pytest.approx(100 * 1_005 / 10_005),
            "open_positions": 1,
            "open_orders": 2,
            "feed_age_ms": None,
            "loop_lag_ms": None,
            "halts": [],
        }
        assert reader.positions() == [
            {
                "trade_id": "t1",
                "symbol": "BTCUSDT",
                "side": "long",
                "qty": 0.01,
                "entry_price": 100_000.0,
                "mark_price": 100_500.0,
                "stop_price": 99_000.0,
                "target_price": None,
                "notional_usdt": 1_005.0,
                "unrealised_usdt": 5.0,
                "unrealised_pct": 0.5,
                "opened_ms": T0,
                "strategy": "scalper",
                "decimals": 1,
                "protected": None,
                "unprotected_ms": None,
                "mark_ms": T0 + MINUTE_MS,
                "target_prices": [],
            }
        ]
        assert list(PositionView.__struct_fields__) == list(reader.positions()[0])


async def test_a_short_position_without_bars_is_valued_at_cost(journal: SqliteJournal, database: Database) -> None:
    await journal.commit([PositionRecord(Position("XRPUSDT", -100, Decimal("-22.5"), T0, "t1"), T0)])
    with Reader(database.path) as reader:
        (position,) = reader.positions()
    wanted = {
        "side": "short",
        "mark_ms": None,
        "qty": 10.0,
        "entry_price": 2.25,
        "mark_price": None,
        "unrealised_usdt": 0.0,
    }
    assert {name: position[name] for name in wanted} == wanted


async def test_orders_open_and_all(journal: SqliteJournal, database: Database) -> None:
    done = replace(entry(1), state=OrderState.CANCELED, updated_ms=5, reason="too late")
    limit = replace(entry(2), type=OrderType.LIMIT, price_ticks=1_050_001, reduce_only=True)
    update = OrderUpdate("qd1", "BTCUSDT", OrderState.CANCELED, 5, "", "too late")
    await journal.commit([IntentRecord(entry(1)), IntentRecord(limit), OrderUpdateRecord(update, done)])
    with Reader(database.path) as reader:
        assert [order["client_order_id"] for order in reader.orders()] == ["qd1", "qd2"]
        (order,) = reader.orders(open_only=True)
    wanted = {"qty": 0.01, "filled_qty": 0.0, "price": 105_000.1, "state": "intent", "reduce_only": True}
    assert {name: order[name] for name in wanted} == wanted


async def test_an_unknown_contract_is_told(database: Database) -> None:
    journal = await SqliteJournal.open(database, "demo")
    await journal.commit([IntentRecord(entry(1))])
    await journal.close()
    with Reader(database.path) as reader, pytest.raises(StorageError, match="lacks the contract rules of BTCUSDT"):
        reader.orders()


async def test_trades_in_order_of_exit(journal: SqliteJournal, database: Database) -> None:
    await journal.commit([trade("b", T0 + 9, "1.5"), trade("c", T0 + 5, "-2"), trade("a", T0 + 9, "3")])
    with Reader(database.path) as reader:
        assert [row["trade_id"] for row in reader.trades()] == ["c", "a", "b"]
        assert [row["trade_id"] for row in reader.trades(limit=2)] == ["a", "b"]
        assert reader.trades(limit=1) == [
            {
                "trade_id": "b",
                "symbol": "BTCUSDT",
                "side": "sell",
                "qty": 0.012,
                "entry_price": 105000.1,
                "exit_price": 104000.2,
                "entry_time_ms": T0 + 9 - 60_000,
                "exit_time_ms": T0 + 9,
                "gross_pnl_usdt": 1.8,
                "fees_usdt": 0.2,
                "funding_usdt": -0.1,
                "net_pnl_usdt": 1.5,
                "exit_reason": "target",
                "strategy": "scalper",
                "part": "main",
                "version_role": "champion",
                "version": "v1",
                "confidence": None,
                "leverage": None,
                "margin_usdt": None,
                "expected_profit_usdt": None,
                "expected_loss_usdt": None,
                "closed_early": False,
            }
        ]


async def test_statistics_by_day(journal: SqliteJournal, database: Database) -> None:
    await journal.commit(
        [
            equity(T0 + 1, "10000"),
            trade("a", T0 + 5, "3"),
            trade("b", T0 + 6, "-1"),
            trade("c", T0 + 7, "0"),
            equity(T0 + DAY - 1, "10002"),
            trade("d", T0 + DAY, "0.1"),
            trade("e", T0 + DAY, "0.2"),
            equity(T0 + 2 * DAY, "10002.3"),
        ]
    )
    with Reader(database.path) as reader:
        found = reader.stats()
    assert found["daily"] == [
        {
            "day": "2025-06-04",
            "trades": 3,
            "won": 1,
            "lost": 1,
            "win_rate_pct": pytest.approx(100 / 3),
            "gross_pnl_usdt": 2.9,
            "fees_usdt": 0.6,
            "funding_usdt": -0.3,
            "net_pnl_usdt": 2.0,
            "balance_usdt": 10_002.0,
        },
        {
            "day": "2025-06-05",
            "trades": 2,
            "won": 2,
            "lost": 0,
            "win_rate_pct": 100.0,
            "gross_pnl_usdt": 0.9,
            "fees_usdt": 0.4,
            "funding_usdt": -0.2,
            "net_pnl_usdt": 0.3,
            "balance_usdt": 10_002.0,
        },
        {
            "day": "2025-06-06",
            "trades": 0,
            "won": 0,
            "lost": 0,
            "win_rate_pct": None,
            "gross_pnl_usdt": 0.0,
            "fees_usdt": 0.0,
            "funding_usdt": 0.0,
            "net_pnl_usdt": 0.0,
            "balance_usdt": 10_002.3,
        },
    ]
    assert (found["totals"]["trades"], found["totals"]["net_pnl_usdt"], found["totals"]["balance_usdt"]) == (
        5,
        2.3,
        10_002.3,
    )


async def test_signals_and_limit_events_are_ready_for_json(journal: SqliteJournal, database: Database) -> None:
    contributions = (Contribution("rsi", float("nan"), 1.5), Contribution("atr", 0.2, -0.5))
    signals = [
        SignalRecord(
            Signal(
                f"s{n}",
                "BTCUSDT",
                T0 + n,
                1,
                0.6,
                SignalAction.VETOED,
                "cooldown",
                champion("scalper", "v1"),
                contributions,
                (Because("forecast", 9.0, 8.0, "bps", "round trip cost"),),
            )
        )
        for n in range(3)
    ]
    event = LimitEvent("day_loss", "", T0, True, LimitEffect.NO_NEW_ENTRIES, 310.0, 300.0, "usdt", "at 00:00 UTC")
    await journal.commit([*signals, LimitRecord(event)])
    with Reader(database.path) as reader:
        found = reader.signals(limit=2)
        events = reader.limit_events()
    json.dumps(found, allow_nan=False)
    assert [row["signal_id"] for row in found] == ["s1", "s2"]
    assert found[0]["contributions"] == [
        {"feature": "rsi", "value": None, "share": 1.5},
        {"feature": "atr", "value": 0.2, "share": -0.5},
    ]
    assert found[0]["because"] == [
        {"what": "forecast", "value": 9.0, "needed": 8.0, "unit": "bps", "note": "round trip cost"}
    ]
    assert found[0]["compared"] == "forecast +9.0 bps, needed +8.0 bps (round trip cost)"
    assert (events[0]["limit"], events[0]["fired"], events[0]["clears"]) == ("day_loss", True, "at 00:00 UTC")


def command(number: int, verb: Verb, result: str, symbol: str = "", told: str = "") -> OperatorRecord:
    return OperatorRecord(OperatorCommand(f"c{number}{told}", verb, symbol, "console", T0 + number), result)


@pytest.mark.parametrize(
    ("records", "halts"),
    [
        ([command(1, Verb.PAUSE, "paused")], ["paused"]),
        ([command(1, Verb.PAUSE, "paused"), command(2, Verb.RESUME, "running")], []),
        ([command(1, Verb.PAUSE, "paused"), command(2, Verb.RESUME, "refused: day loss")], ["paused"]),
        ([command(1, Verb.PAUSE, "paused"), command(2, Verb.HALT, "halted")], ["halted"]),
        ([command(1, Verb.HALT, "halted"), command(2, Verb.FLATTEN, "flattening")], ["halted"]),
        ([command(1, Verb.FLATTEN, "closing 1 position")], ["paused"]),
        ([command(1, Verb.FLATTEN, "closing 1 position", "BTCUSDT")], []),
        ([command(1, Verb.FLATTEN, "kept", told=KEPT_ID)], []),
        ([command(1, Verb.CLOSE, "closing"), command(2, Verb.MOVE_STOP, "moving")], []),
        (
            [
                command(1, Verb.FLATTEN, "closing 1 position"),
                command(2, Verb.RESUME, "running"),
                command(1, Verb.FLATTEN, "flat", told=FLAT_ID),
            ],
            [],
        ),
        ([command(1, Verb.PAUSE, "paused", "BTCUSDT")], ["paused BTCUSDT"]),
        ([command(1, Verb.PAUSE, "paused", "BTCUSDT"), command(2, Verb.RESUME, "running")], []),
    ],
)
async def test_halts_of_the_operator(
    journal: SqliteJournal, database: Database, records: list[Record], halts: list[str]
) -> None:
    await journal.commit([*records, equity(T0, "10000")])
    with Reader(database.path) as reader:
        assert reader.status()["halts"] == halts


async def test_halts_of_limits(journal: SqliteJournal, database: Database) -> None:
    def event(limit: str, symbol: str, fired: bool, effect: LimitEffect) -> LimitRecord:
        return LimitRecord(LimitEvent(limit, symbol, T0, fired, effect, 1.0, 1.0, "usdt", "tomorrow"))

    await journal.commit(
        [
            event("feed_age", "BTCUSDT", True, LimitEffect.NO_NEW_ENTRIES),
            event("feed_age", "ETHUSDT", True, LimitEffect.NO_NEW_ENTRIES),
            event("exposure", "", True, LimitEffect.WARN),
            event("day_loss", "", True, LimitEffect.FLATTEN),
            event("drawdown", "", True, LimitEffect.NO_NEW_ENTRIES),
            event("drawdown", "", False, LimitEffect.NO_NEW_ENTRIES),
            event("lock", "BTCUSDT", True, LimitEffect.NO_NEW_ENTRIES),
            event("lock", "ETHUSDT", True, LimitEffect.NO_NEW_ENTRIES),
            event("lock", "ETHUSDT", False, LimitEffect.NO_NEW_ENTRIES),
            equity(T0, "10000"),
        ]
    )
    with Reader(database.path) as reader:
        assert reader.status()["halts"] == ["day_loss", "feed_age", "lock:BTCUSDT"]


async def test_roles_of_models(journal: SqliteJournal, database: Database) -> None:
    def training(symbol: str, status: TrainingStatus, version: str, due: int) -> TrainingRecord:
        return TrainingRecord(symbol, champion("scalper", version), due - 60_000, due, status, "", (("rmse", 1.5),))

    await journal.commit(
        [
            training("BTCUSDT", TrainingStatus.REQUESTED, "", T0),
            training("BTCUSDT", TrainingStatus.SWAPPED, "v1", T0),
            training("BTCUSDT", TrainingStatus.SWAPPED, "v2", T0 + 1),
            training("BTCUSDT", TrainingStatus.REFUSED, "v3", T0 + 2),
            training("BTCUSDT", TrainingStatus.FAILED, "", T0 + 3),
            training("ETHUSDT", TrainingStatus.SWAPPED, "v4", T0 + 4),
        ]
    )
    with Reader(database.path) as reader:
        found = reader.models()
    assert [(row["version"], row["role"]) for row in found] == [
        ("v1", "retired"),
        ("v2", "champion"),
        ("v3", "rejected"),
        ("v4", "champion"),
    ]
    assert found[0] == {
        "version": "v1",
        "strategy": "scalper",
        "symbol": "BTCUSDT",
        "role": "retired",
        "created_ms": T0,
        "metrics": {"rmse": 1.5},
    }


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        # Of before, when single trades were stretched to a year whatever the days.
        ((("net_bps", 2.0), ("sharpe", 41.5)), {"net_bps": 2.0, "sharpe": None}),
        ((("return_days", 29.0), ("sharpe", 41.5)), {"return_days": 29.0, "sharpe": None}),
        ((("return_days", 30.0), ("sharpe", 1.5)), {"return_days": 30.0, "sharpe": 1.5}),
        ((("return_days", 3.0),), {"return_days": 3.0}),
    ],
)
async def test_a_ratio_of_a_year_is_told_of_a_version_where_enough_whole_days_stand_beside_it(
    journal: SqliteJournal,
    database: Database,
    stored: tuple[tuple[str, float], ...],
    told: dict[str, float | None],
) -> None:
    due = (T0 - 60_000, T0, TrainingStatus.SWAPPED)
    await journal.commit([TrainingRecord("BTCUSDT", champion("scalper", "v1"), *due, "", stored)])
    with Reader(database.path) as reader:
        assert reader.models()[0]["metrics"] == told


async def test_the_account_written_last_is_read(journal: SqliteJournal, database: Database) -> None:
    paper = await SqliteJournal.open(database, "paper")
    await paper.commit([CursorRecord("BTCUSDT", 0)])
    with Reader(database.path) as reader:
        assert reader.account == "paper"
    await journal.commit([CursorRecord("BTCUSDT", 0)])
    with Reader(database.path) as reader:
        assert reader.account == "demo"
    with Reader(database.path, "paper") as reader:
        assert reader.account == "paper"
    await paper.close()


def test_no_account_yet(database: Database, tmp_path: Path) -> None:
    home = f"no account in {tmp_path} yet; start one with: quarterdeck run"
    with pytest.raises(UnavailableError) as missing:
        Reader(tmp_path / "nothing.db")
    with pytest.raises(UnavailableError) as empty:
        Reader(database.path)
    assert str(missing.value) == str(empty.value) == home
    with pytest.raises(UnavailableError, match="no account live in"):
        Reader(database.path, "live")
    assert not (tmp_path / "nothing.db").exists()


async def test_an_account_without_balance_is_told(journal: SqliteJournal, database: Database) -> None:
    with Reader(database.path) as reader, pytest.raises(UnavailableError, match="account demo has no balance yet"):
        reader.status()


@pytest.mark.parametrize(("version", "text"), [(99, "was written by a newer program"), (1, "by an older program")])
def test_a_database_of_another_program_is_refused(database: Database, version: int, text: str) -> None:
    with_version(database, version)
    with pytest.raises(StorageError, match=text):
        Reader(database.path)


def with_version(database: Database, version: int) -> None:
    connection = database.connect_sync(durable=True)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


async def test_a_damaged_database_is_told(database: Database) -> None:
    database.path.write_bytes(database.path.read_bytes()[:5_000])
    with pytest.raises(StorageError, match="is damaged"):
        Reader(database.path)
    database.path.write_bytes(b"no database at all")
    with pytest.raises(StorageError, match="is damaged"):
        Reader(database.path)


async def test_reading_writes_nothing(journal: SqliteJournal, database: Database) -> None:
    await journal.commit([equity(T0, "10000")])
    with Reader(database.path) as reader:
        reader.status()
        with pytest.raises(Exception, match="readonly"):
            reader._connection.execute("DELETE FROM equity")
    connection = connect_read_only(database.path)
    assert connection.execute("SELECT count(*) FROM equity").fetchone() == (1,)
    connection.close()


def test_the_reader_is_quick_to_import() -> None:
    heavy = ("numpy", "pydantic", "aiosqlite", "asyncio", "pyarrow")
    code = f"import sys, storage.reader; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("last", ["demo", "paper", "live"])
async def test_of_three_accounts_the_one_written_last_is_read_and_each_by_its_name(
    database: Database, last: str
) -> None:
    accounts = [*sorted({"demo", "paper", "live"} - {last}), last]
    for number, account in enumerate(accounts):
        journal = await SqliteJournal.open(database, account)
        await journal.put_instruments(_instruments())
        await journal.set_meta({"mode": account})
        held = Position("BTCUSDT", 10 + number, Decimal("1000"), T0, "t1")
        order = replace(entry(number), state=OrderState.ACCEPTED)
        await journal.commit([IntentRecord(order), PositionRecord(held, T0), equity(T0, f"{number + 1}000")])
        await journal.close()
    with Reader(database.path) as reader:
        assert (reader.account, reader.status()["mode"]) == (last, last)
    for number, account in enumerate(accounts):
        with Reader(database.path, account) as reader:
            status = reader.status()
            assert (status["mode"], status["balance_usdt"]) == (account, (number + 1) * 1000.0)
            assert [order["client_order_id"] for order in reader.orders()] == [f"qd{number}"]
            assert [position["qty"] for position in reader.positions()] == [(10 + number) / 1000]


async def test_an_account_that_was_only_opened_does_not_hide_the_others(database: Database) -> None:
    paper = await SqliteJournal.open(database, "paper")
    await paper.commit([equity(T0, "1000")])
    await paper.close()
    await (await SqliteJournal.open(database, "live")).close()
    with Reader(database.path) as reader:
        assert reader.account == "paper"
    with Reader(database.path, "live") as reader, pytest.raises(UnavailableError, match="live has no balance yet"):
        reader.status()


async def test_trades_say_what_they_were_entered_with(journal: SqliteJournal, database: Database) -> None:
    own = {"trade_id": "t1", "created_ms": T0 + 5}
    into = replace(entry(1), side=Side.SELL, **own)
    closing: dict[str, Any] = {"side": Side.BUY, "reduce_only": True, **own}
    stop = replace(entry(2), role=OrderRole.STOP, type=OrderType.STOP_MARKET, trigger_ticks=1_060_000, **closing)
    later = replace(
        entry(4),
        role=OrderRole.STOP,
        type=OrderType.STOP_MARKET,
        trigger_ticks=1_055_000,
        **{**closing, "created_ms": T0 + 9},
    )
    target = replace(
        entry(3), role=OrderRole.TARGET, type=OrderType.TAKE_PROFIT_MARKET, trigger_ticks=1_040_000, **closing
    )
    wanted = Signal(
        "s1",
        "BTCUSDT",
        T0 + 5,
        -1,
        0.625,
        SignalAction.ENTER,
        "forecast above what is needed",
        champion("scalper", "v1"),
    )
    instruments = {item.symbol: item for item in _instruments()}
    settings = Settings().model_copy(update={"account": Settings().account.model_copy(update={"leverage": 7})})
    await journal.set_meta(start_meta(0, 1, Rules(Settings(), instruments)))
    await journal.commit([SignalRecord(replace(wanted, signal_id="s0", time_ms=T0, confidence=0.1))])
    await journal.set_meta(start_meta(journal.last_seq, 2, Rules(settings, instruments)))
    ended = trade("t1", T0 + 60_000, "11.5")
    await journal.commit([SignalRecord(wanted), *(IntentRecord(order) for order in (into, stop, target, later)), ended])
    await journal.set_meta(start_meta(journal.last_seq, 3, Rules(Settings(), instruments)))
    await journal.commit([TradeRecord(replace(trade("t2", T0 + 70_000, "1").trade, exit_reason="reversal"))])
    with Reader(database.path) as reader:
        known, unknown = reader.trades()
    assert (known["confidence"], known["leverage"], known["closed_early"]) == (0.625, 7, False)
    assert known["margin_usdt"] == pytest.approx(105_000.1 * 0.012 / 7)
    assert known["expected_profit_usdt"] == pytest.approx((105_000.1 - 104_000.0) * 0.012)
    assert known["expected_loss_usdt"] == pytest.approx((106_000.0 - 105_000.1) * 0.012)
    names = ("confidence", "leverage", "margin_usdt", "expected_profit_usdt", "expected_loss_usdt", "closed_early")
    assert [unknown[name] for name in names] == [None, None, None, None, None, True]


async def test_a_ladder_is_shown_by_what_is_still_to_come(journal: SqliteJournal, database: Database) -> None:
    """Four targets of a short: one has filled, and the part of another is leaving at market."""
    own: dict[str, Any] = {"side": Side.BUY, "reduce_only": True, "trade_id": "t1"}
    kind = {"role": OrderRole.TARGET, "type": OrderType.TAKE_PROFIT_MARKET}
    into = replace(entry(1), side=Side.SELL, trade_id="t1", ladder=((1.0, 0.25),), qty_lots=12)
    stop = replace(entry(2), role=OrderRole.STOP, type=OrderType.STOP_MARKET, trigger_ticks=1_060_000, **own)
    stop = replace(stop, qty_lots=12)
    at = (1_045_000, 1_040_000, 1_030_000, 1_020_000)
    targets = [
        replace(entry(3 + n), trigger_ticks=ticks, place=n, qty_lots=3, **kind, **own) for n, ticks in enumerate(at)
    ]
    done = replace(targets[0], state=OrderState.FILLED, filled_lots=3)
    leaving = replace(targets[1], client_order_id="qd9", type=OrderType.MARKET, trigger_ticks=None)
    gone = replace(targets[1], state=OrderState.CANCELED)
    position = Position("BTCUSDT", -9, Decimal("-945.0009"), T0, "t1")
    orders = [into, stop, *reversed(targets), leaving]
    ends = [OrderUpdateRecord(OrderUpdate(o.client_order_id, "BTCUSDT", o.state, T0, "", ""), o) for o in (done, gone)]
    ended = trade("t1", T0 + 60_000, "11.5")
    await journal.commit([*(IntentRecord(order) for order in orders), *ends, PositionRecord(position, T0), ended])
    with Reader(database.path) as reader:
        (shown,) = reader.positions()
        (closed,) = reader.trades()
    assert (shown["target_price"], shown["target_prices"]) == (103_000.0, [103_000.0, 102_000.0])
    apart = sum(105_000.1 - price for price in (104_500.0, 104_000.0, 103_000.0, 102_000.0)) / 4
    assert closed["expected_profit_usdt"] == pytest.approx(apart * 0.012)
