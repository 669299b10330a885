"""Which bars a run must be told of: those that are not provably uneventful, and the few that these look back on. A slot
is the place of a bar in the history's grid of times.

What is uneventful is defined, and looked for, in `core.lab.skip.uneventful_bars`; here the trader's state is put into
its terms. Passing over such a slot loses four things that may matter later, and each is made good: the peak of equity
(the slot of its last new height is told), the last bar that volume and marks are taken from (the bars before a busy
slot are told), the age of a feed (a slot is never passed over where a symbol's bars end, begin again or come to be too
old), and missing settlements for which nothing is assumed (they are counted).

Money is compared in whole 1e-8 USDT, so that peaks are exact for contracts whose tick times lot is a multiple of that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.arithmetic import exits
from core.domain.market import MINUTE_MS
from core.domain.orders import OrderRole, OrderState
from core.lab.data.funding import funding_in_run
from core.lab.data.history import History
from core.lab.data.holes import last_bars_of_symbols
from core.lab.run.curve import last_known
from core.lab.skip.uneventful_bars import AGAINST_LONG, AGAINST_SHORT, BLOCK, LONG, PREDICTED, SHORT, uneventful_until
from core.market.replay.events import event_time_ms
from core.position.meeting import bars_until, quiet_range
from core.strategy.decision import Decider
from core.trader import limits
from core.trader.guard import Guard
from core.trader.state import DAY_MS
from core.trader.strategy_book import StrategyBook
from core.trader.targets import are_resting
from core.trader.trader import Trader
from core.venues.simulated import SimulatedVenue

Floats = NDArray[np.float64]
BarIndices = NDArray[np.int64]

_E8 = 1e8
_NEAR_USDT = 1e-6


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Between which equity every remembered level of a limit stands, in USDT and in percent."""

    floor_usdt: float
    ceiling_usdt: float
    max_drawdown_pct: float
    exposure_low_pct: float
    exposure_high_pct: float

    def hold_flat(self, equity_usdt: float, peak_usdt: float) -> bool:
        return (
            self.floor_usdt + _NEAR_USDT < equity_usdt < self.ceiling_usdt - _NEAR_USDT
            and equity_usdt > peak_usdt * (1.0 - self.max_drawdown_pct / 100.0) + _NEAR_USDT
            and self.exposure_low_pct < 0.0
        )


