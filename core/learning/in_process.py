"""Models trained and asked in the process that runs: for a run over history, which waits for every answer anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class InProcess:
    """Stands where `core.compute.lanes.WorkerPool` does; there is nothing to start, to lose or to close."""

    async def infer(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    async def train(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    async def warm_up(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        function(*args, **kwargs)

    def restarts(self) -> dict[str, int]:
        return {}
