"""The sweep's fills: of the size and at the price that `core.venues.simulated` gives them, booked as
`core.trader.state` does.
"""

from __future__ import annotations

from typing import Any

from core.lab.sweep.forms import (
    ALL_ROLES,
    CROSSED,
    DEAD,
    ENTRIES_ONLY,
    ENTRY,
    EXIT,
    LIQUIDATION,
    NONE,
    REASON_HOLE,
    REASON_LIMIT,
    REASON_LIQUIDATION,
    REASON_STOP,
    REASON_TARGET,
    REDUCE,
    RESTING,
    STOP,
    adverse_ticks,
    compiled,
    liquidation_price,
    participation_share,
    reducible_lots,
    slippage_bps,
    slipped_price,
    worse_price,
)
from core.lab.sweep.money import note_unopened, share_e8
from core.lab.sweep.orders import cancel, leave, open_trade, sweep_up
from core.lab.sweep.protection import bracket, cut, protect
from core.lab.sweep.sending import end_order
from core.trader.state import DAY_MS

_DAY_MS = DAY_MS
LATE_STOPS = 1
"""The last of the stages of `core.lab.sweep.matching` in which what is hit fills whatever the volume."""


@compiled
def find_liquidation(config: Any, book: Any) -> None:
    if book.lots == 0:
        book.liquidation = 0.0
        return
    sign = 1 if book.lots > 0 else -1
    entry = book.cost_e8 / (book.lots * book.lot_e8)
    book.liquidation = liquidation_price(sign, entry, float(config.leverage), book.maintenance)


@compiled
def is_liquidated_by(book: Any, low: float, high: float) -> bool:
    if book.lots == 0:
        return False
    return bool(low <= book.liquidation if book.lots > 0 else high >= book.liquidation)


@compiled
def _close_trade(account: Any, book: Any, trades: Any, closed: Any, s: int) -> None:
    trade = trades[book.trade]
    net = trade.gross_e8 - trade.fees_e8 + trade.funding_e8
    day = trade.exit_time_ms // _DAY_MS
    streak = account.losses_in_row if day == account.losses_day else 0
    account.losses_in_row = streak + 1 if net < 0.0 else 0
    account.losses_day = day
    account.net_e8 += net
    if account.trades < closed.shape[0]:
        out = closed[account.trades]
        out.symbol = s
        out.side, out.reason = trade.side, trade.reason
        out.entry_time_ms, out.exit_time_ms = trade.entry_time_ms, trade.exit_time_ms
        out.entry_lots, out.exit_lots = trade.entry_lots, trade.exit_lots
        out.entry_value_e8, out.exit_value_e8 = trade.entry_value_e8, trade.exit_value_e8
        out.first_stop_ticks, out.first_target_ticks = trade.first_stop_ticks, trade.first_target_ticks
        out.gross_e8, out.fees_e8, out.funding_e8 = trade.gross_e8, trade.fees_e8, trade.funding_e8
    account.trades += 1
    trade.used = 0
    book.trade = -1


@compiled
def _reason_of(role: int, reason: int) -> int:
    if role in (EXIT, REDUCE):
        return reason
    if role == LIQUIDATION:
        return int(REASON_LIQUIDATION)
    return int(REASON_STOP if role == STOP else REASON_TARGET)


