"""The sweep's decisions: limits, entries and exits as in `core.trader.guard`, `core.trader.entry` and the trader.

Equity and notional are summed in float in the trader's order, so a limit is met here exactly where it is met there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.lab.sweep.forms import (
    DEAD,
    ENTRIES_ONLY,
    EXIT,
    NONE,
    REASON_LIMIT,
    REASON_REVERSAL,
    REASON_RULES,
    REVERSAL_RULE,
    STOP_LOSS_RULE,
    TAKE_PROFIT_RULE,
    compiled,
    drawdown_pct,
    exposure_pct,
    held_ms,
    loss_pct,
    loss_usdt,
    lots_for_notional,
    reversal,
    room_usdt,
    stop_loss,
    take_profit,
    target_notional_usdt,
    time_stop,
)
from core.lab.sweep.money import note_unopened, share_e8
from core.lab.sweep.orders import cancel, enter, has_order, leave, pending_entry_lots
from core.lab.sweep.policies import ask_policies
from core.trader.deciding import DECISION_MAX_AGE_MS
from core.trader.state import DAY_MS

_DAY_MS = DAY_MS
_DECISION_MAX_AGE_MS = DECISION_MAX_AGE_MS


@compiled
def equity_usdt(account: Any, books: Any) -> float:
    """Equity for decisions, in float."""
    unrealised = 0.0
    for s in range(books.shape[0]):
        book = books[s]
        if book.lots != 0:
            unrealised += book.lots * book.lot_qty * book.mark - book.cost_e8 / 1e8
    return float(account.wallet_e8 / 1e8 + unrealised)


@compiled
def equity_e8(account: Any, books: Any, mark: Any, slot: int) -> float:
    """Equity at the closes of a slot, exact: rounding a notional to whole 1e-8 USDT undoes the error of a binary
    price."""
    equity = account.wallet_e8
    for s in range(books.shape[0]):
        book = books[s]
        if book.lots != 0:
            equity += np.rint(book.lots * book.lot_e8 * mark[s, slot]) - book.cost_e8
    return float(equity)


@compiled
def _unopened_e8(account: Any, books: Any, mark: Any, slot: int, day: int) -> float:
    """By how much the equity grew by what was booked of a day before its first sample."""
    if account.unopened_day != day:
        return 0.0
    gained = account.unopened_e8
    for s in range(books.shape[0]):
        book = books[s]
        if book.unopened_day == day and book.unopened_lots != 0:
            gained += np.rint(book.unopened_lots * book.lot_e8 * mark[s, slot])
    return float(gained)


@compiled
def _gross_usdt(books: Any, orders: Any) -> float:
    gross = 0.0
    for s in range(books.shape[0]):
        book = books[s]
        if book.lots != 0 or book.orders != 0:
            pending = pending_entry_lots(book, orders[s])
            gross += abs(book.lots) * book.lot_qty * book.mark + pending * book.lot_qty * book.mark
    return gross


@compiled
def sample(account: Any, books: Any, mark: Any, slot: int, now: int) -> None:
    """Move the marks of the limits; the first sample of a UTC day opens the day."""
    equity = equity_e8(account, books, mark, slot)
    day = now // _DAY_MS
    if day != account.sampled_ms // _DAY_MS:
        account.day_start_e8 = equity - _unopened_e8(account, books, mark, slot, day)
        account.day_loss_fired = account.losses_fired = 0
    account.peak_e8 = max(account.peak_e8, equity)
    account.sampled_ms = now


@compiled
def _losses_on(account: Any, now: int) -> int:
    return account.losses_in_row if account.losses_day == now // _DAY_MS else 0


@compiled
def _entries_on(account: Any, now: int) -> int:
    return account.entries_today if account.entries_day == now // _DAY_MS else 0


@compiled
def heed(account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, now: int) -> None:
    """Measure the limits that stay fired, and close everything for as long as one of them asks for it."""
    equity = equity_usdt(account, books)
    day_start = account.day_start_e8 / 1e8
    if loss_usdt(day_start, equity) >= config.day_loss_usdt or loss_pct(day_start, equity) >= config.day_loss_pct:
        account.day_loss_fired = 1
    if _losses_on(account, now) >= config.max_losses_in_row:
        account.losses_fired = 1
    if not account.drawdown_fired and drawdown_pct(account.peak_e8 / 1e8, equity) >= config.max_drawdown_pct:
        account.drawdown_fired = 1
        account.ended_ms = now
    if account.drawdown_fired or (account.day_loss_fired and config.day_loss_flattens):
        for s in range(books.shape[0]):
            if books[s].lots != 0 and not has_order(books[s], orders[s], EXIT):
                leave(account, config, books[s], orders[s], trades[s], queue, s, REASON_LIMIT)
            else:
                cancel(account, books[s], orders[s], queue, s, ENTRIES_ONLY, NONE)


@compiled
def is_shut(account: Any, config: Any, now: int) -> bool:
    """Whether no entry can be made for the rest of this UTC day."""
    return bool(
        config.entry_forbidden
        or account.drawdown_fired
        or account.day_loss_fired
        or account.losses_fired
        or _losses_on(account, now) >= config.max_losses_in_row
        or _entries_on(account, now) >= config.max_trades_per_day
    )


@compiled
def _is_vetoed(account: Any, config: Any, books: Any, orders: Any, s: int, now: int, turned_id: int) -> bool:
    book = books[s]
    if book.trade >= 0:
        return True
    for n in range(book.orders):
        if orders[s, n].status != DEAD and orders[s, n].trade_id != turned_id:
            return True
    if (turned_id == 0 and now < book.cooldown_until_ms) or is_shut(account, config, now):
        return True
    if exposure_pct(_gross_usdt(books, orders), equity_usdt(account, books)) >= config.max_exposure_pct:
        return True
    held = 0
    for other in range(books.shape[0]):
        held += books[other].trade >= 0
    return bool(held >= config.max_open_positions)


@compiled
def _entry_lots(account: Any, config: Any, books: Any, orders: Any, s: int) -> int:
    """The size of an entry at the present mark, after every limit of an order; 0 where it is below the smallest."""
    book = books[s]
    equity = equity_usdt(account, books)
    gross = _gross_usdt(books, orders)
    wanted = config.notional_usdt
    if wanted == 0.0:
        wanted = target_notional_usdt(equity, config.stop_pct, config.position_pct, config.risk_per_trade_pct)
    notional = min(
        min(wanted, config.max_order_notional_usdt),
        min(
            room_usdt(gross, equity, config.max_leverage * 100.0),
            room_usdt(gross, equity, config.max_exposure_pct),
        ),
    )
    lots = min(lots_for_notional(notional, book.mark, book.lot_qty), book.max_lots)
    if lots < book.min_lots or lots * book.lot_qty * book.mark < book.min_notional_usdt:
        return 0
    return int(lots)


@compiled
def _try_entry(
    account: Any,
    config: Any,
    books: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    s: int,
    direction: int,
    now: int,
    turned_id: int,
) -> None:
    """Enter, if it may be. `turned_id` is the trade on the other side that the same signal has closed."""
    heed(account, config, books, orders, trades, queue, now)
    if _is_vetoed(account, config, books, orders, s, now, turned_id):
        return
    lots = _entry_lots(account, config, books, orders, s)
    if lots != 0:
        enter(account, books[s], orders[s], trades[s], queue, s, direction, lots, now)


@compiled
def turn(
    account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, s: int, sign: int, now: int
) -> None:
    """Flat by the exit that a signal asked for: its own side is entered now, if it still may be."""
    book = books[s]
    if book.turn_ms == 0 or now - book.turn_ms > _DECISION_MAX_AGE_MS:
        return
    feed_age_ms = now - book.turn_ms + config.inference_delay_ms
    if feed_age_ms / 1000.0 >= config.max_feed_age_seconds:
        return
    _try_entry(account, config, books, orders, trades, queue, s, sign, now, trades[s, 0].id)


@compiled
def _rule_says_leave(
    kind: int, sign: int, entry_price: float, price: float, values: Any, held_ms: int, parameter: float
) -> bool:
    if kind == REVERSAL_RULE:
        return reversal(sign, entry_price, price, values, held_ms, parameter)
    if kind == STOP_LOSS_RULE:
        return stop_loss(sign, entry_price, price, values, held_ms, parameter)
    if kind == TAKE_PROFIT_RULE:
        return take_profit(sign, entry_price, price, values, held_ms, parameter)
    return time_stop(sign, entry_price, price, values, held_ms, parameter)


@compiled
def ask_exits(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    rules: Any,
    parameters: Any,
    s: int,
    values: Any,
    now: int,
    policies: Any,
) -> None:
    """Ask the exit rules at the close of a bar, and behind them the policies; `values` are NaN where nothing was
    forecast of it."""
    if book.lots == 0 or book.trade < 0 or has_order(book, orders, EXIT):
        return
    sign = 1 if book.lots > 0 else -1
    held = held_ms(trades[book.trade].entry_time_ms, now - config.inference_delay_ms, config.interval_ms)
    entry_price = (book.cost_e8 / 1e8) / (book.lots * book.lot_qty)
    for r in range(rules.shape[0]):
        if _rule_says_leave(rules[r], sign, entry_price, book.mark, values, held, parameters[r]):
            leave(account, config, book, orders, trades, queue, s, REASON_RULES + r)
            return
    if policies is not None:
        reason = REASON_RULES + rules.shape[0]
        ask_policies(account, config, book, orders, trades, queue, policies, s, values, held, reason)


@compiled
def decide(
    account: Any,
    config: Any,
    books: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    rules: Any,
    parameters: Any,
    s: int,
    direction: int,
    values: Any,
    now: int,
    policies: Any,
) -> None:
    """What the trader does about a prediction."""
    book = books[s]
    book.turn_ms = 0
    if book.lots == 0:
        if direction != 0:
            _try_entry(account, config, books, orders, trades, queue, s, direction, now, NONE)
        return
    if book.trade < 0 or has_order(book, orders[s], EXIT):
        return
    sign = 1 if book.lots > 0 else -1
    if config.reverses and direction == -sign:
        leave(account, config, book, orders[s], trades[s], queue, s, REASON_REVERSAL)
        book.turn_ms = now
        return
    ask_exits(account, config, book, orders[s], trades[s], queue, rules, parameters, s, values, now, policies)


@compiled
def pay_funding(account: Any, book: Any, trades: Any, sign: int, per_lot: int, of: int, assumed: int, now: int) -> None:
    """Funding of `sign * per_lot / of` 1e-8 USDT a lot, paid by longs and received by shorts; what is `assumed` is paid
    by both."""
    if book.lots == 0:
        return
    size = share_e8(float(abs(book.lots)), per_lot, of)
    amount = -size if assumed or (book.lots > 0) == (sign > 0) else size
    if assumed:
        account.assumed += 1
        account.assumed_e8 += amount
    account.wallet_e8 += amount
    note_unopened(account, book, now // _DAY_MS, amount, 0)
    if book.trade >= 0:
        trades[book.trade].funding_e8 += amount
