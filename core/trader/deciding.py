"""From a forecast, or the silence of one, to what a strategy wants: entries, exits, turns, and why not."""

from __future__ import annotations

from dataclasses import replace

from msgspec import Struct

from core.arithmetic import exits
from core.arithmetic.costs import round_trip_cost_bps
from core.domain.forecast import MARKET, Because, Forecast
from core.domain.orders import Order, OrderRole, Side
from core.domain.origin import VersionRole, champion
from core.domain.records import ForecastRecord, SignalRecord
from core.domain.trading import ExitReason, Signal, SignalAction
from core.position.policy import Said
from core.settings.schema import Settings
from core.strategy.decision import Decider, Vector, vector
from core.strategy.declaration import Strategy
from core.trader import signal_text as words
from core.trader.entry import adding_veto, check_stop, entry_size, standing_veto
from core.trader.guard import Guard
from core.trader.ids import Ids
from core.trader.intents import adding_order, entry_order
from core.trader.messages import Command, Journal, Silence
from core.trader.open_trade import OpenTrade
from core.trader.policies import Policies, stop_price
from core.trader.protection import Protection
from core.trader.sending import Leaving, journalled, place
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook

DECISION_MAX_AGE_MS = 15_000
"""On a forecast that was made longer ago than this nothing is entered any more."""


class Wish(Struct, frozen=True):
    """What was decided on the outputs of one bar; no `forecast` where nothing was said of it."""

    forecast: Forecast | None
    values: Vector
    direction: int
    confidence: float | None


