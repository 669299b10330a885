"""The keys of `[scalper]`; settings.toml says what each is."""

from __future__ import annotations

from pydantic import Field

from core.settings.strategies import StrategySettings


class ScalperSettings(StrategySettings):
    horizon_minutes: int = Field(10, ge=1, le=240)
    window_hours: int = Field(48, ge=12, le=8784)
    retrain_minutes: int = Field(15, ge=1, le=44_640)
    validation_pct: float = Field(20.0, gt=0, lt=90)
    min_edge_bps: float = Field(8.0, gt=0)
    edge_over_cost_bps: float = Field(1.0, ge=0)
    reversal_bps: float = Field(4.5, gt=0)
    stop_pct: float = Field(1.0, gt=0, lt=100)
    target_pct: float = Field(3.0, gt=0, lt=100)
    cooldown_minutes: int = Field(3, ge=0)
    num_leaves: int = Field(64, ge=2)
    max_depth: int = Field(8, ge=1)
    max_trees: int = Field(1000, ge=1)
    early_stopping_rounds: int = Field(100, ge=1)
    learning_rate: float = Field(0.03, gt=0, le=1)
    subsample: float = Field(0.8, gt=0, le=1)
    max_rmse_ratio: float = Field(1.05, gt=0)
    keep_versions: int = Field(10, ge=1)
