"""The 19 columns of the catalogue that the model is given; `kernel` computes all of them in one pass.

What each is stands in `core/features`: formula, warm-up, unit. A row hangs on the last LOOKBACK_BARS bars, the newest
included, and is the same to the last bit live (one row), in training (every row) and as the catalogue tells it.

No value is ever NaN: a row is absent where one of its bars is missing (open times not in step) or impossible (a price
that is not finite and positive, a volume that is not finite or is negative). Nothing is filled in. None of them is told
from an opening price, which the catalogue looks at and `kernel` does not.
"""

from __future__ import annotations

LOOKBACK_BARS = 600

FEATURE_NAMES = (
    "price_to_ema_12_bps",
    "price_to_ema_26_bps",
    "ema_diff_range",
    "ema_diff_bps",
    "rsi_14",
    "price_to_ema_60_bps",
    "vwap_60_slope_bps",
    "price_to_vwap_60_bps",
    "range_bps",
    "range_ma_15_bps",
    "ret_1m_bps",
    "ret_5m_bps",
    "ret_15m_bps",
    "volume_ratio_15",
    "price_to_sma_15_bps",
    "volatility_15m_bps",
    "volatility_60m_bps",
    "acceleration_bps",
    "volume_price_div",
)
