"""News of one kind, from an object that was made first to those that are made later and must act on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVarTuple

Told = TypeVarTuple("Told")


class Topic(Generic[*Told]):
    """Whoever learns something publishes it; who must act on it subscribes in its own constructor, and is told at once,
    in the order of subscribing. What nobody has subscribed to yet is lost."""

    def __init__(self) -> None:
        self._hearers: list[Callable[[*Told], None]] = []

    def subscribe(self, hear: Callable[[*Told], None]) -> None:
        self._hearers.append(hear)

    def publish(self, *told: *Told) -> None:
        for hear in self._hearers:
            hear(*told)
