"""A model in real time: the market never waits for it, and what it says is decided on when it comes, if it is young."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from core.arithmetic import exits
from core.domain.errors import ModelError
from core.domain.forecast import Forecast, Output
from core.domain.market import MINUTE_MS, Bar, FirstPrice, MarketEvent
from core.domain.orders import Order, OrderRole
from core.domain.origin import Origin, VersionRole
from core.domain.records import ForecastRecord, IntentRecord, Record, SignalRecord, TrainingRecord, TrainingStatus
from core.domain.trading import ExitReason
from core.engine.session import Session
from core.ports import BarColumns, TrainingResult, VenueEvent
from core.strategy.declaration import ExitRule, Rule
from core.trader.trader import Trader
from tests.core.trader.desk import BTC, ETH, INSTRUMENTS, NOON_MS, Desk, make_trader
from tests.declared import said


class Clock:
    def __init__(self) -> None:
        self.at_ms = NOON_MS

    def now_ms(self) -> int:
        return self.at_ms

    def advance_to(self, time_ms: int) -> None:
        self.at_ms = max(self.at_ms, time_ms)


class Idle:
    """A venue where orders only ever arrive."""

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return []

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        return []

    async def on_market(self, event: MarketEvent) -> Sequence[VenueEvent]:
        return []


class Memory:
    def __init__(self) -> None:
        self.records: list[Record] = []

    async def commit(self, records: Sequence[Record]) -> None:
        self.records += records

    async def load(self) -> list[Record]:
        return []


class Thinker:
    """Answers what it is told to, when it is told to: `value_bps` of every symbol, or an error."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answers = asyncio.Event()
        self.value_bps = 20.0
        self.error = ""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        self.asked.append(made_ms)
        await self.answers.wait()
        if self.error:
            raise ModelError(self.error)
        close_ms = made_ms - 100
        return [said(w.symbol, close_ms, made_ms, (self.value_bps, 0.6), "plain", version) for w, version in windows]

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        raise AssertionError("nothing is trained here")

    async def warm_up(self) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {}


class Floor:
    """A session in real time, whose models are `thinker`, with a hand to move time and market."""

    def __init__(self, group: asyncio.TaskGroup, others: dict[str, Thinker] | None = None, **strategy: Any) -> None:
        self.group = group
        self.clock, self.thinker, self.journal = Clock(), Thinker(), Memory()
        self.thinkers = {"main": self.thinker, **(others or {})}
        self.trader: Trader = make_trader(strategy=strategy, instruments={s: INSTRUMENTS[s] for s in (BTC, ETH)})
        self.session = Session(
            self.trader,
            Idle(),  # type: ignore[arg-type]
            self.journal,
            {} if self.trader.strategy.is_of_rules else self.thinkers,
            self.clock,
            lambda records: None,
            waits_for_models=False,
        )
        for part in self.thinkers:
            champion = Origin("plain", part, VersionRole.CHAMPION, "v1")
            swapped = (TrainingRecord(s, champion, 0, 0, TrainingStatus.SWAPPED) for s in (BTC, ETH))
            self.session.take_in(list(swapped))

    async def bars(self) -> None:
        self.clock.at_ms += MINUTE_MS
        prices = ((BTC, 60_000.0), (ETH, 2_500.0))
        opened = self.clock.at_ms - MINUTE_MS
        bars = [Bar(symbol, opened, MINUTE_MS, price, price, price, price, 100.0) for symbol, price in prices]
        await self.session.instant(self.clock.at_ms, bars, self.group)

    async def first_price(self, price: float) -> None:
        first = FirstPrice(BTC, self.clock.at_ms + 1_000, self.clock.at_ms, price)
        await self.session.instant(first.time_ms, [first], self.group)

    async def answer(self, after_ms: int) -> None:
        """The models answer so long after the close."""
        self.clock.at_ms += after_ms
        self.thinker.answers.set()
        await self.settled()

    async def settled(self) -> None:
        """Until nothing is out."""
        await asyncio.gather(*self.session.answers.tasks())

    def kept(self, kind: type[Any]) -> list[Any]:
        return [record for record in self.journal.records if isinstance(record, kind)]


def on_floor(test: Callable[[Floor], Awaitable[None]], **strategy: Any) -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            floor = Floor(group, **strategy)
            await test(floor)
            for task in floor.session.tasks():
                task.cancel()

    asyncio.run(run())


