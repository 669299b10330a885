"""A part that speaks of all symbols at once: seen by parts of each symbol and decided on, in demo, lab and after a
crash."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.domain.forecast import MARKET, Forecast, Output
from core.domain.market import MINUTE_MS, Bar
from core.domain.origin import champion
from core.domain.records import ForecastRecord, SignalRecord, TradeRecord
from core.engine.outside import StoredAnalyst
from core.lab.checks.truncation import quick_fault
from core.lab.run.fixed_predictions import rule_values
from core.lab.sweep.prepared import prepare
from core.lab.sweep.sweep import run as swept
from core.ports import Forecaster
from core.settings.schema import parse_settings
from core.strategy.declaration import Analyst, Part, Rule, Strategy
from core.strategy.over_market import MarketFold, columns_side_by_side, market_desks, side_by_side
from tests.core.engine.test_answers import Floor, on_floor
from tests.core.engine.test_asking import mood
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


def crowding(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    """By how much more symbols went with the market than against it, smoothed, and of how many that was told."""
    values = np.empty((len(closes), 2))
    for i in range(len(closes)):
        own = seen[i, :, 0]
        there = ~np.isnan(own)
        state[0] = 0.5 * state[0] + np.sign(own[there]).sum() + 0.1 * seen[i, there, 1].sum()
        values[i] = state[0], there.sum()
    return values


def crowding_of_news(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    values = np.empty((len(closes), 2))
    for i in range(len(closes)):
        state[0] = 0.5 * state[0] + np.nansum(seen[i, :, 0])
        values[i] = state[0], (~np.isnan(seen[i, :, 0])).sum()
    return values


def peeking_beside(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    return np.column_stack([np.full(len(closes), seen[-1, 0, 0]), np.ones(len(closes))])


def against(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    return -seen[:, 0] + 0.1 * seen[:, 2]


CROWD = Part(
    (Output("crowd", "score"), Output("heard", "score")),
    30,
    Rule(crowding, 1, ()),
    name="crowd",
    inputs=("own", "breadth"),
    scope="market",
)
AGAINST = Part((Output("against", "score"),), 30, Rule(against, 1, ()), name="against", inputs=("crowd", "breadth"))


def chained(crowd: Part = CROWD) -> Strategy:
    """The market, each symbol that sees it, the market that sees both, and each symbol again."""
    fields: dict[str, Any] = {"parts": (BREADTH, OWN, crowd, AGAINST), "decides_on": ("against", "crowd")}
    return declared("wide", **fields, parameters=(1.0,), because=None, stop_pct=0.3, target_pct=0.3)


def strategy(*decides_on: str, breadth: Part = BREADTH) -> Strategy:
    fields: dict[str, Any] = {"parts": (breadth, OWN), "decides_on": decides_on, "parameters": (2.0,), "because": None}
    return declared("wide", **fields, stop_pct=0.3, target_pct=0.3)


CHOSEN = [strategy("own", "breadth"), strategy("breadth"), strategy("own"), chained()]


@pytest.mark.parametrize("chosen", CHOSEN, ids=["both", "the market", "each", "a chain"])
async def test_it_trades_the_same_in_demo_lab_and_sweep(chosen: Strategy) -> None:
    theirs = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS)
    result, ours = await backtest(chosen, SETTINGS, None, FROM_MS, TO_MS, 60)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    assert len(result.trades) > 5
    market = history(SYMBOLS, FROM_MS, TO_MS, 60)
    prepared = prepare(market, instruments(SETTINGS), SETTINGS.costs.assumed_funding_bps)
    assert_same_trades(swept(prepared, SETTINGS, chosen, rule_values(chosen, market)), theirs)
    said = [record.forecast for record in theirs if isinstance(record, ForecastRecord)]
    for part in [part.name for part in chosen.parts if part.scope == "market"]:
        own = [one for one in said if one.symbol == MARKET and one.origin.part == part]
        assert [one.bar_close_ms for one in own] == [FROM_MS + minute * MINUTE_MS for minute in range(1, 61)]
        assert {one.values[1] for one in own} == {3.0}
    assert {one.symbol == MARKET for one in said if one.origin.part in ("breadth", "crowd")} == {True}


@pytest.mark.parametrize("chosen", [CHOSEN[0], CHOSEN[-1]], ids=["both", "a chain"])
@pytest.mark.parametrize("commits", [50, 51, 52])
async def test_after_a_crash_it_goes_on_as_if_there_had_been_none(commits: int, chosen: Strategy) -> None:
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
    assert quick_fault(chained(), market, {}, 1) == ""
    peeks = Part(CROWD.outputs, 30, Rule(peeking_beside, 1, ()), name="crowd", inputs=CROWD.inputs, scope="market")
    fault = quick_fault(chained(peeks), market, {}, 1)
    assert fault.startswith("LOOK-AHEAD: part crowd: the market: of the bar at ")


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
        decided = floor.trader.state.symbols[ETH].book(floor.trader.strategy.name).forecast
        assert decided is not None
        assert (decided.symbol, decided.values) == (ETH, (1.0, 1.0, 1.0))

    on_floor(test, parts=(BREADTH, OWN), decides_on=("own", "breadth"), because=None)


def shown(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any) -> Any:
    """What is seen of the first symbol and of the second, -1 for nothing, and how many bars there were."""
    state[0] += len(closes)
    told = np.where(np.isnan(seen[:, :, 0]), -1.0, seen[:, :, 0])
    return np.column_stack([told, state[0] - len(closes) + 1.0 + np.arange(len(closes))])


MOOD_OF = Part((Output("mood", "score"),), 1, Rule(mood, 1, ()), name="mood")
SHOWN = Part(
    (Output("first", "score"), Output("second", "score"), Output("bars", "score")),
    1,
    Rule(shown, 1, ()),
    name="shown",
    inputs=("mood",),
    scope="market",
)


def test_what_is_not_known_of_a_symbol_is_missing_there_and_of_all_silences_it() -> None:
    """`mood` says nothing of its third bar; ETH lacks the second minute."""

    async def test(floor: Floor) -> None:
        for minute, symbols in enumerate([(BTC, ETH), (BTC,), (BTC, ETH), (BTC, ETH), (ETH,)]):
            floor.clock.at_ms += MINUTE_MS
            opened = NOON_MS + minute * MINUTE_MS
            bars = [Bar(symbol, opened, MINUTE_MS, 9.0, 9.0, 9.0, 9.0, 1.0) for symbol in symbols]
            await floor.session.instant(floor.clock.at_ms, bars, floor.group)
        told = [record.forecast for record in floor.kept(ForecastRecord) if record.forecast.symbol == MARKET]
        assert [((f.bar_close_ms - NOON_MS) // MINUTE_MS, *f.values) for f in told] == [
            (1, 1.0, 1.0, 1.0),
            (2, 2.0, -1.0, 2.0),
            (3, -1.0, 2.0, 3.0),
            (4, 4.0, -1.0, 4.0),
            (5, -1.0, 4.0, 5.0),
        ]
        assert floor.session.note() == ""

    on_floor(test, parts=(MOOD_OF, SHOWN), because=None)


def test_where_it_is_missing_of_every_symbol_nothing_is_said_and_the_close_is_not_there() -> None:
    async def test(floor: Floor) -> None:
        for minute in range(1, 5):
            await floor.bars()
            silent = "no forecast of the market by shown: mood is missing since 2024-10-04 12:02 UTC"
            assert floor.session.note() == (silent if minute == 3 else "")
        told = [record.forecast for record in floor.kept(ForecastRecord) if record.forecast.symbol == MARKET]
        assert [((f.bar_close_ms - NOON_MS) // MINUTE_MS, *f.values) for f in told] == [
            (1, 1.0, 1.0, 1.0),
            (2, 2.0, 2.0, 2.0),
            (4, 4.0, 4.0, 3.0),
        ]

    on_floor(test, parts=(MOOD_OF, SHOWN), because=None)


def test_many_closes_at_once_are_as_one_by_one_whatever_each_symbol_lacks() -> None:
    whole = [
        cut(recorded(symbol), begin, end) for symbol, begin, end in zip(SYMBOLS, (0, 3, 5), (60, 55, 60), strict=True)
    ]
    gappy = [whole[0], whole[1].at(np.delete(np.arange(52), [7, 8, 20])), whole[2]]
    chosen = chained()
    first_ms = {part.name: 0 for part in chosen.parts}

    def fold() -> MarketFold:
        return MarketFold(chosen, market_desks(chosen, first_ms), SYMBOLS)

    at_once = fold().say(gappy, first_ms, {})
    pieces, cuts = fold(), np.array([0, 1, 2, 9, 21, 40, 60]) * MINUTE_MS + int(whole[0].open_time_ms[0])
    found = [
        pieces.say([one.at((one.open_time_ms >= a) & (one.open_time_ms < b)) for one in gappy], first_ms, {})
        for a, b in pairwise(cuts.tolist())
    ]
    for name in ("breadth", "crowd"):
        for place in (0, 1):
            np.testing.assert_array_equal(np.concatenate([one[name][place] for one in found]), at_once[name][place])
    assert set(at_once["crowd"][1][:, 1].tolist()) == {1.0, 2.0, 3.0}


NEWS = Part((Output("mood", "score"),), 1, Analyst(list), name="news", max_age_ms=12_000)
HEARD = Part(
    (Output("sum", "score"), Output("heard", "score")),
    1,
    Rule(crowding_of_news, 1, ()),
    name="heard",
    inputs=("news",),
    scope="market",
    latency_ms=2_000,
)
BEHIND = Part((Output("behind", "score"),), 1, Rule(with_it, 1, ()), name="behind", inputs=("heard",))


def news() -> dict[str, Forecaster]:
    """Known four seconds after the close of SOL, three after that of BTC, of every third minute of ETH not at all."""
    rng = np.random.default_rng(2)
    told = [
        Forecast(symbol, close_ms, close_ms + delay_ms, (float(rng.normal()),), champion("wide", part="news"))
        for close_ms in range(FROM_MS + MINUTE_MS, TO_MS + 1, MINUTE_MS)
        for symbol, delay_ms in zip(SYMBOLS, (4_000, 3_000, 2_000), strict=True)
        if symbol != "ETHUSDT" or close_ms // MINUTE_MS % 3
    ]
    return {"news": StoredAnalyst(NEWS, told)}


async def test_of_what_is_known_late_of_each_symbol_it_speaks_when_the_last_is_known() -> None:
    fields: dict[str, Any] = {"parts": (NEWS, HEARD, BEHIND), "decides_on": ("behind",), "parameters": (0.5,)}
    chosen = declared("wide", **fields, because=None, stop_pct=0.3, target_pct=0.3)
    theirs = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS, analysts=news())
    result, ours = await backtest(chosen, SETTINGS, None, FROM_MS, TO_MS, 60, analysts=news())
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    assert len(result.trades) > 5
    said = [record.forecast for record in theirs if isinstance(record, ForecastRecord)]
    heard = [one for one in said if one.origin.part == "heard"]
    assert {one.symbol for one in heard} == {MARKET}
    assert {one.made_ms - one.bar_close_ms for one in heard} == {6_000}
    for one in heard:
        assert one.values[1] == (3.0 if one.bar_close_ms // MINUTE_MS % 3 else 2.0)
    broken, journal = Crashing(200), ListJournal()
    with pytest.raises(ExceptionGroup):
        await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS, broken, analysts=news())
    await journal.commit(broken.records)
    again = await demo_records(chosen, SETTINGS, None, FROM_MS, TO_MS, journal, analysts=news())
    for kind in (ForecastRecord, SignalRecord, TradeRecord):
        assert [r for r in again if isinstance(r, kind)] == [r for r in theirs if isinstance(r, kind)], kind
