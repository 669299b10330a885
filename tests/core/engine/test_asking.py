"""Parts that see parts, in real time and bar by bar: each speaks under its own name, in order, for no other bar."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.domain.forecast import Forecast, Output
from core.domain.market import MINUTE_MS, Bar
from core.domain.orders import OrderRole
from core.domain.origin import champion
from core.domain.records import ForecastRecord, IntentRecord, SignalRecord
from core.ports import BarColumns
from core.strategy.declaration import ModelSpec, Part, Rule
from core.trader.restore import restore
from tests.core.engine.test_answers import Floor, Thinker, on_floor
from tests.core.trader.desk import BTC, ETH, NOON_MS, make_trader


def mood(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, parameters: Any) -> Any:
    """How many bars there were, but for the third, of which it says nothing."""
    values = np.empty(len(closes))
    for i in range(len(closes)):
        state[0] += 1.0
        values[i] = np.nan if state[0] == 3.0 else state[0]
    return values


def sums(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any) -> Any:
    """The sum of what it saw."""
    values = np.empty(len(closes))
    for i in range(len(closes)):
        state[0] += seen[i, 0]
        values[i] = state[0]
    return values


MOOD = Part((Output("mood", "score"),), 1, Rule(mood, 1, ()), name="mood")
SUMS = Part((Output("sum", "score"),), 1, Rule(sums, 1, ()), name="sums", inputs=("mood",))
RULES: dict[str, Any] = {"parts": (MOOD, SUMS), "decides_on": ("mood", "sums"), "because": None, "parameters": (0.5,)}

MODEL = Part((Output("forecast", "bps"), Output("p_sign", "probability")), 1, ModelSpec("unasked", "{}"))
BEHIND = Part((Output("sum", "score"),), 1, Rule(sums, 1, ()), name="behind", inputs=("main",))
MIXED: dict[str, Any] = {"parts": (MODEL, BEHIND), "because": None}


SIDE = Part((Output("side", "bps"),), 1, ModelSpec("unasked", "{}"), name="side")
BOTH: dict[str, Any] = {"parts": (SIDE, MODEL, BEHIND), "decides_on": ("main",), "because": None}


def told(floor: Floor, part: str, symbol: str = BTC) -> list[tuple[int, float | None]]:
    """Of which minute what was said."""
    forecasts = [record.forecast for record in floor.kept(ForecastRecord)]
    own = [f for f in forecasts if f.origin.part == part and f.symbol == symbol]
    return [((f.bar_close_ms - NOON_MS) // MINUTE_MS, f.values[0]) for f in own]


def test_each_part_speaks_under_its_name_and_one_that_sees_a_silent_one_says_nothing() -> None:
    async def test(floor: Floor) -> None:
        for _ in range(3):
            await floor.bars()
        lack = "no forecast of BTCUSDT by sums: mood is missing since 2024-10-04 12:02 UTC"
        assert floor.session.note() == lack
        await floor.bars()
        assert floor.session.note() == ""
        assert told(floor, "mood") == [(1, 1.0), (2, 2.0), (4, 4.0)]
        assert told(floor, "sums") == [(1, 1.0), (2, 3.0), (4, 7.0)]

    on_floor(test, **RULES)


def test_what_is_decided_on_is_what_all_named_parts_said_of_one_bar() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        decided = floor.trader.state.symbols[BTC].book(floor.trader.strategy.name).forecast
        assert decided is not None
        assert (decided.values, decided.origin.part) == ((1.0, 1.0), "sums")
        (signal, _) = (record.signal for record in floor.kept(SignalRecord))
        assert [(one.what, one.value) for one in signal.because] == [("mood", 1.0), ("sum", 1.0)]
        entries = [record.order.symbol for record in floor.kept(IntentRecord) if record.order.role is OrderRole.ENTRY]
        assert entries == [BTC, ETH]
        await floor.bars()
        await floor.bars()
        decided = floor.trader.state.symbols[BTC].book(floor.trader.strategy.name).forecast
        assert decided is not None
        assert (decided.bar_close_ms - NOON_MS) // MINUTE_MS == 2

    on_floor(test, **RULES)


def test_a_start_knows_again_what_each_part_said() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        again = make_trader(strategy=RULES)
        restore(again, floor.journal.records)
        assert (
            again.state.symbols[BTC].book(again.strategy.name).heard
            == floor.trader.state.symbols[BTC].book(floor.trader.strategy.name).heard
        )
        assert (
            again.state.symbols[BTC].book(again.strategy.name).forecast
            == floor.trader.state.symbols[BTC].book(floor.trader.strategy.name).forecast
        )

    on_floor(test, **RULES)


def test_a_rule_behind_a_slow_model_speaks_when_the_model_has_and_of_no_other_bar() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        await floor.bars()
        assert floor.session.answers.missing == 2
        assert floor.kept(ForecastRecord) == []
        floor.clock.at_ms -= MINUTE_MS
        await floor.answer(after_ms=5_000)
        assert told(floor, "main") == [(1, 20.0)]
        assert told(floor, "behind") == [(1, 20.0)]
        floor.clock.at_ms += MINUTE_MS - 5_000
        await floor.bars()
        await floor.settled()
        assert told(floor, "behind") == [(1, 20.0), (3, 40.0)]

    on_floor(test, **MIXED)


def test_of_a_bar_whose_forecast_was_dropped_a_part_that_sees_it_knows_nothing() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        await floor.answer(after_ms=15_001)
        assert floor.session.answers.dropped == 2
        floor.clock.at_ms -= 15_001
        await floor.bars()
        await floor.settled()
        assert told(floor, "behind") == [(2, 20.0)]

    on_floor(test, **MIXED)


def test_a_part_that_never_spoke_is_told_so() -> None:
    async def test() -> None:
        async with asyncio.TaskGroup() as group:
            floor = Floor(group, **MIXED)
            bars = [Bar(BTC, NOON_MS, MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 1.0)]
            await floor.session.begin(bars, fresh=False)
            assert floor.session.note() == "no forecast of BTCUSDT by behind: main is missing"

    asyncio.run(test())


class Side(Thinker):
    """The model of the part beside."""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        origin = champion("plain", "v1", "side")
        return [replace(one, origin=origin, values=(1.0,)) for one in await super().predict(windows, made_ms) if one]


def test_a_model_that_hangs_keeps_no_other_from_being_asked() -> None:
    side = Side()

    async def test(floor: Floor) -> None:
        floor.thinker.answers.set()
        await floor.bars()
        await floor.bars()
        await floor.bars()
        assert [minute for minute, _ in told(floor, "main")] == [1, 2, 3]
        assert [minute for minute, _ in told(floor, "behind")] == [1, 2, 3]
        assert told(floor, "side") == []
        assert floor.session.answers.missing == 4
        assert "the models still think about the bars before" in floor.session.note()
        side.answers.set()
        floor.clock.at_ms -= 2 * MINUTE_MS
        await asyncio.gather(*floor.session.answers.tasks())
        assert [minute for minute, _ in told(floor, "side")] == [1]
        floor.clock.at_ms += 2 * MINUTE_MS
        await floor.bars()
        assert [minute for minute, _ in told(floor, "side")] == [1, 4]
        assert floor.session.note() == ""

    on_floor(test, others={"side": side}, **BOTH)


def test_a_model_that_dies_is_told_although_another_answers() -> None:
    side = Side()
    side.error = "the worker died"
    side.answers.set()

    async def test(floor: Floor) -> None:
        floor.thinker.answers.set()
        for _ in range(2):
            await floor.bars()
            assert floor.session.note() == "no predictions: the worker died"
        assert [minute for minute, _ in told(floor, "main")] == [1, 2]
        side.error = ""
        await floor.bars()
        assert floor.session.note() == ""

    on_floor(test, others={"side": side}, **BOTH)
