"""What happened lately, kept for the screen: trades, signals and chart markers, newest last."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Literal

from core.control.protocol import MarkerView
from core.domain.orders import OrderRole
from core.domain.records import FillRecord, Record, SignalRecord, TradeRecord
from core.domain.trading import Signal, Trade
from core.trader.state import TraderState

_KEEP = 200
_KEEP_SIGNALS = 100


class Recent:
    def __init__(self, state: TraderState) -> None:
        self._state = state
        self.trades: deque[Trade] = deque(maxlen=_KEEP)
        self.signals: deque[Signal] = deque(maxlen=_KEEP_SIGNALS)
        self.markers: defaultdict[str, deque[MarkerView]] = defaultdict(lambda: deque(maxlen=_KEEP))

    def take_in(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case TradeRecord(trade):
                    self._keep_trade(trade)
                case SignalRecord(signal):
                    self.signals.append(signal)
                case FillRecord(fill, order):
                    price = float(self._state.symbols[fill.symbol].instrument.price(fill.price_ticks))
                    kind: Literal["entry", "exit"] = "entry" if order.role is OrderRole.ENTRY else "exit"
                    self.markers[fill.symbol].append(MarkerView(fill.time_ms, price, kind, fill.side))
                case _:
                    pass

    def _keep_trade(self, trade: Trade) -> None:
        """One that is told again, with funding that became known since, takes its own place."""
        for place, known in enumerate(self.trades):
            if known.trade_id == trade.trade_id:
                self.trades[place] = trade
                return
        self.trades.append(trade)
