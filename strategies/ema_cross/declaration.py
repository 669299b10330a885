"""EMA cross: enter where a fast average of the close crosses a slow one; leave at stop, target or the next cross."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.forecast import Because, Output
from core.domain.market import MINUTE_MS
from core.settings.schema import Settings, parse_options
from core.settings.values import Grid
from core.strategy.declaration import Part, Rule, Strategy
from strategies.ema_cross.settings import EmaCrossSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WARM_UP_PER_SLOW_BAR = 20
"""Of the first close, ((n - 1) / (n + 1))^bars < e^(-2 bars / n) is left in an average of n bars: after 20 n bars less
than 1e-17 of it, below the resolution of a float64, so that trading does not depend on where the history starts."""

STATE_SIZE = 4
"""What the rule remembers: see `strategies.ema_cross.rule`."""

OUTPUTS = (Output("fast_over_slow", "bps"),)
"""By how much the fast average lies above the slow one at a cross."""

CONFIDENCE = 0.5
"""The rule tells a side and no probability of it: the figure of who does not know."""

SETTINGS = EmaCrossSettings

SEARCH_SPACE: Grid = (
    ("fast_bars", tuple(range(4, 49, 4))),
    ("slow_bars", tuple(range(50, 301, 10))),
    ("stop_pct", tuple(quarter / 4 for quarter in range(2, 13))),
    ("target_pct", tuple(half / 2 for half in range(1, 13))),
)


def build(settings: Settings) -> Strategy:
    chosen = parse_options(EmaCrossSettings, settings, "ema_cross")
    numbers = (float(chosen.fast_bars), float(chosen.slow_bars), float(chosen.first_signal_bar))
    warm_up_bars = max(WARM_UP_PER_SLOW_BAR * chosen.slow_bars, chosen.first_signal_bar)
    return Strategy(
        name="ema_cross",
        parts=(Part(OUTPUTS, warm_up_bars, Rule(scan, STATE_SIZE, numbers)),),
        decide=decide,
        because=because,
        stop_pct=chosen.stop_pct,
        target_pct=chosen.target_pct,
        cooldown_ms=chosen.cooldown_minutes * MINUTE_MS,
        reverses=chosen.exit == "reverse",
        search_space=SEARCH_SPACE,
    )


def scan(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """See `strategies.ema_cross.rule`. Who scans first loads numba: an engine that has a position to protect first does
    not wait for that."""
    from strategies.ema_cross.rule import scan as compiled

    values: Floats = compiled(state, opens, highs, lows, closes, volumes, parameters)
    return values


def decide(values: Floats, cost_bps: float, parameters: Floats) -> tuple[int, float]:
    """Every cross is traded, to its side: the distance of two averages at a cross says nothing of the return to come,
    so that no cost is asked for. NaN is none."""
    if values[0] > 0.0:
        return 1, CONFIDENCE
    if values[0] < 0.0:
        return -1, CONFIDENCE
    return 0, CONFIDENCE


def because(values: Floats, cost_bps: float, parameters: Floats, direction: int) -> tuple[Because, ...]:
    return (Because(OUTPUTS[0].name, float(values[0]), 0.0, OUTPUTS[0].unit),)
