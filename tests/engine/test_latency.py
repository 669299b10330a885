"""Parts whose forecasts are known some seconds after the close: decided on then, in demo, lab and after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from core.arithmetic import exits
from core.domain.errors import BadInputError
from core.domain.forecast import Output
from core.domain.market import MINUTE_MS
from core.domain.orders import OrderRole
from core.domain.records import FillRecord, ForecastRecord, Record, SignalRecord, TradeRecord
from core.domain.trading import ExitReason, SignalAction
from core.lab.sweep.sweep import check_strategy
from core.settings.schema import parse_settings
from core.strategy.declaration import ExitRule, Part, Rule, Strategy, known_after_ms
from tests.core.lab.markets import decisions
from tests.core.lab.recorded import ListJournal, demo_records
from tests.core.lab.sweep.test_parity import FROM_MS, assert_same_trades, backtest
from tests.declared import declared

SETTINGS = parse_settings(
    {
        "market": {"symbols": ["SOLUSDT", "BTCUSDT"]},
        "limits": {"max_trades_per_day": 200, "max_losses_in_row": 100},
    },
    "the test",
)
TO_MS = FROM_MS + 90 * MINUTE_MS


def moves(state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, parameters: Any) -> Any:
    return 1e4 * (closes / opens - 1.0)


def against(
    state: Any, opens: Any, highs: Any, lows: Any, closes: Any, volumes: Any, seen: Any, parameters: Any
) -> Any:
    values = np.empty(len(closes))
    for i in range(len(closes)):
        state[0] = 0.5 * state[0] - seen[i, 0]
        values[i] = state[0]
    return values


def strategy(first_ms: int, second_ms: int) -> Strategy:
    return declared(
        "late",
        parts=(
            Part((Output("move", "bps"),), 5, Rule(moves, 1, ()), name="move", latency_ms=first_ms),
            Part(
                (Output("back", "bps"),), 60, Rule(against, 1, ()), name="back", inputs=("move",), latency_ms=second_ms
            ),
        ),
        decides_on=("back", "move"),
        parameters=(2.0,),
        because=None,
        stop_pct=0.3,
        target_pct=0.3,
        exits=(ExitRule(ExitReason.FLATTEN, exits.time_stop, 3.0 * MINUTE_MS),),
    )


LATE = strategy(3_000, 4_000)


def made_after_ms(records: Sequence[Record], part: str) -> set[int]:
    told = [record.forecast for record in records if isinstance(record, ForecastRecord)]
    return {one.made_ms - one.bar_close_ms for one in told if one.origin.part == part}


async def test_a_forecast_is_known_at_its_time_and_filled_at_the_next_price_known_later() -> None:
    theirs = await demo_records(LATE, SETTINGS, None, FROM_MS, TO_MS)
    result, ours = await backtest(LATE, SETTINGS, None, FROM_MS, TO_MS, 120)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    assert len(result.trades) > 10
    assert made_after_ms(theirs, "move") == {3_000}
    assert made_after_ms(theirs, "back") == {7_000}
    entered = [
        r.signal.time_ms for r in theirs if isinstance(r, SignalRecord) and r.signal.action is SignalAction.ENTER
    ]
    assert {time_ms % MINUTE_MS for time_ms in entered} == {7_000}
    filled = [r for r in theirs if isinstance(r, FillRecord) and r.order.role is OrderRole.ENTRY]
    assert filled
    for record in filled:
        # Of the bar that is open, its close is the only price that is known to come later.
        assert record.fill.time_ms == record.order.created_ms - 7_000 + MINUTE_MS


async def test_without_latency_it_is_decided_on_before_the_next_first_price() -> None:
    at_once = await demo_records(strategy(0, 0), SETTINGS, None, FROM_MS, TO_MS)
    assert made_after_ms(at_once, "back") == {SETTINGS.engine.inference_delay_ms}
    late = await demo_records(LATE, SETTINGS, None, FROM_MS, TO_MS)
    values = [
        [
            (r.forecast.symbol, r.forecast.bar_close_ms, r.forecast.values)
            for r in records
            if isinstance(r, ForecastRecord)
        ]
        for records in (at_once, late)
    ]
    newest_ms = max(close_ms for _, close_ms, _ in values[1])
    assert sorted(one for one in values[0] if one[1] <= newest_ms) == sorted(values[1])


class Crashing(ListJournal):
    """Commits so often, and then no more."""

    def __init__(self, commits: int) -> None:
        super().__init__()
        self._left = commits

    async def commit(self, records: Sequence[Record]) -> None:
        if self._left == 0:
            raise OSError("the plug was pulled")
        self._left -= 1
        await super().commit(records)


@pytest.mark.parametrize("commits", [7, 101, 102, 103, 104, 105])
async def test_after_a_crash_it_goes_on_as_if_there_had_been_none(commits: int) -> None:
    whole = await demo_records(LATE, SETTINGS, None, FROM_MS, TO_MS)
    broken = Crashing(commits)
    with pytest.raises(ExceptionGroup):
        await demo_records(LATE, SETTINGS, None, FROM_MS, TO_MS, broken)
    journal = ListJournal()
    await journal.commit(broken.records)
    again = await demo_records(LATE, SETTINGS, None, FROM_MS, TO_MS, journal)
    for kind in (ForecastRecord, SignalRecord, TradeRecord):
        assert [r for r in again if isinstance(r, kind)] == [r for r in whole if isinstance(r, kind)], kind


def test_times_add_up_along_the_parts_that_see_each_other() -> None:
    move, back = LATE.parts
    assert [known_after_ms(LATE, move, 100), known_after_ms(LATE, back, 100)] == [3_000, 7_000]
    assert known_after_ms(strategy(0, 0), strategy(0, 0).parts[1], 100) == 100


def test_the_sweep_refuses_it_in_words() -> None:
    with pytest.raises(BadInputError) as told:
        check_strategy(LATE)
    assert str(told.value) == (
        "strategy late: the sweep cannot run part move, whose forecasts are known late; use quarterdeck backtest"
    )
