"""The sweep's memory: plain records that numba reads by pointer, and the one compilation of the shared arithmetic.

Names follow `core.trader.state` and `core.venues.book`. Money `_e8` is counted in 1e-8 USDT in float64: exact below
2**53 (90 million USDT) wherever tick * lot is a whole number of 1e-8 USDT.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numba
import numpy as np

from core.arithmetic import costs, exits, fills, sizing
from core.arithmetic.compiler import kept
from core.lab.sweep.linking import linked
from core.position import holding, meeting, policy, stops
from core.trader import limits


def _scalars(count: int) -> Any:
    """0, 1, ... as numpy scalars: numba compiles a function anew for every Python constant that it is called with."""
    return (np.int64(i) for i in range(count))


ENTRY, STOP, TARGET, EXIT, LIQUIDATION, REDUCE = _scalars(6)
"""Roles of orders."""

DEAD, INTENT, RESTING, GONE = range(4)
"""An order: over; wished for; at the venue; over there with the trader not told yet."""

TAKEN, REFUSED, WOULD_TRIGGER = range(3)
"""What the venue says of a new order: it is taken; it is not; the price is past its trigger already."""

(
    REASON_STOP,
    REASON_TARGET,
    REASON_REVERSAL,
    REASON_LIQUIDATION,
    REASON_LIMIT,
    REASON_UNPROTECTED,
    REASON_HOLE,
    REASON_RULES,
) = _scalars(8)
"""Reasons of exits; those of the strategy's own rules follow, and behind them those of its policies."""

REVERSAL_RULE, STOP_LOSS_RULE, TAKE_PROFIT_RULE, TIME_STOP_RULE = range(4)

NONE: Any = np.int64(0)
"""No id, no trigger, no reason."""

ENTRIES_ONLY: Any = np.bool_(True)
ALL_ROLES: Any = np.bool_(False)

OVERFLOW, CROSSED, FAILED, UNDECLARED = range(1, 5)
"""Errors: more orders of one symbol at once than the table holds; an entry that met a position of another trade; an
exit policy that raised, or said what it does not declare."""

MAX_ORDERS = 32
MAX_TRADES = 1

BOOK = np.dtype(
    [
        ("tick", "f8"),
        ("tick_num", "f8"),
        ("tick_den", "f8"),
        ("lot_qty", "f8"),
        ("lot_e8", "f8"),
        ("tick_lot_e8", "f8"),
        ("min_lots", "i8"),
        ("max_lots", "i8"),
        ("min_notional_usdt", "f8"),
        ("min_notional_e8", "f8"),
        ("taker_num", "i8"),
        ("taker_den", "i8"),
        ("liquidation_num", "i8"),
        ("liquidation_den", "i8"),
        ("maintenance", "f8"),
        ("mark", "f8"),
        ("volume", "f8"),
        ("seen", "i8"),
        ("lots", "i8"),
        ("unopened_day", "i8"),
        ("unopened_lots", "i8"),
        ("cost_e8", "f8"),
        ("liquidation", "f8"),
        ("cooldown_until_ms", "i8"),
        ("spent", "i8"),
        ("turn_ms", "i8"),
        ("trade", "i8"),
        ("orders", "i8"),
    ],
    align=True,
)
"""One symbol: its contract, the position, place of `trade` (-1: none), number of orders filed. `spent`: lots filled in
the slot so far; `unopened_lots`: bought less sold on `unopened_day`. `turn_ms`: when a reversal asked for the exit, 0
where the newest prediction asked for none."""

ORDER = np.dtype(
    [
        ("id", "i8"),
        ("role", "i8"),
        ("status", "i8"),
        ("market", "i8"),
        ("sign", "i8"),
        ("qty", "i8"),
        ("filled", "i8"),
        ("trigger_ticks", "i8"),
        ("trigger", "f8"),
        ("trade_id", "i8"),
        ("reason", "i8"),
        ("canceling", "i8"),
        ("rejected", "i8"),
        ("stage", "i8"),
        ("price", "f8"),
    ],
    align=True,
)
"""`market`: fills at any price (a triggered order does once it has begun to fill). `stage` and `price`: the hit."""

OPEN_TRADE = np.dtype(
    [
        ("used", "i8"),
        ("id", "i8"),
        ("side", "i8"),
        ("entry_time_ms", "i8"),
        ("exit_time_ms", "i8"),
        ("entry_lots", "i8"),
        ("exit_lots", "i8"),
        ("entry_value_e8", "f8"),
        ("exit_value_e8", "f8"),
        ("gross_e8", "f8"),
        ("fees_e8", "f8"),
        ("funding_e8", "f8"),
        ("reason", "i8"),
        ("stop_ticks", "i8"),
        ("target_ticks", "i8"),
        ("first_stop_ticks", "i8"),
        ("first_target_ticks", "i8"),
        ("leaving", "i8"),
        ("lost_stops", "i8"),
        ("lost_targets", "i8"),
        ("stop_refused", "i8"),
        ("bars", "i8"),
    ],
    align=True,
)
"""`stop_ticks` and `target_ticks` are where they were placed last, `first_` where they were first. `leaving`: an exit
was asked for. `lost_` counts what ended although nobody asked for it. `bars`: how many its policies have seen."""

CLOSED_TRADE = np.dtype([("symbol", "i8"), *((name, OPEN_TRADE[name].str) for name in OPEN_TRADE.names or ())])

