"""The market's way through the house, the same in every mode: events in, predictions asked, orders out.

An engine paces and shows it, a backtest drives it over history; neither decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from core.clock import EngineClock
from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import Forecast
from core.domain.market import Bar, FundingRate, MarketEvent
from core.domain.records import Record, TrainingRecord
from core.domain.stream import Observation
from core.engine.answers import Answers
from core.engine.held import Held
from core.engine.models import ModelDesk
from core.engine.silences import Silences
from core.engine.stepper import Stepper
from core.learning.forecaster import training_bars
from core.market.history import BarHistory
from core.market.kinds import FUNDING
from core.market.seeing import Sees, Sight, lack_text
from core.market.streams import funding_observed
from core.ports import BarColumns, Forecaster, Journal, ObservationColumns, Seen, Venue
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.strategy.rules import ForecastDesk, RuleDesk
from core.trader.account import iso
from core.trader.messages import Silence
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.engine")

_CHART_AND_SLACK_BARS = 1_500


def history_bars(strategy: Strategy, settings: Settings) -> int:
    """How many of a symbol's newest bars a session remembers: for a training that is asked for late, and for charts."""
    interval_ms = settings.market.interval_ms
    delay_bars = settings.engine.training_delay_seconds * 1_000 // interval_ms
    return training_bars(strategy, interval_ms) + delay_bars + _CHART_AND_SLACK_BARS


