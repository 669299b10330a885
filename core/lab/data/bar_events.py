"""The market events of a history, slot by slot, as a replay would tell them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from core.domain.market import Bar, FirstPrice, FundingRate, HoleAhead, MarketEvent
from core.lab.data.funding import funding_in_run
from core.lab.data.history import COLUMNS, History
from core.lab.data.holes import last_bars_of_symbols
from core.market.replay.events import event_time_ms


class BarEvents:
    """What is due in each slot, in the order of `core.market.replay.events.ReplayFeed`: the first prices of its bars
    just after its open; then the funding that is due before its close; at its close the bars, then which of them are
    the last before a hole, then the funding. Where a bar is missing nothing is told of it.
    """

    def __init__(self, history: History, first_price_delay_ms: int, assumed_funding_bps: Decimal) -> None:
        self._history = history
        self._delay_ms = first_price_delay_ms
        self._columns = tuple(getattr(history, name) for name in COLUMNS)
        self._all_rows = range(len(history.symbols))
        self._there = ~np.isnan(history.close)
        self._whole = np.asarray(self._there.all(axis=0))
        self._funding: dict[int, list[FundingRate]] = defaultdict(list)
        for rate in funding_in_run(history, assumed_funding_bps):
            self._funding[event_time_ms(rate)].append(rate)
        self._inside: dict[int, list[int]] = defaultdict(list)
        for due_ms in sorted(self._funding):
            slot, after_ms = divmod(due_ms - self.open_ms(0), history.interval_ms)
            if after_ms:
                self._inside[slot].append(due_ms)
        self._ends: dict[int, list[int]] = defaultdict(list)
        for slot, row in last_bars_of_symbols(history):
            self._ends[slot].append(row)

    def open_ms(self, slot: int) -> int:
        return int(self._history.open_time_ms[slot])

    def first_prices(self, slot: int) -> list[MarketEvent]:
        history, open_ms = self._history, self.open_ms(slot)
        return [
            FirstPrice(history.symbols[row], open_ms + self._delay_ms, open_ms, history.open.item(row, slot))
            for row in self._rows(slot)
        ]

    def bars(self, slot: int) -> list[Bar]:
        history, open_ms = self._history, self.open_ms(slot)
        opens, highs, lows, closes, volumes = self._columns
        return [
            Bar(
                history.symbols[row],
                open_ms,
                history.interval_ms,
                opens.item(row, slot),
                highs.item(row, slot),
                lows.item(row, slot),
                closes.item(row, slot),
                volumes.item(row, slot),
            )
            for row in self._rows(slot)
        ]

    def closing(self, slot: int) -> list[MarketEvent]:
        """The bars of a slot, the holes that begin with their close, and the funding that is due then."""
        close_ms = self.open_ms(slot) + self._history.interval_ms
        ends = (HoleAhead(self._history.symbols[row], close_ms) for row in self._ends.get(slot, ()))
        return [*self.bars(slot), *ends, *self.funding(close_ms)]

    def funding(self, due_ms: int) -> Sequence[FundingRate]:
        return self._funding.get(due_ms, ())

    def inside(self, slot: int) -> Sequence[int]:
        """When funding is due after the open and before the close of a slot, in order."""
        return self._inside.get(slot, ())

    def funding_times_ms(self) -> list[int]:
        return sorted(self._funding)

    def _rows(self, slot: int) -> Sequence[int]:
        if self._whole[slot]:
            return self._all_rows
        return [int(row) for row in np.flatnonzero(self._there[:, slot])]