ACCOUNT = np.dtype(
    [
        ("wallet_e8", "f8"),
        ("peak_e8", "f8"),
        ("day_start_e8", "f8"),
        ("sampled_ms", "i8"),
        ("unopened_day", "i8"),
        ("unopened_e8", "f8"),
        ("entries_day", "i8"),
        ("entries_today", "i8"),
        ("losses_day", "i8"),
        ("losses_in_row", "i8"),
        ("day_loss_fired", "i8"),
        ("losses_fired", "i8"),
        ("drawdown_fired", "i8"),
        ("ended_ms", "i8"),
        ("next_id", "i8"),
        ("commands", "i8"),
        ("trades", "i8"),
        ("net_e8", "f8"),
        ("fees_e8", "f8"),
        ("assumed", "i8"),
        ("assumed_e8", "f8"),
        ("worst_drawdown", "f8"),
        ("highest_e8", "f8"),
        ("error", "i8"),
        ("policy", "i8"),
        ("code", "i8"),
    ],
    align=True,
)
"""The account, the limits that stay fired (the drawdown from `ended_ms` on), and what a run sums up. `policy` is the
place of one that is to blame for an `error`. `code` names the sources of the compiled kernel. `unopened_e8` is what was
paid and received on `unopened_day`, before a sample opened it; see `core.trader.day`. `assumed` counts the missing
settlements that fell on a position."""

CONFIG = np.dtype(
    [
        ("stop_pct", "f8"),
        ("target_pct", "f8"),
        ("cooldown_ms", "i8"),
        ("reverses", "i8"),
        ("entry_forbidden", "i8"),
        ("notional_usdt", "f8"),
        ("position_pct", "f8"),
        ("risk_per_trade_pct", "f8"),
        ("leverage", "i8"),
        ("slippage_bps", "f8"),
        ("impact_bps", "f8"),
        ("max_participation_pct", "f8"),
        ("max_order_notional_usdt", "f8"),
        ("max_leverage", "f8"),
        ("max_exposure_pct", "f8"),
        ("max_feed_age_seconds", "f8"),
        ("max_open_positions", "i8"),
        ("max_trades_per_day", "i8"),
        ("max_losses_in_row", "i8"),
        ("day_loss_usdt", "f8"),
        ("day_loss_pct", "f8"),
        ("day_loss_flattens", "i8"),
        ("max_drawdown_pct", "f8"),
        ("first_price_delay_ms", "i8"),
        ("inference_delay_ms", "i8"),
        ("interval_ms", "i8"),
    ],
    align=True,
)

POLICY = np.dtype(
    [
        ("see", "i8"),
        ("step", "i8"),
        ("at_entry", "i8"),
        ("says", "i8"),
        ("loosens", "i8"),
        ("begin", "i8"),
        ("end", "i8"),
    ],
    align=True,
)
"""An exit policy: at which addresses its functions are, 0 for none; a bit for each thing that it may say; between which
places in the memory of a trade its own is."""

PLACE, CANCEL = _scalars(2)
COMMAND_COLUMNS = 3
"""A command: PLACE or CANCEL, symbol, order id."""


def commands_for(symbols: int) -> Any:
    return np.zeros((symbols * MAX_ORDERS * 4, COMMAND_COLUMNS), np.int64)


_njit: Any = numba.njit
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function that only the kernel calls: it makes no arrays, so it needs not count their owners."""
    made: _Function = _njit(**_KERNEL_ONLY)(function)
    return made


def inlined(function: _Function) -> _Function:
    """The same for a part of the kernel's loop: copied into it, as its many arguments would cost more than its work."""
    made: _Function = _njit(**_KERNEL_ONLY, forceinline=True)(function)
    return made


def entry_point(function: _Function) -> _Function:
    """The same for what Python calls, kept on disk."""
    return kept(nogil=True, error_model="numpy")(function)


def fingerprint(modules: tuple[ModuleType, ...], *constants: int) -> int:
    """A number for the present text of the modules and the values of the constants that were compiled in."""
    digest = hashlib.blake2b(repr(constants).encode(), digest_size=7)
    for module in modules:
        digest.update(inspect.getsource(module).encode())
    return int.from_bytes(digest.digest(), "big")


_KERNEL_ONLY = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

slippage_bps = compiled(costs.slippage_bps)
slipped_price = compiled(costs.slipped_price)
stop_is_touched = compiled(fills.stop_is_touched)
target_is_touched = compiled(fills.target_is_touched)
worse_price = compiled(fills.worse_price)
adverse_ticks = compiled(fills.adverse_ticks)
participation_cap_lots = compiled(fills.participation_cap_lots)
participation_share = compiled(fills.participation_share)
liquidation_price = compiled(fills.liquidation_price)
is_beyond = compiled(fills.is_beyond)
target_notional_usdt = compiled(sizing.target_notional_usdt)
lots_for_notional = compiled(sizing.lots_for_notional)
exit_parts = compiled(sizing.exit_parts)
exit_part_lots = compiled(sizing.exit_part_lots)
stop_ticks = compiled(sizing.stop_ticks)
target_ticks = compiled(sizing.target_ticks)
reducible_lots = compiled(holding.reducible_lots)
quiet_range = compiled(meeting.quiet_range)
bars_until = compiled(meeting.bars_until)
part_lots = compiled(holding.part_lots)
remedy = compiled(stops.remedy)
moved_ticks = compiled(linked(stops.moved_ticks, compiled))
goes_before = compiled(policy.goes_before)
is_nearer = compiled(policy.is_nearer)
loss_usdt = compiled(limits.loss_usdt)
loss_pct = compiled(limits.loss_pct)
drawdown_pct = compiled(limits.drawdown_pct)
exposure_pct = compiled(limits.exposure_pct)
room_usdt = compiled(limits.room_usdt)
held_ms = compiled(exits.held_ms)
reversal = compiled(exits.reversal)
stop_loss = compiled(exits.stop_loss)
take_profit = compiled(exits.take_profit)
time_stop = compiled(exits.time_stop)
