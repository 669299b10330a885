"""The 19 features of a closed one-minute bar: what they are. `kernel` computes them.

Each is a pure function of the last LOOKBACK_BARS bars, the newest included, so a row does not depend on where a
window starts and is the same to the last bit live (one row) and in training (every row).

C close, H high, L low, V volume; [-k] is k bars ago; 1 bps = 0.01 %; SMAn and sums run over the last n bars.
EMAn is ema += 2/(n+1) * (C - ema), run over exactly the last LOOKBACK_BARS closes and seeded with the first of them:
what came before weighs less than 3e-9 of the EMA 60.
The last column tells the form in the published strategy that is followed here; forms in price units were replaced.

| #  | name                  | formula                                           | published form                    |
| -- | --------------------- | ------------------------------------------------- | --------------------------------- |
| 1  | price_to_ema_12_bps   | 1e4 (C / EMA12 - 1)                               | changed: in price units           |
| 2  | price_to_ema_26_bps   | 1e4 (C / EMA26 - 1)                               | changed: in price units           |
| 3  | ema_diff_range        | (EMA12 - EMA26) / SMA15(H - L)                    | changed: in price units           |
| 4  | ema_diff_bps          | 1e4 (EMA12 / EMA26 - 1)                           | the same, in percent              |
| 5  | rsi_14                | 100 G / (G + L), G and L the sums of the rises    | the same (Cutler's RSI)           |
|    |                       | and of the falls of the last 14 closes            |                                   |
| 6  | price_to_ema_60_bps   | 1e4 (C / EMA60 - 1)                               | changed: RSI stood here twice     |
| 7  | vwap_60_slope_bps     | 1e4 (VWAP60 / VWAP60[-15] - 1)                    | changed: VWAP in price units      |
| 8  | price_to_vwap_60_bps  | 1e4 (C / VWAP60 - 1)                              | the same, in percent              |
| 9  | range_bps             | 1e4 (H - L) / C                                   | the same, in percent, as spread    |
| 10 | range_ma_15_bps       | SMA15(range_bps)                                  | the same, in percent              |
| 11 | ret_1m_bps            | 1e4 (C / C[-1] - 1)                               | the same, in percent              |
| 12 | ret_5m_bps            | 1e4 (C / C[-5] - 1)                               | the same, in percent              |
| 13 | ret_15m_bps           | 1e4 (C / C[-15] - 1)                              | the same, in percent              |
| 14 | volume_ratio_15       | V / SMA15(V)                                      | the same                          |
| 15 | price_to_sma_15_bps   | 1e4 (C / SMA15(C) - 1)                            | the same, in percent              |
| 16 | volatility_15m_bps    | standard deviation (n-1) of 15 ret_1m_bps         | the same, in percent              |
| 17 | volatility_60m_bps    | standard deviation (n-1) of 60 ret_1m_bps         | the same, in percent              |
| 18 | acceleration_bps      | ret_1m_bps - ret_1m_bps[-1]                       | the same, in percent              |
| 19 | volume_price_div      | (volume_ratio_15 - 1) ret_5m_bps                  | the same, in percent              |

VWAPn = sum(P V) / sum(V) with P = (H + L + C) / 3.

Where a formula has no value: VWAP of bars that all had no volume is the plain mean of P; rsi_14 without any move is 50;
ema_diff_range without any range is 0; volume_ratio_15 of bars that all had no volume is 1. No feature is ever NaN.
A row is absent where one of its bars is missing (open times not in step) or impossible (a price that is not finite and
positive, a volume that is not finite or is negative). Nothing is filled in.
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
