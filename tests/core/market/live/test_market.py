"""The live market against an exchange in memory, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from core.domain.errors import UnavailableError, VenueRejectedError
from core.domain.market import Bar, FirstPrice, FundingRate, MarketBatch, Quote
from core.market.live.market import HEALTH_PART, LiveMarket
from core.market.replay.resuming import ResumePoint
from core.settings.schema import Settings, parse_settings
from tests.core.market.live.fake_exchange import MINUTE, T0, FakeExchange, LoopClock
from tests.core.market.memory_store import MemoryCandles
from tests.core.market.virtual_loop import run_virtual

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
NOWHERE = ResumePoint({}, {})


class Scene:
    """One run: `given` has every batch with the exchange's time at which it came."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.exchange = FakeExchange(SYMBOLS)
        self.store = MemoryCandles()
        self.settings = settings or parse_settings({"mode": "paper"}, "test")
        self.given: list[tuple[int, MarketBatch]] = []
        self.problems: list[tuple[int, str]] = []
        self.of_symbol: dict[str, list[tuple[int, str]]] = {symbol: [] for symbol in SYMBOLS}
        self.market: LiveMarket | None = None

    def play(
        self,
        minutes: float,
        script: dict[float, Callable[[], None]] | None = None,
        point: ResumePoint = NOWHERE,
        start_s: float = 30.0,
    ) -> None:
        """Run the exchange from T0 on and the market from `start_s` on; `script` acts at its seconds after T0."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            publishing = asyncio.ensure_future(self.exchange.run())
            for second, act in (script or {}).items():
                loop.call_at(second, act)
            await asyncio.sleep(start_s)
            self.market = LiveMarket(self.exchange, self.store, SYMBOLS, self.settings)
            tasks = [asyncio.ensure_future(job) for job in (self.market.run(), self._consume(point), self._look())]
            done, _ = await asyncio.wait([publishing, *tasks], timeout=minutes * 60 - start_s)
            for task in (publishing, *tasks):
                task.cancel()
            await asyncio.gather(publishing, *tasks, return_exceptions=True)
            for task in done:
                task.result()

        run_virtual(main())

    async def _consume(self, point: ResumePoint) -> None:
        assert self.market is not None
        async for batch in self.market.batches(point):
            self.given.append((LoopClock().now_ms(), batch))

    async def _look(self) -> None:
        while True:
            for symbol, told in (("", self.problems), *self.of_symbol.items()):
                problem = self.exchange.health.problem(symbol)
                if not told or told[-1][1] != problem:
                    told.append((self.exchange.clock.now_ms(), problem))
            self.exchange.health.changed.clear()
            await self.exchange.health.changed.wait()

    def bars(self, symbol: str | None = None) -> list[Bar]:
        return [e for _, b in self.given for e in b.events if isinstance(e, Bar) and symbol in (None, e.symbol)]

    def firsts(self, symbol: str) -> list[FirstPrice]:
        return [e for _, b in self.given for e in b.events if isinstance(e, FirstPrice) and e.symbol == symbol]

    def minute_batches(self) -> list[tuple[int, MarketBatch]]:
        return [(now_ms, batch) for now_ms, batch in self.given if not isinstance(batch.events[0], Quote)]

    def check_whole(self, minutes: range, symbols: tuple[str, ...] = SYMBOLS) -> None:
        """Every bar of those minutes was given once, in order, closed, with the exchange's final values, and stored."""
        for symbol in symbols:
            truth = [self.exchange.final(symbol, T0 + minute * MINUTE) for minute in minutes]
            assert self.bars(symbol) == truth
            assert [self.store.rows[symbol, bar.open_time_ms] for bar in truth] == truth
        for now_ms, batch in self.given:
            for event in batch.events:
                if isinstance(event, Bar):
                    assert event.close_time_ms <= now_ms
                    assert batch.due_ms == event.close_time_ms
                if isinstance(event, FirstPrice):
                    assert event.price == self.exchange.final(event.symbol, event.open_time_ms).open
                    assert batch.due_ms == event.time_ms == event.open_time_ms + 1_000
                    assert now_ms >= event.time_ms


