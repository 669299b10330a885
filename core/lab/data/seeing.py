"""What is seen beside the bars of a history: the rows that a live market makes one by one."""

from __future__ import annotations

from collections.abc import Sequence

from core.lab.data.history import History
from core.market.seeing import Seen, see, streams_of


def seen_by(history: History, symbol: str, inputs: Sequence[str]) -> Seen:
    """A row for each bar of `History.columns(symbol)`, warm-up included. Raises KeyError where the history was not
    asked for the streams of an input, BadInputError for an input that is none."""
    closes_ms = history.columns(symbol).open_time_ms + history.interval_ms
    return see(symbol, inputs, closes_ms, {name: history.observed(symbol, name) for name in streams_of(inputs)})
