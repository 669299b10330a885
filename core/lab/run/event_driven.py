"""The live code over history: the session that also runs the demo, on a virtual clock, fed slot by slot."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.clock import VirtualClock, monotonic_ns
from core.domain.errors import BadInputError, ModelError
from core.domain.market import Bar, MarketEvent
from core.domain.records import Record
from core.engine.session import Session
from core.engine.settlements import Settlements
from core.lab.data.bar_events import BarEvents
from core.lab.data.history import History
from core.lab.data.holes import last_bars_of_symbols
from core.lab.data.seeing import SeenHistory, seen_by, window_of
from core.lab.run.curve import curve_of
from core.lab.run.fixed_predictions import FixedDesk, first_bars, known_values, rule_values
from core.lab.run.journal import Entered, MemoryJournal
from core.lab.run.model_gaps import UnaskedBeforeHoles
from core.lab.run.result import (
    ForecastColumns,
    RunResult,
    TradeColumns,
    TradePlans,
    fill_columns,
    forecast_columns,
    trade_columns,
)
from core.lab.run.trade_plans import trade_plans
from core.market.history import bar_at
from core.market.intervals import interval_text
from core.market.seeing import Sees
from core.ports import Forecaster
from core.position.ladder import mean_target
from core.strategy.chain import NOTHING, Spoken
from core.strategy.decision import vector
from core.strategy.declaration import Strategy
from core.trader.restore import set_marks
from core.trader.trader import Trader
from core.venues.adapter import SimulatedVenueAdapter

if TYPE_CHECKING:
    from core.lab.skip.needed_bars import Skipper

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
Schedule = Sequence[tuple[int, Strategy]]
"""From which slot on which declaration of the run's strategy is in charge, in order."""

NOBODY: Mapping[str, Forecaster] = MappingProxyType({})
"""Where nothing speaks by a model."""

_BEAT_NS = 100_000_000
"""Between two words of progress."""


def run_event_driven(
    history: History,
    trader: Trader,
    venue: SimulatedVenueAdapter,
    *,
    forecasters: Mapping[str, Forecaster] = NOBODY,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    values: Mapping[str, Floats] | None = None,
    schedule: Schedule = (),
) -> RunResult:
    """`run` from where no event loop runs."""
    drive = Drive(history, trader, venue, forecasters, values, schedule=schedule)
    asyncio.run(drive.run(progress, should_stop))
    return drive.result()


async def run(
    history: History,
    trader: Trader,
    venue: SimulatedVenueAdapter,
    forecasters: Mapping[str, Forecaster],
    *,
    progress: Progress,
    should_stop: Callable[[], bool],
    values: Mapping[str, Floats] | None,
    schedule: Schedule = (),
) -> RunResult:
    """Trade `history` with a new trader on a new venue, both for its symbols in its order.

    `values` are forecasts by symbol (slots, outputs), NaN for none, that stand in for those of rule or model.
    `schedule` puts other declarations of the strategy in charge as the run goes; positions and what rests for them go
    on, and `values` must be given, as they are what each declaration says in its time. `should_stop` is asked between
    slots; a stopped run's result tells of the part that was run. `progress` is told how many of the traded slots are
    done. Raises BadInputError where the history does not suit the trader, ModelError where forecasts cannot be had.
    """
    drive = Drive(history, trader, venue, forecasters, values, schedule=schedule)
    await drive.run(progress, should_stop)
    return drive.result()


