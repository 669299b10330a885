"""The sweep's loop over slots: the full step where something may happen, the uneventful scan over the rest.

A step takes the events of one slot in the engine's order: first prices and what follows from them, funding that is due
inside the bars, then bars, funding and the account's sample, then predictions; orders go out after each of these three.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from core.arithmetic import costs, exits, fills, sizing
from core.lab.skip import uneventful_bars
from core.lab.skip.uneventful_bars import (
    LONG,
    PREDICTED,
    SHORT,
)
from core.lab.sweep import calling
from core.lab.sweep import fills as sweep_fills
from core.lab.sweep import forms as sweep_forms
from core.lab.sweep import limits as sweep_limits
from core.lab.sweep import matching as sweep_matching
from core.lab.sweep import money as sweep_money
from core.lab.sweep import orders as sweep_orders
from core.lab.sweep import passing as sweep_passing
from core.lab.sweep import policies as sweep_policies
from core.lab.sweep import protection as sweep_protection
from core.lab.sweep import sampling as sweep_sampling
from core.lab.sweep import sending as sweep_sending
from core.lab.sweep.fills import end_before_hole
from core.lab.sweep.forms import (
    NONE,
    entry_point,
    fingerprint,
    inlined,
)
from core.lab.sweep.limits import ask_exits, decide, heed, pay_funding, sample, turn
from core.lab.sweep.matching import match_bar, match_first_price
from core.lab.sweep.passing import end_of_uneventful, may_meet, pass_uneventful
from core.lab.sweep.policies import see_bar
from core.lab.sweep.protection import protect, restore_target
from core.lab.sweep.sampling import deepen, sample_until
from core.lab.sweep.sending import dispatch, send
from core.position import holding, meeting, policy, stops
from core.trader.deciding import DECISION_MAX_AGE_MS
from core.trader.limits import day_loss_pct, day_loss_usdt, drawdown, exposure
from core.trader.state import DAY_MS
from core.trader.targets import MAX_LOST_TARGETS

SOURCES: tuple[ModuleType, ...] = (
    costs,
    day_loss_pct,
    day_loss_usdt,
    drawdown,
    exits,
    exposure,
    fills,
    holding,
    meeting,
    policy,
    sizing,
    stops,
    uneventful_bars,
    calling,
    sweep_forms,
    sweep_money,
    sweep_orders,
    sweep_protection,
    sweep_policies,
    sweep_sending,
    sweep_fills,
    sweep_matching,
    sweep_limits,
    sweep_sampling,
    sweep_passing,
)
"""Every module whose functions are compiled into the kernel, besides this one."""


@inlined
def _meet_first_price(s: int, price: float, now: int, memory: Any, policies: Any) -> None:
    account, config, books, orders, trades = (
        memory.account[0],
        memory.config[0],
        memory.books,
        memory.orders,
        memory.trades,
    )
    queue = memory.queue
    side = match_first_price(
        account, config, books[s], orders[s], trades[s], queue, memory.closed, s, price, now, policies
    )
    if side:
        turn(account, config, books, orders, trades, queue, s, side, now)


@inlined
def _meet_first_prices(i: int, market: Any, memory: Any, policies: Any) -> None:
    account, config, books = memory.account[0], memory.config[0], memory.books
    now = market.open_time_ms[i] + config.first_price_delay_ms
    for s in range(books.shape[0]):
        books[s].spent = 0
    meets = True
    while meets and account.error == 0:
        for s in range(books.shape[0]):
            price = market.open[s, i]
            if price == price:
                _meet_first_price(s, price, now, memory, policies)
                books[s].mark = price
        meets = False
        # A market order that goes out at the very instant of a first price meets that price.
        while account.commands and not meets and account.error == 0:
            meets = send(account, config, books, memory.orders, memory.trades, memory.queue, memory.answers, policies)


@inlined
def _meet_bars(i: int, market: Any, memory: Any, policies: Any) -> bool:
    """Whether there was a bar."""
    account, config, books = memory.account[0], memory.config[0], memory.books
    now = market.open_time_ms[i] + config.interval_ms
    seen = False
    for s in range(books.shape[0]):
        price = market.open[s, i]
        if price == price:
            seen = True
            book, orders, trades = books[s], memory.orders[s], memory.trades[s]
            low, high, mark, volume = market.low[s, i], market.high[s, i], market.mark[s, i], market.volume[s, i]
            match_bar(
                account,
                config,
                book,
                orders,
                trades,
                memory.queue,
                memory.closed,
                s,
                price,
                low,
                high,
                mark,
                volume,
                now,
                policies,
            )
            book.mark, book.volume, book.seen = mark, volume, 1
            if book.lots != 0:
                if policies is not None:
                    see_bar(account, book, trades, policies, s, price, high, low, mark, volume, now)
                protect(account, config, book, orders, trades, memory.queue, s)
                if policies is not None:
                    restore_target(account, config, book, orders, trades, memory.queue, s)
    return seen


@inlined
def _see_bars(i: int, market: Any, memory: Any) -> bool:
    """What is left of the first prices and bars of a slot in which nothing is met. Whether there was a bar."""
    books = memory.books
    seen = False
    for s in range(books.shape[0]):
        books[s].spent = 0
        if market.open[s, i] == market.open[s, i]:
            seen = True
            books[s].mark, books[s].volume, books[s].seen = market.mark[s, i], market.volume[s, i], 1
    return seen


@inlined
def _end_before_holes(i: int, market: Any, holes: Any, ended: int, memory: Any, policies: Any) -> int:
    """End what must end at the close of a slot; returns how many of the holes have begun."""
    account, config, books = memory.account[0], memory.config[0], memory.books
    now = market.open_time_ms[i] + config.interval_ms
    while ended < holes.slot.shape[0] and holes.slot[ended] <= i:
        if holes.slot[ended] == i:
            s = holes.symbol[ended]
            orders, trades = memory.orders[s], memory.trades[s]
            end_before_hole(account, config, books[s], orders, trades, memory.queue, memory.closed, s, now, policies)
        ended += 1
    return ended


@inlined
def _pay(i: int, inside: int, funding: Any, paid: int, memory: Any) -> int:
    """Funding of a slot that is due inside its bar, or all that is left of it; returns how much of the funding is
    over."""
    account, books = memory.account[0], memory.books
    while paid < funding.slot.shape[0] and funding.slot[paid] <= i and funding.inside[paid] >= inside:
        if funding.slot[paid] == i:
            s = funding.symbol[paid]
            sign, per_lot, of = funding.sign[paid], funding.per_lot[paid], funding.of[paid]
            due_ms = funding.due_ms[paid]
            pay_funding(account, books[s], memory.trades[s], sign, per_lot, of, funding.assumed[paid], due_ms)
        paid += 1
    return paid


@inlined
def _close_slot(i: int, seen: bool, market: Any, funding: Any, paid: int, memory: Any, policies: Any) -> int:
    """Funding and the sample at the close of a slot of which bars were `seen`; returns how much of the funding is
    over."""
    account, config, books = memory.account[0], memory.config[0], memory.books
    now = market.open_time_ms[i] + config.interval_ms
    paid = _pay(i, 0, funding, paid, memory)
    if seen:
        sample(account, books, market.mark, i, now)
        heed(account, config, books, memory.orders, memory.trades, memory.queue, now)
    if account.commands:
        dispatch(account, config, books, memory.orders, memory.trades, memory.queue, memory.answers, policies)
    return paid


@inlined
def _answer_predictions(i: int, market: Any, told: Any, memory: Any, policies: Any) -> None:
    account, config, books = memory.account[0], memory.config[0], memory.books
    now = market.open_time_ms[i] + config.interval_ms + config.inference_delay_ms
    for s in range(books.shape[0]):
        signal = told.signal[s, i]
        if signal & PREDICTED:
            direction = 1 if signal & LONG else -1 if signal & SHORT else 0
            decide(
                account,
                config,
                books,
                memory.orders,
                memory.trades,
                memory.queue,
                memory.rules,
                memory.parameters,
                s,
                direction,
                told.values[s, i],
                now,
                policies,
            )
        elif books[s].lots != 0 and market.open[s, i] == market.open[s, i]:
            ask_exits(
                account,
                config,
                books[s],
                memory.orders[s],
                memory.trades[s],
                memory.queue,
                memory.rules,
                memory.parameters,
                s,
                told.values[s, i],
                now,
                policies,
            )
    if account.commands:
        dispatch(account, config, books, memory.orders, memory.trades, memory.queue, memory.answers, policies)


def make_kernel(sources: int) -> Any:
    """The compiled run. `sources` names the text of the compiled functions: numba keys its disk cache by the
    closure's values and looks for changes in this file only, so without it an old kernel would outlive an edit."""

    @entry_point
    def run(
        first: int,
        market: Any,
        funding: Any,
        holes: Any,
        told: Any,
        memory: Any,
        samples: Any,
        watch: Any,
        lean: bool,
        policies: Any,
    ) -> None:
        """`policies` are None where a strategy has none: of that case a kernel of its own is compiled, without them."""
        account = memory.account[0]
        account.code = sources
        n = market.open_time_ms.shape[0]
        paid = ended = turn = taken = int(NONE)
        i, meets = first, True
        while i < n and account.error == 0:
            if meets:
                _meet_first_prices(i, market, memory, policies)
                paid = _pay(i, 1, funding, paid, memory)
                seen = _meet_bars(i, market, memory, policies)
            else:
                seen = _see_bars(i, market, memory)
            ended = _end_before_holes(i, market, holes, ended, memory, policies)
            paid = _close_slot(i, seen, market, funding, paid, memory, policies)
            _answer_predictions(i, market, told, memory, policies)
            while turn < market.turns.shape[0] and market.turns[turn] <= i:
                turn += 1
            stop = end_of_uneventful(i, market, funding, paid, holes, ended, turn, memory, watch, policies)
            j, meets = i + 1, True
            if stop > i + 1:
                j = pass_uneventful(i + 1, stop, market, told, memory, watch)
                # Where a signal or a limit ended the scan, and nothing that is known by time alone is due.
                meets = j == stop or may_meet(j, market, watch)
            while paid < funding.slot.shape[0] and funding.slot[paid] < j:
                paid += 1
            while ended < holes.slot.shape[0] and holes.slot[ended] < j:
                ended += 1
            taken = sample_until(j, taken, market, memory, samples)
            if lean:
                deepen(i, j, market, memory, watch)
            i = j

    return run


run_kernel = make_kernel(fingerprint(SOURCES, DAY_MS, DECISION_MAX_AGE_MS, MAX_LOST_TARGETS))
