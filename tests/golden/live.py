"""A strategy of the house for an hour on the simulated exchange, its engine live, without a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from core.lab.run.overrides import with_overrides
from core.strategy.declaration import ScanFunction, Strategy
from core.strategy.loading import load_strategy
from tests.declared import with_part
from tests.golden import telling
from tests.simulation.loop import VirtualLoop, end_all
from tests.simulation.run import SYMBOLS, Hour
from tests.simulation.telling import HOUR_MS, quiet_machine
from tests.simulation.trading import make_settings, make_strategy
from tests.simulation.transport import virtual_ccxt

KEYS = {
    "ema_cross": {"fast_bars": 1, "slow_bars": 2, "first_signal_bar": 2, "stop_pct": 0.3, "target_pct": 0.45},
    "scalper": {"min_edge_bps": 1.0, "edge_over_cost_bps": 0.0, "stop_pct": 0.3, "target_pct": 0.45},
}


def journal_of(name: str, seed: int) -> Iterator[str]:
    loop = VirtualLoop(f"loop {seed}")
    asyncio.set_event_loop(loop)
    hour = Hour(loop, seed, HOUR_MS, (), {}, whole_trace=False, told=False)
    settings = with_overrides(make_settings(SYMBOLS), name, tuple(KEYS[name].items()))
    hour.machine = replace(hour.machine, settings=settings, strategy=_with_a_rule(load_strategy(name, settings), seed))
    try:
        with virtual_ccxt(hour.world.clock), quiet_machine(None):
            loop.run_until_complete(hour.run())
            end_all(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert not hour.result.problems, hour.result.problems
    return telling.of_journal(hour.disk.records)


def _with_a_rule(strategy: Strategy, seed: int) -> Strategy:
    """The same decisions and exits, on values that a rule draws where a model would be asked: none is trained here."""
    if strategy.part.model is None:
        return strategy
    drawn = make_strategy(seed, reverses=False).part.rule
    assert drawn is not None
    half_sure = replace(drawn, scan=partial(_half_sure, drawn.scan))
    return with_part(strategy, lookback_bars=5, lifecycle=None, source=half_sure)


def _half_sure(scan: ScanFunction, *given: Any) -> Any:
    forecast = scan(*given)
    return np.column_stack([forecast, np.full(len(forecast), 0.5)])
