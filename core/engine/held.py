"""What was observed while the past is still being read: kept until it counts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.domain.stream import Observation

log = logging.getLogger("quarterdeck.engine")

ROOM = 20_000
"""So many observations are held; beyond them the oldest go, and that is told."""


class Held:
    """Observations in the order in which they were known, of each stream at each close to come the newest alone: no
    other one counts there. `lost` counts what there was no room for."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._by_close: dict[tuple[str, str, int], Observation] = {}
        self.lost = 0

    def __len__(self) -> int:
        return len(self._by_close)

    def put(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            close = -(-one.known_ms // self._interval_ms)
            key = one.symbol, one.stream, close
            before = self._by_close.get(key)
            if before is None or (one.time_ms, one.number) > (before.time_ms, before.number):
                self._by_close[key] = one
        while len(self._by_close) > ROOM:
            del self._by_close[next(iter(self._by_close))]
            self.lost += 1
            # Of many, ever fewer are told.
            if not self.lost & (self.lost - 1):
                log.warning("the past is read for too long: %d observations of meanwhile were lost so far", self.lost)

    def taken(self) -> list[Observation]:
        """All that is held, which is then held no more."""
        found = sorted(self._by_close.values(), key=lambda one: one.known_ms)
        self._by_close.clear()
        return found
