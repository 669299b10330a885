"""From a prediction to an entry: threshold, vetoes, limits that cut, size."""

from __future__ import annotations

from msgspec import Struct

from core.arithmetic import sizing
from core.domain.operator import LimitEvent
from core.domain.orders import OrderRole
from core.domain.origin import Origin
from core.settings.schema import LimitSettings, SizingSettings
from core.trader import limits
from core.trader.guard import Guard
from core.trader.open_trade import OpenTrade
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook


class Size(Struct, frozen=True):
    """Lots to buy or sell with what cut them, if anything did, or zero and the reason why not.

    `events` are the limits that fired or cleared on the way.
    """

    lots: int
    reason: str
    events: list[LimitEvent]


def standing_veto(
    state: TraderState, s: StrategyBook, guard: Guard, direction: int, now_ms: int, turned_id: str = ""
) -> str:
    """Why no entry in this direction may be made now, whatever its size; empty when it may. Of the trade `turned_id`,
    which the same signal has just closed, neither the stop and target that are being withdrawn nor the cooldown are in
    the way."""
    if state.halted:
        return "halted by the operator"
    if state.paused:
        return "entries paused by the operator"
    if s.flattening or now_ms <= s.flattened_ms:
        return "flattened by the operator"
    if not s.bar_close_ms:
        return "no bar of this symbol was seen yet"
    if s.trade is not None:
        return "an entry of this symbol is pending"
    if s.orders:
        if s.has_unknown():
            return "an order of this symbol has an unknown outcome"
        if any(order.trade_id != turned_id for order in s.orders.values()):
            return "orders of the last trade are still open"
    if not turned_id and now_ms < s.cooldown_until_ms:
        return "cooldown after the last trade"
    fired = guard.blocks(s.instrument.symbol, s.strategy)
    return _netting_veto(state, s, direction) if fired is None else _words(fired)


def _netting_veto(state: TraderState, s: StrategyBook, direction: int) -> str:
    """A symbol's side belongs to who holds it, and the whole symbol to one that trades no more until it has left."""
    symbol = state.symbols[s.instrument.symbol]
    if len(symbol.books) == 1:
        return ""
    for left in symbol.left_behind(state.strategies):
        if left.trade is not None:
            return f"{left.strategy}, which trades no more, has not left this symbol yet"
    holder = symbol.other_side(s.strategy, direction)
    return f"the {'short' if direction > 0 else 'long'} side of this symbol is held by {holder}" if holder else ""


def _words(fired: LimitEvent) -> str:
    note = f" ({fired.note})" if fired.note else ""
    return f"limit {fired.limit}{note}; clears {fired.clears}"


def adding_veto(s: StrategyBook, trade: OpenTrade, state: TraderState, guard: Guard, now_ms: int) -> str:
    """Why nothing may be added to a trade now, whatever its size; empty when it may. All that forbids an entry forbids
    it, and so does whatever leaves the trade bare, or is about to end it."""
    if state.halted:
        return "halted by the operator"
    if state.paused:
        return "entries paused by the operator"
    if s.flattening or now_ms <= s.flattened_ms:
        return "flattened by the operator"
    if trade.leaving or s.open_exit() is not None:
        return "the trade is being left"
    if s.has_unknown():
        return "an order of this symbol has an unknown outcome"
    if s.entries() or s.next_trade is not None:
        return "an entry of this symbol is pending"
    if s.open_order(OrderRole.REDUCE) is not None:
        return "a part of the trade is being closed"
    if not trade.stop_ticks or not s.is_protected():
        return "the trade's stop is not known to rest"
    fired = guard.blocks(s.instrument.symbol, trade.origin.strategy)
    return "" if fired is None else _words(fired)


def check_stop(
    guard: Guard, symbol: str, stop_pct: float, caps: LimitSettings, now_ms: int, origin: Origin
) -> list[LimitEvent]:
    """Measure the stop's distance. It is asked before the vetoes, so that a good stop can lift its own veto."""
    return guard.check(
        limits.STOP_DISTANCE,
        symbol,
        stop_pct,
        caps.max_stop_distance_pct,
        breached=not caps.min_stop_distance_pct <= stop_pct <= caps.max_stop_distance_pct,
        now_ms=now_ms,
        origin=origin,
    )


def entry_size(
    state: TraderState,
    s: StrategyBook,
    guard: Guard,
    *,
    stop_pct: float,
    sizes: SizingSettings,
    caps: LimitSettings,
    now_ms: int,
    origin: Origin,
    wanted_share: float | None = None,
    wanted_lots: int | None = None,
) -> Size:
    """The size of an entry at the present mark, after every per-trade limit. `wanted_share` is what the strategy's own
    sizing wants of equity as notional, None where the settings size it; `wanted_lots` are those that are to be added to
    what is held."""
    symbol = s.instrument.symbol
    equity = state.equity_usdt()
    gross = state.gross_notional_usdt()
    if wanted_lots is not None:
        wanted = wanted_lots * s.lot_qty * s.mark
    elif wanted_share is None:
        wanted = sizes.notional_usdt or sizing.target_notional_usdt(
            equity, stop_pct, sizes.position_pct, sizes.risk_per_trade_pct
        )
    elif wanted_share > 0.0:
        wanted = equity * wanted_share
    else:
        return Size(0, "the strategy's sizing wants nothing", [])
    room_leverage = limits.room_usdt(gross, equity, caps.max_leverage * 100.0)
    room_exposure = limits.room_usdt(gross, equity, caps.max_exposure_pct)
    events = guard.check(
        limits.ORDER_NOTIONAL,
        symbol,
        wanted,
        caps.max_order_notional_usdt,
        breached=wanted > caps.max_order_notional_usdt,
        now_ms=now_ms,
        origin=origin,
    )
    events += guard.check(
        limits.LEVERAGE,
        symbol,
        (gross + wanted) / equity if equity > 0.0 else caps.max_leverage,
        caps.max_leverage,
        breached=wanted > room_leverage,
        now_ms=now_ms,
        origin=origin,
    )
    notional = min(wanted, caps.max_order_notional_usdt, room_leverage, room_exposure)
    instrument, step_qty = s.instrument, s.step_qty
    room_lots = instrument.max_lots - _held_lots(state, s)
    steps = min(sizing.lots_for_notional(notional, s.mark, step_qty), room_lots // instrument.lot_step)
    lots = steps * instrument.lot_step
    if lots < instrument.min_lots or steps * step_qty * s.mark < s.min_notional_usdt:
        cause = "limits leave less than the smallest order" if notional < wanted else "size is below the smallest order"
        return Size(0, cause, events)
    return Size(lots, _cut_by(notional, wanted, caps, room_leverage, room_exposure), events)


def _held_lots(state: TraderState, s: StrategyBook) -> int:
    """What is held of the contract, with what others may still enter: the venue counts it as one."""
    books = state.symbols[s.instrument.symbol].books.values()
    return abs(s.lots) + sum(abs(one.lots) + one.pending_entry_lots() for one in books if one is not s)


def _cut_by(notional: float, wanted: float, caps: LimitSettings, room_leverage: float, room_exposure: float) -> str:
    """Which limit set the size, in the words of the signal's reason."""
    if notional == wanted:
        return ""
    tightest = min(
        (caps.max_order_notional_usdt, limits.ORDER_NOTIONAL.name),
        (room_leverage, limits.LEVERAGE.name),
        (room_exposure, limits.EXPOSURE.name),
    )
    return f"; size cut by {tightest[1]}"
