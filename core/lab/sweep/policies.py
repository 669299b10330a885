"""The sweep's exits that look back on a trade: asked as `core.trader.policies` asks them, carried out as
`core.trader.deciding` does.

A trade's memory is the row of its symbol, empty before the first bar that it sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.lab.sweep.calling import RAISED, call_at
from core.lab.sweep.forms import (
    FAILED,
    NONE,
    REDUCE,
    STOP,
    UNDECLARED,
    compiled,
    goes_before,
    is_nearer,
    moved_ticks,
    part_lots,
)
from core.lab.sweep.orders import close_parts, has_order, leave, lots_to_protect, place
from core.position import policy as said

_HOLD, _REDUCE, _MOVE_STOP = said.HOLD, said.REDUCE, said.MOVE_STOP
_RAISED = RAISED
_STEP: Any = np.int64(1)


@compiled
def _blame(account: Any, error: int, p: int) -> None:
    if account.error == 0:
        account.error, account.policy = error, p


@compiled
def see_bar(
    account: Any,
    book: Any,
    trades: Any,
    policies: Any,
    s: int,
    first: float,
    high: float,
    low: float,
    last: float,
    volume: float,
    now: int,
) -> None:
    """Take a bar that closes `now` into the memory of the trade that is held. One that ended with the entry is none of
    the trade's."""
    trade = trades[book.trade]
    if now <= trade.entry_time_ms:
        return
    if trade.bars == 0:
        policies.memory[s, :] = 0.0
    trade.bars += 1
    bar = policies.bars[s]
    bar[0], bar[1], bar[2], bar[3], bar[4] = first, high, low, last, volume
    sign = 1 if book.lots > 0 else -1
    for p in range(policies.table.shape[0]):
        policy = policies.table[p]
        if policy.see:
            state = policies.memory[s, policy.begin : policy.end]
            parameters = policies.parameters[policies.places[p] : policies.places[p + 1]]
            given = (state, state.shape[0], sign, first, high, low, last, volume, parameters, parameters.shape[0])
            if call_at(policy.see, given) == _RAISED:
                _blame(account, FAILED, p)


@compiled
def entry_stop(account: Any, book: Any, policies: Any, sign: int, lots: int, entry_ticks: int, stop: int) -> int:
    """Where the stop at `stop` goes by what the policies want of it from the first fill on, at `entry_ticks`."""
    for p in range(policies.table.shape[0]):
        policy = policies.table[p]
        if policy.at_entry:
            parameters = policies.parameters[policies.places[p] : policies.places[p + 1]]
            given = (
                sign,
                entry_ticks * book.tick,
                lots * book.lot_qty,
                parameters,
                parameters.shape[0],
                policies.answer,
            )
            if call_at(policy.at_entry, given) == _RAISED:
                _blame(account, FAILED, p)
            stop = moved_ticks(sign, stop, policies.answer[0], book.tick, _STEP, policy.loosens != 0)
    return stop


@compiled
def _say(account: Any, book: Any, trade: Any, policies: Any, s: int, p: int, values: Any, held: int) -> int:
    """What one policy says of the newest bar; its price or share is in `policies.answer`."""
    policy, bar = policies.table[p], policies.bars[s]
    state = policies.memory[s, policy.begin : policy.end]
    parameters = policies.parameters[policies.places[p] : policies.places[p + 1]]
    given = (
        state,
        state.shape[0],
        1 if book.lots > 0 else -1,
        (book.cost_e8 / 1e8) / (book.lots * book.lot_qty),
        abs(book.lots) * book.lot_qty,
        trade.entry_lots * book.lot_qty,
        trade.stop_ticks * book.tick if trade.stop_ticks else np.nan,
        held,
        bar[0],
        bar[1],
        bar[2],
        bar[3],
        bar[4],
        values,
        values.shape[0],
        parameters,
        parameters.shape[0],
        policies.answer,
    )
    what = call_at(policy.step, given)
    if what == _RAISED:
        _blame(account, FAILED, p)
        return int(_HOLD)
    if what != _HOLD and (what < 0 or what > _MOVE_STOP or not policy.says >> what & 1):
        _blame(account, UNDECLARED, p)
        return int(_HOLD)
    return int(what)


@compiled
def ask_policies(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    policies: Any,
    s: int,
    values: Any,
    held: int,
    reason: int,
) -> None:
    """Ask them all of the newest bar: leave the trade, reduce it, put its stop where one of them wants it. The reason
    of the first is `reason`."""
    trade = trades[book.trade]
    if trade.bars == 0:
        return
    sign = 1 if book.lots > 0 else -1
    act, share, by = _HOLD, 0.0, 0
    nearest, mover = np.nan, -1
    for p in range(policies.table.shape[0]):
        what = _say(account, book, trade, policies, s, p, values, held)
        amount = policies.answer[0]
        if what == _MOVE_STOP:
            if is_nearer(sign, amount, nearest):
                nearest, mover = amount, p
        elif goes_before(what, act):
            act, share, by = what, amount, p
    lots = 0
    if act != _HOLD:
        lots = part_lots(abs(book.lots), share if act == _REDUCE else 1.0, book.min_lots, _STEP)
        if lots == abs(book.lots):
            leave(account, config, book, orders, trades, queue, s, reason + by)
            return
    ticks = trade.stop_ticks
    if mover >= 0:
        ticks = moved_ticks(sign, ticks, nearest, book.tick, _STEP, policies.table[mover].loosens != 0)
        if ticks != trade.stop_ticks and sign * (book.mark - ticks * book.tick) <= 0.0:
            leave(account, config, book, orders, trades, queue, s, reason + mover)
            return
    if lots and not has_order(book, orders, REDUCE):
        close_parts(account, config, book, orders, trades, queue, s, REDUCE, lots, reason + by)
    if ticks != trade.stop_ticks:
        lots = lots_to_protect(book, orders)
        place(account, book, orders, trades, queue, s, STOP, -sign, lots, ticks, trade.id, NONE)
