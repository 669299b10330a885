"""What figures of a run stand on: which days count, the level of intervals, and how many days a ratio needs."""

from __future__ import annotations

from collections.abc import Mapping

from core.arithmetic.days import LEAST_DAYS

LEVEL = 0.95
LEVEL_TEXT = f"{LEVEL * 100:g} %"

NEEDS_DAYS = frozenset(
    {
        *("cagr_pct", "volatility_pct", "sharpe", "sharpe_low", "sharpe_high", "sortino", "calmar"),
        *("psr", "dsr", "expected_max_sharpe", "min_track_record_days", "luck_free_days", "drawdown_high_pct", "pbo"),
    }
)
"""Figures of a year, and probabilities."""

RANKS = {"sharpe": "sharpe_a_day", "sortino": "sortino_a_day", "calmar": "calmar_a_day"}
"""What sorts and raises a ratio of a year, of however few days: the same ratio of one day, which is never shown."""

MEANING = 2
"""Names of figures mean what they do here. Of results that were kept under another meaning only what is in both is
shown."""

LASTING = frozenset(
    {
        *("initial_usdt", "final_usdt", "days", "total_return_pct", "max_drawdown_pct", "max_drawdown_ms"),
        *("exposure_time_pct", "mean_gross_pct", "open_positions", "trades", "wins", "losses", "win_rate_pct"),
        *("profit_factor", "expectancy_usdt", "expectancy_bps", "average_win_usdt", "average_loss_usdt"),
        *("mae_pct", "mfe_pct", "gross_usdt", "fees_usdt", "funding_usdt", "net_usdt"),
    }
)
"""Figures whose meaning has not changed."""

BASIS = (
    f"Ratios are of whole UTC days, the riskless rate is 0, a year has 365 days; the interval holds {LEVEL_TEXT} and "
    "allows for what one day says of the next."
)


def lacking_days(name: str, figures: Mapping[str, object]) -> str:
    """Why a figure is not told, where it is for want of days: "needs 30 days, has 3", and how many have holes."""
    days = figures.get("return_days")
    if name not in NEEDS_DAYS or figures.get(name) is not None or not isinstance(days, int | float):
        return ""
    return f"needs {LEAST_DAYS} days, has {days:.0f}{holed_text(figures)}" if days < LEAST_DAYS else ""


def holed_text(figures: Mapping[str, object]) -> str:
    """How many whole days more there were but for holes, behind a count of days; empty where there was none."""
    left_out = figures.get("holed_days")
    return f" ({left_out:.0f} left out for holes)" if isinstance(left_out, int | float) and left_out else ""
