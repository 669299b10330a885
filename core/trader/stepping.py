"""How news reaches the trader: one whole step at a time, stated for those who learn of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from core.domain.records import Record
from core.trader.messages import TraderEvent


class Stepping(Protocol):
    """Implemented by `core.engine.stepper.Stepper`. While `lock` is held no step is made."""

    lock: asyncio.Lock

    async def step(self, events: Sequence[TraderEvent], now_ms: int, extra: Sequence[Record] = ()) -> list[Record]:
        """Take in venue events, predictions or operator commands, and what is to be journalled beside them. Returns
        the records of the first commit."""
        ...
