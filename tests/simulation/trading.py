"""What is traded in the simulation: a rule that enters often, and settings under which stops and targets are hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from core.domain.trading import ExitReason
from core.position.kit.trailing import trailing
from core.position.ladder import Ladder
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import ExitRule, Rule, Strategy
from tests.core.trader.laddered import HALF_OFF, more_of_it
from tests.declared import Vector, declared

STOP_PCT, TARGET_PCT = 0.3, 0.45
LADDER: Ladder = ((0.12, 0.3), (0.25, 0.3), (0.45, 0.2))
NOTIONAL_USDT = 900.0


def make_settings(symbols: tuple[str, ...], limits: Mapping[str, float] | None = None, **exchange: Any) -> Settings:
    """`limits` and `exchange` override keys of their sections."""
    return parse_settings(
        {
            "mode": "live",
            "strategy": "simulated",
            "market": {"symbols": list(symbols)},
            "account": {"leverage": 5},
            "sizing": {"notional_usdt": NOTIONAL_USDT},
            "limits": {
                "min_stop_distance_pct": 0.1,
                "day_loss_usdt": 5_000.0,
                "day_loss_pct": 60.0,
                "max_trades_per_day": 5_000,
                "max_losses_in_row": 1_000,
                "max_drawdown_pct": 60.0,
                "max_open_positions": 50,
                "max_exposure_pct": 300.0,
                **(limits or {}),
            },
            "exchange": {"id": "binanceusdm", "symbols": list(symbols), **exchange},
        },
        "simulation",
    )


def has_ladder(seed: int) -> bool:
    """Half of the seeds, with people, crossings and models and without, of either kind of strategy."""
    return seed // 16 % 2 == 1


def has_several(seed: int) -> bool:
    """Half of the seeds, with people, crossings, models and ladders and without, of either kind of strategy."""
    return seed // 32 % 2 == 1


def laddered(strategy: Strategy) -> Strategy:
    """The same strategy with several targets, and with exits that reduce, add and trail."""
    return replace(strategy, ladder=LADDER, policies=(HALF_OFF, more_of_it(1_600.0), trailing(0.2, 0.1)))


def make_strategy(seed: int, *, reverses: bool, often: float = 0.6, name: str = "simulated") -> Strategy:
    """`often` is the share of bars that are a signal, one way or the other."""
    return declared(
        name,
        needed_bps=1.0,
        lookback_bars=5,
        stop_pct=STOP_PCT,
        target_pct=TARGET_PCT,
        exits=(ExitRule(ExitReason.REVERSAL, _held_long, 12 * 60_000.0),),
        source=Rule(_scan, 1, (float(seed % 1_000), often)),
        reverses=reverses,
    )


def _scan(state: Any, open_: Any, high: Any, low: Any, close: Any, volume: Any, parameters: Any) -> Any:
    """A side from the digits of the close: as good as drawn, and the same whenever it is asked again."""
    noise = np.modf(np.abs(np.sin(close * 12.9898 + parameters[0]) * 43_758.5453))[0]
    often = parameters[1]
    return np.where(noise < often / 2.0, 20.0, np.where(noise < often, -20.0, 0.0))


def _held_long(sign: int, entry: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    return held_ms >= parameter
