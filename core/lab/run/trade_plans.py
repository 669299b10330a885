"""What closed trades were entered with: how sure, at what leverage, for what and at what risk."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from core.domain.trading import closed_early
from core.lab.run.result import Floats, TradeColumns, TradePlans


def trade_plans(
    trades: TradeColumns, leverage: float, confidence: Floats, stop_price: Floats, target_price: Floats
) -> TradePlans:
    """By where stop and target were placed first, in USDT, NaN for none; of several targets the price that stands for
    them (`core.position.ladder.mean_target`)."""
    return TradePlans(
        confidence=confidence,
        leverage=np.full(len(trades), float(leverage)),
        margin_usdt=trades.qty * trades.entry_price / leverage,
        expected_profit_usdt=trades.side * (target_price - trades.entry_price) * trades.qty,
        expected_loss_usdt=trades.side * (trades.entry_price - stop_price) * trades.qty,
    )


def plan_columns(trades: TradeColumns, plans: TradePlans | None) -> dict[str, Floats | NDArray[np.bool_]]:
    """By name what stands beside the columns of the trades; NaN where a run of before kept no plans."""
    unknown = np.full(len(trades), np.nan)
    columns: dict[str, Floats | NDArray[np.bool_]] = {
        item.name: unknown if plans is None else getattr(plans, item.name) for item in fields(TradePlans)
    }
    early = np.array([closed_early(reason) for reason in trades.exit_reason.tolist()], np.bool_)
    return columns | {"closed_early": early}
