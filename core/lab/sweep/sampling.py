"""What a run keeps of the account at the closes of bars between its steps: samples, and the worst drawdown."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.lab.skip.uneventful_bars import BLOCK, MARGIN_E8, marks_stay_within, sum_block
from core.lab.sweep.forms import inlined


@inlined
def _has_bar(opens: Any, slot: int) -> bool:
    found = False
    for s in range(opens.shape[0]):
        found |= opens[s, slot] == opens[s, slot]
    return found


@inlined
def _moves_no_worst(i: int, size: int, s: int, marks: Any, account: Any, watch: Any) -> bool:
    """Whether equity provably reaches no new peak and no worse drawdown at the closes of a block, where no position but
    that of `s` is held: it follows one price then, or none."""
    highest, deepest = account.highest_e8, account.highest_e8 * (1.0 - account.worst_drawdown)
    qty, cost = watch.qty_e8[s], watch.cost_e8[s]
    if qty == 0.0:
        return bool(deepest <= account.wallet_e8 <= highest)
    least = (deepest + MARGIN_E8 - account.wallet_e8 + cost) / qty
    most = (highest - MARGIN_E8 - account.wallet_e8 + cost) / qty
    if qty < 0.0:
        least, most = most, least
    return bool(marks_stay_within(marks[s, i : i + size], least, most))


@inlined
def deepen(begin: int, end: int, market: Any, memory: Any, watch: Any) -> None:
    """Note the worst drawdown at the closes of the bars of [begin, end), over which positions stay as they are."""
    account, books = memory.account[0], memory.books
    held, only = 0, 0
    for s in range(books.shape[0]):
        watch.qty_e8[s], watch.cost_e8[s] = books[s].lots * books[s].lot_e8, books[s].cost_e8
        if books[s].lots != 0:
            held += 1
            only = s
    i = begin
    while i < end:
        size = min(BLOCK, end - i)
        if held <= 1 and _moves_no_worst(i, size, only, market.mark, account, watch):
            i += size
            continue
        sum_block(i, size, market.mark, watch.qty_e8, watch.cost_e8, account.wallet_e8, watch.equity, watch.gross)
        deepest = account.highest_e8 * (1.0 - account.worst_drawdown)
        moved = False
        for b in range(size):
            moved |= (watch.equity[b] > account.highest_e8) | (watch.equity[b] < deepest)
        if moved:
            for b in range(size):
                now = watch.equity[b]
                # So far above the deepest it is no worse, however that was rounded.
                if deepest + MARGIN_E8 <= now <= account.highest_e8 or not _has_bar(market.open, i + b):
                    continue
                account.highest_e8 = max(account.highest_e8, now)
                down = (account.highest_e8 - now) / account.highest_e8
                account.worst_drawdown = max(account.worst_drawdown, down)
                deepest = account.highest_e8 * (1.0 - account.worst_drawdown)
        i += size


@inlined
def sample_until(end: int, taken: int, market: Any, memory: Any, samples: Any) -> int:
    """Sample the account at the slots before `end`; returns how many samples are taken."""
    account, books = memory.account[0], memory.books
    while taken < samples.slot.shape[0] and samples.slot[taken] < end:
        slot = samples.slot[taken]
        equity, gross, net = account.wallet_e8, 0.0, 0.0
        for s in range(books.shape[0]):
            book = books[s]
            if book.lots != 0:
                value = np.rint(book.lots * book.lot_e8 * market.mark[s, slot])
                equity += value - book.cost_e8
                gross += abs(value)
                net += value
        samples.equity[taken], samples.gross[taken], samples.net[taken] = equity / 1e8, gross / 1e8, net / 1e8
        taken += 1
    return taken
