"""What is given of candles, for any order in which frames and REST answers arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, MarketBatch
from core.market.live.bars import FRESH_MS, LiveBars
from core.market.live.rows import bars_of
from tests.core.market.live.fake_exchange import T0

SYMBOLS = ("A", "B", "C")
GRACE_MS, DELAY_MS = 2_000, 1_000
MINUTES = 4
END_MS = T0 + MINUTES * MINUTE_MS


def candle(symbol: str, open_ms: int, until_ms: int) -> list[Any] | None:
    """The candle of one trade every 7 s as of `until_ms`."""
    prices = [
        100.0 + ((at_ms // 7_000) * 31 + ord(symbol)) % 17
        for at_ms in range(open_ms, min(until_ms, open_ms + MINUTE_MS), 7_000)
    ]
    if not prices:
        return None
    return [open_ms, prices[0], max(prices), min(prices), prices[-1], float(len(prices))]


def bar(symbol: str, open_ms: int, until_ms: int = 2**62) -> Bar:
    row = candle(symbol, open_ms, until_ms)
    assert row is not None
    return Bar(symbol, open_ms, MINUTE_MS, *row[1:])


@dataclass
class Desk:
    """Drives LiveBars through a list of happenings in the order of time, and REST reads as it wants them."""

    bars: LiveBars
    chance: Random
    given: list[tuple[int, MarketBatch]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    order: Iterator[int] = field(default_factory=count)
    woken: set[int] = field(default_factory=set)
    queue: list[tuple[int, int, Any]] = field(default_factory=list)

    def at(self, time_ms: int, action: Any) -> None:
        heapq.heappush(self.queue, (time_ms, next(self.order), action))

    def run(self, until_ms: int) -> None:
        while self.queue and self.queue[0][0] <= until_ms:
            now_ms, _, action = heapq.heappop(self.queue)
            action(now_ms)
            while (batch := self.bars.due(now_ms)) is not None:
                self.given.append((now_ms, batch))
            for symbol, from_ms in self.bars.wanted(now_ms, first_prices=False):
                if self.asked.get(symbol, 0) <= now_ms:
                    self.asked[symbol] = now_ms + 1_500
                    self._read(symbol, from_ms, now_ms)
            wake_ms = self.bars.wake_ms(now_ms)
            if wake_ms not in self.woken:
                self.woken.add(wake_ms)
                self.at(wake_ms, lambda now_ms: None)

    def _read(self, symbol: str, from_ms: int, asked_ms: int) -> None:
        if self.chance.random() < 0.3:
            self.at(asked_ms + 1_600, lambda now_ms: None)
            return
        served_ms = asked_ms + self.chance.randint(1, 900)
        opens = range(from_ms, served_ms + 1, MINUTE_MS)
        rows = [row for open_ms in opens if (row := candle(symbol, open_ms, served_ms)) is not None]

        def answer(now_ms: int) -> None:
            closed, still_open = bars_of(symbol, rows, None, MINUTE_MS)
            for found in closed:
                self.bars.closed(found)
            if still_open is not None:
                self.bars.opened(still_open, now_ms)

        self.at(served_ms + self.chance.randint(1, 900), answer)
        self.at(asked_ms + 1_600, lambda now_ms: None)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_the_bars_given_are_the_final_ones_each_once_and_in_order(seed: int) -> None:
    chance = Random(seed)
    desk = Desk(LiveBars(SYMBOLS, GRACE_MS, DELAY_MS, MINUTE_MS), chance)
    for symbol in SYMBOLS:
        desk.bars.begin(symbol, T0, T0)
        sends_closing = chance.random() < 0.7
        for sent_ms in range(T0 + 1_000, END_MS, chance.choice([6_000, 9_000, 20_000])):
            frame = bar(symbol, sent_ms - sent_ms % MINUTE_MS, sent_ms)
            for _ in range(chance.randint(0, 2)):
                at_ms = sent_ms + chance.randint(0, 3_000)
                desk.at(at_ms, lambda now_ms, frame=frame: desk.bars.opened(frame, now_ms))
        for minute in range(MINUTES if sends_closing else 0):
            final = bar(symbol, T0 + minute * MINUTE_MS)
            for _ in range(chance.randint(0, 2)):
                at_ms = final.close_time_ms + chance.randint(0, 3_000)
                desk.at(at_ms, lambda now_ms, final=final: desk.bars.closed(final))
    desk.at(T0, lambda now_ms: None)
    desk.run(END_MS + 55_000)

    for symbol in SYMBOLS:
        bars = [(now, e) for now, b in desk.given for e in b.events if isinstance(e, Bar) and e.symbol == symbol]
        assert [event for _, event in bars] == [bar(symbol, T0 + minute * MINUTE_MS) for minute in range(MINUTES)]
        assert all(event.close_time_ms <= now_ms for now_ms, event in bars)
        firsts = [
            (now, e) for now, b in desk.given for e in b.events if isinstance(e, FirstPrice) and e.symbol == symbol
        ]
        assert [e.open_time_ms for _, e in firsts][:MINUTES] == [T0 + minute * MINUTE_MS for minute in range(MINUTES)]
        assert all(event.time_ms <= now_ms for now_ms, event in firsts)
        assert all(event.price == bar(symbol, event.open_time_ms).open for _, event in firsts)
        keys = [batch.due_ms for _, batch in desk.given if any(e.symbol == symbol for e in batch.events)]
        assert keys == sorted(keys)
    for now_ms, batch in desk.given:
        assert batch.trading == (now_ms - batch.due_ms <= FRESH_MS)
        assert [e.symbol for e in batch.events] == sorted(e.symbol for e in batch.events)


def filled(*, minutes: int = 2) -> LiveBars:
    bars = LiveBars(SYMBOLS, GRACE_MS, DELAY_MS, MINUTE_MS)
    for symbol in SYMBOLS:
        bars.begin(symbol, T0, T0 + MINUTE_MS)
        for minute in range(minutes):
            bars.closed(bar(symbol, T0 + minute * MINUTE_MS))
    return bars


def test_nothing_is_due_before_its_symbol_began() -> None:
    bars = LiveBars(SYMBOLS, GRACE_MS, DELAY_MS, MINUTE_MS)
    bars.closed(bar("A", T0))
    assert bars.due(END_MS) is None
    assert bars.wanted(END_MS, first_prices=True) == []
    assert bars.missing(END_MS) == {}
    bars.begin("A", T0, T0)
    batch = bars.due(END_MS)
    assert batch is not None
    assert [type(event) for event in batch.events] == [FirstPrice]


def test_what_waited_is_given_in_the_order_of_the_recorded_market() -> None:
    bars = filled()
    rate = FundingRate("B", T0 + MINUTE_MS + 4, Decimal("0.0001"), Decimal(100))
    bars.settled([rate])
    told = []
    while (batch := bars.due(T0 + 3 * MINUTE_MS)) is not None:
        told.append((batch.due_ms - T0, type(batch.events[0]).__name__, len(batch.events)))
    assert told == [
        (60_000, "Bar", 3),
        (60_000, "FundingRate", 1),
        (61_000, "FirstPrice", 3),
        (120_000, "Bar", 3),
    ]


def test_a_missing_minute_is_left_out_only_when_something_follows_it() -> None:
    bars = LiveBars(("A",), GRACE_MS, DELAY_MS, MINUTE_MS)
    bars.begin("A", T0, T0)
    assert bars.skip("A") is None
    bars.closed(bar("A", T0 + 3 * MINUTE_MS))
    assert list(bars.missing(T0 + 4 * MINUTE_MS)) == ["A"]
    assert bars.skip("A") == (T0, T0 + 3 * MINUTE_MS)
    assert bars.missing(T0 + 4 * MINUTE_MS) == {}


def test_waking_times_lie_ahead() -> None:
    bars = filled()
    now_ms = T0
    for _ in range(50):
        later_ms = bars.wake_ms(now_ms)
        assert later_ms > now_ms
        now_ms = later_ms
