"""The exit policies at work: each trade's own memory of its bars, and what they say of it at a close.

A memory begins with the first fill of its trade, or is told again from the bars since (`Policies.recall`). Until then
what the policies would say is not known, and they are not asked: the trade's stop stands meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.arithmetic import exits
from core.domain.errors import BadInputError
from core.domain.market import Bar
from core.position.holding import added_lots, part_lots
from core.position.memory import PolicyMemory
from core.position.policy import ADD, CLOSE, MOVE_STOP, NAMES, REDUCE, Candle, ExitPolicy, Held, Said, beyond, weighed
from core.position.stops import moved_ticks
from core.strategy.decision import Vector
from core.strategy.declaration import Strategy
from core.trader.open_trade import OpenTrade
from core.trader.strategy_book import StrategyBook

CARRIED_OUT = (CLOSE, REDUCE, ADD, MOVE_STOP)
"""What a trade here can be told."""


@dataclass(slots=True)
class _Watched:
    """A trade with the exits that it was entered with, and the newest bar that they saw."""

    trade_id: str
    policies: Sequence[ExitPolicy]
    memory: PolicyMemory
    bar: Candle | None = None
    close_ms: int = 0

    def see(self, bar: Bar, entry_time_ms: int) -> None:
        """A bar that ended before the entry, or was seen already, is none of the trade's."""
        if bar.close_time_ms > max(entry_time_ms, self.close_ms):
            self.bar, self.close_ms = candle(bar), bar.close_time_ms
            self.memory.see(self.bar)


class Wanted(NamedTuple):
    """What exits that look back want of a trade: to leave it, or to reduce it by `lots` or add so many to it, to put
    its stop at `ticks`."""

    leaves: Said | None = None
    reduces: Said | None = None
    adds: Said | None = None
    lots: int = 0
    moves: Said | None = None
    ticks: int = 0


NOTHING = Wanted()


class Policies:
    """Of all trades of one account."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._policies: tuple[ExitPolicy, ...] = ()

    def follow(self, strategy: Strategy) -> None:
        """Go by these for the trades that begin from now on. Raises BadInputError for one that may say what cannot be
        carried out."""
        if (found := beyond(strategy.policies, CARRIED_OUT)) is not None:
            policy, what = found
            raise BadInputError(
                f"strategy {strategy.name}: its exit {policy.reason!r} may {_name(what)}, which no trade here does; "
                f"what it can is: {', '.join(NAMES[known] for known in CARRIED_OUT)}"
            )
        self._policies = strategy.policies

    def begin(self, s: StrategyBook, trade: OpenTrade) -> None:
        """The trade has its first fill now."""
        if self._policies:
            self._watched[s.instrument.symbol, s.strategy] = self._new(s, trade)

    def see(self, s: StrategyBook, bar: Bar) -> None:
        """Take a closed bar into the memory of the trade that is held."""
        watched = self._of(s)
        if watched is not None and s.trade is not None:
            watched.see(bar, s.trade.entry_time_ms)

    def lacks(self, s: StrategyBook) -> bool:
        """Whether a trade is held whose bars must be told again."""
        return bool(self._policies) and bool(s.lots) and s.trade is not None and self._of(s) is None

    def recall(self, s: StrategyBook, bars: Iterable[Bar]) -> None:
        """Remember the trade that is held from its bars, from the one of its entry up to the newest that was told."""
        if s.trade is None or not self.lacks(s):
            return
        watched = self._new(s, s.trade)
        for bar in bars:
            watched.see(bar, s.trade.entry_time_ms)
        self._watched[s.instrument.symbol, s.strategy] = watched

    def ask(self, s: StrategyBook, values: Vector) -> Wanted:
        """What is to be done at the newest close: nothing while there is nothing to say, or nobody knows."""
        watched = self._of(s)
        if watched is None or watched.bar is None or s.trade is None:
            return NOTHING
        sign = watched.memory.sign
        held = Held(
            sign,
            s.entry_price,
            abs(s.lots) * s.lot_qty,
            s.trade.entry_lots * s.lot_qty,
            stop_price(s, s.trade),
            exits.held_ms(s.trade.entry_time_ms, watched.close_ms, self._interval_ms),
        )
        return _wanted(s, s.trade, sign, *weighed(sign, watched.memory.ask(held, watched.bar, values)))

    def _of(self, s: StrategyBook) -> _Watched | None:
        watched = self._watched.get((s.instrument.symbol, s.strategy)) if self._watched else None
        if watched is None or s.trade is None or s.trade.trade_id != watched.trade_id:
            return None
        return watched

    def _new(self, s: StrategyBook, trade: OpenTrade) -> _Watched:
        return _Watched(trade.trade_id, self._policies, PolicyMemory(self._policies, 1 if s.lots > 0 else -1))


def _wanted(s: StrategyBook, trade: OpenTrade, sign: int, act: Said | None, stop: Said | None) -> Wanted:
    """What was said, in lots and ticks that an order may have. To reduce by so much that no order could close the rest
    is to leave, and so is a stop that the price is past already."""
    rules, held, lots = s.instrument, abs(s.lots), 0
    adds = act if act is not None and act.what == ADD else None
    if adds is not None:
        lots = added_lots(held, adds.amount, rules.lot_step)
    elif act is not None:
        share = act.amount if act.what == REDUCE else 1.0
        lots = part_lots(held, share, rules.lots_up(rules.min_lots), rules.lot_step)
        if lots == held:
            return Wanted(leaves=act)
    at = trade.stop_ticks or 0
    ticks = at
    if stop is not None:
        step = rules.tick_step
        ticks = moved_ticks(sign, at, stop.amount, s.tick * step, step, stop.policy.loosens)
        stop = stop._replace(amount=ticks * s.tick)
        if ticks != at and sign * (s.mark - stop.amount) <= 0.0:
            return Wanted(leaves=stop)
    reduces = act if lots and adds is None else None
    return Wanted(None, reduces, adds if lots else None, lots, stop if ticks != at else None, ticks)


def _name(what: int) -> str:
    return NAMES[what] if 0 <= what < len(NAMES) else str(what)


def candle(bar: Bar) -> Candle:
    return Candle(bar.open, bar.high, bar.low, bar.close, bar.volume)


def stop_price(s: StrategyBook, trade: OpenTrade) -> float:
    """In USDT; NaN while there is none."""
    return float("nan") if not trade.stop_ticks else trade.stop_ticks * s.tick