class Skipper:
    """For one run of `trader` on `venue` over `history` with the forecasts `values` (k, n, outputs), NaN for none."""

    def __init__(self, history: History, trader: Trader, venue: SimulatedVenue, values: Floats) -> None:
        self._history = history
        self._trader = trader
        self._venue = venue
        self._books = [trader.state.symbols[symbol].book(trader.strategy.name) for symbol in history.symbols]
        self._open = history.open
        self._low = np.minimum(np.minimum(history.low, history.open), history.close)
        self._high = np.maximum(np.maximum(history.high, history.open), history.close)
        self._mark = np.array([last_known(row) for row in history.close])
        self._signal = signal_bits(trader.decider, values)
        uneven = uneven_bars(history, trader.settings.limits.max_feed_age_seconds)
        self._begin_ms = int(history.open_time_ms[0])
        self._uneven = sorted({*uneven.tolist(), *self._edges(trader.guard)})
        self._funding, self._free = funding_bars(history, trader.settings.costs.assumed_funding_bps)
        k = len(self._books)
        self._watch = np.zeros(k, np.uint8)
        self._down, self._up = np.full(k, -np.inf), np.full(k, np.inf)
        self._qty_e8, self._cost_e8 = np.zeros(k), np.zeros(k)
        self._scratch = (np.empty(k), np.empty(k), np.empty(BLOCK), np.empty(BLOCK))
        self._scanned = False
        self._calm = _ranges(Guard(trader.settings.limits, history.interval_ms))
        rules = trader.strategy.exits
        self._reverses = any(rule.function is exits.reversal for rule in rules)
        self._time_stop_ms = min((r.parameter for r in rules if r.function is exits.time_stop), default=math.inf)
        self._asks_always = bool(trader.strategy.policies) or any(
            rule.function not in (exits.reversal, exits.time_stop) for rule in rules
        )

    def next_busy(self, slot: int, before: int) -> tuple[int, int]:
        """The first slot of [slot, before) that must be told whole (`before` where there is none), and the last one
        before it whose close made a new peak of equity, or -1."""
        self._scanned = False
        for s in self._books:
            if not s.lots and (s.orders or s.trade is not None):
                return slot, -1
        stop = min(self._known_stop(slot), before)
        bounds = self._bounds() if stop > slot else None
        if bounds is None:
            return slot, -1
        held = False
        for row, s in enumerate(self._books):
            if s.lots:
                held = True
                until = self._hold(row, s, slot)
                if until <= slot:
                    return slot, -1
                stop = min(stop, until)
            else:
                self._watch[row] = LONG | SHORT
                self._down[row], self._up[row] = -math.inf, math.inf
                self._qty_e8[row] = self._cost_e8[row] = 0.0
        state = self._trader.state
        if not held and not bounds.hold_flat(state.wallet_usdt, state.peak_equity_usdt):
            return slot, -1
        busy, peak, _ = uneventful_until(
            slot,
            stop,
            self._low,
            self._high,
            self._mark,
            self._signal,
            self._watch,
            self._down,
            self._up,
            self._qty_e8,
            self._cost_e8,
            _e8(state.wallet_usdt),
            _e8(state.peak_equity_usdt),
            bounds.floor_usdt * _E8,
            bounds.ceiling_usdt * _E8,
            bounds.max_drawdown_pct,
            bounds.exposure_low_pct,
            bounds.exposure_high_pct,
            *self._scratch,
        )
        self._scanned = True
        return busy, peak

    def counted_between(self, begin: int, end: int) -> int:
        """How many settlements for which nothing is assumed fell on what is held in [begin, end), slots that were
        passed over."""
        return sum(
            bisect_left(free, end) - bisect_left(free, begin)
            for free, s in zip(self._free, self._books, strict=True)
            if s.lots
        )

    def opens_uneventfully(self, slot: int) -> bool:
        """Whether no price of `slot`, which `next_busy` just found, can fill anything: then whatever makes it busy
        comes with its close, and first prices and marks before it are undone by its bars."""
        return self._scanned and self._is_within(self._low, self._high, slot)

    def opens_idly(self, slot: int) -> bool:
        """Whether the first prices of `slot`, which `next_busy` just found, can fill nothing, though its bars may."""
        return self._scanned and self._is_within(self._open, self._open, slot)

    def _is_within(self, lows: Floats, highs: Floats, slot: int) -> bool:
        """Whether all of these prices are there and reach no stop, target or liquidation."""
        return all(
            lows.item(row, slot) > self._down.item(row) and highs.item(row, slot) < self._up.item(row)
            for row in range(len(self._books))
        )

    def _known_stop(self, slot: int) -> int:
        """The first slot that cannot be passed over for what is known by time alone."""
        history = self._history
        next_day_ms = (self._trader.state.sampled_ms // DAY_MS + 1) * DAY_MS
        unlocked_ms = self._trader.guard.expires_ms()
        by_time = [self._slot_closing(ms) for ms in (next_day_ms, unlocked_ms) if ms is not None]
        return max(slot, min(*by_time, _next(self._uneven, slot), len(history)))

    def _slot_closing(self, time_ms: int) -> int:
        """The first slot that closes at a time or later."""
        return -((self._begin_ms + self._history.interval_ms - time_ms) // self._history.interval_ms)

    def _edges(self, guard: Guard) -> list[int]:
        """The slots at whose close a limit changes by time alone."""
        begin_ms, step_ms = self._begin_ms, self._history.interval_ms
        by_time = [meter.edges_ms for _, meter in guard.measured if meter.edges_ms is not None]
        times = [ms for edges_ms in by_time for ms in edges_ms(begin_ms, begin_ms + (len(self._history) + 1) * step_ms)]
        if quiet_ms := self._trader.settings.limits.funding_quiet_minutes * MINUTE_MS:
            due = [event_time_ms(rate) for rate in self._history.funding]
            times += [ms - ahead_ms for ms in due for ahead_ms in (quiet_ms, 0)]
        slots = [slot for slot in map(self._slot_closing, times) if 0 <= slot < len(self._history)]
        return [self._history.first, *slots] if times or by_time else []

    def _hold(self, row: int, s: StrategyBook, slot: int) -> int:
        """Put a position into the scan's terms; the first slot that cannot be passed over because of it."""
        stop, trade = s.open_order(OrderRole.STOP), s.trade
        if self._asks_always or trade is None or stop is None or stop.state is not OrderState.ACCEPTED:
            return slot
        targets = [order for order in s.orders.values() if order.role is OrderRole.TARGET]
        if len(s.orders) > 1 + len(targets) or not are_resting(s, trade):
            return slot
        sign = 1 if s.lots > 0 else -1
        stop_price = float(s.instrument.price(stop.trigger_ticks or 0))
        nearest = min((sign * (order.trigger_ticks or 0) for order in targets), default=None)
        target_price = math.nan if nearest is None else float(s.instrument.price(sign * nearest))
        liquidation = self._venue.liquidation_price(s.instrument.symbol) or 0.0
        self._down[row], self._up[row] = quiet_range(sign, stop_price, target_price, liquidation)
        self._qty_e8[row] = _e8(s.lots * s.lot_qty)
        self._cost_e8[row] = _e8(s.cost_usdt)
        watch = 0
        if self._trader.strategy.reverses:
            watch |= SHORT if sign > 0 else LONG
        if self._reverses:
            watch |= AGAINST_LONG if sign > 0 else AGAINST_SHORT
        until = _next(self._funding[row], slot)
        if self._time_stop_ms < math.inf:
            until = min(until, max(slot, self._slot_held_for(trade.entry_time_ms)))
        self._watch[row] = watch
        return until

    def _slot_held_for(self, entry_ms: int) -> int:
        """The first slot at whose close the time stop is reached."""
        step_ms = self._history.interval_ms
        held_ms = exits.held_ms(entry_ms, self._begin_ms + step_ms, step_ms)
        return bars_until(self._time_stop_ms, held_ms, step_ms)

    def _bounds(self) -> _Bounds | None:
        """Where the limits' levels stay what they are; None where the next timer may change or close something."""
        state, guard = self._trader.state, self._trader.guard
        peak, day_start, now_ms = state.peak_equity_usdt, state.day_start_equity_usdt, state.sampled_ms
        if peak <= 0.0 or day_start <= 0.0 or (guard.has_fired() and not self._stays(now_ms)):
            return None
        ranges = _ranges(guard) if guard.has_fired() else self._calm
        for rule, used in (
            (limits.DAY_TRADES, state.entries_on(now_ms)),
            (limits.LOSSES_IN_ROW, state.losses_on(now_ms)),
            (limits.OPEN_POSITIONS, state.open_positions()),
        ):
            low, high = ranges[rule.name]
            if not low <= used < high:
                return None
        in_usdt, in_pct = ranges[limits.DAY_LOSS_USDT.name], ranges[limits.DAY_LOSS_PCT.name]
        drawdown = ranges[limits.DRAWDOWN.name]
        return _Bounds(
            max(0.0, day_start - in_usdt[1], day_start * (1.0 - in_pct[1] / 100.0)),
            min(
                day_start - in_usdt[0],
                day_start * (1.0 - in_pct[0] / 100.0),
                peak * (1.0 - drawdown[0] / 100.0),
            ),
            drawdown[1],
            *ranges[limits.EXPOSURE.name],
        )

    def _stays(self, now_ms: int) -> bool:
        """Whether no limit that has fired clears by the next bar alone or has more to close."""
        guard = self._trader.guard
        if guard.closes_all() and self._trader.state.open_positions():
            return False
        return all(
            guard.level(limits.FEED_AGE, book.instrument.symbol) == "ok"
            for book in self._books
            if book.bar_close_ms == now_ms
        )


def _ranges(guard: Guard) -> dict[str, tuple[float, float]]:
    """By limit, the readings between which its level stays what it is."""
    return {limit.name: guard.range_of_level(limit, meter.limit) for limit, meter in guard.measured}


def signal_bits(decider: Decider, values: Floats) -> NDArray[np.uint8]:
    """The signal bits of `core.lab.skip.uneventful_bars` of each forecast (..., outputs); 0 where there is none."""
    there = ~np.isnan(values).all(axis=-1)
    made = values[there]
    bits = np.full(len(made), PREDICTED, np.uint8)
    directions = np.fromiter((decider.direction(said)[0] for said in made), np.int8, len(made))
    bits[directions > 0] |= LONG
    bits[directions < 0] |= SHORT
    for rule in decider.strategy.exits:
        if rule.function is exits.reversal:
            for sign, bit in ((1, AGAINST_LONG), (-1, AGAINST_SHORT)):
                bits[sign * made[:, 0] < -rule.parameter] |= bit
    table = np.zeros(there.shape, np.uint8)
    table[there] = bits
    return table


def uneven_bars(history: History, max_feed_age_seconds: float) -> BarIndices:
    """BarIndices where a symbol's bars end or begin again, the last before a hole, and those around the one at which a
    symbol's last bar is too old."""
    there = ~np.isnan(history.close)
    changed = np.diff(there, axis=1)
    found = [np.flatnonzero(changed.any(axis=0)) + 1]
    found.append(np.array([slot for slot, _ in last_bars_of_symbols(history)], np.int64))
    from_ms = max_feed_age_seconds * 1000.0 + limits.allowed_ms(history.interval_ms)
    too_old = math.ceil(min(from_ms / history.interval_ms, float(len(history))))
    for row, ends in enumerate(changed & there[:, :-1]):
        last = np.flatnonzero(ends)
        if not there[row, 0]:
            last = np.append(last, 0)
        found += [last + too_old + near for near in (-1, 0, 1)]
    return np.unique(np.concatenate(found))


def funding_bars(history: History, assumed_bps: Decimal) -> tuple[list[list[int]], list[list[int]]]:
    """By symbol, the slots at whose close, or inside whose bars, funding is due, told or assumed; and those of each
    missing settlement for which nothing is assumed, which is counted and changes nothing."""
    begin_ms = int(history.open_time_ms[0])
    due: dict[str, set[int]] = {symbol: set() for symbol in history.symbols}
    free: dict[str, list[int]] = {symbol: [] for symbol in history.symbols}
    for rate in funding_in_run(history, assumed_bps):
        slot = -(-(event_time_ms(rate) - begin_ms) // history.interval_ms) - 1
        if rate.rate or not rate.is_assumed:
            due[rate.symbol].add(slot)
        else:
            free[rate.symbol].append(slot)
    return [sorted(due[symbol]) for symbol in history.symbols], [free[symbol] for symbol in history.symbols]


def _next(slots: Sequence[int], slot: int) -> int:
    """The first of sorted `slots` from `slot` on; beyond every history where none is left."""
    place = bisect_left(slots, slot)
    return slots[place] if place < len(slots) else 1 << 62


def _e8(value_usdt: float) -> float:
    return float(round(value_usdt * _E8))
