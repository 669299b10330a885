"""What is to be asked of orders of which nobody knows what became: one question an order, until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from core.clock import ExchangeClock
from core.domain.errors import VenueRejectedError
from core.domain.orders import Order
from core.exchange.orders.translate import Seen

FILLS_DUE_MS = 100
"""How long the stream may take to tell the fills of an order that is known to have them."""


@dataclass(slots=True)
class Question:
    """About `order`, since and next asked at times of the steady clock. `again` tells that it was raised anew while it
    was asked; `ended` is what is known of an order of which only fills are missing."""

    order: Order
    since_ms: int
    next_ms: int
    asked: int = 0
    unanswered: int = 0
    was_absent: bool = False
    ended: Seen | None = None
    refusal: VenueRejectedError | None = None
    canceled_ms: int = 0
    again: bool = False


class Questions:
    """Raised by whoever sees that something is open, asked by the `Resolver`. `raised` is set by each."""

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        self._open: dict[str, Question] = {}
        self.raised = asyncio.Event()

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._open

    def __iter__(self) -> Iterator[Question]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def ask(
        self,
        order: Order,
        *,
        in_ms: int = 0,
        refusal: VenueRejectedError | None = None,
        ended: Seen | None = None,
    ) -> None:
        """Ask the exchange about `order`, now or in a while; of one that has `ended`, for its fills alone."""
        now_ms = self._clock.steady_ms()
        question = self._open.get(order.client_order_id)
        if question is None:
            question = Question(order, now_ms, now_ms + in_ms)
            self._open[order.client_order_id] = question
        question.next_ms = min(question.next_ms, now_ms + in_ms) if question.asked else now_ms + in_ms
        question.refusal = refusal or question.refusal
        question.ended = ended or question.ended
        question.again = True
        self.raised.set()

    def not_asked(self, asking: Collection[str]) -> list[Question]:
        """Those of which the order is none of `asking`, in the order in which they were raised."""
        return [question for client_order_id, question in self._open.items() if client_order_id not in asking]

    def settle(self, client_order_id: str) -> None:
        del self._open[client_order_id]
