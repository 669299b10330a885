"""The journal of a run over history: in memory, and only what its result is made of."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.domain.forecast import Forecast
from core.domain.operator import LimitEffect
from core.domain.orders import Fill, Order, OrderRole
from core.domain.records import (
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
    TrainingStatus,
)
from core.domain.trading import SignalAction, Trade
from core.lab.run.curve import Change
from core.trader.limits import DRAWDOWN
from core.trader.state import TraderState


@dataclass(slots=True)
class Entered:
    """What a trade was entered with: `confidence` NaN and ticks None where they are not known; of each target, by its
    place, ticks and lots, as of the stop those that were placed first."""

    confidence: float = math.nan
    stop_ticks: int | None = None
    stop_lots: int = 0
    targets: dict[int, tuple[int, int]] = field(default_factory=dict)


class MemoryJournal:
    """Implements core.ports.Journal. `slot` is where the run is: it stamps what changes the equity."""

    def __init__(self, state: TraderState) -> None:
        self.slot = 0
        self.trades: list[Trade] = []
        self.entered: list[Entered] = []
        self.fills: list[tuple[Fill, Order]] = []
        self.changes: list[Change] = []
        self.forecasts: dict[str, dict[str, list[Forecast]]] = defaultdict(lambda: defaultdict(list))
        """By symbol, then part."""
        self.vetoes: Counter[str] = Counter()
        self.limits: Counter[str] = Counter()
        self.trainings: Counter[str] = Counter()
        self.ended_ms: int | None = None
        self.assumed_settlements = 0
        self.assumed_usdt = Decimal(0)
        self._state = state
        self._confidence: dict[str, float] = {}
        self._under_way: dict[str, Entered] = {}
        self._index = {symbol: index for index, symbol in enumerate(state.symbols)}
        self._takes: dict[type, Callable[[Any], None]] = {
            TradeRecord: self._take_trade,
            IntentRecord: self._take_intent,
            FillRecord: self._take_fill,
            PositionRecord: self._take_position,
            FundingRecord: self._take_funding,
            ForecastRecord: self._take_forecast,
            SignalRecord: self._take_signal,
            LimitRecord: self._take_limit,
            TrainingRecord: self._take_training,
        }

    async def commit(self, records: Sequence[Record]) -> None:
        for record in records:
            take = self._takes.get(type(record))
            if take is not None:
                take(record)

    async def load(self) -> list[Record]:
        """A run starts from nothing."""
        return []

    def _take_trade(self, record: TradeRecord) -> None:
        self.trades.append(record.trade)
        name = record.trade.trade_id
        entered = self._under_way.get(name) or Entered()
        # A late fill of an entry begins a trade whose id has more behind that of the trade that it was placed for.
        first = self._under_way.get(name.partition("+")[0], entered)
        self.entered.append(replace(entered, confidence=first.confidence))

    def _take_intent(self, record: IntentRecord) -> None:
        """What a trade is entered with is known by its orders; the signal that it follows comes just before them."""
        order = record.order
        known = self._under_way.get(order.trade_id)
        if known is None:
            known = self._under_way[order.trade_id] = Entered()
        if order.role is OrderRole.ENTRY and not order.place:
            known.confidence = self._confidence.get(order.symbol, math.nan)
        elif order.role is OrderRole.STOP and known.stop_ticks is None:
            known.stop_ticks, known.stop_lots = order.trigger_ticks, order.qty_lots
        elif order.role is OrderRole.TARGET and order.trigger_ticks is not None:
            known.targets.setdefault(order.place, (order.trigger_ticks, order.qty_lots))

    def _take_fill(self, record: FillRecord) -> None:
        self.fills.append((record.fill, record.order))

    def _take_position(self, record: PositionRecord) -> None:
        self._note_change(record.position.symbol)

    def _take_funding(self, record: FundingRecord) -> None:
        if record.payment.is_assumed:
            self.assumed_settlements += 1
            self.assumed_usdt += record.payment.amount_usdt
        self._note_change(record.payment.symbol)

    def _take_forecast(self, record: ForecastRecord) -> None:
        self.forecasts[record.forecast.symbol][record.forecast.origin.part].append(record.forecast)

    def _take_signal(self, record: SignalRecord) -> None:
        signal = record.signal
        if signal.action is SignalAction.VETOED:
            self.vetoes[signal.reason] += 1
        elif signal.action is SignalAction.ENTER:
            self._confidence[signal.symbol] = math.nan if signal.confidence is None else signal.confidence

    def _take_limit(self, record: LimitRecord) -> None:
        if record.event.fired and record.event.effect is not LimitEffect.WARN:
            self.limits[record.event.limit] += 1
            if record.event.limit == DRAWDOWN.name and self.ended_ms is None:
                self.ended_ms = record.event.time_ms

    def _take_training(self, record: TrainingRecord) -> None:
        if record.status is not TrainingStatus.REQUESTED:
            self.trainings[f"{record.status}: {record.note}" if record.note else str(record.status)] += 1

    def _note_change(self, symbol: str) -> None:
        s = self._state.symbols[symbol]
        self.changes.append(Change(self.slot, self._index[symbol], s.lots, s.cost_usdt, self._state.wallet_usdt))
