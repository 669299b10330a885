"""What an operator does to one open trade: close it, or a part of it, and put its stop elsewhere."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from core.domain.operator import OperatorCommand
from core.domain.orders import OrderType
from core.domain.trading import ExitReason
from core.position.holding import part_lots
from core.position.stops import MAX_LOST_STOPS
from core.trader.messages import Command
from core.trader.open_trade import OpenTrade
from core.trader.protection import Protection
from core.trader.sending import Leaving
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook

Done = tuple[str, list[Command]]
"""What the operator is told, beginning with "refused" where nothing was done, and what that takes."""


class TradeActs:
    """Of every open trade of one account."""

    def __init__(self, state: TraderState, leaving: Leaving, protection: Protection) -> None:
        self._state = state
        self._leaving = leaving
        self._protection = protection

    def close(self, command: OperatorCommand) -> Done:
        """All of a trade, or a share of it, at market. Where that would leave less than can be ordered it is all."""
        s, trade, refused = self._open(command.trade)
        if s is None or trade is None:
            return refused, []
        whose, share_pct, now_ms = trade.trade_id, command.share_pct, command.time_ms
        if share_pct is not None and not 0 < share_pct <= 100:
            return f"refused: a share is above 0 and 100 % at most, not {share_pct:f} %", []
        if any(order.reduce_only and order.type is OrderType.MARKET for order in s.orders.values()):
            return f"refused: a part of {whose} is being closed; ask again once that has filled", []
        held, least, step = abs(s.lots), s.instrument.lots_up(s.instrument.min_lots), s.instrument.lot_step
        if share_pct is None or share_pct == 100:
            return f"closing {_qty(s, held)} at market: all of {whose}", self._leave(s, now_ms)
        asked = int(held * share_pct / 100) // step * step
        if asked < least:
            share = f"{share_pct:f} % of {whose} is {_qty(s, asked)}"
            return f"refused: {share}, less than the least order of {_qty(s, least)}", []
        lots = part_lots(held, float(share_pct) / 100.0, least, step)
        if lots == held:
            left = f"what {share_pct:f} % would leave is less than the least order of {_qty(s, least)}"
            return f"closing {_qty(s, held)} at market: all of {whose}, for {left}", self._leave(s, now_ms)
        rest = f"stop and targets are cut to the {_qty(s, held - lots)} that are left as it fills"
        reduced = self._leaving.reduce(s, lots, ExitReason.OPERATOR, now_ms)
        return f"closing {_qty(s, lots)} of {whose} at market; {rest}", reduced

    def move_stop(self, command: OperatorCommand) -> Done:
        """The new stop is placed now, and the old one withdrawn once the new one rests. It lies on the tick that leaves
        sooner."""
        s, trade, refused = self._open(command.trade)
        if s is None or trade is None:
            return refused, []
        whose, rules, price = trade.trade_id, s.instrument, command.price
        if price is None or not price.is_finite() or price <= 0:
            return "refused: a stop needs a price above 0, in USDT", []
        if trade.stop_refused or trade.lost_stops >= MAX_LOST_STOPS:
            return f"refused: no stop can rest for {whose}: the venue refused it, or ended it too often", []
        if trade.stop_ticks is None or not s.stops():
            return f"refused: {whose} has no stop at the venue yet; ask again once it rests", []
        sign = 1 if s.lots > 0 else -1
        exact = (price / rules.tick_size).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR)
        ticks = rules.safe_ticks(int(exact), sign)
        at, mark = rules.price(ticks), Decimal(repr(s.mark))
        if ticks < 1 or not s.mark > 0.0 or sign * (mark - at) <= 0:
            side = "below" if sign > 0 else "above"
            return f"refused: a stop at {at:f} would fire at once: that of {whose} lies {side} the price, {mark:f}", []
        before = rules.price(trade.stop_ticks)
        if ticks == trade.stop_ticks:
            return f"refused: the stop of {whose} lies at {before:f} already", []
        moved = self._protection.move_stop(s, ticks, command.time_ms)
        return f"moving the stop of {whose} from {before:f} to {at:f}; the old one goes once the new one rests", moved

    def _leave(self, s: StrategyBook, now_ms: int) -> list[Command]:
        return self._leaving.leave(s, ExitReason.OPERATOR, now_ms)

    def _open(self, named: str) -> tuple[StrategyBook | None, OpenTrade | None, str]:
        """The trade of that id, or the one that is open in that symbol, with where it is; else why there is none, or
        why it is none that can be acted on."""
        held = [(s, s.trade) for s in self._state.books() if s.trade is not None and s.lots]
        found = [(s, trade) for s, trade in held if trade.trade_id == named]
        found = found or [(s, trade) for s, trade in held if trade.symbol == named.upper()]
        if len(found) > 1:
            return None, None, f"refused: {len(found)} trades are open in {named.upper()}: {_names(found)}; name one"
        if not found and any(s.trade is not None and s.trade.trade_id == named for s in self._state.books()):
            return None, None, f"refused: nothing of {named} is held yet; `flatten` with its symbol withdraws its entry"
        if not found:
            others = f"open: {_names(held)}" if held else "none is open"
            return (
                None,
                None,
                f"refused: no open trade is {named}; {others}" if named else f"refused: name a trade; {others}",
            )
        s, trade = found[0]
        if trade.leaving or s.open_exit() is not None:
            return None, None, f"refused: {trade.trade_id} is being left already: {trade.leaving}"
        return s, trade, ""


def _qty(s: StrategyBook, lots: int) -> str:
    return f"{s.instrument.qty(lots).normalize():f} {s.instrument.base}"


def _names(held: list[tuple[StrategyBook, OpenTrade]]) -> str:
    return ", ".join(trade.trade_id for _, trade in held)
