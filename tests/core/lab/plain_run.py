"""The long way: trader and simulated venue told every event of a history, one by one, as the engine tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import VenueRejectedError
from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, HoleAhead, MarketEvent
from core.domain.operator import LimitEffect
from core.domain.orders import OrderState, OrderType, OrderUpdate
from core.domain.records import EquityRecord, FundingRecord, LimitRecord, TradeRecord
from core.domain.trading import EquitySample, Trade
from core.lab.data.history import History
from core.ports import VenueEvent
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder, Silence, Timer
from core.trader.restore import set_marks
from core.trader.trader import Trader
from core.venues.simulated import SimulatedVenue
from tests.declared import said


@dataclass
class PlainRun:
    trader: Trader
    venue: SimulatedVenue
    trades: list[Trade] = field(default_factory=list)
    assumed: list[Decimal] = field(default_factory=list)
    samples: list[EquitySample] = field(default_factory=list)
    prices: list[FirstPrice] = field(default_factory=list)
    ended_ms: int | None = None

    def market(self, batch: Sequence[MarketEvent], now_ms: int) -> None:
        commands: list[Command] = []
        self.prices = [event for event in batch if isinstance(event, FirstPrice)]
        for event in batch:
            for answer in self.venue.on_market(event):
                commands += self.trader.handle(answer)
            if not isinstance(event, FundingRate | HoleAhead):
                commands += self.trader.handle(event)
        if any(isinstance(event, Bar) for event in batch):
            commands += self.trader.handle(Timer(now_ms))
        self.finish(commands, now_ms)

    def told(self, said: Sequence[Forecast | Silence], now_ms: int) -> None:
        """What was said of the bars of an instant."""
        commands = [command for one in said for command in self.trader.handle(one)]
        self.prices = []
        self.finish(commands, now_ms)

    def finish(self, commands: list[Command], now_ms: int) -> None:
        while commands:
            answers: list[VenueEvent] = []
            taking = False
            for command in commands:
                if isinstance(command, Journal):
                    self.keep(command)
                else:
                    answers += self.send(command, now_ms)
                    taking |= isinstance(command, PlaceOrder) and command.order.type is OrderType.MARKET
            for price in self.prices if taking else ():
                answers += self.venue.on_market(price)
            commands = [command for answer in answers for command in self.trader.handle(answer)]
        for s in self.trader.state.books():
            assert not s.lots or (s.trade is not None and s.trade.side.sign * s.lots > 0), "a trade of the wrong side"

    def keep(self, command: Journal) -> None:
        if isinstance(command.record, TradeRecord):
            self.trades.append(command.record.trade)
        elif isinstance(command.record, FundingRecord) and command.record.payment.is_assumed:
            self.assumed.append(command.record.payment.amount_usdt)
        elif isinstance(command.record, EquityRecord):
            self.samples.append(command.record.sample)
        elif isinstance(command.record, LimitRecord):
            event = command.record.event
            if event.limit == "drawdown" and event.fired and event.effect is not LimitEffect.WARN:
                self.ended_ms = self.ended_ms or event.time_ms

    def send(self, command: PlaceOrder | CancelOrder, now_ms: int) -> list[VenueEvent]:
        order = command.order
        if isinstance(command, CancelOrder):
            try:
                return self.venue.cancel(order.client_order_id, now_ms)
            except VenueRejectedError:
                return []
        self.trader.handle(OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, now_ms))
        try:
            return self.venue.submit(order, now_ms)
        except VenueRejectedError as error:
            told = (order.client_order_id, order.symbol, OrderState.REJECTED, now_ms, "", str(error), error.kind)
            return [OrderUpdate(*told)]


def plain_run(
    history: History,
    instruments: Mapping[str, Instrument],
    settings: Settings,
    strategy: Strategy,
    values: NDArray[np.float64],
) -> PlainRun:
    chosen = {symbol: instruments[symbol] for symbol in history.symbols}
    costs = settings.costs
    venue = SimulatedVenue(
        chosen,
        slippage_bps=costs.slippage_bps,
        impact_bps=costs.impact_bps,
        max_participation_pct=costs.max_participation_pct,
        initial_balance_usdt=settings.account.initial_balance_usdt,
        leverage=settings.account.leverage,
        first_price_delay_ms=settings.engine.first_price_delay_ms,
    )
    run = PlainRun(Trader("plain", strategy, settings, chosen), venue)
    before = [
        bar
        for symbol in history.symbols
        for bar in [bar_of(history, symbol, i) for i in range(history.first)][::-1]
        if bar is not None
    ]
    newest = list({bar.symbol: bar for bar in reversed(before)}.values())
    set_marks(run.trader, newest)
    venue.restore([], [], [], newest)
    for i in range(history.first, len(history)):
        walk(run, history, settings, strategy, values, i)
    return run


def bar_of(history: History, symbol: str, i: int) -> Bar | None:
    s = history.symbols.index(symbol)
    if np.isnan(history.close[s, i]):
        return None
    columns = (history.open, history.high, history.low, history.close, history.volume)
    prices = (float(column[s, i]) for column in columns)
    return Bar(symbol, int(history.open_time_ms[i]), history.interval_ms, *prices)


def minute_of(rate: FundingRate) -> int:
    return rate.time_ms - rate.time_ms % MINUTE_MS


def is_last_before_hole(history: History, symbol: str, i: int) -> bool:
    """Whether no bar of the symbol follows for more than ten minutes, though the history goes on for longer."""
    slots = history.max_hole_ms // history.interval_ms + 1
    following = history.close[history.symbols.index(symbol), i + 1 : i + 1 + slots]
    return len(following) == slots and bool(np.isnan(following).all())


def walk(
    run: PlainRun,
    history: History,
    settings: Settings,
    strategy: Strategy,
    values: NDArray[np.float64],
    i: int,
) -> None:
    open_ms = int(history.open_time_ms[i])
    close_ms = open_ms + history.interval_ms
    bars = [bar for bar in (bar_of(history, symbol, i) for symbol in history.symbols) if bar is not None]
    first_ms = open_ms + settings.engine.first_price_delay_ms
    run.market([FirstPrice(bar.symbol, first_ms, open_ms, bar.open) for bar in bars], first_ms)
    run.prices = []
    share = settings.costs.assumed_funding_bps / 10_000 / (8 * 60 * MINUTE_MS)
    assumed = [
        FundingRate(gap.symbol, gap.time_ms, share * gap.interval_ms, gap.mark_price, is_assumed=True)
        for gap in history.missing_funding
    ]
    due = [rate for rate in (*history.funding, *assumed) if open_ms < minute_of(rate) <= close_ms]
    due.sort(key=lambda rate: (minute_of(rate), history.symbols.index(rate.symbol), rate.time_ms))
    for rate in (rate for rate in due if minute_of(rate) < close_ms):
        run.market([rate], minute_of(rate))
    due = [rate for rate in due if minute_of(rate) == close_ms]
    ends = [HoleAhead(bar.symbol, close_ms) for bar in bars if is_last_before_hole(history, bar.symbol, i)]
    run.market([*bars, *ends, *due], close_ms)
    made_ms = close_ms + settings.engine.inference_delay_ms
    ended = {end.symbol for end in ends}
    told = ((bar.symbol, values[history.symbols.index(bar.symbol), i]) for bar in bars if bar.symbol not in ended)
    run.told(
        [
            Silence(symbol, made_ms)
            if np.isnan(row).all()
            else said(symbol, close_ms, made_ms, tuple(row.tolist()), strategy.name)
            for symbol, row in told
        ],
        made_ms,
    )
