"""From a prediction, or the silence of one, to what a strategy wants: entries, exits, turns, and why not."""

from __future__ import annotations

import math

from core.arithmetic import exits
from core.arithmetic.costs import round_trip_cost_bps
from core.domain.orders import Order, Side
from core.domain.origin import VersionRole, champion
from core.domain.records import PredictionRecord, SignalRecord
from core.domain.trading import ExitReason, Prediction, Signal, SignalAction
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.trader import signal_text as words
from core.trader.entry import check_stop, entry_size, standing_veto
from core.trader.guard import Guard
from core.trader.ids import Ids
from core.trader.intents import entry_order
from core.trader.messages import Command, Journal, Silence
from core.trader.sending import Leaving, journalled, place
from core.trader.state import TraderState
from core.trader.symbol_state import OpenTrade, SymbolState

DECISION_MAX_AGE_MS = 15_000
"""On a prediction that was made longer ago than this nothing is entered any more."""


class Deciding:
    """Decides by one strategy, which can be followed by another."""

    def __init__(
        self, ids: Ids, state: TraderState, guard: Guard, leaving: Leaving, settings: Settings, strategy: Strategy
    ) -> None:
        self._ids = ids
        self._state = state
        self._guard = guard
        self._leaving = leaving
        self._settings = settings
        self._interval_ms = settings.market.interval_ms
        self.follow(strategy)

    def follow(self, strategy: Strategy) -> None:
        costs = self._settings.costs
        self.strategy = strategy
        self.threshold_bps = strategy.threshold_bps(round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps))

    def on_prediction(self, prediction: Prediction) -> list[Command]:
        s = self._state.symbols[prediction.symbol]
        if not self.decides_on(prediction):
            return [Journal(PredictionRecord(prediction))]
        if s.prediction is not None and prediction.bar_close_ms <= s.prediction.bar_close_ms:
            return []  # Each bar is decided on once, and never after a later one.
        s.prediction = prediction
        commands: list[Command] = [Journal(PredictionRecord(prediction))]
        direction = self.strategy.decide(prediction.value_bps, self.threshold_bps)
        if s.lots:
            return commands + self._ask_exits(s, prediction, direction, prediction.made_ms)
        return commands + self._try_entry(s, prediction, direction, prediction.made_ms) if direction else commands

    def decides_on(self, prediction: Prediction) -> bool:
        """Whether it is of what this trader trades by. What others say, and what candidates say, is only kept."""
        origin = prediction.origin
        return origin.strategy == self.strategy.name and origin.version_role is VersionRole.CHAMPION

    def on_silence(self, silence: Silence) -> list[Command]:
        s = self._state.symbols[silence.symbol]
        if not s.lots or (s.prediction is not None and s.prediction.bar_close_ms >= s.bar_close_ms):
            return []
        return self._ask_exits(s, None, 0, silence.time_ms)

    def _ask_exits(self, s: SymbolState, prediction: Prediction | None, direction: int, now_ms: int) -> list[Command]:
        """Ask the exit rules at the close of a bar, whether anything was predicted of it or not."""
        trade, strategy = s.trade, self.strategy
        if trade is None or s.open_exit() is not None:
            return []
        sign = 1 if s.lots > 0 else -1
        if prediction is not None and strategy.reverses and direction == -sign:
            compared = words.compared_entry(strategy, prediction.value_bps, self.threshold_bps)
            turn = self._signal(
                prediction, s, -sign, SignalAction.EXIT, ExitReason.REVERSAL, now_ms, compared, self.threshold_bps
            )
            return [Journal(SignalRecord(turn)), *self._leaving.leave(s, ExitReason.REVERSAL, now_ms)]
        value_bps = math.nan if prediction is None else prediction.value_bps
        close_ms = s.bar_close_ms if prediction is None else prediction.bar_close_ms
        held_ms = exits.held_ms(trade.entry_time_ms, close_ms, self._interval_ms)
        for rule in strategy.exits:
            given = (sign, s.entry_price, s.mark, value_bps, held_ms)
            if rule.function(*given, rule.parameter):
                compared = words.compared_exit(rule, *given)
                needed_bps = rule.parameter if words.unit_of(rule) == "bps" else None
                signal = self._signal(
                    prediction, s, -sign, SignalAction.EXIT, rule.reason, now_ms, compared, needed_bps
                )
                return [Journal(SignalRecord(signal)), *self._leaving.leave(s, rule.reason, now_ms)]
        return []

    def turn(self, s: SymbolState, out: Order, left: OpenTrade, now_ms: int) -> list[Command]:
        """Flat by `out`, the exit of the trade `left`. Where a signal against it asked for that, its other side is
        entered now, if it still may be: never while anything of the old side is held."""
        prediction = s.prediction
        if not self.strategy.reverses or left.leaving != ExitReason.REVERSAL or s.trade is not None:
            return []
        if prediction is None or out.created_ms != prediction.made_ms:
            return []
        direction = self.strategy.decide(prediction.value_bps, self.threshold_bps)
        if direction != out.side.sign or now_ms - prediction.made_ms > DECISION_MAX_AGE_MS:
            return []
        return self._try_entry(s, prediction, direction, now_ms, left.trade_id)

    def _try_entry(
        self, s: SymbolState, prediction: Prediction, direction: int, now_ms: int, turned_id: str = ""
    ) -> list[Command]:
        """Enter, if it may be. `turned_id` is the trade on the other side that the same signal has closed."""
        caps, whose = self._settings.limits, self._ids.of_limit(prediction.origin)
        commands = self._leaving.heed(self._guard.measure(self._state, now_ms, (prediction.symbol,)), now_ms)
        commands += journalled(check_stop(self._guard, prediction.symbol, self.strategy.stop_pct, caps, now_ms, whose))
        reason = standing_veto(self._state, s, self._guard, now_ms, turned_id)
        lots = 0
        if not reason:
            size = entry_size(
                self._state,
                s,
                self._guard,
                stop_pct=self.strategy.stop_pct,
                sizes=self._settings.sizing,
                caps=caps,
                now_ms=now_ms,
                origin=whose,
            )
            lots, reason = size.lots, size.reason
            commands += journalled(size.events)
        action = SignalAction.VETOED
        if lots:
            action, reason = SignalAction.ENTER, words.wanted(self.strategy) + reason
        compared = words.compared_entry(self.strategy, prediction.value_bps, self.threshold_bps)
        signal = self._signal(prediction, s, direction, action, reason, now_ms, compared, self.threshold_bps)
        commands.append(Journal(SignalRecord(signal)))
        if not lots:
            return commands
        order = entry_order(
            self._ids,
            s,
            Side.BUY if direction > 0 else Side.SELL,
            lots,
            decision_ms=prediction.bar_close_ms,
            now_ms=now_ms,
            origin=prediction.origin,
        )
        return commands + place(self._state, order)

    def _signal(
        self,
        prediction: Prediction | None,
        s: SymbolState,
        direction: int,
        action: SignalAction,
        reason: str,
        time_ms: int,
        compared: str,
        needed_bps: float | None,
    ) -> Signal:
        """`needed_bps` is what a prediction was compared with, None where something else decided."""
        symbol, p = s.instrument.symbol, prediction
        close_ms = s.bar_close_ms if p is None else p.bar_close_ms
        return Signal(
            signal_id=self._ids.signal(self.strategy.name, symbol, close_ms, action),
            symbol=symbol,
            time_ms=time_ms,
            direction=direction,
            value_bps=None if p is None or needed_bps is None else p.value_bps,
            threshold_bps=needed_bps,
            confidence=None if p is None else p.confidence,
            action=action,
            reason=reason,
            origin=champion(self.strategy.name) if p is None else p.origin,
            contributions=() if p is None else p.contributions,
            compared=compared,
        )
