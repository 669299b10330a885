"""Scalper: LightGBM forecasts the next ten minutes; enter when the forecast beats the costs, leave when it turns."""

from __future__ import annotations

import json

from core.arithmetic.costs import round_trip_cost_bps
from core.arithmetic.exits import reversal
from core.domain.market import MINUTE_MS
from core.domain.trading import ExitReason
from core.settings.schema import Settings, parse_options
from core.settings.values import Grid
from core.strategy.declaration import ExitRule, Lifecycle, ModelSpec, Part, Strategy
from strategies.scalper.features import LOOKBACK_BARS
from strategies.scalper.settings import ScalperSettings
from strategies.scalper.signals import OUTPUTS, because, decide

SETTINGS = ScalperSettings

SEARCH_SPACE: Grid = (
    ("min_edge_bps", tuple(range(2, 31))),
    ("edge_over_cost_bps", tuple(half / 2 for half in range(21))),
    ("reversal_bps", tuple(half / 2 for half in range(1, 31))),
    ("stop_pct", tuple(quarter / 4 for quarter in range(1, 13))),
    ("target_pct", tuple(quarter / 4 for quarter in range(1, 25))),
    ("cooldown_minutes", tuple(range(16))),
)
"""What is decided with a forecast; none of it changes the model that is trained."""


def build(settings: Settings) -> Strategy:
    scalper = parse_options(ScalperSettings, settings, "scalper")
    return Strategy(
        name="scalper",
        parts=(
            Part(
                outputs=OUTPUTS,
                lookback_bars=LOOKBACK_BARS,
                source=ModelSpec(factory="strategies.scalper.model", options=_model_options(settings, scalper)),
                lifecycle=Lifecycle(
                    window_ms=scalper.window_hours * 60 * MINUTE_MS,
                    retrain_ms=scalper.retrain_minutes * MINUTE_MS,
                    keep_versions=scalper.keep_versions,
                ),
                horizon_ms=scalper.horizon_minutes * MINUTE_MS,
            ),
        ),
        decide=decide,
        parameters=(scalper.min_edge_bps, scalper.edge_over_cost_bps),
        because=because,
        stop_pct=scalper.stop_pct,
        target_pct=scalper.target_pct,
        cooldown_ms=scalper.cooldown_minutes * MINUTE_MS,
        exits=(ExitRule(ExitReason.REVERSAL, reversal, scalper.reversal_bps, "bps"),),
        search_space=SEARCH_SPACE,
        decision_keys=tuple(key for key, _ in SEARCH_SPACE),
    )


def _model_options(settings: Settings, scalper: ScalperSettings) -> str:
    cost_bps = round_trip_cost_bps(float(settings.costs.taker_fee_bps), settings.costs.slippage_bps)
    return json.dumps({"scalper": scalper.model_dump(mode="json"), "round_trip_cost_bps": cost_bps})