def test_an_answer_that_is_there_is_decided_on_at_the_close() -> None:
    async def test(floor: Floor) -> None:
        floor.thinker.answers.set()
        await floor.bars()
        assert [record.forecast.made_ms - NOON_MS - MINUTE_MS for record in floor.kept(ForecastRecord)] == [100, 100]
        assert len(floor.kept(IntentRecord)) == 2
        assert floor.session.note() == ""

    on_floor(test)


def test_the_market_goes_on_while_a_model_thinks_and_what_it_says_then_is_decided_on() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        await floor.first_price(60_100.0)
        assert floor.trader.state.symbols[BTC].mark == 60_100.0
        assert floor.kept(ForecastRecord) == []
        await floor.answer(after_ms=5_000)
        told = [record.forecast for record in floor.kept(ForecastRecord)]
        assert [f.made_ms - f.bar_close_ms for f in told] == [6_000, 6_000]
        entries = [record.order for record in floor.kept(IntentRecord)]
        assert [(order.role, order.created_ms) for order in entries] == [
            (OrderRole.ENTRY, told[0].made_ms),
            (OrderRole.ENTRY, told[0].made_ms),
        ]
        assert floor.session.answers.late == 2
        assert floor.session.note().endswith("came 6.0 s after the close (so far 2 late, 0 too old, 0 not asked for)")

    on_floor(test)


def test_what_is_too_old_when_it_comes_is_dropped_and_counted() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        await floor.answer(after_ms=15_001)
        assert floor.kept(ForecastRecord) == floor.kept(SignalRecord) == []
        assert floor.session.answers.dropped == 2
        assert "nothing is decided on them (so far 0 late, 2 too old" in floor.session.note()
        await floor.bars()
        await floor.settled()
        assert len(floor.kept(ForecastRecord)) == 2
        assert floor.session.note() == ""

    on_floor(test)


def test_while_one_answer_is_out_nothing_more_is_asked_and_that_is_told() -> None:
    async def test(floor: Floor) -> None:
        await floor.bars()
        await floor.bars()
        await floor.bars()
        assert len(floor.thinker.asked) == 1
        assert floor.session.answers.missing == 4
        assert "the models still think about the bars before" in floor.session.note()
        await floor.answer(after_ms=0)
        await floor.bars()
        await floor.settled()
        assert len(floor.thinker.asked) == 2

    on_floor(test)


def test_an_exit_by_time_waits_for_no_model() -> None:
    async def test(floor: Floor) -> None:
        floor.thinker.answers.set()
        await floor.bars()
        (entry, _) = (record.order for record in floor.kept(IntentRecord))
        desk = Desk(floor.trader, floor.clock.at_ms)
        desk.accept(entry)
        desk.accept(*[c.order for c in desk.fill(entry) if hasattr(c, "order")])
        floor.thinker.answers.clear()
        await floor.bars()
        await floor.bars()
        left = [r.signal for r in floor.kept(SignalRecord) if r.signal.reason == ExitReason.FLATTEN]
        assert [(signal.symbol, signal.confidence) for signal in left] == [(entry.symbol, None)]

    on_floor(test, exits=(ExitRule(ExitReason.FLATTEN, exits.time_stop, 2.0 * MINUTE_MS),))


def test_what_a_rule_says_that_cannot_be_is_told_and_no_forecast() -> None:
    said_next = iter([1.3, 0.7])

    def scan(*given: Any) -> np.ndarray:
        return np.full(len(given[1]), next(said_next) if given[0][0] else 0.6) * (given[4] > 10_000.0)

    async def test() -> None:
        async with asyncio.TaskGroup() as group:
            floor = Floor(group, outputs=(Output("p_up", "probability"),), source=Rule(scan, 1, ()), because=None)
            floor.session.parts.rules["main"]._states[BTC][0] = 1.0
            await floor.bars()
            assert [record.forecast.symbol for record in floor.kept(ForecastRecord)] == [ETH]
            problem = "no forecast of BTCUSDT: strategy plain: its rule says p_up 1.3, which is no probability"
            assert floor.session.note() == problem
            await floor.bars()
            assert [record.forecast.symbol for record in floor.kept(ForecastRecord)] == [ETH, BTC, ETH]
            assert floor.session.note() == ""

    asyncio.run(test())


@pytest.mark.parametrize("after_ms", [0, 5_000])
def test_a_model_that_dies_is_told_and_the_next_bars_are_asked_about(after_ms: int) -> None:
    async def test(floor: Floor) -> None:
        floor.thinker.error = "the worker died"
        await floor.bars()
        await floor.answer(after_ms)
        assert floor.session.note() == "no predictions: the worker died"
        floor.thinker.error = ""
        await floor.bars()
        await floor.settled()
        assert len(floor.kept(ForecastRecord)) == 2

    on_floor(test)