@compiled
def _book_fill(
    account: Any,
    config: Any,
    book: Any,
    trades: Any,
    closed: Any,
    s: int,
    sign: int,
    lots: int,
    ticks: int,
    fee_e8: float,
    trade_id: int,
    reason: int,
    now: int,
) -> bool:
    """Take a fill into position, wallet and trade; whether it closed the trade."""
    closed_lots = min(lots, reducible_lots(book.lots, sign))
    opened_lots = lots - closed_lots
    paid_e8 = sign * (float(lots) * ticks * book.tick_lot_e8) + fee_e8
    # What a bar filled is stamped with its close, so at the stroke of midnight it is yesterday's.
    note_unopened(account, book, (now - 1) // _DAY_MS, -paid_e8, sign * lots)
    if (opened_lots and closed_lots) or (book.trade >= 0 and book.lots == 0 and trades[book.trade].id != trade_id):
        account.error = CROSSED
    if book.trade < 0:
        book.trade = open_trade(account, trades, NONE, sign)
    trade = trades[book.trade]
    trade.fees_e8 += fee_e8
    account.fees_e8 += fee_e8
    account.wallet_e8 -= fee_e8
    if closed_lots:
        held = abs(book.lots)
        released = book.cost_e8 if closed_lots == held else share_e8(book.cost_e8, closed_lots, held)
        value = float(closed_lots) * ticks * book.tick_lot_e8
        realised = -sign * value - released
        book.cost_e8 -= released
        book.lots += sign * closed_lots
        account.wallet_e8 += realised
        trade.exit_time_ms, trade.reason = now, reason
        trade.exit_lots += closed_lots
        trade.exit_value_e8 += value
        trade.gross_e8 += realised
    if opened_lots:
        value = float(opened_lots) * ticks * book.tick_lot_e8
        book.cost_e8 += sign * value
        book.lots += sign * opened_lots
        if trade.entry_time_ms == 0:
            trade.entry_time_ms = now
        trade.entry_lots += opened_lots
        trade.entry_value_e8 += value
    find_liquidation(config, book)
    if closed_lots and book.lots == 0:
        _close_trade(account, book, trades, closed, s)
        return True
    return False


@compiled
def _after_fill(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    s: int,
    n: int,
    ticks: int,
    held: int,
    over: bool,
    now: int,
    policies: Any,
) -> None:
    """What the trader does about a fill of order `n`; `over` says that it closed the trade."""
    if over:
        book.cooldown_until_ms = now + config.cooldown_ms
        cancel(account, book, orders, queue, s, ALL_ROLES, NONE)
    elif orders[n].role == ENTRY:
        if account.drawdown_fired or (account.day_loss_fired and config.day_loss_flattens):
            leave(account, config, book, orders, trades, queue, s, REASON_LIMIT)
        elif held == 0:
            bracket(account, config, book, orders, trades, queue, s, n, ticks, policies)
    else:
        cancel(account, book, orders, queue, s, ENTRIES_ONLY, NONE)
        if policies is not None:
            if orders[n].role == REDUCE:
                cut(account, book, orders, trades, queue, s)
            protect(account, config, book, orders, trades, queue, s)


@compiled
def _taking_ticks(config: Any, book: Any, sign: int, price: float, lots: int, volume: float) -> int:
    share = participation_share(lots, book.lot_qty, volume)
    slip = slippage_bps(config.slippage_bps, config.impact_bps, share)
    return adverse_ticks(slipped_price(price, sign, slip), book.tick, sign)


@compiled
def fill_hit(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    n: int,
    cap: int,
    spent: int,
    volume: float,
    now: int,
    policies: Any,
) -> int:
    """Fill one order as far as position and volume allow; returns the lots that used up volume. What opens a position
    has only what the `spent` lots of the same bar have left."""
    order = orders[n]
    wanted = order.qty - order.filled
    if order.role != ENTRY:
        wanted = min(wanted, reducible_lots(book.lots, order.sign))
        if wanted == 0:
            end_order(account, config, book, orders, trades, queue, s, n, policies)
            return 0
    lots = min(wanted, max(0, cap - spent if order.role == ENTRY else cap))
    if order.stage <= LATE_STOPS:
        lots = wanted if volume <= 0.0 else max(1, lots)
    if lots == 0:
        return 0
    ticks = _taking_ticks(config, book, order.sign, order.price, lots, volume)
    fee = share_e8(float(lots) * ticks * book.tick_lot_e8, book.taker_num, book.taker_den)
    held = book.lots
    over = _book_fill(
        account,
        config,
        book,
        trades,
        closed,
        s,
        order.sign,
        lots,
        ticks,
        fee,
        order.trade_id,
        _reason_of(order.role, order.reason),
        now,
    )
    order.filled += lots
    book.spent += lots
    if order.filled == order.qty:
        order.status = DEAD
    else:
        order.market = 1
    _after_fill(account, config, book, orders, trades, queue, s, n, ticks, held, over, now, policies)
    if order.status != DEAD and order.role != ENTRY and reducible_lots(book.lots, order.sign) == 0:
        end_order(account, config, book, orders, trades, queue, s, n, policies)
    return int(lots)


@compiled
def liquidate(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    first: float,
    volume: float,
    now: int,
) -> None:
    """Close the whole position at its liquidation price, or at the first price where that was worse."""
    sign = -1 if book.lots > 0 else 1
    lots = abs(book.lots)
    price = worse_price(sign, book.liquidation, first)
    ticks = _taking_ticks(config, book, sign, price, lots, volume)
    fee = share_e8(float(lots) * ticks * book.tick_lot_e8, book.liquidation_num, book.liquidation_den)
    trade_id = trades[book.trade].id if book.trade >= 0 else 0
    reason = _reason_of(LIQUIDATION, NONE)
    _book_fill(account, config, book, trades, closed, s, sign, lots, ticks, fee, trade_id, reason, now)
    book.cooldown_until_ms = now + config.cooldown_ms
    cancel(account, book, orders, queue, s, ALL_ROLES, NONE)


@compiled
def end_before_hole(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    now: int,
    policies: Any,
) -> None:
    """Close what is held, whole, at the last price, and end what rests: no price follows."""
    if book.lots != 0:
        sign = -1 if book.lots > 0 else 1
        lots = abs(book.lots)
        ticks = _taking_ticks(config, book, sign, book.mark, lots, book.volume)
        fee = share_e8(float(lots) * ticks * book.tick_lot_e8, book.taker_num, book.taker_den)
        trade_id = trades[book.trade].id if book.trade >= 0 else 0
        _book_fill(account, config, book, trades, closed, s, sign, lots, ticks, fee, trade_id, int(REASON_HOLE), now)
        book.cooldown_until_ms = now + config.cooldown_ms
        cancel(account, book, orders, queue, s, ALL_ROLES, NONE)
    for n in range(book.orders):
        if orders[n].status == RESTING:
            end_order(account, config, book, orders, trades, queue, s, n, policies)
    sweep_up(book, orders)
