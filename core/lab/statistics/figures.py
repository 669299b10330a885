"""Figures as text: which belong together, what they are called, and the unit that their names carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import SupportsFloat, SupportsIndex

from core.lab.statistics.basis import LEVEL_TEXT, RANKS, lacking_days

UNDEFINED = "-"

GROUPS: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "Return",
        {
            "initial_usdt": "opening equity",
            "final_usdt": "closing equity",
            "days": "time covered",
            "return_days": "whole UTC days",
            "holed_days": "left out for holes",
            "limit_ended_at_ms": "ended by a limit",
            "total_return_pct": "total return",
            "cagr_pct": "CAGR",
            "volatility_pct": "volatility",
            "sharpe": "Sharpe",
            "sharpe_low": f"Sharpe, {LEVEL_TEXT} from",
            "sharpe_high": f"Sharpe, {LEVEL_TEXT} to",
            "sortino": "Sortino",
            "calmar": "Calmar",
        },
    ),
    (
        "Risk and exposure",
        {
            "max_drawdown_pct": "deepest drawdown",
            "max_drawdown_ms": "its length",
            "exposure_time_pct": "time in the market",
            "mean_gross_pct": "mean gross exposure",
            "turnover_per_day": "turnover",
        },
    ),
    (
        "Trades that were closed",
        {
            "trades": "trades",
            "wins": "won",
            "losses": "lost",
            "win_rate_pct": "win rate",
            "profit_factor": "profit factor",
            "expectancy_usdt": "mean net of a trade",
            "expectancy_bps": "mean net of its notional",
            "average_win_usdt": "average win",
            "average_loss_usdt": "average loss",
            "mae_pct": "adverse excursion",
            "mfe_pct": "favourable excursion",
            "open_positions": "left open, not counted here",
            "open_result_usdt": "result of those so far",
        },
    ),
    (
        "Costs of trades that were closed",
        {
            "gross_usdt": "gross",
            "fees_usdt": "fees",
            "slippage_usdt": "slippage, in the prices",
            "cost_share_pct": "cost share with slippage",
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
            "expected_max_sharpe": "best Sharpe by luck alone",
            "trials": "sets tried",
            "failed_sets": "sets that could not be run",
            "alike_trials": "of them tried alike",
            "pbo": "overfit probability",
            "pbo_sets": "sets of the overfitting test",
            "pbo_of_sets": "out of",
            "random_entries": "random entries drawn",
            "random_entry_usdt": "their median ends at",
            "random_entry_beaten_pct": "beaten of them",
            "drawdown_high_pct": f"drawdown, {LEVEL_TEXT} stay below",
            "min_track_record_days": "track record needed",
            "luck_free_days": "track record beyond luck",
        },
    ),
)
_UNSHOWN = frozenset(RANKS.values())
_LABELS = {key: label for _, labels in GROUPS for key, label in labels.items()}
_UNITS = {"_pct": "%", "_usdt": "USDT", "_bps": "bps", "_days": "d", "_per_day": "a day"}
_COUNTS = {
    *("trades", "trials", "alike_trials", "failed_sets", "pbo_sets", "pbo_of_sets", "random_entries"),
    *("return_days", "holed_days", "count", "open_positions", "wins", "losses", "hour", "bars", "slots"),
}
_MOMENTS = ("_at_ms", "_time_ms", "from_ms", "to_ms")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure to show: `text` has its unit; where the figure is undefined it is "-", or says what it lacks."""

    key: str
    label: str
    text: str


def grouped(figures: Mapping[str, float | None]) -> tuple[tuple[str, tuple[Figure, ...]], ...]:
    """Every figure under its heading, in the order of the headings; those that no heading knows come last. Figures for
    sorting alone are left out."""
    shown = {key: value for key, value in figures.items() if key not in _UNSHOWN}
    found = []
    for title, labels in GROUPS:
        found.append((title, tuple(_figure(key, label, figures) for key, label in labels.items() if key in shown)))
    found.append(("Other", tuple(_figure(key, _words(key), figures) for key in shown if key not in _LABELS)))
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
    """Names of figures in the order of the headings; those that no heading knows come last, those for sorting alone are
    left out."""
    places = {key: place for place, key in enumerate(_LABELS)}
    return sorted((key for key in keys if key not in _UNSHOWN), key=lambda key: places.get(key, len(places)))


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


def _figure(key: str, label: str, figures: Mapping[str, float | None]) -> Figure:
    text, suffix = cell_text(key, figures[key]), _suffix(key)
    if text == UNDEFINED:
        return Figure(key, label, lacking_days(key, figures) or text)
    return Figure(key, label, f"{text} {_UNITS[suffix]}" if suffix else text)


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
