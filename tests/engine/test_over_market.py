"""A part that speaks of all symbols at once: seen by parts of each symbol and decided on, in demo, lab and after a
crash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.domain.forecast import MARKET, Output
from core.domain.market import MINUTE_MS, Bar
from core.domain.records import ForecastRecord, SignalRecord, TradeRecord
from core.lab.checks.truncation import quick_fault
from core.lab.run.fixed_predictions import rule_values
from core.lab.sweep.prepared import prepare
from core.lab.sweep.sweep import run as swept
from core.settings.schema import parse_settings
from core.strategy.declaration import Part, Rule, Strategy
from core.strategy.over_market import columns_side_by_side, side_by_side
from tests.core.engine.test_answers import Floor, on_floor
from tests.core.lab.markets import decisions
from tests.core.lab.recorded import ListJournal, demo_records, history, instruments
from tests.core.lab.sweep.test_parity import FROM_MS, assert_same_trades, backtest
from tests.core.trader.desk import BTC, ETH, NOON_MS
from tests.declared import declared
from tests.engine.test_latency import Crashing
from tests.strategies.recorded import cut, recorded

SYMBOLS = ("SOLUSDT", "BTCUSDT", "ETHUSDT")
SETTINGS = parse_settings(
    {"market": {"symbols": SYMBOLS}, "limits": {"max_trades_per_day": 200, "max_losses_in_row": 100}}, "the test"
)
TO_MS = FROM_MS + 60 * MINUTE_MS


def rising(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, parameters: Any) -> Any:
    """By how much more symbols rose than fell, smoothed; and how many there were."""
    values = np.empty((len(closes), 2))
    for i in range(len(closes)):
        there = ~np.isnan(closes[i])
        state[0] = 0.5 * state[0] + np.sign(closes[i][there] - opens[i][there]).sum()
        values[i] = state[0], there.sum()
    return values


def peeking(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, parameters: Any) -> Any:
    return np.column_stack([np.full(len(closes), closes[-1, 0]), np.ones(len(closes))])


def with_it(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    values = np.empty(len(closes))
    for i in range(len(closes)):
        state[0] = 0.5 * state[0] + seen[i, 0]
        values[i] = state[0] * np.sign(closes[i] - opens[i])
    return values


BREADTH = Part(
    (Output("breadth", "score"), Output("symbols", "score")), 30, Rule(rising, 1, ()), name="breadth", scope="market"
)
OWN = Part((Output("with_it", "score"),), 30, Rule(with_it, 1, ()), name="own", inputs=("breadth",))


def strategy(*decides_on: str, breadth: Part = BREADTH) -> Strategy:
    fields: dict[str, Any] = {"parts": (breadth, OWN), "decides_on": decides_on, "parameters": (2.0,), "because": None}
    return declared("wide", **fields, stop_pct=0.3, target_pct=0.3)


@pytest.mark.parametrize("decides_on", [("own", "breadth"), ("breadth",), ("own",)])
async def test_it_trades_the_same_in_demo_lab_and_sweep(decides_on: tuple[str, ...]) -> None:
    chosen = strategy(*decides_on)
    theirs = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS)
    result, ours = await backtest(chosen, SETTINGS, None, FROM_MS, TO_MS, 60)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    assert len(result.trades) > 5
    market = history(SYMBOLS, FROM_MS, TO_MS, 60)
    prepared = prepare(market, instruments(SETTINGS), SETTINGS.costs.assumed_funding_bps)
    assert_same_trades(swept(prepared, SETTINGS, chosen, rule_values(chosen, market)), theirs)
    said = [record.forecast for record in theirs if isinstance(record, ForecastRecord)]
    closes = [one.bar_close_ms for one in said if one.symbol == MARKET]
    assert closes == [FROM_MS + minute * MINUTE_MS for minute in range(1, 61)]
    assert {one.origin.part for one in said if one.symbol == MARKET} == {"breadth"}
    assert {one.values[1] for one in said if one.symbol == MARKET} == {3.0}


@pytest.mark.parametrize("commits", [50, 51, 52])
async def test_after_a_crash_it_goes_on_as_if_there_had_been_none(commits: int) -> None:
    chosen = strategy("own", "breadth")
    whole = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS)
    broken, journal = Crashing(commits), ListJournal()
    with pytest.raises(ExceptionGroup):
        await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS, broken)
    await journal.commit(broken.records)
    again = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS, journal)
    for kind in (ForecastRecord, SignalRecord, TradeRecord):
        assert [r for r in again if isinstance(r, kind)] == [r for r in whole if isinstance(r, kind)], kind


def test_one_that_sees_later_bars_is_found() -> None:
    market = history(SYMBOLS, FROM_MS, TO_MS, 60)
    assert quick_fault(strategy("own"), market, {}, 1) == ""
    peeks = Part(BREADTH.outputs, 30, Rule(peeking, 1, ()), name="breadth", scope="market")
    fault = quick_fault(strategy("own", breadth=peeks), market, {}, 1)
    assert fault.startswith("LOOK-AHEAD: part breadth: the market: of the bar at ")


def test_a_symbol_that_lacks_a_bar_is_nan_there() -> None:
    first, second = (recorded(symbol) for symbol in SYMBOLS[:2])
    wide = columns_side_by_side([cut(first, 0, 5), cut(second, 2, 6)])
    assert wide.close.shape == (6, 2)
    assert np.isnan(wide.close).tolist() == [[False, True]] * 2 + [[False, False]] * 3 + [[True, False]]
    np.testing.assert_array_equal(wide.close[2:5, 1], second.close[2:5])
    row = side_by_side(("A", "B"), [Bar("B", 60_000, MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 9.0)])
    np.testing.assert_array_equal(row.close, [[np.nan, 1.5]])


def test_of_a_close_it_speaks_once_and_a_bar_that_comes_late_is_decided_on_with_it() -> None:
    async def test(floor: Floor) -> None:
        floor.clock.at_ms += MINUTE_MS
        for symbol, price in ((BTC, 60_000.0), (ETH, 2_500.0)):
            bar = Bar(symbol, NOON_MS, MINUTE_MS, price, price + 1.0, price, price + 1.0, 100.0)
            await floor.session.instant(floor.clock.at_ms, [bar], floor.group)
        told = [record.forecast for record in floor.kept(ForecastRecord)]
        assert [(one.symbol, one.origin.part) for one in told] == [(MARKET, "breadth"), (BTC, "own"), (ETH, "own")]
        assert told[0].values == (1.0, 1.0)
        decided = floor.trader.state.symbols[ETH].forecast
        assert decided is not None
        assert (decided.symbol, decided.values) == (ETH, (1.0, 1.0, 1.0))

    on_floor(test, parts=(BREADTH, OWN), decides_on=("own", "breadth"), because=None)