class Deciding:
    """Decides by one strategy, which can be followed by another."""

    def __init__(
        self,
        ids: Ids,
        state: TraderState,
        guard: Guard,
        leaving: Leaving,
        protection: Protection,
        settings: Settings,
        strategy: Strategy,
    ) -> None:
        self._ids = ids
        self._state = state
        self._guard = guard
        self._leaving = leaving
        self._settings = settings
        self._protection = protection
        self._interval_ms = settings.market.interval_ms
        self.policies = Policies(self._interval_ms)
        self.follow(strategy)

    def follow(self, strategy: Strategy) -> None:
        costs = self._settings.costs
        self.strategy = strategy
        self.policies.follow(strategy)
        self.cost_bps = round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps)
        self.decider = Decider(strategy, self.cost_bps)
        self._outputs = {part.name: len(part.outputs) for part in strategy.parts}
        self._decided = tuple(part.name for part in strategy.decided)
        self._of_market = {part.name for part in strategy.parts if part.scope == "market"}
        self._is_plain = len(strategy.parts) == 1 and not self._of_market

    def on_forecast(self, forecast: Forecast) -> list[Command]:
        symbols = self._spoken_of(forecast)
        if not self.decides_on(forecast):
            return [Journal(ForecastRecord(forecast))]
        before = self._newest(symbols[0], forecast.origin.part)
        if before is not None and forecast.bar_close_ms <= before.bar_close_ms:
            return []  # Each bar is decided on once, and never after a later one.
        commands: list[Command] = [Journal(ForecastRecord(forecast))]
        for s, whole in self.hear(forecast):
            if s.bar_close_ms >= whole.bar_close_ms or forecast.symbol:
                commands += self._decide(s, whole)
        return commands

    def _decide(self, s: StrategyBook, whole: Forecast) -> list[Command]:
        values = vector(whole.values)
        direction, confidence = self.decider.direction(values)
        wish = Wish(whole, values, direction, confidence)
        held = self._looked_after(s)
        if held:
            return [command for one in held for command in self._ask_exits(one, wish, whole.made_ms)]
        return self._try_entry(s, wish, whole.made_ms) if direction else []

    def _looked_after(self, s: StrategyBook) -> list[StrategyBook]:
        """Where something is held that this strategy decides on: its own, and by the first also what one left behind
        that trades no more. Until that is gone the first enters nothing there."""
        held = [s] if s.lots else []
        if self._state.strategies[0] == self.strategy.name:
            symbol = self._state.symbols[s.instrument.symbol]
            held += [one for one in symbol.left_behind(self._state.strategies) if one.lots]
        return held

    def decides_on(self, forecast: Forecast) -> bool:
        """Whether it is of what this trader trades by. What others say, and what candidates say, is only kept."""
        origin = forecast.origin
        is_ours = origin.strategy == self.strategy.name and origin.version_role is VersionRole.CHAMPION
        return is_ours and len(forecast.values) == self._outputs.get(origin.part)

    def newest(self, symbol: str, part: str) -> Forecast | None:
        """What a part said last of a symbol, or of MARKET."""
        if symbol == MARKET:
            return self._of_all().get(part)
        return self._newest(self._state.symbols[symbol].book(self.strategy.name), part)

    def _newest(self, s: StrategyBook, part: str) -> Forecast | None:
        """What a part said last of a symbol, or of all of them."""
        if self._is_plain:
            return s.forecast
        return self._of_all().get(part) if part in self._of_market else s.heard.get(part)

    def _of_all(self) -> dict[str, Forecast]:
        return self._state.heard.setdefault(self.strategy.name, {})

    def hear(self, forecast: Forecast) -> list[tuple[StrategyBook, Forecast]]:
        """Take in what a part says. What is decided on it, once every part that is decided on has spoken of the bar:
        their values as one forecast of a symbol, which is the last part's word."""
        symbols = self._spoken_of(forecast)
        if self._is_plain:
            symbols[0].forecast = forecast
            return [(symbols[0], forecast)]
        part = forecast.origin.part
        if part in self._of_market:
            self._of_all()[part] = forecast
        else:
            symbols[0].heard[part] = forecast
        found = []
        for s in symbols if part in self._decided else ():
            if (whole := self._whole(s, forecast.bar_close_ms)) is not None:
                s.forecast = whole
                found.append((s, whole))
        return found

    def _whole(self, s: StrategyBook, close_ms: int) -> Forecast | None:
        heard = [self._newest(s, name) for name in self._decided]
        said = [one for one in heard if one is not None and one.bar_close_ms == close_ms]
        if len(said) < len(heard):
            return None
        values = tuple(value for one in said for value in one.values)
        made_ms = max(one.made_ms for one in said)
        return replace(said[-1], symbol=s.instrument.symbol, made_ms=made_ms, values=values)

    def _spoken_of(self, forecast: Forecast) -> list[StrategyBook]:
        """Raises KeyError for a symbol that is none of the trader's."""
        if forecast.symbol == MARKET:
            return [self._state.symbols[symbol].book(self.strategy.name) for symbol in self._state.traded]
        return [self._state.symbols[forecast.symbol].book(self.strategy.name)]

    def on_silence(self, silence: Silence) -> list[Command]:
        s = self._state.symbols[silence.symbol].book(self.strategy.name)
        if s.forecast is not None and s.forecast.bar_close_ms >= s.bar_close_ms:
            return []
        wish = Wish(None, self.decider.silence, 0, None)
        return [command for one in self._looked_after(s) for command in self._ask_exits(one, wish, silence.time_ms)]

    def _ask_exits(self, s: StrategyBook, wish: Wish, now_ms: int) -> list[Command]:
        """Ask the exit rules at the close of a bar, whether anything was forecast of it or not."""
        trade, strategy = s.trade, self.strategy
        if trade is None or s.open_exit() is not None:
            return []
        sign = 1 if s.lots > 0 else -1
        forecast = wish.forecast
        if strategy.reverses and wish.direction == -sign:
            because = self.decider.because(wish.values, wish.direction)
            turn = self._signal(wish, s, -sign, SignalAction.EXIT, ExitReason.REVERSAL, now_ms, because)
            return [Journal(SignalRecord(turn)), *self._leaving.leave(s, ExitReason.REVERSAL, now_ms)]
        close_ms = s.bar_close_ms if forecast is None else forecast.bar_close_ms
        held_ms = exits.held_ms(trade.entry_time_ms, close_ms, self._interval_ms)
        for rule in strategy.exits:
            entry_price, mark = s.entry_price, s.mark
            if rule.function(sign, entry_price, mark, wish.values, held_ms, rule.parameter):
                because = words.exit_because(strategy, rule, sign, entry_price, mark, wish.values, held_ms)
                signal = self._signal(wish, s, -sign, SignalAction.EXIT, rule.reason, now_ms, because)
                return [Journal(SignalRecord(signal)), *self._leaving.leave(s, rule.reason, now_ms)]
        return self._ask_policies(s, trade, wish, now_ms)

    def _ask_policies(self, s: StrategyBook, trade: OpenTrade, wish: Wish, now_ms: int) -> list[Command]:
        """Ask the exits that look back on the trade: leave, reduce it, add to it, put its stop where one of them wants
        that. Where the price is past it already the trade is left."""
        wanted = self.policies.ask(s, wish.values)
        sign = 1 if s.lots > 0 else -1
        if (leaves := wanted.leaves) is not None:
            told = self._told(s, trade, wish, leaves, SignalAction.EXIT, -sign, now_ms)
            return [told, *self._leaving.leave(s, leaves.policy.reason, now_ms)]
        commands: list[Command] = []
        if (reduces := wanted.reduces) is not None and not _is_reduced(s, trade):
            commands.append(self._told(s, trade, wish, reduces, SignalAction.REDUCE, -sign, now_ms))
            commands += self._leaving.reduce(s, wanted.lots, reduces.policy.reason, now_ms)
        added: Order | None = None
        if (adds := wanted.adds) is not None and not _is_added(s, trade):
            told_of_it, added = self._add(s, trade, wish, adds, wanted.lots, now_ms)
            commands += told_of_it
        if (moves := wanted.moves) is not None:
            commands.append(self._told(s, trade, wish, moves, SignalAction.MOVE_STOP, sign, now_ms))
        if moves is not None or added is not None:
            # The stop for what is added goes out before it.
            ticks = wanted.ticks if moves is not None else trade.stop_ticks or 0
            commands += self._protection.move_stop(s, ticks, now_ms, 0 if added is None else added.qty_lots)
        return commands if added is None else commands + place(self._state, added)

    def _add(
        self, s: StrategyBook, trade: OpenTrade, wish: Wish, said: Said, lots: int, now_ms: int
    ) -> tuple[list[Command], Order | None]:
        """What a policy's wish for `lots` more comes to: what is to be told of it, and the order, if there may be one.
        It passes every limit that an entry passes."""
        caps, whose = self._settings.limits, self._ids.of_limit(trade.origin)
        symbol, sign = s.instrument.symbol, 1 if s.lots > 0 else -1
        commands = self._leaving.heed(self._guard.measure_change(self._state, now_ms, (symbol,)), now_ms)
        reason, lots_left = adding_veto(s, trade, self._state, self._guard, now_ms), 0
        if not reason:
            size = entry_size(
                self._state,
                s,
                self._guard,
                stop_pct=0.0,
                sizes=self._settings.sizing,
                caps=caps,
                now_ms=now_ms,
                origin=whose,
                wanted_lots=lots,
            )
            lots_left, reason = size.lots, size.reason
            commands += journalled(size.events)
        action = SignalAction.ADD if lots_left else SignalAction.VETOED
        words_of_it = f"{said.policy.reason}{reason}" if lots_left else f"{said.policy.reason}: {reason}"
        commands.append(self._told(s, trade, wish, said, action, sign, now_ms, words_of_it))
        if not lots_left:
            return commands, None
        close_ms = s.bar_close_ms if wish.forecast is None else wish.forecast.bar_close_ms
        reason = said.policy.reason
        return commands, adding_order(self._ids, trade, lots_left, bar_close_ms=close_ms, now_ms=now_ms, reason=reason)

    def _told(
        self,
        s: StrategyBook,
        trade: OpenTrade,
        wish: Wish,
        said: Said,
        action: SignalAction,
        direction: int,
        now_ms: int,
        reason: str = "",
    ) -> Command:
        because = words.policy_because(said, s.entry_price, s.mark, stop_price(s, trade))
        reason = reason or said.policy.reason
        return Journal(SignalRecord(self._signal(wish, s, direction, action, reason, now_ms, because)))

    def turn(self, s: StrategyBook, out: Order, left: OpenTrade, now_ms: int) -> list[Command]:
        """Flat by `out`, the exit of the trade `left`. Where a signal against it asked for that, its other side is
        entered now, if it still may be: never while anything of the old side is held."""
        forecast = s.forecast
        if not self.strategy.reverses or left.leaving != ExitReason.REVERSAL or s.trade is not None:
            return []
        if forecast is None or out.created_ms != forecast.made_ms:
            return []
        values = vector(forecast.values)
        direction, confidence = self.decider.direction(values)
        if direction != out.side.sign or now_ms - forecast.made_ms > DECISION_MAX_AGE_MS:
            return []
        return self._try_entry(s, Wish(forecast, values, direction, confidence), now_ms, left.trade_id)

    def _try_entry(self, s: StrategyBook, wish: Wish, now_ms: int, turned_id: str = "") -> list[Command]:
        """Enter, if it may be. `turned_id` is the trade on the other side that the same signal has closed."""
        forecast, direction = wish.forecast, wish.direction
        assert forecast is not None
        caps, whose = self._settings.limits, self._ids.of_limit(forecast.origin)
        commands = self._leaving.heed(self._guard.measure_change(self._state, now_ms, (forecast.symbol,)), now_ms)
        bracket = self.decider.bracket(wish.values)
        stop_pct, reason = bracket.stop_pct, bracket.problem
        if not reason:
            commands += journalled(check_stop(self._guard, forecast.symbol, stop_pct, caps, now_ms, whose))
            reason = standing_veto(self._state, s, self._guard, direction, now_ms, turned_id)
        lots = 0
        if not reason:
            size = entry_size(
                self._state,
                s,
                self._guard,
                stop_pct=stop_pct,
                sizes=self._settings.sizing,
                caps=caps,
                now_ms=now_ms,
                origin=whose,
                wanted_share=self._share(s, wish, stop_pct),
            )
            lots, reason = size.lots, size.reason
            commands += journalled(size.events)
        action = SignalAction.VETOED
        if lots:
            action, reason = SignalAction.ENTER, words.wanted(self.strategy) + reason
        because = self.decider.because(wish.values, direction)
        commands.append(Journal(SignalRecord(self._signal(wish, s, direction, action, reason, now_ms, because))))
        if not lots:
            return commands
        order = entry_order(
            self._ids,
            s,
            Side.BUY if direction > 0 else Side.SELL,
            lots,
            decision_ms=forecast.bar_close_ms,
            now_ms=now_ms,
            origin=forecast.origin,
            stop_pct=None if self.strategy.bracket is None else stop_pct,
            target_pct=None if self.strategy.bracket is None else bracket.target_pct,
            ladder=bracket.ladder,
        )
        return commands + place(self._state, order)

    def _share(self, s: StrategyBook, wish: Wish, stop_pct: float) -> float | None:
        """What the strategy's own sizing wants of equity; None where the settings size."""
        if self.strategy.sizing is None:
            return None
        equity_usdt, trades = self._state.equity_usdt(), self._state.open_positions()
        return self.decider.share(wish.values, equity_usdt, s.mark, stop_pct, wish.confidence, trades)

    def _signal(
        self,
        wish: Wish,
        s: StrategyBook,
        direction: int,
        action: SignalAction,
        reason: str,
        time_ms: int,
        because: tuple[Because, ...],
    ) -> Signal:
        symbol, forecast = s.instrument.symbol, wish.forecast
        close_ms = s.bar_close_ms if forecast is None else forecast.bar_close_ms
        name = self.strategy.name
        return Signal(
            self._ids.signal(name, symbol, close_ms, action),
            symbol,
            time_ms,
            direction,
            wish.confidence,
            action,
            reason,
            champion(name, part=self.strategy.part.name) if forecast is None else forecast.origin,
            () if forecast is None else forecast.contributions,
            because,
        )


def _is_added(s: StrategyBook, trade: OpenTrade) -> bool:
    """The same of an order that adds to it."""
    mine = (o for o in (*s.orders.values(), *s.ended.values()) if o.role is OrderRole.ENTRY and o.place)
    return any(o.trade_id == trade.trade_id and (o.is_open or o.created_ms >= s.bar_close_ms) for o in mine)


def _is_reduced(s: StrategyBook, trade: OpenTrade) -> bool:
    """Whether an order that reduces the trade is under way, or came of the newest bar: each bar reduces once, however
    often it is asked about, also by a start."""
    mine = (o for o in (*s.orders.values(), *s.ended.values()) if o.role is OrderRole.REDUCE)
    return any(o.trade_id == trade.trade_id and (o.is_open or o.created_ms >= s.bar_close_ms) for o in mine)
