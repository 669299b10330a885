"""A start in real time protects first: what signals need of the past is read beside it, whole and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from core.clock import VirtualClock
from core.control.protocol import ExternalOrderView
from core.domain.errors import StorageError
from core.domain.market import MINUTE_MS, Bar, MarketBatch, Quote
from core.domain.orders import OrderRole
from core.domain.records import AdjustmentRecord, CursorRecord, ForecastRecord, Record
from core.engine.engine import Engine
from core.engine.pacing import Pacer
from core.engine.parts import EngineParts
from core.engine.stepper import Stepper
from core.engine.thread import first_cause
from core.engine.warm_up import PIECE_BARS
from core.home.logbook import Logbook
from core.ports import BarColumns, Venue
from core.position.kit.atr_stop import atr_stop
from core.position.kit.trailing import trailing
from core.position.memory import PolicyMemory
from core.strategy.declaration import Rule
from core.trader.policies import candle
from core.trader.restore import restore
from core.trader.trader import Trader
from tests.core.engine.test_recovery import KnowingVenue, Memory
from tests.core.market.memory_store import MemoryCandles
from tests.core.trader.desk import BTC, ETH, INSTRUMENTS, NOON_MS, Desk, make_trader
from tests.declared import ONE
from tests.patience import comes

SYMBOLS = (BTC, ETH)
LOOKBACK = 5
Floats = NDArray[np.float64]


def scan(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """Each bar's value is the sum of all opens so far: a bar that is missing or shown twice changes every later one."""
    values = state[0] + np.cumsum(opens)
    state[0] = values[-1]
    return values


@dataclass
class Surroundings:
    """A `RealTime` that keeps what forbids entries."""

    problems: dict[str, str] = field(default_factory=dict)

    def quotes(self) -> Mapping[str, Quote]:
        return {}

    def fed_ms(self) -> int | None:
        return None

    def exchange(self) -> str:
        return "binanceusdm"

    def problem(self) -> str:
        return "; ".join(filter(None, self.problems.values()))

    def clock_offset_ms(self) -> float:
        return 0.0

    def external(self) -> tuple[ExternalOrderView, ...]:
        return ()

    def holds(self) -> str:
        return ""

    def report(self, part: str, problem: str) -> None:
        self.problems[part] = problem

    async def flatten_external(self, symbol: str) -> str:
        return ""


