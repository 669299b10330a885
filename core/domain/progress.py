"""How far a long request is, told while it runs, and how it treats who else is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is: `done` of `total` of what `unit` names in the plural; `total` 0 while it is unknown."""

    done: int
    total: int
    unit: str
    note: str = ""


OnProgress = Callable[[Progress], None]
"""Called from the thread of the request, now and then; never for every bar."""


ShouldStop = Callable[[], bool]
"""Asked between slots, trials or folds. Once it answers True the request ends with what it has, as "partial"."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a long write treats who else is there: `rest` is called before each transaction, which holds the database's
    lock, and lets others have it."""

    rest: Callable[[], None]
    progress: OnProgress
    should_stop: ShouldStop


AT_ONCE = Manner(lambda: None, lambda _: None, lambda: False)
"""Where nobody else writes."""
