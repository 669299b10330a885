"""The market's way through the house, the same in every mode: events in, predictions asked, orders out.

An engine paces and shows it, a backtest drives it over history; neither decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from core.clock import EngineClock
from core.domain.forecast import MARKET, Forecast
from core.domain.market import Bar, FundingRate, MarketEvent
from core.domain.records import Record, TrainingRecord
from core.domain.stream import Observation
from core.engine.answers import Answers, Question
from core.engine.asking import PartsAtWork
from core.engine.held import Held
from core.engine.settlements import Settlements
from core.engine.silences import Silences
from core.engine.stepper import Stepper
from core.learning.forecaster import training_bars
from core.market.history import BarHistory
from core.market.kinds import FUNDING
from core.market.seeing import Sees, Sight
from core.market.streams import funding_observed
from core.ports import Forecaster, Journal, ObservationColumns, Venue
from core.settings.schema import Settings
from core.strategy.declaration import Strategy, known_after_ms
from core.strategy.rules import ForecastDesk
from core.trader.messages import Silence
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.engine")

_CHART_AND_SLACK_BARS = 1_500


def history_bars(strategy: Strategy, settings: Settings) -> int:
    """How many of a symbol's newest bars a session remembers: for a training that is asked for late, and for charts."""
    interval_ms = settings.market.interval_ms
    delay_bars = settings.engine.training_delay_seconds * 1_000 // interval_ms
    trained = max(training_bars(strategy, interval_ms, part) for part in strategy.parts)
    return trained + delay_bars + _CHART_AND_SLACK_BARS