def live_problems(scene: Scene, symbol: str = "") -> list[str]:
    return [text for _, text in (scene.of_symbol[symbol] if symbol else scene.problems) if text]


def test_minutes_come_as_the_recorded_market_has_them() -> None:
    scene = Scene()
    scene.play(minutes=4.5)
    scene.check_whole(range(4))
    told = [(now_ms - T0, [type(e).__name__ + e.symbol[0] for e in b.events]) for now_ms, b in scene.minute_batches()]
    bars, firsts = ["BarB", "BarE", "BarX"], ["FirstPriceB", "FirstPriceE", "FirstPriceX"]
    assert told[0][1] == firsts
    assert told[1:] == [
        (minute * MINUTE + at_ms, names) for minute in range(1, 5) for at_ms, names in ((40, bars), (1_000, firsts))
    ]
    assert [batch.trading for _, batch in scene.minute_batches()] == [False] + 8 * [True]
    assert scene.exchange.health.problem() == ""
    assert scene.exchange.openings == 3


def test_quotes_come_at_most_twice_a_second_and_only_news() -> None:
    scene = Scene()
    scene.play(minutes=2)
    quotes = [(now_ms, batch) for now_ms, batch in scene.given if isinstance(batch.events[0], Quote)]
    times = [now_ms for now_ms, _ in quotes]
    assert 80 < len(quotes) < 180
    assert all(later - earlier >= 500 for earlier, later in pairwise(times))
    assert all(batch.due_ms == now_ms for now_ms, batch in quotes)
    told = [event for _, batch in quotes for event in batch.events]
    assert len(set(told)) == len(told)
    assert scene.market is not None
    assert scene.market.fed_ms() in range(T0 + 119_000, T0 + 120_001)
    assert scene.market.mark_prices["BTCUSDT"].time_ms >= T0 + 118_000


def test_a_candle_without_its_closing_frame_is_read_by_rest() -> None:
    scene = Scene()
    scene.exchange.drop = lambda url, message: url == "candles" and message["k"]["x"] and message["s"] == "ETHUSDT"
    scene.play(minutes=3.5)
    scene.check_whole(range(3))
    reads = [at_ms for at_ms, method, name in scene.exchange.reads if method == "fetch_ohlcv" and at_ms > T0 + 40_000]
    assert len(reads) == 3
    came = [now_ms - T0 for now_ms, batch in scene.minute_batches() if isinstance(batch.events[0], Bar)]
    assert came == [61_100, 121_100, 181_100]


def test_a_late_symbol_comes_after_the_grace_in_a_batch_of_its_own() -> None:
    scene = Scene()
    scene.exchange.drop = lambda url, message: url == "candles" and message["s"] == "ETHUSDT"
    loses = {"down": False}
    read = scene.exchange.read

    async def read_late(method: str, *args: object, **kwargs: object) -> object:
        if method == "fetch_ohlcv" and args[0] == "ETH/USDT:USDT" and loses["down"]:
            raise_down()
        return await read(method, *args)

    scene.exchange.read = read_late  # type: ignore[method-assign]
    scene.play(minutes=3.2, script={50: lambda: loses.update(down=True), 70: lambda: loses.update(down=False)})
    scene.check_whole(range(3))
    minute = [(now_ms - T0, b) for now_ms, b in scene.minute_batches() if b.due_ms == T0 + MINUTE]
    assert minute[0][0] == 62_000
    assert [event.symbol for event in minute[0][1].events] == ["BTCUSDT", "XRPUSDT"]
    assert [event.symbol for event in minute[1][1].events] == ["ETHUSDT"]
    assert 70_000 <= minute[1][0] <= 75_000
    assert minute[1][1].trading
    firsts = [now_ms - T0 for now_ms, b in scene.minute_batches() if b.due_ms == T0 + MINUTE + 1_000]
    assert firsts[0] == 62_000
    assert firsts[1] >= minute[1][0]


