"""Holes of a history: where they are, what ends before them, and what they are not counted as."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS, FundingRate
from core.domain.records import TrainingRecord
from core.lab.data.history import History, make_history
from core.lab.data.holes import (
    Kind,
    covered_bars,
    hole_labels,
    holed_days,
    holes,
    last_bars_of_symbols,
    refuse_holes,
    unasked_before_holes,
)
from core.lab.data.notes import data_rows
from core.lab.run.event_driven import Drive, run_event_driven
from core.lab.run.result import RunResult
from core.lab.statistics.basis import lacking_days
from core.lab.statistics.statistics import daily_returns, summary
from core.market.jumps import jumps
from core.ports import BarColumns
from core.settings.schema import parse_settings
from core.trader.state import DAY_MS
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.markets import DAY0_MS, Floats, instrument, make_parts, names, strategy
from tests.engine.scripted import STRATEGY, ScriptedForecaster


def market(there: np.ndarray, *, first: int = 0, jump: float = 1.0) -> History:
    """Bars at midnight of a day and on where `there` (k, n) is true; after the first one that is missing the price is
    `jump` times as high."""
    k, n = there.shape
    rng = np.random.default_rng(5)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, (k, n)), axis=1)), 2)
    close = np.where(np.cumsum(~there, axis=1) > 0, np.round(close * jump, 2), close)
    opens = close.copy()
    columns = [opens, close + 0.05, close - 0.05, close, np.full((k, n), 1e5)]
    for column in columns:
        column[~there] = np.nan
    times = DAY0_MS + MINUTE_MS * np.arange(n, dtype=np.int64)
    return make_history(names(k), MINUTE_MS, times, columns, first, (), "made", False)


def present(n: int, *missing: tuple[int, int]) -> np.ndarray:
    flags = np.ones(n, np.bool_)
    for start, stop in missing:
        flags[start:stop] = False
    return flags


def run(history: History, values: dict[str, Floats], **changes: object) -> RunResult:
    trader, venue = make_parts(strategy(stop_pct=5.0, target_pct=50.0, cooldown_ms=0, **changes), history.symbols, {})
    return run_event_driven(history, trader, venue, values=values)


def asked_at(history: History, *slots: int) -> Floats:
    values = np.full((len(history), 1), np.nan)
    values[list(slots)] = 30.0
    return values


def test_only_what_is_longer_than_is_traded_through_is_a_hole() -> None:
    there = np.array([present(100, (20, 30), (50, 61)), present(100, (0, 11), (80, 100)), present(100, (90, 100))])
    history = market(there)
    found = [(hole.symbol, hole.kind, (hole.from_ms - DAY0_MS) // MINUTE_MS, hole.bars) for hole in holes(history)]
    assert found == [("S0", Kind.HOLE, 50, 11), ("S1", Kind.BEGINS, 0, 11), ("S1", Kind.ENDS, 80, 20)]
    assert last_bars_of_symbols(history) == [(49, 0), (79, 1)]


def test_what_was_missing_before_the_first_traded_slot_is_none() -> None:
    there = np.array([present(60, (5, 30))])
    assert holes(market(there, first=30)) == []
    assert [hole.kind for hole in holes(market(there, first=10))] == [Kind.BEGINS]
    assert last_bars_of_symbols(market(there, first=10)) == []


def test_a_period_with_holes_is_refused_with_a_list_and_the_mends() -> None:
    many = [(start, start + 12) for start in range(20, 160, 20)]
    with pytest.raises(BadInputError) as caught:
        refuse_holes(holes(market(np.array([present(200, *many)]))), 10 * MINUTE_MS)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("the period has 7 holes longer than 10 min: S0 2024-10-04 00:20 UTC to 2024-10-04 00:32 UTC")
    assert "and 2 more" in text
    for mend in ("--from", "--to", "--allow-holes"):
        assert mend in text
    refuse_holes(holes(market(np.array([present(200, (0, 50)), present(200, (100, 200))]))), 10 * MINUTE_MS)


def test_labels_say_what_there_is() -> None:
    there = np.array([present(100, (50, 61)), present(100, (0, 11)), present(100, (80, 100))])
    first, second = hole_labels(holes(market(there)))
    assert first.startswith("HOLES: positions were closed before a hole in the data: S0 2024-10-04 00:50 UTC to ")
    assert first.endswith("2024-10-04 01:01 UTC (11 min)")
    assert second == (
        "UNEVEN: not every symbol covers the period: S1 begins at 2024-10-04 00:11 UTC, S2 ends at 2024-10-04 01:20 UTC"
    )
    assert hole_labels(holes(market(np.array([present(100, (50, 60))])))) == ()


def test_no_trade_spans_a_hole_and_the_jump_over_it_earns_nothing() -> None:
    history = market(np.array([present(300, (100, 150))]), jump=3.0)
    result = run(history, {"S0": asked_at(history, 50, 200)})
    trades = result.trades
    assert trades.exit_reason.tolist() == ["hole"]
    assert trades.exit_time_ms.tolist() == [DAY0_MS + 100 * MINUTE_MS]
    assert trades.exit_price[0] == pytest.approx(history.close[0, 99], rel=1e-3)
    assert trades.exit_price[0] < history.close[0, 99]
    assert trades.fees_usdt[0] > 0.0
    assert abs(result.final_usdt / 10_000.0 - 1.0) < 0.02
    assert result.open_positions == 1


def test_what_waits_is_withdrawn_and_nothing_is_decided_just_before_a_hole() -> None:
    history = market(np.array([present(300, (100, 150))]), jump=3.0)
    result = run(history, {"S0": asked_at(history, 99)})
    assert len(result.trades) == result.open_positions == 0
    assert len(result.predictions["S0"].close_ms) == 0
    volume = history.volume.copy()
    volume[0, 90:100] = 0.0  # The entry rests, and nothing may fill it.
    columns = [history.open, history.high, history.low, history.close, volume]
    dry = make_history(history.symbols, MINUTE_MS, history.open_time_ms, columns, 0, (), "made", False)
    result = run(dry, {"S0": asked_at(dry, 95)})
    assert len(result.trades) == result.open_positions == 0


def test_a_dead_symbols_position_is_closed_at_its_last_price() -> None:
    history = market(np.array([present(300), present(300, (120, 300))]))
    result = run(history, {"S1": asked_at(history, 50)})
    assert result.trades.exit_reason.tolist() == ["hole"]
    assert result.trades.exit_time_ms.tolist() == [DAY0_MS + 120 * MINUTE_MS]
    assert len(result.curve) == 300


def test_no_funding_is_charged_across_a_hole() -> None:
    plain = market(np.array([present(300, (100, 150))]))
    columns = [getattr(plain, name) for name in ("open", "high", "low", "close", "volume")]
    funding = [FundingRate("S0", DAY0_MS + slot * MINUTE_MS, Decimal("0.01"), Decimal(100)) for slot in (80, 100, 120)]
    history = make_history(plain.symbols, MINUTE_MS, plain.open_time_ms, columns, 0, funding, "made", False)
    result = run(history, {"S0": asked_at(history, 50)})
    held = float(result.trades.qty[0])
    assert result.trades.funding_usdt[0] == pytest.approx(-held * 100.0 * 0.01)


def test_time_counts_bars_and_days_without_any_have_no_return() -> None:
    day = DAY_MS // MINUTE_MS
    history = market(np.array([present(5 * day, (day + 10, 4 * day - 20))]))
    result = run(history, {"S0": asked_at(history, 50)})
    assert len(result.curve) == 2 * day + 30
    assert summary(result, MINUTE_MS).days == pytest.approx(2 + 30 / day)
    days = daily_returns(result.curve, 10_000.0, MINUTE_MS, holed_days(history))
    assert ((days.day_ms - DAY0_MS) // DAY_MS).tolist() == [0, 4]
    assert days.left_out == 3
    assert covered_bars(history).tolist() == [*range(day + 10), *range(4 * day - 20, 5 * day)]


def test_a_day_with_a_hole_in_it_gives_no_return_and_the_total_stays_right() -> None:
    day = DAY_MS // MINUTE_MS
    # Day 1 lacks 11 minutes, day 2 lacks 10, which is none; from 3 to 4 midnight itself is in a hole.
    missing = ((day + 600, day + 611), (2 * day + 600, 2 * day + 610), (4 * day - 5, 4 * day + 6))
    history = market(np.array([present(6 * day, *missing)]))
    assert ((holed_days(history) - DAY0_MS) // DAY_MS).tolist() == [1, 3, 4]
    result = run(history, {"S0": asked_at(history, 50, day + 700, 3 * day + 50, 5 * day + 50)})
    by_time = dict(zip(result.curve.time_ms.tolist(), result.curve.equity_usdt.tolist(), strict=True))
    ends = [
        10_000.0,
        *(by_time[DAY0_MS + n * DAY_MS] for n in (1, 2, 3)),
        0.0,
        *(by_time[DAY0_MS + n * DAY_MS] for n in (5, 6)),
    ]
    told = summary(result, MINUTE_MS, holed_ms=holed_days(history))
    days = daily_returns(result.curve, 10_000.0, MINUTE_MS, holed_days(history))
    assert ((days.day_ms - DAY0_MS) // DAY_MS).tolist() == [0, 2, 5]
    assert days.value == pytest.approx([ends[1] / ends[0] - 1.0, ends[3] / ends[2] - 1.0, ends[6] / ends[5] - 1.0])
    assert (told.ratios.return_days, told.holed_days) == (3, 3)
    assert told.total_return_pct == pytest.approx((ends[6] / 10_000.0 - 1.0) * 100.0)


def test_a_hole_of_one_symbol_or_of_all_between_two_makes_a_day_none() -> None:
    day = DAY_MS // MINUTE_MS
    one = market(np.array([present(3 * day, (day + 5, day + 30)), present(3 * day)]))
    assert ((holed_days(one) - DAY0_MS) // DAY_MS).tolist() == [1]
    apart = market(np.array([present(3 * day, (day + 5, 3 * day)), present(3 * day, (0, day + 30))]))
    assert {hole.kind for hole in holes(apart)} == {Kind.BEGINS, Kind.ENDS}
    assert ((holed_days(apart) - DAY0_MS) // DAY_MS).tolist() == [1]
    late = market(np.array([present(3 * day), present(3 * day, (0, day + 30))]))
    assert holed_days(late).tolist() == []


def test_what_days_are_wanting_says_how_many_have_holes() -> None:
    figures = {"return_days": 3.0, "holed_days": 2.0, "sharpe": None}
    assert lacking_days("sharpe", figures) == "needs 30 days, has 3 (2 left out for holes)"
    assert lacking_days("sharpe", {"return_days": 3.0, "sharpe": None}) == "needs 30 days, has 3"


def test_a_model_is_not_asked_just_before_a_hole() -> None:
    symbols = ("BTCUSDT", "SOLUSDT")
    plain = market(np.array([present(300, (150, 200)), present(300)]))
    columns = [getattr(plain, name) for name in ("open", "high", "low", "close", "volume")]
    history = make_history(symbols, MINUTE_MS, plain.open_time_ms, columns, 60, (), "made", False)
    settings = parse_settings({"market": {"symbols": list(symbols)}}, "the test")
    known = {symbol: instrument(symbol) for symbol in symbols}
    forecaster = ScriptedForecaster()
    records: list[object] = []
    drive = Drive(
        history,
        Trader("test", STRATEGY, settings, known),
        journalled_venue(known, settings),
        {"main": forecaster},
        None,
        observe=records.extend,
    )
    asyncio.run(drive.run(lambda done, total: None, lambda: False))
    result = drive.result()
    last_ms = DAY0_MS + 150 * MINUTE_MS
    assert any(isinstance(record, TrainingRecord) for record in records)
    assert last_ms - MINUTE_MS in result.predictions["BTCUSDT"].close_ms
    assert last_ms not in result.predictions["BTCUSDT"].close_ms
    assert last_ms in result.predictions["SOLUSDT"].close_ms
    trades = result.trades
    mine = trades.symbol == "BTCUSDT"
    assert not (mine & (trades.entry_time_ms <= last_ms) & (trades.exit_time_ms > last_ms)).any()


def test_values_before_a_hole_are_left_out_and_others_stay() -> None:
    history = market(np.array([present(100, (50, 61)), present(100)]))
    values = np.ones((2, 100))
    kept = unasked_before_holes(history, values)
    assert np.flatnonzero(np.isnan(kept[0])).tolist() == [49]
    assert not np.isnan(kept[1]).any()
    assert values.all()
    whole = market(np.array([present(100)]))
    assert unasked_before_holes(whole, values) is values


def bars_of(closes: np.ndarray) -> BarColumns:
    times = DAY0_MS + MINUTE_MS * np.arange(len(closes), dtype=np.int64)
    return BarColumns("S0", MINUTE_MS, times, closes, closes, closes, closes, np.ones(len(closes)))


def test_a_jump_is_far_beyond_what_moved_before() -> None:
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 5e-4, 3_000)))
    assert jumps(bars_of(closes)) == []
    far = closes.copy()
    far[2_000:] *= 1.03
    (found,) = jumps(bars_of(far), 30.0)
    assert (found.before_ms, found.time_ms) == (DAY0_MS + 1_999 * MINUTE_MS, DAY0_MS + 2_000 * MINUTE_MS)
    assert found.move_pct == pytest.approx(3.0, abs=0.2)
    assert found.volatilities == pytest.approx(60.0, rel=0.1)
    assert found.text().startswith("the price moves by +")
    assert jumps(bars_of(far), 80.0) == []
    spike = closes.copy()
    spike[2_000] *= 0.5
    assert [round(jump.move_pct, -1) for jump in jumps(bars_of(spike))] == [-50.0, 100.0]


def test_a_jump_after_a_still_market_is_named_and_a_tick_is_not() -> None:
    still = np.full(200, 100.0)
    still[150:] = 100.5
    assert jumps(bars_of(still)) == []
    still[150:] = 110.0
    (found,) = jumps(bars_of(still))
    assert np.isfinite(found.volatilities)
    assert jumps(bars_of(np.array([100.0, 200.0, 100.0]))) == []


def test_the_rows_of_a_report_tell_holes_and_jumps() -> None:
    history = market(np.array([present(300, (100, 150))]), jump=3.0)
    rows = data_rows(history, 30.0)
    assert [(row["symbol"], row["what"], row["bars"]) for row in rows["holes"]] == [("S0", "hole", 50)]
    (jump,) = rows["price_jumps"]
    assert jump["to_ms"] == DAY0_MS + 150 * MINUTE_MS
    assert jump["move_pct"] == pytest.approx(200.0, abs=10.0)
    assert data_rows(market(np.array([present(100)])), 30.0) == {}