class Session:
    """One trader on one venue, with what makes its predictions: a desk of models or a desk of rules.

    `observe` is told of every record once it is durable. `forecaster` may be None for a strategy without a model.
    `desk` tells predictions in place of the strategy's rule or model, `sights` what its part sees of each symbol in
    place of what is taken in here. With `waits_for_models` market time stands still
    until a model has answered and a training that is due has ended; without, as in real time, forecasts and models come
    when they are ready. `in_memory`: neither journal nor venue ever waits.

    Until `is_ready` nothing is predicted or trained: the past that this takes is still being read
    (`core.engine.warm_up`), and `told_ms` is the newest bar of each symbol that the market told meanwhile.
    """

    def __init__(
        self,
        trader: Trader,
        venue: Venue,
        journal: Journal,
        forecaster: Forecaster | None,
        clock: EngineClock,
        observe: Callable[[Sequence[Record]], None],
        desk: ForecastDesk | None = None,
        sights: Mapping[str, Sees] | None = None,
        *,
        waits_for_models: bool = True,
        in_memory: bool = False,
    ) -> None:
        settings, strategy = trader.settings, trader.strategy
        self.trader = trader
        self.outage = ""
        self.symbols = trader.state.traded
        self.interval_ms = settings.market.interval_ms
        self._forecaster = forecaster
        self._clock = clock
        self._observe_outside = observe
        self._inference_delay_ms = settings.engine.inference_delay_ms
        self._training_bars = training_bars(strategy, self.interval_ms)
        delay_ms = settings.engine.training_delay_seconds * 1_000
        self.capacity = history_bars(strategy, settings)
        self.histories = {symbol: BarHistory(symbol, self.interval_ms, self.capacity) for symbol in self.symbols}
        self.models: ModelDesk | None = None
        if forecaster is not None and desk is None:
            self.models = ModelDesk(strategy, forecaster, self.symbols, delay_ms, self._training_window)
        self.rules: RuleDesk | None = None
        if strategy.part.rule is not None and desk is None:
            self.rules = RuleDesk(strategy, self.symbols, self._inference_delay_ms)
        self._desk = desk or self.rules
        inputs = strategy.part.inputs if desk is None else ()
        self.inputs = inputs if sights is None else ()
        """What a part is given that sees more than its bars, and that is taken in here."""
        self.held = Held(self.interval_ms)
        looks = self.symbols if self.inputs else ()
        self._looks = {symbol: Sight(symbol, inputs, self.interval_ms, self.capacity) for symbol in looks}
        self._sights: Mapping[str, Sees] = sights or self._looks
        self._waits_for_models = waits_for_models
        self.answers = Answers(clock, self._decide_late, self._inference_delay_ms, strategy.part.max_age_ms)
        self.silences = Silences()
        self.is_ready = True
        self.told_ms: dict[str, int] = {}
        self.stepper = Stepper(trader, venue, journal, self._observe, waits=not in_memory)

    def take_in(self, records: Sequence[Record]) -> None:
        """Learn from a journal that was loaded."""
        if self.models is not None:
            self.models.take_in(records)

    def champions(self) -> dict[str, str]:
        """The model version in charge, by symbol."""
        return self.models.champions if self.models is not None else {}

    def note(self) -> str:
        """Why a symbol has no predictions, for the operator; empty when all have."""
        models = self.models.note() if self.models is not None else ""
        return self.outage or models or self.answers.note() or self.silences.note()

    def start_trainings(self, group: asyncio.TaskGroup) -> None:
        """Start what was asked for and does not run yet."""
        if self.models is not None:
            self.models.start_pending(group)

    def tasks(self) -> list[asyncio.Task[object]]:
        trainings = self.models.tasks() if self.models is not None else []
        return [*trainings, *self.answers.tasks()]

    async def warm_up(self) -> None:
        if self._forecaster is None:
            return
        try:
            await self._forecaster.warm_up()
        except ModelError as error:
            log.error("the model workers do not start: %s", error)
            self.outage = f"no predictions: {error}"

    async def deliver_models(self, until_ms: int) -> None:
        """Put every model that is due by `until_ms` in charge, each at its time."""
        if self.models is None:
            return
        due = await self.models.results(until_ms) if self._waits_for_models else self.models.finished(until_ms)
        for record in due:
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
        self._clock.advance_to(due_ms)
        if self.inputs:
            self._see(observed, batch)
        bars = [event for event in batch if isinstance(event, Bar)]
        for bar in bars:
            self._remember(bar)
        requests: list[TrainingRecord] = []
        asking: asyncio.Task[list[Forecast]] | None = None
        if self.models is not None and bars and trading and self.is_ready:
            requests = self.models.due_requests(due_ms)
            if self.answers.is_out:
                self.answers.miss(len(bars), due_ms)
            else:
                # The workers think while the bars are made durable; what they answer is decided on after that.
                asking = group.create_task(self._ask_models(self.models, bars))
        told = self._ask_desk(bars)
        await self.stepper.market(batch, due_ms, timer=bool(bars), extra=requests)
        if requests or asking is not None:
            self.start_trainings(group)
        if asking is not None:
            told = await asking if self._waits_for_models else await self.answers.at_once(asking, group)
        if trading:
            await self._decide(told, bars)

    async def begin(self, bars: Sequence[Bar], *, fresh: bool) -> None:
        """The past is known: from here on predictions are made. `bars` are the newest, of one instant, which rules have
        not seen; where they are `fresh`, their predictions may be wanting, which a crash kept from being made."""
        self.is_ready = True
        self._see(self.held.taken(), ())
        told = self._ask_desk(bars)
        if not fresh or not bars:
            return
        if self.models is not None:
            told = await self._ask_models(self.models, bars)
        await self._decide([p for p in told if not self._is_made(p.symbol, p.bar_close_ms)], bars)

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

    def _ask_desk(self, bars: Sequence[Bar]) -> list[Forecast]:
        if self._desk is None or not self.is_ready:
            return []
        answers = (self._ask_about(self._desk, bar) for bar in bars)
        return [answer for answer in answers if answer is not None]

    def _ask_about(self, desk: ForecastDesk, bar: Bar) -> Forecast | None:
        """What a rule says that cannot be is no forecast, and told."""
        seen = self._seen(bar.symbol, 1, bar.close_time_ms) if self._sights else None
        try:
            answer = desk.predict(bar, seen)
        except BadInputError as error:
            self.silences.tell(bar.symbol, bar.close_time_ms, str(error), level=logging.ERROR)
            return None
        self.silences.tell(bar.symbol, bar.close_time_ms, "" if seen is None else lack_text(seen.lacking(-1)))
        return answer

    def _seen(self, symbol: str, count: int, close_ms: int) -> Seen:
        return self._sights[symbol].window(count, close_ms)

    def _window(self, symbol: str, count: int, until_ms: int) -> BarColumns:
        """At most `count` bars that closed at or before `until_ms`, with what was seen beside them."""
        bars = self.histories[symbol].window(count, until_ms)
        return bars.beside(self._seen(symbol, len(bars.close), until_ms)) if self._sights else bars

    async def _decide(self, forecasts: Sequence[Forecast], bars: Sequence[Bar]) -> None:
        """What was predicted of `bars`, and of what is held where nothing was that nothing was: exits wait for no
        prediction."""
        said = {(forecast.symbol, forecast.bar_close_ms): forecast for forecast in forecasts}
        events: list[Forecast | Silence] = []
        for bar in bars:
            told = said.get((bar.symbol, bar.close_time_ms))
            if told is not None:
                events.append(told)
            elif self.trader.state.symbols[bar.symbol].lots:
                events.append(Silence(bar.symbol, bar.close_time_ms + self._inference_delay_ms))
        if events:
            first = events[0]
            made_ms = first.time_ms if isinstance(first, Silence) else first.made_ms
            self._clock.advance_to(max(made_ms, self._clock.now_ms()))
            await self.stepper.step(events, made_ms)

    async def _decide_late(self, forecasts: Sequence[Forecast]) -> None:
        """What came after its bar was done with."""
        events = [forecast for forecast in forecasts if not self._is_made(forecast.symbol, forecast.bar_close_ms)]
        if events:
            await self.stepper.step(events, events[0].made_ms)

    def _is_made(self, symbol: str, close_ms: int) -> bool:
        made = self.trader.state.symbols[symbol].forecast
        return made is not None and made.bar_close_ms >= close_ms

    async def _ask_models(self, models: ModelDesk, bars: Sequence[Bar]) -> list[Forecast]:
        """The predictions of these bars, of one instant, that were not made yet."""
        asked: list[tuple[BarColumns, str]] = []
        close_ms = bars[0].close_time_ms
        versions = models.answering(close_ms)
        for bar in bars:
            if bar.symbol in versions and not self._is_made(bar.symbol, close_ms):
                window = self._window(bar.symbol, self.trader.strategy.part.lookback_bars, close_ms)
                if window.seen is not None:
                    lacks = lack_text(window.seen.lacking(-1))
                    self.silences.tell(bar.symbol, close_ms, lacks, versions[bar.symbol])
                    if lacks:
                        continue
                asked.append((window, versions[bar.symbol]))
        return await self._ask_workers(asked, close_ms + self._inference_delay_ms) if asked else []

    async def _ask_workers(self, asked: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast]:
        assert self._forecaster is not None
        for attempt in (1, 2):
            try:
                answers = await self._forecaster.predict(asked, made_ms)
            except ModelError as error:
                log.error("no predictions at %s (try %d of 2): %s", iso(made_ms), attempt, error)
                self.outage = f"no predictions: {error}"
            else:
                self.outage = ""
                return [answer for answer in answers if answer is not None]
        return []

    def _training_window(self, symbol: str, until_ms: int) -> BarColumns:
        return self._window(symbol, self._training_bars, until_ms)

    def _observe(self, records: Sequence[Record]) -> None:
        self.take_in(records)
        self._observe_outside(records)
