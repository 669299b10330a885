"""A second strategy on the account, whose forecasts come from elsewhere."""

from __future__ import annotations

import asyncio

import numpy as np

from core.clock import Clock
from core.domain.forecast import Forecast
from core.domain.origin import champion
from core.strategy.declaration import Strategy
from core.trader.stepping import Stepping
from core.trader.trader import Trader

_LOOK_S = 0.7


async def speak(clock: Clock, strategy: Strategy, trader: Trader, stepper: Stepping) -> None:
    """Say of each bar, soon after it closed, what the rule of `strategy` says of its close."""
    part = strategy.part
    assert part.rule is not None
    while True:
        await asyncio.sleep(_LOOK_S)
        for symbol in trader.state.traded:
            close_ms, mark = trader.state.symbols[symbol].bar_close_ms, trader.state.symbols[symbol].mark
            said = trader.newest(symbol, part.name, strategy.name)
            if close_ms and (said is None or said.bar_close_ms < close_ms):
                closes = np.array([mark])
                value = part.rule.scan(None, closes, closes, closes, closes, closes, part.rule.parameters)
                now_ms = clock.now_ms()
                origin = champion(strategy.name, part=part.name)
                await stepper.step([Forecast(symbol, close_ms, now_ms, (float(value[0]),), origin)], now_ms)
