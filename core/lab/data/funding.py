"""The funding of a run over history: what was settled, and what is assumed where a settlement is missing."""

from __future__ import annotations

from decimal import Decimal

from core.domain.market import FundingRate
from core.lab.data.history import History
from core.market.intervals import LONGEST_FUNDING_MS

_DIGITS = Decimal("1e-12")


def assumed_rates(history: History, assumed_bps: Decimal) -> list[FundingRate]:
    """What the missing settlements of `history` take from whatever is held: `assumed_bps` every 8 hours."""
    return [
        FundingRate(
            missing.symbol,
            missing.time_ms,
            (assumed_bps * missing.interval_ms / (10_000 * LONGEST_FUNDING_MS)).quantize(_DIGITS),
            missing.mark_price,
            is_assumed=True,
        )
        for missing in history.missing_funding
    ]


def funding_in_run(history: History, assumed_bps: Decimal) -> list[FundingRate]:
    """What is settled or assumed in the traded slots, in order of time, then symbol: not that of the last close, which
    a replay no longer tells."""
    places = {symbol: place for place, symbol in enumerate(history.symbols)}
    rates = [rate for rate in history.funding if history.from_ms <= rate.time_ms < history.to_ms]
    if not history.missing_funding:
        return rates
    rates += [rate for rate in assumed_rates(history, assumed_bps) if history.from_ms <= rate.time_ms < history.to_ms]
    return sorted(rates, key=lambda rate: (rate.time_ms, places[rate.symbol]))


def assumed_label(history: History, assumed_bps: Decimal) -> tuple[str, ...]:
    """What stands beside the figures of runs that may have been charged an assumed funding."""
    count = len(history.missing_funding)
    if not count or not assumed_bps:
        return ()
    what = "1 settlement" if count == 1 else f"{count:,} settlements"
    return (
        f"FUNDING ASSUMED: the data of the period lack {what}; where one falls on a position, "
        f"{assumed_bps.normalize():f} bps every 8 h are charged against it",
    )