class Store(MemoryCandles):
    """Holds back whoever reads more than the newest bar until it is let; counts the bars it gave until then."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.waiting = asyncio.Event()
        self.given_before = 0

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        if to_ms - from_ms > MINUTE_MS and not self.let.is_set():
            self.waiting.set()
            await self.let.wait()
        columns = await super().bars(symbol, from_ms, to_ms)
        self.given_before += 0 if self.let.is_set() else len(columns.open_time_ms)
        return columns


class QuietVenue(KnowingVenue):
    def restore(self, *_: object) -> None:
        return None


def bar(symbol: str, minute: int) -> Bar:
    price = 100.0 + minute % 7
    return Bar(symbol, NOON_MS + minute * MINUTE_MS, MINUTE_MS, price, price, price, price, 1.0)


def expected(minute: int, symbol: str, first: int = -LOOKBACK) -> float:
    return sum(bar(symbol, n).open for n in range(first, minute + 1))


class House:
    """An engine over a store; `feed` is what the market tells it, a minute at a time."""

    def __init__(
        self, minutes: int, *, real: bool = True, late_ms: int = 0, records: Sequence[Record] | None = None
    ) -> None:
        self.store = Store()
        self.first = -LOOKBACK - 3
        for symbol in SYMBOLS:
            for minute in range(self.first, minutes):
                self.store.rows[symbol, NOON_MS + minute * MINUTE_MS] = bar(symbol, minute)
        self.minutes = minutes
        cursors = [CursorRecord(symbol, NOON_MS + (minutes - 1) * MINUTE_MS) for symbol in SYMBOLS]
        self.records = cursors if records is None else records
        rule = Rule(scan, 1, ())
        kinds = {"outputs": ONE, "source": rule, "lookback_bars": LOOKBACK, "lifecycle": None, "needed_bps": 1e12}
        self.trader = make_trader(strategy=kinds, instruments={symbol: INSTRUMENTS[symbol] for symbol in SYMBOLS})
        self.journal = Memory()
        self.market: asyncio.Queue[MarketBatch] = asyncio.Queue(100)
        self.around = Surroundings()
        self.attended = asyncio.Event()
        self.beside = asyncio.Event()
        self.found: StorageError | None = None
        self.real = real
        self.now_ms = NOON_MS + minutes * MINUTE_MS + 1_500 + late_ms

    async def __aenter__(self) -> House:
        self.engine = Engine(
            EngineParts(
                mode="live",
                source="test",
                trader=self.trader,
                venue=QuietVenue(),
                journal=self.journal,
                records=self.records,
                candles=self.store,
                forecasters={},
                feed=lambda point: self._feed(),
                clock=VirtualClock(self.now_ms),
                pacer=Pacer(None, None),
                logbook=Logbook(),
                start_ms=NOON_MS,
                trade_from_ms=NOON_MS,
                end_with_feed=False,
                publish_hz=100.0,
                reconcile=_agree,
                attendants=[self._attend],
                beside=[self._work_beside],
                real_time=self.around if self.real else None,
            )
        )
        self.running = asyncio.create_task(self.engine.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.store.let.set()
        self.engine.stop()
        await self.running

    async def tell(self, *symbols: str) -> None:
        """The next minute's bars of these, which are in the store before they are told."""
        bars = [bar(symbol, self.minutes) for symbol in symbols]
        await self.store.append(bars)
        self.minutes += 1
        await self.market.put(MarketBatch(bars[0].close_time_ms, tuple(bars)))
        cursors = {(each.symbol, each.open_time_ms) for each in bars}
        await self.comes(lambda: cursors <= self.taken(), "the bars in the journal")

    def taken(self) -> set[tuple[str, int]]:
        found = [record for record in self.journal.records if isinstance(record, CursorRecord)]
        return {(record.symbol, record.open_time_ms) for record in found}

    async def learned(self) -> None:
        self.store.let.set()
        await self.comes(lambda: self.engine._session.is_ready, "the past")
        await self.comes(lambda: not self.around.problem(), "that nothing forbids entries")

    async def comes(self, look: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            assert not self.running.done(), "the engine has ended"
            return look()

        await comes(looked, what)

    def state(self) -> str:
        return "" if self.engine.latest is None else self.engine.latest.status.state

    def said(self) -> dict[tuple[str, int], float | None]:
        """What the rule said, by symbol and minute."""
        found = [record.forecast for record in self.journal.records if isinstance(record, ForecastRecord)]
        return {(f.symbol, (f.bar_close_ms - NOON_MS) // MINUTE_MS - 1): f.values[0] for f in found}

    async def _attend(self, trader: Trader, stepper: Stepper) -> None:
        self.attended.set()

    async def _work_beside(self, trader: Trader, stepper: Stepper) -> None:
        self.beside.set()
        if self.found is not None:
            raise self.found

    async def _feed(self) -> AsyncIterator[MarketBatch]:
        while True:
            yield await self.market.get()


async def _agree(trader: Trader, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
    return []


async def test_attendants_and_the_market_wait_for_nothing_of_the_past() -> None:
    async with House(20) as house:
        await house.attended.wait()
        await house.store.waiting.wait()
        assert not house.engine._session.is_ready
        assert "the past" in house.around.problems
        await house.tell(*SYMBOLS)
        assert house.trader.state.symbols[BTC].mark == bar(BTC, 20).close
        assert house.said() == {}
        await house.comes(lambda: house.state() == "running", "a snapshot of it")
        await house.learned()


@pytest.mark.parametrize("minutes", [20, 2_000])
async def test_how_much_is_read_before_anything_acts_does_not_grow_with_the_account(minutes: int) -> None:
    async with House(minutes) as house:
        await house.store.waiting.wait()
        await house.attended.wait()
        assert house.store.given_before == len(SYMBOLS)


async def test_a_recorded_market_waits_for_its_past() -> None:
    async with House(20, real=False) as house:
        await house.attended.wait()
        await house.store.waiting.wait()
        assert house.engine._state == "recovering"
        await house.learned()
        await house.tell(*SYMBOLS)
        assert house.said()[BTC, 20] == expected(20, BTC)


async def test_what_the_market_told_meanwhile_is_learned_before_anything_is_said() -> None:
    async with House(20) as house:
        await house.store.waiting.wait()
        await house.tell(BTC)
        await house.tell(*SYMBOLS)
        await house.learned()
        await house.tell(*SYMBOLS)
        await house.comes(lambda: len(house.said()) == 2, "predictions")
        assert house.said()[BTC, 22] == expected(22, BTC)
        # Its bar of minute 20 never came; the last one of before has been shown although it was kept back to be asked.
        assert house.said()[ETH, 22] == expected(22, ETH) - bar(ETH, 20).open
        times = house.engine._session.histories[BTC].window(10_000, 2**60).open_time_ms
        assert list(np.diff(times)) == [MINUTE_MS] * (len(times) - 1)
        assert times[-1] == NOON_MS + 22 * MINUTE_MS


async def test_the_newest_bars_are_asked_about_where_nothing_came_behind_them() -> None:
    async with House(20) as house:
        await house.learned()
        await house.comes(lambda: len(house.said()) == 2, "predictions")
        assert house.said() == {(symbol, 19): expected(19, symbol) for symbol in SYMBOLS}


async def test_after_a_long_time_the_newest_bars_are_learned_and_not_asked_about() -> None:
    async with House(20, late_ms=3_600_000) as house:
        await house.learned()
        assert house.said() == {}
        house.minutes += 60
        await house.tell(*SYMBOLS)
        await house.comes(lambda: len(house.said()) == 2, "predictions")
        assert house.said() == {(symbol, 80): expected(19, symbol) + bar(symbol, 80).open for symbol in SYMBOLS}


async def test_a_past_of_many_pieces_is_shown_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.warm_up.PIECE_BARS", 7)
    assert PIECE_BARS > 7
    async with House(50) as house:
        await house.learned()
        await house.comes(lambda: len(house.said()) == 2, "predictions")
        assert house.said()[ETH, 49] == expected(49, ETH)


async def test_a_new_account_learns_its_warm_up() -> None:
    async with House(0, records=()) as house:
        await house.learned()
        assert house.said() == {}
        await house.tell(*SYMBOLS)
        await house.comes(lambda: len(house.said()) == 2, "predictions")
        assert house.said()[BTC, 0] == expected(0, BTC)


def with_a_position() -> Desk:
    """One whose stop is not known to rest."""
    desk = Desk(make_trader(instruments={symbol: INSTRUMENTS[symbol] for symbol in SYMBOLS}))
    desk.minute()
    desk.predict(20)
    desk.fill(desk.order(OrderRole.ENTRY))
    return desk


async def test_the_exits_of_a_trade_are_told_its_bars_those_that_came_meanwhile_included() -> None:
    exits = (trailing(1.0, from_pct=50.0), atr_stop(200, 1.0))
    held = Desk(make_trader(strategy={"policies": exits}, instruments={s: INSTRUMENTS[s] for s in SYMBOLS}))
    held.hold()
    again = make_trader(strategy={"policies": exits}, instruments={s: INSTRUMENTS[s] for s in SYMBOLS})
    restore(again, held.records)
    house = House(20)
    house.trader = again
    async with house:
        await house.store.waiting.wait()
        await house.tell(*SYMBOLS)
        assert again.lacks_bars(BTC)
        await house.learned()
        await house.tell(*SYMBOLS)
        assert not again.lacks_bars(BTC)
    told = PolicyMemory(exits, 1)
    entered = held.now_ms // MINUTE_MS - NOON_MS // MINUTE_MS
    for minute in range(entered, 22):
        told.see(candle(bar(BTC, minute)))
    watched = again._first.policies._watched[BTC, again.strategy.name]
    assert [state.tolist() for state in watched.memory.states()] == [state.tolist() for state in told.states()]


async def test_what_no_position_waits_for_begins_once_what_is_held_is_protected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.engine.engine._GIVES_WAY_LOOKS", 10**9)
    desk = with_a_position()
    house = House(20)
    house.trader = desk.trader
    async with house:
        await house.attended.wait()
        await house.comes(lambda: house.state() == "running", "a snapshot of it")
        assert not house.beside.is_set()
        assert not house.store.waiting.is_set()
        desk.accept(desk.order(OrderRole.STOP))
        await house.beside.wait()
        await house.store.waiting.wait()


async def test_it_does_not_wait_for_ever_for_what_cannot_be_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.engine._GIVES_WAY_S", 0.0)
    desk = with_a_position()
    house = House(20)
    house.trader = desk.trader
    async with house:
        await house.beside.wait()
        assert not desk.trader.state.symbols[BTC].is_covered()


async def test_damage_that_is_found_beside_ends_the_engine() -> None:
    house = House(20)
    house.found = StorageError("quarterdeck.db: is damaged")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with house:
            await house.running
    assert first_cause(caught.value) is house.found
