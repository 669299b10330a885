"""The parts of a strategy at work: what each says at the close of bars, in the order in which they see each other.

Rules speak at once, models from worker processes, side by side. A part that sees another is asked once that one has
spoken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import MARKET, Forecast
from core.domain.market import Bar
from core.domain.records import Record, TrainingRecord
from core.engine.models import ModelDesk
from core.engine.silences import Silences
from core.learning.forecaster import training_bars
from core.market.history import BarHistory
from core.market.seeing import Sees, lack_text
from core.ports import BarColumns, Forecaster, Seen
from core.settings.schema import Settings
from core.strategy.chain import NOTHING, Spoken, rules_over
from core.strategy.decision import vector
from core.strategy.declaration import Part, Strategy
from core.strategy.over_market import MarketFold, market_desks, seen_side_by_side, side_by_side
from core.strategy.rules import Floats, RuleDesk, forecast_of
from core.strategy.said import Sayings, Times, joined, without_newest
from core.trader.account import iso

log = logging.getLogger("quarterdeck.engine")

Say = Callable[[list[Forecast]], Awaitable[Sequence[Forecast]]]
"""Is told what a part says; gives back what counts of it."""

Miss = Callable[[int, int], None]
"""(symbols, close_ms): so many bars of that close are not asked about."""

Newest = Callable[[str, str], Forecast | None]
"""(symbol, part) -> what was said last, as the trader knows it."""


class PartsAtWork:
    """Every part of one strategy, for all symbols. `forecasters` are those of its models, by part; `histories` and
    `sights` are what they are shown. `capacity` is how much is remembered of what is said to others,
    `silences` is told of who says nothing. By part, what is
    said is made `delays_ms` after the close.

    `early` parts wait for no model.
    """

    def __init__(
        self,
        strategy: Strategy,
        symbols: Sequence[str],
        settings: Settings,
        forecasters: Mapping[str, Forecaster],
        histories: Mapping[str, BarHistory],
        sights: Mapping[str, Sees],
        capacity: int,
        newest: Newest,
        delays_ms: Mapping[str, int],
        silences: Silences,
        *,
        is_virtual: bool,
    ) -> None:
        self.strategy = strategy
        self._outages: dict[str, str] = {}
        self._forecasters = forecasters
        self._histories = histories
        self._sights = sights
        self._newest = newest
        self._delays_ms = delays_ms
        self._silences = silences
        self._is_virtual = is_virtual
        self._interval_ms = settings.market.interval_ms
        training_delay_ms = settings.engine.training_delay_seconds * 1_000
        self.symbols = tuple(symbols)
        self.of_market = market_desks(strategy, delays_ms)
        self._past_of_market = MarketFold(strategy, self.of_market, self.symbols)
        self.market_sees = self._past_of_market.sees_market
        """Whether the rules over the market are to be told of the past with what was seen beside it."""
        self.rules = self.of_market | {
            part.name: RuleDesk(strategy, symbols, delays_ms[part.name], part)
            for part in strategy.parts
            if part.rule is not None and part.scope == "symbol"
        }
        self._market_ms: dict[str, int] = {}
        self.models = {
            part.name: ModelDesk(
                strategy, forecasters[part.name], symbols, training_delay_ms, self._training_of(part), part
            )
            for part in strategy.parts
            if part.name in forecasters and part.analyst is None
        }
        self._analysts = {part.name for part in strategy.parts if part.name in forecasters and part.analyst is not None}
        self.early = [part for part in strategy.parts if part.name in self.rules and not strategy.learns_late(part)]
        at_work = self.rules.keys() | self.models.keys() | self._analysts
        self.late = [part for part in strategy.parts if part.name in at_work and part not in self.early]
        seen = {name for part in strategy.parts for name in strategy.parts_seen(part)}
        self._said = {
            (part.name, symbol): Sayings(part, symbol, capacity)
            for part in strategy.parts
            if part.name in seen
            for symbol in ((MARKET,) if part.scope == "market" else symbols)
        }
        self._speaking: set[str] = set()
        self._kept: dict[tuple[str, str], Forecast] = {}

    def take_in(self, records: Sequence[Record]) -> None:
        """Learn from journalled records."""
        for desk in self.models.values():
            desk.take_in(records)

    @property
    def outage(self) -> str:
        """Why a model cannot be asked now; empty where each can."""
        return next(iter(self._outages.values()), "")

    def without_model(self) -> str:
        """Why a symbol has no model, for the operator; empty where none is missing."""
        return next((note for desk in self.models.values() if (note := desk.note())), "")

    async def warm_up(self) -> None:
        """Where the workers of a model do not start, that is an outage."""
        for name, forecaster in self._forecasters.items():
            try:
                await forecaster.warm_up()
            except ModelError as error:
                log.error("the model workers do not start: %s", error)
                self._outages[name] = f"no predictions: {error}"

    def due_requests(self, now_ms: int) -> list[TrainingRecord]:
        return [record for desk in self.models.values() for record in desk.due_requests(now_ms)]

    def remember(self, part: Part, symbol: str, closes_ms: Times, values: Floats) -> None:
        """What a part has said of bars in order, (n, outputs), for those that see it; rows of nothing are left out."""
        if (said := self._said.get((part.name, symbol))) is not None:
            there = ~np.isnan(values).all(axis=1)
            said.keep(closes_ms[there], values[there])

    @property
    def learns(self) -> bool:
        """Whether anything of the past is told to it."""
        return bool(self.rules) or bool(self.spoken)

    @property
    def spoken(self) -> tuple[Part, ...]:
        """The parts that others see and that nobody can tell again: what they said is in the journal alone."""
        return tuple(part for part in self.late if any(name == part.name for name, _ in self._said))

    def catch_up_market(
        self, columns: Sequence[BarColumns], first_ms: Mapping[str, int], spoken: Mapping[str, Spoken]
    ) -> Spoken:
        """Show the rules over the market the next bars of all symbols, that nothing is asked of: what they say; see
        `MarketFold.say`."""
        if not self.of_market or not any(len(one.open_time_ms) for one in columns):
            return NOTHING
        said = self._past_of_market.say(columns, first_ms, spoken)
        newest_ms = max(int(one.open_time_ms[-1]) for one in columns if len(one.open_time_ms))
        self._market_ms = dict.fromkeys(self.of_market, newest_ms)
        for part in self.strategy.parts:
            if part.name in said:
                self.remember(part, MARKET, *said[part.name])
        return said

    def catch_up(self, bars: BarColumns, first_ms: Mapping[str, int], spoken: Spoken) -> None:
        """Show the rules the next bars of a symbol that nothing is asked of, and what was said of the whole market;
        see `rules_over`."""
        values = rules_over(self.strategy, self.rules, bars, first_ms, spoken)
        closes_ms = bars.open_time_ms + bars.interval_ms
        for part in self.strategy.parts:
            if part.scope == "symbol":
                self.remember(part, bars.symbol, *spoken.get(part.name, (closes_ms, values[part.name])))

    def fold(self, bars: Sequence[Bar]) -> list[Forecast]:
        """What the early parts say of bars that closed."""
        told = []
        for part in self.early:
            said = self._folded(part, bars)
            self._keep(part, said)
            told += said
        return told

    async def ask(self, bars: Sequence[Bar], say: Say, miss: Miss = lambda symbols, close_ms: None) -> None:
        """As `begin`; returns once all have spoken."""
        async with asyncio.TaskGroup() as group:
            self.begin(group, bars, say, miss)

    def begin(
        self, group: asyncio.TaskGroup, bars: Sequence[Bar], say: Say, miss: Miss
    ) -> dict[str, asyncio.Task[None]]:
        """Let the late parts speak of bars of one instant, side by side but for those that see each other. One that has
        not spoken of bars before these is not asked, which is told to `miss`. Those that are, by name."""
        speaking: dict[str, asyncio.Task[None]] = {}
        for part in self.late:
            if part.name not in self._speaking:
                seen = [speaking[name] for name in self.strategy.parts_seen(part) if name in speaking]
                self._speaking.add(part.name)
                speaking[part.name] = group.create_task(self._speak(part, bars, say, seen))
            elif part.name not in self.rules:
                miss(len(bars), bars[0].close_time_ms)
        return speaking

    def fold_late(self, bars: Sequence[Bar]) -> None:
        """Show the late rules the bars of which models have spoken before; nothing is asked, and nothing said."""
        for part in self.late:
            if part.name in self.rules:
                self._folded(part, bars)

    async def _speak(self, part: Part, bars: Sequence[Bar], say: Say, seen: Sequence[asyncio.Task[None]]) -> None:
        try:
            for other in seen:
                await other
            told = self._folded(part, bars) if part.name in self.rules else await self._asked(part, bars)
            if told:
                self._keep(part, await say([self._after_seen(part, one) for one in told]))
        finally:
            self._speaking.discard(part.name)

    def _after_seen(self, part: Part, said: Forecast) -> Forecast:
        """Not known before what the part sees of that bar."""
        made_ms = said.made_ms
        for name in self.strategy.parts_seen(part):
            of_all = self.symbols if said.symbol == MARKET else (said.symbol,)
            for symbol in (MARKET,) if name in self.of_market else of_all:
                for seen in (self._kept.get((name, symbol)), self._newest(symbol, name)):
                    if seen is None or seen.bar_close_ms != said.bar_close_ms:
                        continue
                    made_ms = max(made_ms, seen.made_ms + (part.latency_ms if self._is_virtual else 0))
        return said if made_ms == said.made_ms else replace(said, made_ms=made_ms)

    def _folded(self, part: Part, bars: Sequence[Bar]) -> list[Forecast]:
        if part.scope == "market":
            return self._folded_market(part, bars)
        answers = (self._ask_rule(part, bar) for bar in bars)
        return [answer for answer in answers if answer is not None]

    def _folded_market(self, part: Part, bars: Sequence[Bar]) -> list[Forecast]:
        """Of the close at which these are the first bars; of a symbol whose bar comes behind them it is shown none."""
        row = side_by_side(self.symbols, bars)
        open_ms = int(row.open_time_ms[0])
        if open_ms <= self._market_ms.get(part.name, -1):
            return []
        self._market_ms[part.name] = open_ms
        close_ms, lacks = open_ms + self._interval_ms, ""
        if part.inputs:
            closes_ms = np.array([close_ms])
            there = [bar.symbol for bar in bars if bar.open_time_ms == open_ms]
            seen = [self._seen(part, symbol, closes_ms) for symbol in there]
            row = row.beside(seen_side_by_side(self.symbols, seen, closes_ms))
            lacks = lack_text(row.seen.lacking(-1)) if row.seen is not None else ""
        try:
            values = self.rules[part.name].values(row)[0]
        except BadInputError as error:
            self._note(part, MARKET, close_ms, str(error), level=logging.ERROR)
            return []
        self._note(part, MARKET, close_ms, lacks)
        said = forecast_of(self.strategy.name, part.name, MARKET, close_ms, self._delays_ms[part.name], values)
        return [] if said is None else [said]

    def _ask_rule(self, part: Part, bar: Bar) -> Forecast | None:
        """What a rule says that cannot be is no forecast, and told."""
        seen = self._seen(part, bar.symbol, np.array([bar.close_time_ms])) if part.inputs else None
        try:
            answer = self.rules[part.name].predict(bar, seen)
        except BadInputError as error:
            self._note(part, bar.symbol, bar.close_time_ms, str(error), level=logging.ERROR)
            return None
        self._note(part, bar.symbol, bar.close_time_ms, "" if seen is None else lack_text(seen.lacking(-1)))
        return answer

    async def _asked(self, part: Part, bars: Sequence[Bar]) -> list[Forecast]:
        """What a model says of these bars, where it was not asked before."""
        asked: list[tuple[BarColumns, str]] = []
        close_ms = bars[0].close_time_ms
        is_outside = part.name in self._analysts
        versions = dict.fromkeys(self.symbols, "") if is_outside else self.models[part.name].answering(close_ms)
        for bar in bars:
            made = self._newest(bar.symbol, part.name)
            if bar.symbol not in versions or (made is not None and made.bar_close_ms >= close_ms):
                continue
            window = self._window(part, bar.symbol, part.lookback_bars, close_ms)
            if window.seen is not None:
                lacks = lack_text(window.seen.lacking(-1))
                self._note(part, bar.symbol, close_ms, lacks, versions[bar.symbol])
                if lacks:
                    continue
            asked.append((window, versions[bar.symbol]))
        if not asked:
            return []
        said = await self._ask_workers(part, asked, close_ms + self._delays_ms[part.name])
        if is_outside:
            unusable = self._forecasters[part.name].describe()["unusable"]
            for window, _ in asked:
                self._note(part, window.symbol, close_ms, unusable.get(window.symbol, ""))
        return said

    async def _ask_workers(self, part: Part, asked: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast]:
        for attempt in (1, 2):
            try:
                answers = await self._forecasters[part.name].predict(asked, made_ms)
            except ModelError as error:
                log.error("no predictions at %s (try %d of 2): %s", iso(made_ms), attempt, error)
                self._outages[part.name] = f"no predictions: {error}"
            else:
                self._outages.pop(part.name, None)
                return [answer for answer in answers if answer is not None]
        return []

    def _keep(self, part: Part, said: Sequence[Forecast]) -> None:
        for one in said:
            self._kept[part.name, one.symbol] = one
            self.remember(part, one.symbol, np.array([one.bar_close_ms]), vector(one.values)[np.newaxis])

    def _window(self, part: Part, symbol: str, count: int, until_ms: int) -> BarColumns:
        """At most `count` bars that closed at or before `until_ms`, with what was seen beside them."""
        bars = self._histories[symbol].window(count, until_ms)
        if not part.inputs:
            return bars
        return bars.beside(self._seen(part, symbol, bars.open_time_ms + self._interval_ms))

    def _seen(self, part: Part, symbol: str, closes_ms: Times) -> Seen:
        """At closes in a row, the newest of which a bar has."""
        market = None
        if self.strategy.market_seen(part):
            market = self._sights[symbol].window(len(closes_ms), int(closes_ms[-1]) if len(closes_ms) else 0)
        return self._joined(part, symbol, closes_ms, market)

    def _joined(self, part: Part, symbol: str, closes_ms: Times, market: Seen | None) -> Seen:
        seen = self.strategy.parts_seen(part)
        parts = [self._said[name, MARKET if name in self.of_market else symbol].at(closes_ms) for name in seen]
        return joined([*([market] if market is not None else []), *parts], part.inputs)

    def _training_of(self, part: Part) -> Callable[[str, int], BarColumns]:
        count = training_bars(self.strategy, self._interval_ms, part)
        others = self.strategy.parts_seen(part)

        def window(symbol: str, until_ms: int) -> BarColumns:
            bars = self._window(part, symbol, count, until_ms)
            if not others or bars.seen is None:
                return bars
            return replace(bars, seen=without_newest(bars.seen, others))

        return window

    def _note(
        self, part: Part, symbol: str, close_ms: int, why: str, version: str = "", level: int = logging.WARNING
    ) -> None:
        """Why a part says nothing of a symbol's bar; empty where it speaks."""
        name = part.name if len(self.strategy.parts) > 1 else ""
        self._silences.tell(symbol, close_ms, why, version, part=name, level=level)
