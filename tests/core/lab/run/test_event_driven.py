"""The event-driven run: the common workload to the cent, stopped runs, cut histories, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.workload import fine_instruments, free_settings, one_symbol, ten_symbols
from core.domain.errors import BadInputError
from core.lab.data.history import History
from core.lab.run.event_driven import run_event_driven
from core.lab.run.overrides import with_overrides
from core.lab.run.result import RunResult, TradeColumns
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from strategies.ema_cross.declaration import build
from tests.core.lab.markets import ends_in_hole, make_parts, random_history, random_values, strategy

FEE_BPS = 4.0


def run_workload(history: History, exit_mode: str) -> RunResult:
    chosen = with_overrides(free_settings(), "ema_cross", (("exit", exit_mode),))
    instruments = fine_instruments(history.symbols)
    return run_event_driven(
        history, Trader("bench", build(chosen), chosen, instruments), journalled_venue(instruments, chosen)
    )


def settled(result: RunResult) -> tuple[int, float]:
    """Trades and equity as engines tell them that close what is open at the last price."""
    fee_usdt = FEE_BPS / 1e4 * float(result.curve.gross_usdt[-1])
    return len(result.trades) + result.open_positions, round(result.final_usdt - fee_usdt, 2)


@pytest.mark.parametrize(("exit_mode", "expected"), [("bracket", (755, 9_903.50)), ("reverse", (18_548, 6_483.97))])
def test_one_symbol_of_the_common_workload(exit_mode: str, expected: tuple[int, float]) -> None:
    result = run_workload(one_symbol(), exit_mode)
    assert settled(result) == expected
    assert result.complete
    assert len(result.curve) == 525_600
    assert result.curve.equity_usdt[-1] == pytest.approx(result.final_usdt, abs=1e-6)


def test_ten_symbols_of_the_common_workload_on_one_account() -> None:
    result = run_workload(ten_symbols(), "bracket")
    assert settled(result) == (1_489, 9_609.38)
    assert result.curve.equity_usdt[-1] == pytest.approx(result.final_usdt, abs=1e-6)


def rows(trades: TradeColumns) -> list[tuple[object, ...]]:
    columns = [getattr(trades, name).tolist() for name in TradeColumns.__slots__]
    return list(zip(*columns, strict=True))


def run_random(history: History, values: dict[str, np.ndarray], stop_after: int | None = None) -> RunResult:
    trader, venue = make_parts(strategy(), history.symbols, {})
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return stop_after is not None and asked > stop_after

    return run_event_driven(history, trader, venue, values=values, should_stop=should_stop)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), stop_after=st.integers(0, 60))
def test_a_stopped_run_tells_of_the_part_that_was_run(seed: int, stop_after: int) -> None:
    rng = np.random.default_rng(seed)
    history, values = random_history(rng, 2, 400, gaps=True), random_values(rng, 2, 400, share=0.05)
    whole = run_random(history, values)
    part = run_random(history, values, stop_after)
    n = len(part.curve)
    assert part.complete == (n == len(whole.curve))
    assert np.array_equal(part.curve.equity_usdt, whole.curve.equity_usdt[:n])
    end_ms = int(part.curve.time_ms[-1]) if n else history.from_ms
    done = [row for row in rows(whole.trades) if row[3] <= end_ms]  # type: ignore[operator]
    assert rows(part.trades) == done
    assert part.final_usdt == pytest.approx(whole.curve.equity_usdt[n - 1] if n else 10_000.0, abs=1e-6)
    for symbol in history.symbols:
        made, all_made = part.predictions[symbol], whole.predictions[symbol]
        assert np.array_equal(made.close_ms, all_made.close_ms[all_made.close_ms <= end_ms])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), kept=st.integers(20, 395))
def test_cutting_the_future_off_changes_nothing_before_it(seed: int, kept: int) -> None:
    rng = np.random.default_rng(seed)
    history, values = random_history(rng, 2, 400, gaps=True), random_values(rng, 2, 400, share=0.05)
    assume(not ends_in_hole(history, kept))
    end_ms = int(history.open_time_ms[kept])
    # What is settled at the very cut is none of the history before it, and in the whole it is of the last bar before.
    assume(all(due.time_ms != end_ms for due in (*history.funding, *history.missing_funding)))
    cut = history.between(history.from_ms, end_ms, history.first)
    whole = run_random(history, values)
    early = run_random(cut, {symbol: row[:kept] for symbol, row in values.items()})
    assert rows(early.trades) == [row for row in rows(whole.trades) if row[3] <= end_ms]  # type: ignore[operator]
    assert np.array_equal(early.curve.equity_usdt, whole.curve.equity_usdt[: len(early.curve)])


def test_a_rule_is_shown_its_look_back_and_no_more() -> None:
    """As a new account is: with a longer history before the first traded bar the same values follow."""
    history = one_symbol(3_000)
    late = history.between(int(history.open_time_ms[2_000]), history.to_ms, 2_000)
    least = history.between(int(history.open_time_ms[2_000]), history.to_ms, 520)
    assert (late.first, least.first) == (2_000, 520)
    long, short = run_workload(late, "reverse"), run_workload(least, "reverse")
    assert len(long.trades) > 20
    assert rows(long.trades) == rows(short.trades)
    made = long.predictions["BTCUSDT"]
    assert made.close_ms[0] > late.from_ms
    assert np.array_equal(made.values, short.predictions["BTCUSDT"].values)


def test_progress_counts_the_traded_slots() -> None:
    rng = np.random.default_rng(1)
    history = random_history(rng, 1, 300, gaps=False)
    trader, venue = make_parts(strategy(), history.symbols, {})
    told: list[tuple[int, int]] = []
    run_event_driven(history, trader, venue, progress=lambda done, total: told.append((done, total)), values={})
    assert told[-1] == (295, 295)


def test_history_and_settings_must_be_of_the_same_interval() -> None:
    history = random_history(np.random.default_rng(1), 1, 300, gaps=False, interval_minutes=5)
    trader, venue = make_parts(strategy(), history.symbols, {})
    with pytest.raises(BadInputError, match=r"has bars of 5m, and market\.interval_minutes is 1; load"):
        run_event_driven(history, trader, venue, values={})


def test_trader_and_history_must_be_of_the_same_symbols() -> None:
    history = random_history(np.random.default_rng(1), 2, 300, gaps=False)
    trader, venue = make_parts(strategy(), ("S1", "S0"), {})
    with pytest.raises(BadInputError, match="holds S0, S1, the trader trades S1, S0"):
        run_event_driven(history, trader, venue, values={})