class Session:
    """One trader on one venue, with what makes its predictions: the parts of its strategy.

    `observe` is told of every record once it is durable. `forecasters` are those of the strategy's models, by part.
    `desk` tells predictions in place of the strategy's parts, `sights` what these see of each symbol in place of what
    is taken in here. With `waits_for_models` market time stands still
    until a model has answered and a training that is due has ended; without, as in real time, forecasts and models come
    when they are ready. `in_memory`: neither journal nor venue ever waits.
    `settlements` are told to the trader as each becomes the next.

    Until `is_ready` nothing is predicted or trained: the past that this takes is still being read
    (`core.engine.warm_up`), and `told_ms` is the newest bar of each symbol that the market told meanwhile.
    """

    def __init__(
        self,
        trader: Trader,
        venue: Venue,
        journal: Journal,
        forecasters: Mapping[str, Forecaster],
        clock: EngineClock,
        observe: Callable[[Sequence[Record]], None],
        desk: ForecastDesk | None = None,
        sights: Mapping[str, Sees] | None = None,
        *,
        waits_for_models: bool = True,
        in_memory: bool = False,
        settlements: Settlements | None = None,
    ) -> None:
        settings, strategy = trader.settings, trader.strategy
        self.trader = trader
        self.symbols = trader.state.traded
        self.interval_ms = settings.market.interval_ms
        self._clock = clock
        self._observe_outside = observe
        self._inference_delay_ms = settings.engine.inference_delay_ms
        self._due: list[Forecast] = []
        """What is said already and known only later."""
        least_ms = self._inference_delay_ms
        delays_ms = {
            part.name: known_after_ms(strategy, part, least_ms) if waits_for_models else least_ms
            for part in strategy.parts
        }
        ages_ms = {part.name: part.max_age_ms for part in strategy.parts}
        oldest_ms = max(ages_ms.values()) if waits_for_models and strategy.has_analysts else 0
        self.latest_ms = max(oldest_ms, *delays_ms.values())
        """How long after a close it is known at the latest what the parts say of it, but for models in real time."""
        self.capacity = history_bars(strategy, settings)
        self.histories = {symbol: BarHistory(symbol, self.interval_ms, self.capacity) for symbol in self.symbols}
        self._desk = desk
        inputs = strategy.market_inputs if desk is None else ()
        self.inputs = inputs if sights is None else ()
        """What parts are given that see more than their bars, and that is taken in here."""
        self.held = Held(self.interval_ms)
        looks = self.symbols if self.inputs else ()
        self._looks = {symbol: Sight(symbol, inputs, self.interval_ms, self.capacity) for symbol in looks}
        self.silences = Silences()
        self.parts = PartsAtWork(
            strategy,
            self.symbols,
            settings,
            forecasters,
            self.histories,
            sights or self._looks,
            self.capacity,
            trader.newest,
            delays_ms,
            self.silences,
            is_virtual=waits_for_models,
        )
        self._decided = tuple(part.name for part in strategy.decided)
        self._settlements = settlements
        self._places = {part.name: place for place, part in enumerate(strategy.parts)}
        self._waits_for_models = waits_for_models
        slow = frozenset(part.name for part in strategy.parts if strategy.hears_analysts(part))
        self.answers = Answers(clock, self._decide_late, self._inference_delay_ms, ages_ms, slow)
        self.is_ready = True
        self.told_ms: dict[str, int] = {}
        self.stepper = Stepper(trader, venue, journal, self._observe, waits=not in_memory)

    def take_in(self, records: Sequence[Record]) -> None:
        """Learn from a journal that was loaded."""
        self.parts.take_in(records)

    def champions(self) -> dict[str, str]:
        """The model version in charge, by symbol: of the last part that has a model."""
        desks = [*self.parts.models.values()]
        return desks[-1].champions if desks else {}

    @property
    def outage(self) -> str:
        """Why models cannot be asked now; empty where they can."""
        return self.parts.outage

    def note(self) -> str:
        """Why a symbol has no predictions, for the operator; empty when all have."""
        return self.outage or self.parts.without_model() or self.answers.note() or self.silences.note()

    def start_trainings(self, group: asyncio.TaskGroup) -> None:
        """Start what was asked for and does not run yet."""
        for models in self.parts.models.values():
            models.start_pending(group)

    def tasks(self) -> list[asyncio.Task[Any]]:
        trainings = [task for models in self.parts.models.values() for task in models.tasks()]
        return [*trainings, *self.answers.tasks()]

    async def warm_up(self) -> None:
        await self.parts.warm_up()

    async def deliver_models(self, until_ms: int) -> None:
        """Put every model that is due by `until_ms` in charge, each at its time."""
        due: list[TrainingRecord] = []
        for models in self.parts.models.values():
            due += await models.results(until_ms) if self._waits_for_models else models.finished(until_ms)
        for record in sorted(due, key=lambda record: record.due_ms):
            await self._decide_due(record.due_ms)
            self._clock.advance_to(record.due_ms)
            await self.stepper.step((), record.due_ms, extra=[record])

    async def instant(
        self,
        due_ms: int,
        batch: Sequence[MarketEvent],
        group: asyncio.TaskGroup,
        *,
        trading: bool = True,
        observed: Sequence[Observation] = (),
    ) -> None:
        """Take in the events of one instant, and before them what was observed, then what is predicted from its bars.
        Without `trading`, nothing is."""
        await self._decide_due(due_ms)
        self._clock.advance_to(due_ms)
        if self.inputs:
            self._see(observed, batch)
        bars = [event for event in batch if isinstance(event, Bar)]
        for bar in bars:
            self._remember(bar)
        requests: list[TrainingRecord] = []
        asked: dict[str, asyncio.Task[None]] | None = None
        question = Question()
        told = self._told_at_once(bars)
        if self._desk is None and self.parts.late and bars and trading and self.is_ready:
            requests = self.parts.due_requests(due_ms)
            # The workers think while the bars are made durable; what they answer is decided on after that.
            say, miss = partial(self.answers.say, question), partial(self.answers.miss, question)
            asked = self.parts.begin(group, bars, say, miss)
        known = self._settlements.news(due_ms) if self._settlements is not None and bars else ()
        await self.stepper.market(batch, due_ms, timer=bool(bars), extra=requests, known=known)
        if requests or asked is not None:
            self.start_trainings(group)
        if asked is not None:
            if self._waits_for_models:
                for task in asked.values():
                    await task
            told += await self.answers.at_once(question, asked)
        if trading:
            await self._decide(told, bars)

    async def begin(self, bars: Sequence[Bar], *, fresh: bool) -> None:
        """The past is known: from here on predictions are made. `bars` are the newest, of one instant, which rules have
        not seen; where they are `fresh`, their predictions may be wanting, which a crash kept from being made."""
        self.is_ready = True
        self._see(self.held.taken(), ())
        told, asks = self._told_at_once(bars), self._desk is None and bool(bars)

        async def keep(said: list[Forecast]) -> Sequence[Forecast]:
            told.extend(said)
            return said

        if asks and not fresh:
            self.parts.fold_late(bars)
        elif asks and self._waits_for_models:
            await self.parts.ask(bars, keep)
        if not fresh:
            return
        # Where more than the bars was taken in, what is asked of them without a forecast was asked already.
        asked_ms = max((bar.close_time_ms for bar in bars), default=0) + self._inference_delay_ms
        done = self._waits_for_models and self._clock.now_ms() > asked_ms
        await self._decide([one for one in told if not self._is_made(one)], bars, silences=not done)
        if asks and not self._waits_for_models:
            # What comes later than at once is decided on when it comes, here as well.
            await self.parts.ask(bars, partial(self.answers.say, Question(early=None)))

    def look_back(self, symbol: str, observed: Mapping[str, ObservationColumns]) -> None:
        """What was observed around the bars in a symbol's history, by stream."""
        history = self.histories[symbol]
        self._looks[symbol].begin(history.window(self.capacity, history.newest_ms()), observed)

    def _see(self, observed: Sequence[Observation], batch: Sequence[MarketEvent]) -> None:
        told = [*observed]
        if FUNDING in self.inputs:
            told += [funding_observed(e) for e in batch if isinstance(e, FundingRate) and not e.is_assumed]
        if not self.is_ready:
            # What is stored of the same comes first.
            self.held.put(told)
            return
        for one in told:
            self._looks[one.symbol].take(one)

    def _remember(self, bar: Bar) -> None:
        if self.is_ready:
            self.histories[bar.symbol].append(bar)
            if self.inputs:
                self._looks[bar.symbol].close(bar)
        else:
            self.told_ms[bar.symbol] = bar.open_time_ms

    def _told_at_once(self, bars: Sequence[Bar]) -> list[Forecast]:
        if not self.is_ready or not bars:
            return []
        if self._desk is None:
            return self.parts.fold(bars)
        return [told for bar in bars for told in self._desk.told(bar)]

    async def _decide(self, forecasts: Sequence[Forecast], bars: Sequence[Bar], *, silences: bool = True) -> None:
        """What was predicted of `bars`, and of what is held where nothing was that nothing was: exits wait for no
        prediction. What is known only later waits for its time."""
        if not forecasts and not bars:
            return
        said: defaultdict[tuple[str, int], list[Forecast]] = defaultdict(list)
        for forecast in sorted(forecasts, key=lambda forecast: self._places.get(forecast.origin.part, 0)):
            if forecast.made_ms > forecast.bar_close_ms + self._inference_delay_ms and self._waits_for_models:
                self._due.append(forecast)
            else:
                said[forecast.symbol, forecast.bar_close_ms].append(forecast)
        events: list[Forecast | Silence] = []
        for close_ms in sorted({bar.close_time_ms for bar in bars}):
            events += said[MARKET, close_ms]
        for bar in bars:
            told = said[bar.symbol, bar.close_time_ms]
            events += told
            told = said[MARKET, bar.close_time_ms] + told
            if silences and self.trader.state.symbols[bar.symbol].lots and not self._is_whole(bar, told):
                events.append(Silence(bar.symbol, bar.close_time_ms + self._inference_delay_ms))
        if events:
            first = events[0]
            made_ms = first.time_ms if isinstance(first, Silence) else first.made_ms
            self._clock.advance_to(max(made_ms, self._clock.now_ms()))
            await self.stepper.step(events, made_ms)

    def _is_whole(self, bar: Bar, told: Sequence[Forecast]) -> bool:
        """Whether every part that is decided on has spoken of a bar, `told` included."""
        said = {forecast.origin.part for forecast in told}
        close_ms = bar.close_time_ms
        if not said.intersection(self._decided):
            decided = self.trader.state.symbols[bar.symbol].book(self.trader.strategy.name).forecast
            return decided is not None and decided.bar_close_ms >= close_ms
        return all(part in said or self._has_said(bar.symbol, part, close_ms) for part in self._decided)

    async def _decide_due(self, until_ms: int) -> None:
        """What became known before a time: at its own times, in the order of the parts."""
        while due := [one for one in self._due if one.made_ms < until_ms]:
            made_ms = min(one.made_ms for one in due)
            self._clock.advance_to(made_ms)
            now = [one for one in due if one.made_ms == made_ms]
            self._due = [one for one in self._due if one not in now]
            await self.stepper.step(now, made_ms)

    async def _decide_late(self, forecasts: Sequence[Forecast]) -> None:
        """What came after its bar was done with."""
        events = [forecast for forecast in forecasts if not self._is_made(forecast)]
        if events:
            await self.stepper.step(events, events[0].made_ms)

    def _is_made(self, forecast: Forecast) -> bool:
        return self._has_said(forecast.symbol, forecast.origin.part, forecast.bar_close_ms)

    def _has_said(self, symbol: str, part: str, close_ms: int) -> bool:
        """Whether a part has spoken of a bar of a symbol, or of the market."""
        newest = self.trader.newest(symbol, part)
        return newest is not None and newest.bar_close_ms >= close_ms

    def _observe(self, records: Sequence[Record]) -> None:
        self.take_in(records)
        self._observe_outside(records)
