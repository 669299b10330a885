"""What is stored of streams and kept no longer: taken out a little at a time, beside whoever writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

EVERY_S = 3_600.0

Forget = Callable[[str, str, int], Awaitable[int]]
"""(symbol, stream, before_ms) -> how many rows of before then were taken out, some of them; 0 where none is left."""


async def keep_for(
    forget: Forget,
    symbols: Sequence[str],
    keep_ms: Mapping[str, int],
    now_ms: Callable[[], int],
    rest: Callable[[], Awaitable[None]],
    told: Callable[[str, str, int], None],
) -> None:
    """Take out what is older than its stream's `keep_ms`, at once and every hour, until canceled. `rest` is awaited
    before each transaction, `told` hears of what symbol and stream how many rows went."""
    while True:
        at_ms = now_ms()
        for name, its_ms in keep_ms.items():
            for symbol in symbols:
                await rest()
                while gone := await forget(symbol, name, at_ms - its_ms):
                    told(symbol, name, gone)
                    await rest()
        await asyncio.sleep(EVERY_S)
