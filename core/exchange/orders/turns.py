"""Whose turn it is where the exchange wants fewer requests: who has been without a stop for longest goes first."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from core.clock import ExchangeClock
from core.domain.orders import Order, OrderRole
from core.exchange.connection.limiter import Place

YIELD_MS = 1500
"""By so much less a position is taken to have waited for each two tries in vain: then one of like age has its turn."""

NOTHING_LEFT, NOT_THERE = 4, 12
"""So many tries in vain one counts of which the exchange says that there is nothing left to reduce, and that the entry
is not there: what is known to be held has several tries before it."""

_FORGOTTEN_MS = 15_000


class Held(Protocol):
    """Who knows what is held, and what of it is safe."""

    def bare_since_ms(self, symbol: str) -> int | None:
        """Since when, by the exchange's clock, a position is without a stop that is known to rest and without an exit
        that is known to work; None where none is."""
        ...

    def is_covered(self, symbol: str) -> bool:
        """Whether something is held, and stops that rest cover it with all that may still be added to it."""
        ...


class _Step(IntEnum):
    """Of one bare position: its exit ends what its stop would only guard, and either is worth more than an answer."""

    EXIT = 0
    STOP = 1
    QUESTION = 2


class Turns:
    """Places in the line of the limiter, each by what is held at the moment at which it is asked for.

    What may be a position counts like one: an entry from the time on at which it came to be unclear, and from the time
    at which it was made once it is known to have filled. Who was tried for in vain lets others of like age go first:
    where somebody has closed a position, its exit would have every turn.
    """

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        self._held: Held | None = None
        self._in_vain: dict[str, tuple[int, int]] = {}

    def follow(self, held: Held) -> None:
        self._held = held

    def note_vain(self, symbol: str, tries: int = 1) -> None:
        """What was sent for a contract was not answered, or found nothing to do."""
        self._in_vain[symbol] = (self._tried_in_vain(symbol) + tries, self._clock.steady_ms())

    def _tried_in_vain(self, symbol: str) -> int:
        tries, last_ms = self._in_vain.get(symbol, (0, 0))
        return tries if self._clock.steady_ms() - last_ms < _FORGOTTEN_MS else 0

    def of_order(self, order: Order) -> Callable[[], Place]:
        step = _Step.EXIT if order.role is OrderRole.EXIT else _Step.STOP
        return lambda: self._bare(order.symbol, step) or self._covered(order)

    def of_question(self, order: Order, unclear_since_ms: int | None = None) -> Callable[[], Place] | None:
        """Of a question about `order`, an entry of it unclear since a steady time or known to have filled; None where
        nothing that may be bare waits for the answer."""
        symbol = order.symbol
        if self._held is None or self._held.is_covered(symbol):
            return None
        if order.role is OrderRole.ENTRY:
            return lambda: self._of_entry(order, unclear_since_ms)
        if order.role in (OrderRole.EXIT, OrderRole.STOP) and self._held.bare_since_ms(symbol) is not None:
            return lambda: self._bare(symbol, _Step.QUESTION) or self._covered(order)
        return None

    def _of_entry(self, order: Order, unclear_since_ms: int | None) -> Place:
        if self._held is not None and self._held.is_covered(order.symbol):
            return self._covered(order)
        since_ms = self._steady_ms(order.created_ms) if unclear_since_ms is None else unclear_since_ms
        return Place(is_covered=False, since_ms=since_ms + self._yielded_ms(order.symbol), step=_Step.QUESTION)

    def _bare(self, symbol: str, step: _Step) -> Place | None:
        since_ms = None if self._held is None else self._held.bare_since_ms(symbol)
        if since_ms is None:
            return None
        return Place(is_covered=False, since_ms=self._steady_ms(since_ms) + self._yielded_ms(symbol), step=step)

    def _yielded_ms(self, symbol: str) -> int:
        return self._tried_in_vain(symbol) // 2 * YIELD_MS

    def _covered(self, order: Order) -> Place:
        """A stop that nothing waits for, beside one that rests or an exit that works, stands behind every exit."""
        is_needless = order.role is OrderRole.STOP
        return Place(True, self._clock.steady_ms() if is_needless else self._steady_ms(order.created_ms))

    def _steady_ms(self, exchange_ms: int) -> int:
        """A time of the exchange on the steady clock, as both stand now: all places of one turn are told so."""
        return self._clock.steady_ms() - max(0, self._clock.now_ms() - exchange_ms)
