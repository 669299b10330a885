"""Money in the sweep: parts of an amount, rounded half-even to 1e-8 USDT in whole numbers."""

from __future__ import annotations

from typing import Any

from core.lab.sweep.forms import compiled
from core.trader.state import DAY_MS

_DAY_MS = DAY_MS


@compiled
def mul_div_half_even(a: int, b: int, c: int) -> int:
    """a * b / c for whole a, b >= 0 and c > 0, rounded half-even; exact while the quotient is below 2**52.

    The quotient is guessed in float; what is left of it is small, so that it is right even where the products wrap.
    """
    quotient = int(float(a) * float(b) / float(c))
    rest = a * b - quotient * c
    while rest < 0:
        quotient -= 1
        rest += c
    while rest >= c:
        quotient += 1
        rest -= c
    twice = rest - (c - rest)
    if twice > 0 or (twice == 0 and quotient & 1):
        quotient += 1
    return quotient


@compiled
def share_e8(amount_e8: float, numerator: int, denominator: int) -> float:
    """`numerator / denominator` of an amount, rounded half-even to a whole 1e-8 USDT. A figure that is not whole
    itself, of an instrument with finer ticks and lots, is rounded in float."""
    size = abs(amount_e8)
    if size == round(size) and size < 9007199254740992.0:
        rounded = float(mul_div_half_even(int(size), numerator, denominator))
    else:
        rounded = float(round(size * numerator / denominator))
    return rounded if amount_e8 >= 0.0 else -rounded


@compiled
def note_unopened(account: Any, book: Any, day: int, cash_e8: float, lots: int) -> None:
    """Remember what was booked of a UTC day before its first sample, as `core.trader.day` does: 1e-8 USDT received and
    lots bought, both signed."""
    if day <= account.sampled_ms // _DAY_MS:
        return
    if account.unopened_day != day:
        account.unopened_day, account.unopened_e8 = day, 0.0
    if book.unopened_day != day:
        book.unopened_day, book.unopened_lots = day, 0
    account.unopened_e8 += cash_e8
    book.unopened_lots += lots