def raise_down() -> None:
    raise UnavailableError("no answer")


def test_frames_that_come_twice_or_late_change_nothing() -> None:
    scene = Scene()
    scene.exchange.times = 2
    # A closing frame comes after the first frames of its successor.
    scene.exchange.delay_s = lambda url, message: 2.5 if url == "candles" and message["k"]["x"] else 0.1
    scene.play(minutes=4.5)
    scene.check_whole(range(4))


def test_without_a_closing_sign_a_bar_is_taken_from_rest_once_its_successor_shows() -> None:
    scene = Scene()
    scene.exchange.closing_sign = False
    scene.play(minutes=3.5)
    scene.check_whole(range(3))
    came = [now_ms - T0 for now_ms, batch in scene.minute_batches() if isinstance(batch.events[0], Bar)]
    assert came == [61_100, 121_100, 181_100]


def test_ten_minutes_without_any_stream_leave_no_hole() -> None:
    scene = Scene()

    def cut() -> None:
        scene.exchange.refuses = True
        scene.exchange.is_down = True
        scene.exchange.cut_streams()

    def restore() -> None:
        scene.exchange.refuses = False
        scene.exchange.is_down = False

    scene.play(minutes=16.5, script={125: cut, 725: restore})
    scene.check_whole(range(16))
    assert any("candles: ConnectionError" in problem for problem in live_problems(scene))
    assert scene.exchange.health.problem() == ""
    old = [batch for now_ms, batch in scene.minute_batches() if now_ms - batch.due_ms > 15_000]
    assert len(old) > 10
    assert not any(batch.trading for batch in old)


def test_streams_cut_while_rest_answers_cost_no_minute() -> None:
    scene = Scene()

    def cut() -> None:
        scene.exchange.refuses = True
        scene.exchange.cut_streams()

    scene.play(minutes=13.5, script={125: cut, 725: lambda: setattr(scene.exchange, "refuses", False)})
    scene.check_whole(range(13))
    late = [now_ms - batch.due_ms for now_ms, batch in scene.minute_batches() if isinstance(batch.events[0], Bar)]
    assert max(late) <= 2_500


def test_a_silent_stall_is_noticed_cut_and_opened_again() -> None:
    scene = Scene()
    scene.play(minutes=3.5, script={70: lambda: scene.exchange.stall("candles")})
    scene.check_whole(range(3))
    assert scene.exchange.openings == 4
    assert any("candles: no news for" in problem for problem in live_problems(scene))
    assert scene.exchange.health.problem() == ""
    ended = next(at_ms for at_ms, problem in scene.problems if not problem and at_ms > T0 + 75_000)
    assert ended - T0 < 90_000


def test_a_stalled_stream_of_quotes_makes_the_market_stale_and_a_quiet_one_does_not() -> None:
    scene = Scene()
    scene.play(minutes=3, script={70: lambda: scene.exchange.stall("marks")})
    assert scene.exchange.openings == 4
    assert live_problems(scene) == ["market stream: candles: not opened yet"]
    scene = Scene()
    quiet = {"now": False}
    scene.exchange.drop = lambda url, message: url == "quotes" and quiet["now"]
    scene.play(minutes=3, script={70: lambda: quiet.update(now=True)})
    assert scene.exchange.openings == 3
    assert live_problems(scene) == ["market stream: candles: not opened yet"]


def test_rest_that_is_down_at_the_close_is_asked_again() -> None:
    scene = Scene()
    scene.exchange.drop = lambda url, message: url == "candles" and message["k"]["x"]
    script = {
        58: lambda: setattr(scene.exchange, "is_down", True),
        78: lambda: setattr(scene.exchange, "is_down", False),
    }
    scene.play(minutes=3.5, script=script)
    scene.check_whole(range(3))
    first = next((now_ms, batch) for now_ms, batch in scene.minute_batches() if batch.due_ms == T0 + MINUTE)
    assert first[0] >= T0 + 78_000
    assert not first[1].trading
    assert any("without the bar of" in problem for problem in live_problems(scene))
    assert scene.exchange.health.problem() == ""


