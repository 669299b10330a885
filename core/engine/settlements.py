"""When funding is settled next, told to the trader as soon as it is known: of a recorded market by its instants, of an
exchange as it announces it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping

from core.clock import Clock
from core.domain.market import FundingRate
from core.engine.stepper import Stepper
from core.market.replay.events import event_time_ms
from core.trader.messages import FundingDue

_PAUSE_S = 1.0


class Settlements:
    """Those of a recorded market, of each of `symbols`: as its `rates` tell, and no others."""

    def __init__(self, symbols: Iterable[str], rates: Iterable[FundingRate]) -> None:
        self._times_ms: dict[str, list[int]] = {symbol: [] for symbol in symbols}
        for rate in sorted(rates, key=event_time_ms):
            self._times_ms[rate.symbol].append(event_time_ms(rate))
        self._told: dict[str, int] = {}

    def news(self, now_ms: int) -> list[FundingDue]:
        """What is new at an instant of the market."""
        return changed(self._told, {symbol: self._next(symbol, now_ms) for symbol in self._times_ms}, now_ms)

    def _next(self, symbol: str, now_ms: int) -> int:
        times = self._times_ms[symbol]
        place = bisect_right(times, now_ms)
        return times[place] if place < len(times) else 0


def changed(told: dict[str, int], due_ms: Mapping[str, int], now_ms: int) -> list[FundingDue]:
    """What of `due_ms` was not `told` yet; it counts as told then."""
    news = [FundingDue(symbol, now_ms, ms) for symbol, ms in due_ms.items() if told.get(symbol) != ms]
    told.update((one.symbol, one.due_ms) for one in news)
    return news


async def follow(announced: Callable[[], Mapping[str, int]], stepper: Stepper, clock: Clock) -> None:
    """Tell what an exchange announces, by symbol, until canceled."""
    told: dict[str, int] = {}
    while True:
        now_ms = clock.now_ms()
        if news := changed(told, announced(), now_ms):
            await stepper.step(news, now_ms)
        await asyncio.sleep(_PAUSE_S)
