"""What a result comes to, in one sentence: it loses, it may be luck, or it survives; and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist, median
from typing import Any

from core.arithmetic.days import LEAST_DAYS
from core.lab.statistics.basis import LEVEL, holed_text

LONGEST_DAYS = 3_650
"""A record that would have to be longer is not named in days."""

_TOLD_ONLY = ("JUMPS",)
"""Real markets jump, too: these are named to be looked at, and spoil no evidence by themselves."""

_FAULTS = ("LOOK-AHEAD", "NOT BELIEVABLE")

_NEXT = {
    "backtest": "walk it forward, which trades only what came after the choice: quarterdeck walkforward {strategy}",
    "sweep": "walk it forward, which trades only what came after the choice: quarterdeck walkforward {strategy}",
    "walkforward": "look for bias with quarterdeck check {strategy}, then let it run on paper",
}


def bottom_line(kind: str, strategy: str, figures: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Of a run, or of the best of a sweep, by its `figures` by name; `labels` are the warnings that stand beside
    them."""
    if not figures or ("return_days" not in figures and "alike_trials" in figures):
        return "Nothing was chosen, as no set has what was asked for; next: a longer period, or another --objective."
    if "return_days" not in figures:
        return "Not judged: an earlier version kept this, and its ratios meant something else; run it again."
    subject = "The best of them" if kind == "sweep" else "It"
    days, earned = float(figures["return_days"]), figures.get("total_return_pct")
    if not figures.get("trades") or earned is None:
        return "No trade was closed, so there is nothing to judge; next: a longer period, or settings that enter."
    if earned <= 0.0:
        return f"{subject} loses after costs: {_loss(figures)}"
    warned = [name for name in (label.split(":")[0] for label in labels) if name not in _TOLD_ONLY]
    faults = [name for name in warned if name.startswith(_FAULTS)]
    if faults and (days < LEAST_DAYS or not _beyond_luck(figures)):
        return (
            f"{subject} is no evidence: {', '.join(faults)}; next: mend the strategy, which quarterdeck check names "
            "the fault of, and run it again."
        )
    if days < LEAST_DAYS:
        whole = "1 whole day" if round(days) == 1 else f"{days:.0f} whole days"
        return (
            f"Not distinguishable from luck: {earned:+.2f} % over {whole}{holed_text(figures)}; it would "
            f"need at least {LEAST_DAYS} to be judged; next: more candles, and the same again."
        )
    if not _beyond_luck(figures):
        return f"Not distinguishable from luck: {_luck(figures, days)}"
    ratio, low, high = (figures[name] for name in ("sharpe", "sharpe_low", "sharpe_high"))
    told = f"Sharpe {ratio:.2f} ({low:.2f} to {high:.2f}) and deflated {figures['dsr']:.3f} over {days:.0f} days"
    if warned:
        return f"{subject} would survive the test of luck, {told}, but is no evidence: {', '.join(warned)}."
    return f"{subject} survives the test of luck, {told}; next: {_NEXT[kind].format(strategy=strategy)}."


def validation_line(strategy: str, days: float, paths: Sequence[Mapping[str, Any]]) -> str:
    """Of the paths of a cross-validation over so many days, by the middle one of them."""
    known = [path for path in paths if path["mean_net_bps"] is not None]
    if not known:
        return "No path has a trade, so there is nothing to judge; next: a longer period, or settings that enter."
    net_bps = median(path["mean_net_bps"] for path in known)
    if net_bps <= 0.0:
        return (
            f"It loses after costs: {net_bps:+.2f} bps a trade on the middle one of {len(known)} paths; next: another "
            "label, other features, or lower costs."
        )
    errors = median(path["errors_above"] or 0.0 for path in known)
    wanted = NormalDist().inv_cdf(LEVEL)
    if days < LEAST_DAYS or errors < wanted:
        need = max(LEAST_DAYS, days * (wanted / errors) ** 2) if errors > 0.0 else LONGEST_DAYS + 1.0
        return (
            f"Not distinguishable from luck: {net_bps:+.2f} bps a trade on the middle one of {len(known)} paths; "
            f"{_would_need(need, days)}; next: more candles, and the same again."
        )
    return (
        f"It survives: {net_bps:+.2f} bps a trade, {errors:.1f} standard errors above 0, on the middle one of "
        f"{len(known)} paths; next: quarterdeck walkforward {strategy}."
    )


def _loss(figures: Mapping[str, Any]) -> str:
    ended = " before a limit ended it" if figures.get("limit_ended_at_ms") is not None else ""
    told = f"{figures['total_return_pct']:+.2f} %{ended}"
    gross = figures.get("gross_usdt")
    if gross is None:
        return f"{told}; next: other values, or another idea."
    costs = (figures.get("fees_usdt") or 0.0) + (figures.get("slippage_usdt") or 0.0)
    before = gross + (figures.get("slippage_usdt") or 0.0)
    if before <= 0.0:
        return f"{told}, and its closed trades lost before costs too; next: another idea, not more of its values."
    return f"{told}, its costs of {costs:,.2f} USDT on a gross of {before:,.2f}; next: fewer trades, or wider targets."


def _beyond_luck(figures: Mapping[str, Any]) -> bool:
    dsr, low = figures.get("dsr"), figures.get("sharpe_low")
    return dsr is not None and low is not None and dsr >= LEVEL and low > 0.0


def _luck(figures: Mapping[str, Any], days: float) -> str:
    dsr, tried = figures.get("dsr"), figures.get("alike_trials") or 1.0
    if dsr is None:
        return f"its {days:.0f} days of returns have no ratio to judge; next: a longer period."
    sets = "the only set tried" if tried <= 1.0 else f"the best of {tried:,.0f} tried alike"
    needed = _would_need(_days_needed(figures), days)
    return (
        f"as {sets}, its deflated Sharpe is {dsr:.3f} and {LEVEL} is wanted; {needed}; next: a longer period, and "
        "fewer sets."
    )


def _days_needed(figures: Mapping[str, Any]) -> float:
    """Until the deflated ratio is beyond luck and the interval above 0, whose width falls with the root of the
    length."""
    ratio, low, days = figures.get("sharpe"), figures.get("sharpe_low"), float(figures["return_days"])
    if not ratio or ratio <= 0.0 or low is None or figures.get("luck_free_days") is None:
        return LONGEST_DAYS + 1.0
    return max(float(figures["luck_free_days"]), float(days * ((ratio - low) / ratio) ** 2))


def _would_need(needed: float, days: float) -> str:
    if needed > LONGEST_DAYS:
        return f"at this ratio it would need more than {LONGEST_DAYS // 365} years, it has {days:.0f} days"
    return f"at this ratio it would need about {needed:,.0f} days, it has {days:.0f}"