def test_the_market_goes_on_behind_a_resume_point() -> None:
    scene = Scene()
    reached = ResumePoint(
        dict.fromkeys(SYMBOLS, T0 + MINUTE),
        {"BTCUSDT": T0 + 2 * MINUTE, "ETHUSDT": T0 + 2 * MINUTE, "XRPUSDT": T0 + MINUTE},
    )
    scene.play(minutes=8.5, point=reached, start_s=330.0)
    scene.check_whole(range(2, 8))
    assert [(first.open_time_ms - T0) // MINUTE for first in scene.firsts("BTCUSDT")] == [3, 4, 5, 6, 7, 8]
    assert [(first.open_time_ms - T0) // MINUTE for first in scene.firsts("XRPUSDT")] == [2, 3, 4, 5, 6, 7, 8]
    dues = [batch.due_ms for _, batch in scene.minute_batches()]
    assert dues == sorted(dues)
    assert [batch.trading for _, batch in scene.minute_batches() if batch.due_ms <= T0 + 5 * MINUTE] == 6 * [False]


def test_minutes_that_the_exchange_leaves_out_are_told_and_not_invented(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.exchange.absent["ETHUSDT"] = {T0 + 2 * MINUTE, T0 + 3 * MINUTE}
    with caplog.at_level(logging.WARNING):
        scene.play(minutes=6.5)
    assert [(bar.open_time_ms - T0) // MINUTE for bar in scene.bars("ETHUSDT")] == [0, 1, 4, 5]
    assert [(first.open_time_ms - T0) // MINUTE for first in scene.firsts("ETHUSDT")] == [0, 1, 4, 5, 6]
    scene.check_whole(range(6), ("BTCUSDT", "XRPUSDT"))
    assert "ETHUSDT: the exchange has no bars from" in caplog.text
    assert any("without the bar of" in problem for problem in live_problems(scene, "ETHUSDT"))
    assert not any("without the bar of" in problem for problem in live_problems(scene))
    assert scene.exchange.health.problem("ETHUSDT") == scene.exchange.health.problem() == ""


def test_a_contract_that_falls_silent_stops_itself_and_no_other() -> None:
    scene = Scene()
    scene.exchange.absent["ETHUSDT"] = {T0 + minute * MINUTE for minute in range(2, 60)}
    scene.play(minutes=8.5)
    scene.check_whole(range(8), ("BTCUSDT", "XRPUSDT"))
    assert all(batch.trading for _, batch in scene.minute_batches() if batch.due_ms > T0 + MINUTE)
    assert [(bar.open_time_ms - T0) // MINUTE for bar in scene.bars("ETHUSDT")] == [0, 1]
    assert live_problems(scene) == ["market stream: candles: not opened yet"]
    (problem,) = live_problems(scene, "ETHUSDT")
    assert problem.startswith("market stream: without the bar of ")
    told_ms = scene.of_symbol["ETHUSDT"][-1][0]
    assert T0 + 3 * MINUTE < told_ms < T0 + 3 * MINUTE + 25_000


def test_a_market_that_falls_silent_altogether_stops_the_account() -> None:
    scene = Scene()
    for symbol in SYMBOLS:
        scene.exchange.absent[symbol] = {T0 + minute * MINUTE for minute in range(2, 60)}
    scene.play(minutes=5.5)
    assert any("and 2 more symbols without the bar of" in problem for problem in live_problems(scene))
    assert [live_problems(scene, symbol) for symbol in SYMBOLS] == [[], [], []]


def test_a_contract_whose_past_is_refused_keeps_no_other_from_beginning(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    read, back = scene.exchange.read, {"now": False}

    async def refuse(method: str, *args: object, **kwargs: int) -> object:
        if method == "fetch_ohlcv" and args[0] == "ETH/USDT:USDT" and not back["now"]:
            raise VenueRejectedError("invalid symbol")
        return await read(method, *args, **kwargs)

    scene.exchange.read = refuse  # type: ignore[method-assign, assignment]
    scene.exchange.drop = lambda url, message: message["s"] == "ETHUSDT" and not back["now"]
    reached = ResumePoint(dict.fromkeys(SYMBOLS, T0), dict.fromkeys(SYMBOLS, T0 + MINUTE))
    scene.play(minutes=12.5, script={480: lambda: back.update(now=True)}, point=reached, start_s=330.0)
    scene.check_whole(range(1, 12))
    assert "ETHUSDT: the bars since the last run are refused, it is not entered: invalid symbol" in caplog.text
    assert any("without the bar of" in problem for problem in live_problems(scene, "ETHUSDT"))
    assert live_problems(scene) == ["market stream: candles: not opened yet"]
    assert scene.exchange.health.problem("ETHUSDT") == ""


def test_a_minute_without_trades_comes_as_the_exchange_has_it() -> None:
    scene = Scene()
    scene.exchange.idle = {("XRPUSDT", T0 + 2 * MINUTE)}
    scene.play(minutes=5.5)
    assert [bar.volume for bar in scene.bars("XRPUSDT")] == [30.0, 30.0, 0.0, 30.0, 30.0]
    assert [(first.open_time_ms - T0) // MINUTE for first in scene.firsts("XRPUSDT")] == [0, 1, 2, 3, 4, 5]
    scene.check_whole(range(5), ("BTCUSDT", "ETHUSDT"))


def test_funding_comes_before_the_first_prices_of_its_minute_on_paper() -> None:
    scene = Scene()
    at_ms = T0 + 60 * MINUTE
    scene.exchange.next_funding_ms = at_ms
    scene.exchange.funded = [(symbol, at_ms + 3) for symbol in SYMBOLS]
    scene.play(minutes=61.5, start_s=3_500.0)
    kinds = [
        (type(batch.events[0]), now_ms - at_ms)
        for now_ms, batch in scene.minute_batches()
        if at_ms <= batch.due_ms < at_ms + MINUTE
    ]
    assert [kind for kind, _ in kinds] == [Bar, FundingRate, FundingRate, FundingRate, FirstPrice]
    assert 3_000 <= kinds[1][1] <= kinds[-1][1] <= 6_000
    rates = [e for _, b in scene.given for e in b.events if isinstance(e, FundingRate)]
    assert rates == [FundingRate(symbol, at_ms + 3, Decimal("0.00010000"), Decimal("101.5")) for symbol in SYMBOLS]


def test_first_prices_wait_for_late_funding_only_so_long() -> None:
    scene = Scene()
    at_ms = T0 + 60 * MINUTE
    scene.exchange.next_funding_ms = at_ms
    scene.play(
        minutes=61.5,
        start_s=3_500.0,
        script={3_630: lambda: scene.exchange.funded.extend((symbol, at_ms) for symbol in SYMBOLS)},
    )
    told = [
        (type(b.events[0]), now_ms - at_ms)
        for now_ms, b in scene.minute_batches()
        if b.due_ms // MINUTE == at_ms // MINUTE
    ]
    assert told[:2] == [(Bar, 40), (FirstPrice, 10_000)]
    assert [kind for kind, _ in told[2:]] == 3 * [FundingRate]


def test_frames_that_cannot_be_read_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    bad = [
        {"e": "kline", "E": T0, "s": "BTCUSDT"},
        {"e": "kline", "E": T0, "s": "BTCUSDT", "k": {"t": T0 + MINUTE, "s": "BTCUSDT", "i": "1m", "x": True,
                                                     "o": "abc", "h": 1, "l": 1, "c": 1, "v": 1}},
        {"e": "kline", "E": T0, "s": "BTCUSDT", "k": {"t": T0 + MINUTE, "s": "BTCUSDT", "i": "1m", "x": True,
                                                     "o": 1.0, "h": 0.5, "l": 2.0, "c": 1.0, "v": 1.0}},
    ]  # fmt: skip
    script = {
        90.5 + at: (lambda frame=frame: scene.exchange.client.deliver("candles", frame)) for at, frame in enumerate(bad)
    }
    scene.play(minutes=3.5, script=script)
    scene.check_whole(range(3))
    assert caplog.text.count("a candle frame that cannot be read was left out") == 3


def test_a_bar_that_the_exchange_changes_afterwards_is_kept_and_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    row = scene.exchange.row("BTCUSDT", T0, T0 + MINUTE)
    assert row is not None
    kline = {"t": T0, "s": "BTCUSDT", "i": "1m", "x": True, **dict(zip("ohlcv", [*row[1:5], 99.0], strict=True))}
    again = {"e": "kline", "E": T0 + 60_500, "s": "BTCUSDT", "k": kline}
    scene.play(minutes=2.5, script={60.5: lambda: scene.exchange.client.deliver("candles", again)})
    scene.check_whole(range(2))
    assert "BTCUSDT: the exchange changed its bar" in caplog.text


def test_what_is_given_is_the_bar_that_the_store_keeps() -> None:
    """It was stored by an engine that ended before it was decided on, and is told with other digits since."""
    scene = Scene()
    before = scene.store.append

    async def append(bars: Sequence[Bar]) -> Sequence[Bar]:
        return [replace(bar, volume=bar.volume + 1.0) for bar in await before(bars)]

    scene.store.append = append  # type: ignore[method-assign]
    scene.play(minutes=2.5)
    given = [event for _, batch in scene.minute_batches() for event in batch.events if isinstance(event, Bar)]
    assert given
    stored = scene.store.rows
    assert all(bar.volume == stored[bar.symbol, bar.open_time_ms].volume + 1.0 for bar in given)


def test_back_fill_stores_every_closed_bar_and_never_the_open_one() -> None:
    scene = Scene()

    async def main() -> None:
        await asyncio.sleep(30 * 60 + 1)
        scene.exchange.funded = [("BTCUSDT", T0 + 4 * MINUTE)]
        await scene.store.append([scene.exchange.final("BTCUSDT", T0 + minute * MINUTE) for minute in (3, 4, 9)])
        market = LiveMarket(scene.exchange, scene.store, SYMBOLS, scene.settings)
        await market.back_fill({"BTCUSDT": T0, "ETHUSDT": T0 + 10 * MINUTE})

    run_virtual(main())
    opens = {symbol: sorted(at for name, at in scene.store.rows if name == symbol) for symbol in SYMBOLS}
    assert opens["BTCUSDT"] == [T0 + minute * MINUTE for minute in range(30)]
    assert opens["ETHUSDT"] == [T0 + minute * MINUTE for minute in range(10, 30)]
    assert all(bar == scene.exchange.final(*key) for key, bar in scene.store.rows.items())
    assert list(scene.store.rates) == [("BTCUSDT", T0 + 4 * MINUTE)]
    assert HEALTH_PART == "market stream"


@pytest.mark.parametrize("wrong_ms", [8_000, -8_000])
def test_a_clock_that_jumps_at_the_close_makes_no_open_bar_closed(wrong_ms: int) -> None:
    scene = Scene()
    scene.exchange.drop = lambda url, message: url == "candles" and message["k"]["x"]
    clock = scene.exchange.clock
    script = {
        52.0: lambda: setattr(clock, "offset_ms", wrong_ms),
        90.0: lambda: setattr(clock, "offset_ms", 0),
        111.0: lambda: setattr(clock, "offset_ms", wrong_ms),
    }
    scene.play(minutes=4.5, script=script)
    assert scene.bars("BTCUSDT") == [scene.exchange.final("BTCUSDT", T0 + minute * MINUTE) for minute in range(4)]
    assert all(e.close_time_ms <= now_ms for now_ms, b in scene.given for e in b.events if isinstance(e, Bar))
