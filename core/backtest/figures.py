"""Figures as text: which belong together, what they are called, and the unit that their names carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import SupportsFloat, SupportsIndex

UNDEFINED = "-"

GROUPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Return",
        {
            "initial_usdt": "opening equity",
            "final_usdt": "closing equity",
            "days": "time covered",
            "total_return_pct": "total return",
            "cagr_pct": "CAGR",
            "volatility_pct": "volatility",
            "sharpe": "Sharpe",
            "sharpe_low": "Sharpe, interval from",
            "sharpe_high": "Sharpe, interval to",
            "sortino": "Sortino",
            "calmar": "Calmar",
        },
    ),
    (
        "Risk and exposure",
        {
            "max_drawdown_pct": "deepest drawdown",
            "max_drawdown_ms": "its length",
            "daily_drawdown_pct": "deepest, by days",
            "exposure_time_pct": "time in the market",
            "mean_gross_pct": "mean gross exposure",
            "turnover_per_year": "turnover",
            "open_positions": "left open",
        },
    ),
    (
        "Trades",
        {
            "trades": "trades",
            "wins": "won",
            "losses": "lost",
            "win_rate_pct": "win rate",
            "profit_factor": "profit factor",
            "expectancy_usdt": "expectancy, a trade",
            "expectancy_bps": "expectancy, a trade",
            "average_win_usdt": "average win",
            "average_loss_usdt": "average loss",
            "mae_pct": "adverse excursion",
            "mfe_pct": "favourable excursion",
        },
    ),
    (
        "Costs",
        {
            "gross_usdt": "gross",
            "fees_usdt": "fees",
            "cost_share_pct": "cost share",
            "funding_usdt": "funding",
            "funding_share_pct": "funding share",
            "net_usdt": "net",
        },
    ),
    (
        "Is it luck",
        {
            "psr": "probabilistic Sharpe",
            "dsr": "deflated Sharpe",
            "trials": "trials",
            "pbo": "overfit probability",
            "random_entry_usdt": "random entry ends at",
            "random_entry_beaten_pct": "random entries beaten",
            "drawdown_high_pct": "drawdown, likely to",
            "min_track_record_days": "track record needed",
        },
    ),
)
_LABELS = {key: label for _, labels in GROUPS for key, label in labels.items()}
_UNITS = {"_pct": "%", "_usdt": "USDT", "_bps": "bps", "_days": "d", "_per_year": "a year"}
_COUNTS = {"trades", "trials", "count", "open_positions", "wins", "losses", "hour", "bars", "slots"}
_MOMENTS = ("_at_ms", "_time_ms", "from_ms", "to_ms")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure to show: `text` has its unit, or is "-" where the figure is undefined."""

    key: str
    label: str
    text: str


def grouped(figures: Mapping[str, float | None]) -> tuple[tuple[str, tuple[Figure, ...]], ...]:
    """Every figure under its heading, in the order of the headings; those that no heading knows come last."""
    known = {key for _, labels in GROUPS for key in labels}
    found = []
    for title, labels in GROUPS:
        found.append(
            (title, tuple(_figure(key, label, figures[key]) for key, label in labels.items() if key in figures))
        )
    found.append(("Other", tuple(_figure(key, _words(key), figures[key]) for key in figures if key not in known)))
    return tuple((title, items) for title, items in found if items)


def column_title(key: str) -> str:
    """A table's column head with its unit: net_usdt is "net USDT"."""
    suffix = _suffix(key)
    return f"{_words(key)} {_UNITS[suffix]}" if suffix else _words(key)


def row_title(key: str) -> str:
    """What a figure is called where every row has one, with its unit: "total return, %"."""
    suffix = _suffix(key)
    label = _LABELS.get(key, _words(key))
    return f"{label}, {_UNITS[suffix]}" if suffix else label


def in_order(keys: Iterable[str]) -> list[str]:
    """Names of figures in the order of the headings; those that no heading knows come last."""
    places = {key: place for place, key in enumerate(_LABELS)}
    return sorted(keys, key=lambda key: places.get(key, len(places)))


def cell_text(key: str, value: object) -> str:
    """A value below `column_title(key)`: no unit, "-" where it is undefined."""
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or not isinstance(value, SupportsFloat):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return UNDEFINED
    if key.endswith("_ms"):
        return utc_minute(number) if key.endswith(_MOMENTS) else duration_text(number)
    if key in _COUNTS or (isinstance(value, SupportsIndex) and not _suffix(key)):
        return f"{number:,.0f}"
    return _decimal(number, 2 if _suffix(key) else 3)


def utc_minute(time_ms: float) -> str:
    """2025-06-04 00:00 UTC"""
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _figure(key: str, label: str, value: float | None) -> Figure:
    text, suffix = cell_text(key, value), _suffix(key)
    unit = "" if not suffix or text == UNDEFINED else f" {_UNITS[suffix]}"
    return Figure(key, label, text + unit)


def _suffix(key: str) -> str:
    return next((suffix for suffix in _UNITS if f"_{key}".endswith(suffix)), "")


def _words(key: str) -> str:
    bare = key.removesuffix(_suffix(key)) if _suffix(key) else key.removesuffix("_ms")
    return bare.replace("_", " ")


def _decimal(value: float, digits: int) -> str:
    """Fixed decimals, or two significant digits where those would show nothing of it."""
    if value and abs(value) < 0.5 * 10**-digits:
        return f"{value:.2g}"
    return f"{value + 0.0:,.{digits}f}"  # + 0.0: no negative zero


def duration_text(ms: float) -> str:
    """The two largest units: 3 d 4 h, 12 min 5 s."""
    seconds = round(abs(ms) / 1000)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return ("-" if ms < 0 else "") + " ".join(parts)
