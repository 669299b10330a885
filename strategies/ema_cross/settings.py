"""The keys of `[ema_cross]`; settings.toml says what each is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from core.settings.strategies import StrategySettings


class EmaCrossSettings(StrategySettings):
    fast_bars: int = Field(12, ge=1)
    slow_bars: int = Field(26, ge=2, le=10_000)
    first_signal_bar: int = Field(30, ge=0, le=1_000_000)
    exit: Literal["bracket", "reverse"] = "bracket"
    stop_pct: float = Field(1.0, gt=0, lt=100)
    target_pct: float = Field(3.0, gt=0, lt=100)
    cooldown_minutes: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _averages_in_order(self) -> EmaCrossSettings:
        if self.fast_bars >= self.slow_bars:
            raise ValueError("ema_cross.fast_bars must be below ema_cross.slow_bars")
        return self
