"""Which slots the sweep passes over: what the uneventful scan looks out for, by what is held and rests, and how far it
may look."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.lab.skip.uneventful_bars import AGAINST_LONG, AGAINST_SHORT, LONG, SHORT, scan_uneventful
from core.lab.sweep.forms import (
    RESTING,
    REVERSAL_RULE,
    STOP,
    TARGET,
    TIME_STOP_RULE,
    bars_until,
    held_ms,
    inlined,
    quiet_range,
)
from core.lab.sweep.limits import is_shut


@inlined
def _watch_held(i: int, s: int, stop: int, market: Any, memory: Any, watch: Any, policies: Any) -> int:
    """Tell the scan of a symbol with a position. Returns where it must end: at `i` if an order other than the whole
    stop and target is there or the stop is not, and where policies are asked at every bar."""
    if policies is not None:
        return i
    config, book = memory.config[0], memory.books[s]
    sign = 1 if book.lots > 0 else -1
    stop_price = target_price = np.nan
    for n in range(book.orders):
        order = memory.orders[s, n]
        if order.status != RESTING or order.market or not (order.role == STOP or order.role == TARGET):
            return i
        if order.role == STOP:
            stop_price = order.trigger
        else:
            target_price = order.trigger
    if stop_price != stop_price or book.trade < 0:
        return i
    watch.down[s], watch.up[s] = quiet_range(sign, stop_price, target_price, book.liquidation)
    watch.qty_e8[s], watch.cost_e8[s] = book.lots * book.lot_e8, book.cost_e8
    bits = 0
    if config.reverses:
        bits |= SHORT if sign > 0 else LONG
    for r in range(memory.rules.shape[0]):
        if memory.rules[r] == REVERSAL_RULE:
            bits |= AGAINST_LONG if sign > 0 else AGAINST_SHORT
        elif memory.rules[r] == TIME_STOP_RULE:
            close_ms = market.open_time_ms[i] + config.interval_ms
            held = held_ms(memory.trades[s, book.trade].entry_time_ms, close_ms, config.interval_ms)
            stop = min(stop, i + max(bars_until(memory.parameters[r], held, config.interval_ms), 1))
        else:
            return i
    watch.bits[s] = bits
    return stop


@inlined
def end_of_uneventful(
    i: int,
    market: Any,
    funding: Any,
    paid: int,
    holes: Any,
    ended: int,
    turn: int,
    memory: Any,
    watch: Any,
    policies: Any,
) -> int:
    """Where the uneventful stretch after slot `i` must end by what is known in advance; `i` where it cannot begin."""
    account, config, books = memory.account[0], memory.config[0], memory.books
    n = market.open_time_ms.shape[0]
    stop = n
    if turn < market.turns.shape[0]:
        stop = min(stop, market.turns[turn])
    shut = is_shut(account, config, account.sampled_ms)
    flattening = account.drawdown_fired or (account.day_loss_fired and config.day_loss_flattens)
    held = False
    for s in range(books.shape[0]):
        book = books[s]
        if book.lots != 0:
            held = True
            stop = _watch_held(i, s, stop, market, memory, watch, policies)
            if flattening or stop <= i:
                return i
        else:
            if book.orders != 0 or book.trade >= 0:
                return i
            watch.bits[s] = 0 if shut else LONG | SHORT
            watch.down[s], watch.up[s] = -np.inf, np.inf
            watch.qty_e8[s] = watch.cost_e8[s] = 0.0
    if held and paid < funding.slot.shape[0]:
        stop = min(stop, funding.slot[paid])
    if held and ended < holes.slot.shape[0]:
        stop = min(stop, holes.slot[ended])
    return int(stop)


@inlined
def pass_uneventful(start: int, stop: int, market: Any, told: Any, memory: Any, watch: Any) -> int:
    """The next slot to step, with the peak and the marks moved up to it."""
    account, config, books = memory.account[0], memory.config[0], memory.books
    floor = -np.inf
    if not account.day_loss_fired:
        floor = account.day_start_e8 - config.day_loss_usdt * 1e8
        floor = max(floor, account.day_start_e8 * (1.0 - config.day_loss_pct / 100.0))
    j, _, peak = scan_uneventful(
        start,
        stop,
        market.low,
        market.high,
        market.mark,
        told.signal,
        watch.bits,
        watch.down,
        watch.up,
        watch.qty_e8,
        watch.cost_e8,
        account.wallet_e8,
        account.peak_e8,
        floor,
        np.inf,
        np.inf if account.drawdown_fired else config.max_drawdown_pct,
        -np.inf,
        np.inf,
        watch.lowest,
        watch.highest,
        watch.equity,
        watch.gross,
    )
    account.peak_e8 = peak
    if j > start:
        for s in range(books.shape[0]):
            books[s].mark = market.mark[s, j - 1]
            books[s].volume = market.volume[s, j - 1]
            books[s].seen = books[s].mark == books[s].mark
    return j


@inlined
def may_meet(i: int, market: Any, watch: Any) -> bool:
    """Whether prices of a slot may meet what the scan up to it looked out for."""
    meets = False
    for s in range(market.low.shape[0]):
        meets |= (market.low[s, i] <= watch.down[s]) | (market.high[s, i] >= watch.up[s])
    return meets