class Drive:
    """One run from its first traded slot to its end."""

    def __init__(
        self,
        history: History,
        trader: Trader,
        venue: SimulatedVenueAdapter,
        forecasters: Mapping[str, Forecaster],
        values: Mapping[str, Floats] | None,
        *,
        skipping: bool = True,
        observe: Callable[[Sequence[Record]], None] = lambda records: None,
        schedule: Schedule = (),
    ) -> None:
        _check(history, trader)
        if schedule and values is None:
            raise ValueError("a schedule of strategies needs the values that each has in its time")
        settings, strategy = trader.settings, trader.strategy
        self.history = history
        self.trader = trader
        self.journal = MemoryJournal(trader.state)
        self.events = BarEvents(history, settings.engine.first_price_delay_ms, settings.costs.assumed_funding_bps)
        self.slot = history.first
        self._shown = history.first - 1
        self.table: Floats | None = None
        if values is not None:
            self.table = known_values(values, history, strategy)
        elif strategy.is_of_rules:
            self.table = rule_values(strategy, history)
        desk = None
        if self.table is not None:
            desk = FixedDesk(strategy, history, self.table, settings.engine.inference_delay_ms)
        if last_bars_of_symbols(history):
            forecasters = {part: UnaskedBeforeHoles(one, history) for part, one in forecasters.items()}
        clock = VirtualClock(history.from_ms)
        told = (trader, venue, self.journal, forecasters, clock, observe, desk)
        sights = self._sights() if desk is None else None
        is_quiet = settings.limits.funding_quiet_minutes
        settlements = Settlements(history.symbols, history.funding) if is_quiet else None
        self.session = Session(*told, sights=sights, in_memory=True, settlements=settlements)
        self._warm_up(venue)
        self._schedule = list(schedule)
        self._skipping = skipping
        self._venue = venue
        self._skipper = self._new_skipper()
        self._ahead: tuple[int, int] | None = None
        """What the skipper said of the slot that comes next, where it was asked already."""

    def _sights(self) -> dict[str, Sees]:
        """What the parts see of each symbol beside its bars."""
        inputs = self.trader.strategy.market_inputs
        symbols = self.history.symbols if inputs else ()
        return {symbol: SeenHistory(seen_by(self.history, symbol, inputs)) for symbol in symbols}

    def _new_skipper(self) -> Skipper | None:
        # Where a forecast is known only in the next bar, no bar is known to be uneventful.
        is_late = self.session.latest_ms > self.trader.settings.engine.inference_delay_ms
        if not self._skipping or self.table is None or is_late:
            return None
        from core.lab.skip.needed_bars import Skipper

        return Skipper(self.history, self.trader, self._venue.venue, self.table)

    def _follow_schedule(self) -> None:
        """Put in charge what is due at the slot that comes next."""
        due = [strategy for slot, strategy in self._schedule if slot <= self.slot]
        if due:
            self._schedule = self._schedule[len(due) :]
            self.trader.follow(due[-1])
            self._skipper, self._ahead = self._new_skipper(), None

    def _warm_up(self, venue: SimulatedVenueAdapter) -> None:
        """What was seen before the first traded slot: by the histories, by trader and venue as their last bars."""
        newest: list[Bar] = []
        market = self._teach_market()
        for symbol, past in self.session.histories.items():
            bars = self.history.columns(symbol)
            stop = int(np.searchsorted(bars.open_time_ms, self.history.from_ms))
            if self.table is None:
                for row in range(max(0, stop - self.session.capacity), stop):
                    past.append(bar_at(bars, row))
                self._teach(symbol, stop, market)
            if stop:
                newest.append(bar_at(bars, stop - 1))
        set_marks(self.trader, newest)
        venue.venue.restore((), (), (), newest)

    def _teach_market(self) -> Spoken:
        """Show the rules over the market, where they are asked bar by bar, what lies before the first traded slot."""
        if self.table is not None or not self.session.parts.of_market:
            return NOTHING
        strategy, parts = self.trader.strategy, self.session.parts
        inputs = strategy.market_inputs if parts.market_sees else ()
        columns = [window_of(self.history, symbol, inputs) for symbol in self.history.symbols]
        before = [one.at(one.open_time_ms < self.history.from_ms) for one in columns]
        return parts.catch_up_market(before, first_bars(self.history, strategy), {})

    def _teach(self, symbol: str, stop: int, market: Spoken) -> None:
        """Show the rules of parts beside those that have models what lies before the first traded slot."""
        strategy = self.trader.strategy
        if self.session.parts.rules:
            bars = window_of(self.history, symbol, strategy.market_inputs).at(slice(0, stop))
            self.session.parts.catch_up(bars, first_bars(self.history, strategy), market)

    async def run(self, progress: Progress, should_stop: Callable[[], bool]) -> None:
        """Go to the end, or to where `should_stop` says so."""
        async with asyncio.TaskGroup() as group:
            await self._to_end(group, progress, should_stop)
            for task in self.session.tasks():
                task.cancel()

    async def _to_end(self, group: asyncio.TaskGroup, progress: Progress, should_stop: Callable[[], bool]) -> None:
        first, stop = self.history.first, len(self.history)
        told_ns = monotonic_ns()
        await self.session.warm_up()
        progress(0, stop - first)
        while self.slot < stop and not should_stop():
            if self.session.outage:
                # Without its predictions a run would tell of a strategy that never wants to trade.
                raise ModelError(self.session.outage)
            await self._advance(group)
            if monotonic_ns() - told_ns > _BEAT_NS:
                progress(self.slot - first, stop - first)
                told_ns = monotonic_ns()
        await self._show(self.slot - 1)
        progress(self.slot - first, stop - first)

    async def _advance(self, group: asyncio.TaskGroup) -> None:
        """Go on to the end of the next slot in which something may happen."""
        self._follow_schedule()
        busy = self.slot
        if self._skipper is not None:
            busy, peak = self._ahead or self._next_busy(self._skipper, busy)
            self._ahead = None
            if peak >= self.slot:
                self._pass_over(self.slot, peak)
                await self._close(peak, group)
                self.slot = peak + 1
            self._pass_over(self.slot, busy)
            self.slot = busy
        if busy < len(self.history):
            self._follow_schedule()
            await self._whole_slot(busy, group)
            self.slot = busy + 1

    def _next_busy(self, skipper: Skipper, slot: int) -> tuple[int, int]:
        return skipper.next_busy(slot, self._schedule[0][0] if self._schedule else len(self.history))

    def _pass_over(self, begin: int, end: int) -> None:
        """The slots of [begin, end), which change nothing but what is counted."""
        if self._skipper is not None and begin < end:
            self.journal.assumed_settlements += self._skipper.counted_between(begin, end)

    async def _whole_slot(self, slot: int, group: asyncio.TaskGroup) -> None:
        """First prices, funding inside the bar and close of a slot, less what can be told to change nothing."""
        skipper, inside = self._skipper, self.events.inside(slot)
        if skipper is None or inside:
            await self._open(slot, group)
        elif skipper.opens_uneventfully(slot):
            pass
        elif skipper.opens_idly(slot):
            await self._show(slot - 1, self.events.first_prices(slot))
        else:
            await self._open(slot, group)
            ahead = self._next_busy(skipper, slot)
            if ahead[0] > slot and ahead[1] != slot:
                self._pass_over(slot, slot + 1)
                self._ahead = ahead
                return
        for due_ms in inside:
            await self._instant(due_ms, self.events.funding(due_ms), group)
        await self._close(slot, group)

    async def _open(self, slot: int, group: asyncio.TaskGroup) -> None:
        await self._show(slot - 1)
        self.journal.slot = slot
        prices = self.events.first_prices(slot)
        if prices:
            await self._instant(
                self.events.open_ms(slot) + self.trader.settings.engine.first_price_delay_ms, prices, group
            )

    async def _close(self, slot: int, group: asyncio.TaskGroup) -> None:
        """What is due at the close of a slot. Of an uneventful one that is all: its bars undo what its first prices
        did."""
        self.journal.slot = self._shown = slot
        closing = self.events.closing(slot)
        if closing:
            await self._instant(self.events.open_ms(slot) + self.history.interval_ms, closing, group)

    async def _show(self, slot: int, prices: Sequence[MarketEvent] = ()) -> None:
        """Only the bars of a slot that was passed over: for the marks and volumes that the next one starts from. And
        the first `prices` of that one, where they fill nothing: for the marks and volumes that its bars meet."""
        bars: list[MarketEvent] = []
        if slot > self._shown:
            self._shown = slot
            bars += self.events.bars(slot)
        if bars or prices:
            close_ms = self.events.open_ms(slot) + self.history.interval_ms
            await self.session.stepper.market([*bars, *prices], close_ms, timer=False)

    async def _instant(self, due_ms: int, batch: Sequence[MarketEvent], group: asyncio.TaskGroup) -> None:
        await self.session.deliver_models(due_ms)
        await self.session.instant(due_ms, batch, group)

    def result(self) -> RunResult:
        state, journal = self.trader.state, self.journal
        initial_usdt = float(self.trader.settings.account.initial_balance_usdt)
        lot_qty = [state.symbols[symbol].lot_qty for symbol in self.history.symbols]
        trades = trade_columns(journal.trades)
        return RunResult(
            trades=trades,
            plans=self._plans(trades),
            curve=curve_of(journal.changes, self.history, lot_qty, initial_usdt, self.slot),
            initial_usdt=initial_usdt,
            final_usdt=float(state.ledger.account(state.exact_marks()).equity_usdt),
            complete=self.slot == len(self.history),
            open_positions=sum(1 for s in state.symbols.values() if s.lots),
            vetoes=dict(journal.vetoes),
            limits=dict(journal.limits),
            trainings=dict(journal.trainings),
            assumed_settlements=journal.assumed_settlements,
            assumed_usdt=float(journal.assumed_usdt),
            predictions=self._predictions(),
            fills=fill_columns(journal.fills, {symbol: s.instrument for symbol, s in state.symbols.items()}),
            ended_ms=journal.ended_ms,
        )

    def _plans(self, trades: TradeColumns) -> TradePlans:
        entered, books, symbols = self.journal.entered, self.trader.state.symbols, trades.symbol.tolist()

        def prices(ticks: Sequence[int | None]) -> Floats:
            told = zip(symbols, ticks, strict=True)
            return np.array([math.nan if t is None else float(books[s].instrument.price(t)) for s, t in told])

        def target(one: Entered, symbol: str, entry: float) -> float:
            price = books[symbol].instrument.price
            return mean_target(entry, [(float(price(at)), lots / one.stop_lots) for at, lots in one.targets.values()])

        return trade_plans(
            trades,
            self.trader.settings.account.leverage,
            np.array([one.confidence for one in entered], np.float64),
            prices([one.stop_ticks for one in entered]),
            np.array([target(*one) for one in zip(entered, symbols, trades.entry_price.tolist(), strict=True)]),
        )

    def _predictions(self) -> dict[str, ForecastColumns]:
        """Those of a table from the table, since uneventful slots are not told to the journal."""
        history, outputs = self.history, self.trader.strategy.outputs
        made = {}
        for row, symbol in enumerate(history.symbols):
            if self.table is None:
                close_ms, values = self._told(symbol)
            else:
                slots = np.flatnonzero(~np.isnan(self.table[row, : self.slot]).all(axis=1))
                close_ms = history.open_time_ms[slots] + history.interval_ms
                values = self.table[row, slots].copy()
            made[symbol] = forecast_columns(outputs, close_ms, values)
        return made

    def _told(self, symbol: str) -> tuple[NDArray[np.int64], Floats]:
        """The closes of which every part that is decided on has spoken, and what they said."""
        strategy, by_part = self.trader.strategy, self.journal.forecasts[symbol]
        said = [{one.bar_close_ms: one for one in by_part[part.name]} for part in strategy.decided]
        closes = sorted(set(said[0]).intersection(*said[1:]))
        rows = [vector(tuple(value for one in said for value in one[close].values)) for close in closes]
        return np.array(closes, np.int64), np.array(rows, np.float64).reshape(len(closes), len(strategy.outputs))


def _check(history: History, trader: Trader) -> None:
    if history.interval_ms != trader.settings.market.interval_ms:
        raise BadInputError(
            f"the history has bars of {interval_text(history.interval_ms)}, and market.interval_minutes is "
            f"{trader.settings.market.interval_minutes}; load bars of that"
        )
    symbols = tuple(trader.state.symbols)
    if symbols != history.symbols:
        raise BadInputError(
            f"the history holds {', '.join(history.symbols)}, the trader trades {', '.join(symbols)}; "
            "load the same symbols in the same order"
        )
