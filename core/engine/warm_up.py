"""What signals and exits need of the market's past, read beside an engine that protects what it holds already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

import numpy as np

from core.domain.forecast import MARKET, Forecast
from core.domain.market import Bar
from core.engine.session import Session
from core.market.history import bar_at
from core.market.seeing import see, streams_of
from core.market.streams import stream
from core.ports import BarColumns, CandleStore, ForecastStore, ObservationColumns, ObservationStore
from core.strategy.chain import Spoken
from core.strategy.decision import vector
from core.strategy.declaration import Part, needed_bars
from core.strategy.rules import Floats
from core.strategy.said import Times

Aside = Callable[[Callable[[], None]], Awaitable[None]]
"""Does a piece of work where it keeps nobody waiting, and returns when it is done."""

PIECE_BARS = 16_384
"""So many bars of a symbol at a time are read, and shown to a rule."""


class Past:
    """Fills the histories of a session and shows its rules every bar since the account's warm-up, the same at each
    start. What the market tells meanwhile is stored before it is told, and is read from there, too.

    Rules are shown their bars by way of `aside`, for what they are compiled with may have to be loaded first.
    What a part with inputs saw comes from the `observations` told up to `now_ms()`, what others were told by parts that
    speak by models from the `forecasts` of before. `opened_ms` is where the account's
    market began, `reached_ms` by symbol where what was taken in ends: the open time
    of the first bar behind it. `newest` are the newest bars of a journal that is resumed, none otherwise.
    """

    def __init__(
        self,
        session: Session,
        candles: CandleStore,
        observations: ObservationStore | None,
        forecasts: ForecastStore | None,
        now_ms: Callable[[], int],
        opened_ms: int,
        reached_ms: Mapping[str, int],
        newest: Sequence[Bar],
        aside: Aside,
    ) -> None:
        self._session = session
        self._candles = candles
        self._observations = observations
        self._forecasts = forecasts
        self._now_ms = now_ms
        self._aside = aside
        self._step_ms = session.interval_ms
        self._reached_ms = reached_ms
        strategy, rules = session.trader.strategy, session.parts.rules
        needed = {one.name: needed_bars(strategy, one, self._step_ms) for one in strategy.parts if one.name in rules}
        self._first_ms = {name: opened_ms - bars * self._step_ms for name, bars in needed.items()}
        """By part, from which bar on its rule is shown them."""
        newest_ms = max(reached_ms.values(), default=opened_ms)
        remembered_ms = max(opened_ms, newest_ms - session.capacity * self._step_ms)
        self._taught_ms = dict.fromkeys(session.histories, min(self._first_ms.values(), default=remembered_ms))
        self._spoken: dict[str, Spoken] = {}
        self._of_market: dict[str, tuple[Times, Floats]] = {}
        self._market_ms = min(self._taught_ms.values(), default=0)
        self._read_ms = dict.fromkeys(session.histories, -1)
        last_ms = max((bar.open_time_ms for bar in newest), default=-1)
        self._last = {bar.symbol: bar for bar in newest if bar.open_time_ms == last_ms}

    async def learn(self) -> list[Bar]:
        """Read all of it. When this returns nothing is missing, so the session can be told the market itself.

        Returns the bars of the newest instant where the market told nothing behind them: rules have not seen these, for
        they may be asked about them still.
        """
        await self._hear()
        while behind := [symbol for symbol in self._session.histories if self._is_behind(symbol)]:
            ends_ms = {symbol: self._lesson_ends_ms(symbol) for symbol in self._session.histories}
            await self._teach_market(max(ends_ms.values()))
            for symbol in behind:
                await self._read(symbol)
                await self._teach(symbol, ends_ms[symbol])
        await self._recall()
        return self._unseen()

    async def _recall(self) -> None:
        """Tell the exits of every trade that is held its bars again, those that the market told meanwhile included."""
        trader, step_ms = self._session.trader, self._step_ms
        for symbol in filter(trader.lacks_bars, self._session.histories):
            s = trader.state.symbols[symbol]
            trade = s.oldest_trade()
            begin_ms = trade.entry_time_ms // step_ms * step_ms if trade is not None else 0
            bars: list[Bar] = []
            while begin_ms < (end_ms := s.bar_close_ms):
                async for columns in self._pieces(symbol, begin_ms, end_ms):
                    bars += (bar_at(columns, row) for row in range(len(columns.open_time_ms)))
                begin_ms = end_ms
            trader.recall_bars(symbol, bars)

    def _unseen(self) -> list[Bar]:
        return [] if self._session.told_ms else list(self._last.values())

    def _end_ms(self, symbol: str) -> int:
        told_ms = self._session.told_ms.get(symbol)
        return self._reached_ms[symbol] if told_ms is None else told_ms + self._step_ms

    def _lesson_ends_ms(self, symbol: str) -> int:
        is_unseen = symbol in self._last and not self._session.told_ms
        return self._last[symbol].open_time_ms if is_unseen else self._end_ms(symbol)

    def _is_behind(self, symbol: str) -> bool:
        is_taught = not self._session.parts.learns or self._taught_ms[symbol] >= self._lesson_ends_ms(symbol)
        return self._read_ms[symbol] < self._end_ms(symbol) or not is_taught

    async def _read(self, symbol: str) -> None:
        end_ms = self._end_ms(symbol)
        from_ms = max(self._read_ms[symbol], end_ms - self._session.capacity * self._step_ms)
        async for columns in self._pieces(symbol, from_ms, end_ms):
            self._session.histories[symbol].extend(columns)
        if self._session.inputs:
            first_ms = end_ms - self._session.capacity * self._step_ms
            # What came since the newest bar counts at the next one.
            observed = await self._observed(symbol, first_ms, max(end_ms, self._now_ms() + 1))
            self._session.look_back(symbol, observed)
        self._read_ms[symbol] = end_ms

    async def _observed(self, symbol: str, from_ms: int, to_ms: int) -> dict[str, ObservationColumns]:
        """By stream, what was so before `to_ms` and may count at a close from `from_ms` on."""
        names = streams_of(self._session.inputs)
        store = self._observations
        if store is None:
            raise ValueError(f"{symbol}: nothing was opened to read {', '.join(names)} from")
        return {
            name: await store.observations(symbol, name, from_ms - stream(name).max_age_ms, to_ms) for name in names
        }

    async def _hear(self) -> None:
        """What was said that nobody can tell again."""
        parts = self._session.parts.spoken
        if parts and self._forecasts is not None:
            from_ms = min(self._taught_ms.values(), default=0)
            told = await self._forecasts.forecasts(self._session.trader.strategy.name, from_ms)
            for symbol in (*self._session.histories, MARKET):
                its = [part for part in parts if (part.scope == "market") == (symbol == MARKET)]
                self._spoken[symbol] = {part.name: _columns(told, part, symbol) for part in its}

    async def _teach_market(self, end_ms: int) -> None:
        """Show the rules over the market all symbols' bars, side by side."""
        parts = self._session.parts
        from_ms = self._market_ms
        if not parts.of_market or from_ms >= end_ms:
            return
        step_ms = PIECE_BARS * self._step_ms
        for start_ms in range(from_ms, end_ms, step_ms):
            stop_ms = min(start_ms + step_ms, end_ms)
            columns = [await self._candles.bars(symbol, start_ms, stop_ms) for symbol in parts.symbols]
            if parts.market_sees:
                columns = [await self._seen(one) if len(one.close) else one for one in columns]
            await self._aside(partial(self._learn_market, columns))
        self._market_ms = end_ms

    def _learn_market(self, columns: Sequence[BarColumns]) -> None:
        parts = self._session.parts
        for name, (closes_ms, values) in parts.catch_up_market(columns, self._first_ms, self._spoken).items():
            before = self._of_market.get(name, (closes_ms[:0], values[:0]))
            self._of_market[name] = (np.concatenate([before[0], closes_ms]), np.concatenate([before[1], values]))

    async def _teach(self, symbol: str, end_ms: int) -> None:
        parts = self._session.parts
        if not parts.learns:
            return
        async for columns in self._pieces(symbol, self._taught_ms[symbol], end_ms):
            if self._session.inputs and len(columns.close):
                columns = await self._seen(columns)
            spoken = {**self._spoken.get(symbol, {}), **self._of_market}
            await self._aside(partial(parts.catch_up, columns, self._first_ms, spoken))
        self._taught_ms[symbol] = max(self._taught_ms[symbol], end_ms)

    async def _seen(self, bars: BarColumns) -> BarColumns:
        """With what was seen at their closes."""
        closes_ms = bars.open_time_ms + self._step_ms
        observed = await self._observed(bars.symbol, int(closes_ms[0]), int(closes_ms[-1]))
        return bars.beside(see(bars.symbol, self._session.inputs, closes_ms, observed))

    async def _pieces(self, symbol: str, from_ms: int, end_ms: int) -> AsyncIterator[BarColumns]:
        step_ms = PIECE_BARS * self._step_ms
        for start_ms in range(from_ms, end_ms, step_ms):
            yield await self._candles.bars(symbol, start_ms, min(start_ms + step_ms, end_ms))


def _columns(told: Sequence[Forecast], part: Part, symbol: str) -> tuple[Times, Floats]:
    """What a part said of a symbol, as `Spoken` has it."""
    its = [one for one in told if one.origin.part == part.name and one.symbol == symbol]
    its = sorted((one for one in its if len(one.values) == len(part.outputs)), key=lambda one: one.bar_close_ms)
    values = np.array([vector(one.values) for one in its]).reshape(len(its), len(part.outputs))
    return np.array([one.bar_close_ms for one in its], np.int64), values


async def at_once(work: Callable[[], None]) -> None:
    """An `Aside` for who may be kept waiting."""
    work()
