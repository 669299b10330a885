"""Observations in memory that outlive a process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.domain.stream import Observation
from core.market.streams import stream as stream_of
from core.ports import ObservationColumns


class MemoryObservations:
    """Implements core.ports.ObservationStore: of one that is told again the first stays."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[tuple[int, int], Observation]] = {}

    async def append(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            self._kept.setdefault((one.symbol, one.stream), {}).setdefault((one.time_ms, one.number), one)

    async def observations(self, symbol: str, stream: str, from_ms: int, to_ms: int) -> ObservationColumns:
        kept = self._kept.get((symbol, stream), {})
        found = [kept[key] for key in sorted(kept) if from_ms <= key[0] < to_ms]
        times = np.array([(o.time_ms, o.known_ms, o.number) for o in found], np.int64).reshape(-1, 3).T
        values = np.array([o.values for o in found], np.float64).reshape(-1, len(stream_of(stream).fields))
        return ObservationColumns(symbol, stream, *times, values)

    async def close(self) -> None: ...
