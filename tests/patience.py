"""How long a test looks for what must come: so long as it is given the processor, never by the clock on the wall.

A busy machine makes a test slower, never red. What does not come at all is told once a generous amount of processor
time went into looking, or once the sleeps between the looks came to minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

PATIENCE_CPU_S = 60.0
PATIENCE_ASLEEP_S = 300.0
"""A look and a sleep take little processor time: without an end of their own, what never comes would be waited for by
the half hour."""


def looks(what: str, every_s: float = 0.0) -> Iterator[None]:
    """One turn for each look, between which `every_s` is slept; AssertionError when patience is over."""
    began = time.process_time()
    asleep_s = 0.0
    while time.process_time() - began < PATIENCE_CPU_S and asleep_s < PATIENCE_ASLEEP_S:
        yield
        asleep_s += every_s
    raise AssertionError(f"{what} does not come: looked for {time.process_time() - began:.0f} s of processor time")


def until(look: Callable[[], T | None], what: str, every_s: float = 0.01) -> T:
    """The first truthy thing that `look` sees."""
    for _ in looks(what, every_s):
        if seen := look():
            return seen
        time.sleep(every_s)
    raise AssertionError("not reached")


async def comes(look: Callable[[], T | None], what: str, every_s: float = 0.005) -> T:
    """The same, while the loop turns."""
    for _ in looks(what, every_s):
        if seen := look():
            return seen
        await asyncio.sleep(every_s)
    raise AssertionError("not reached")
