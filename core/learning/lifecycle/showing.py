"""What one version showed while it forecast the same bars as another: figures that are gathered one forecast and one
outcome at a time. What was never shown is None, not a number."""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import replace

from core.arithmetic.ratios import ROUNDING


class Moments(Struct, frozen=True):
    """Count, mean and sum of squared distances from it (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def variance(self) -> float | None:
        """Over the count; None before the first."""
        return self.squares / self.count if self.count else None

    @property
    def ratio(self) -> float | None:
        """Mean over standard deviation (n - 1): a Sharpe ratio, of one step, not of a year. None for fewer than two, or
        where all are equal."""
        if self.count < 2:
            return None
        spread = math.sqrt(self.squares / (self.count - 1))
        return self.mean / spread if spread > ROUNDING * abs(self.mean) else None


def after(moments: Moments, value: float) -> Moments:
    """With one more value."""
    count = moments.count + 1
    mean = moments.mean + (value - moments.mean) / count
    return Moments(count, mean, moments.squares + (value - moments.mean) * (value - mean))


class Showing(Struct, frozen=True):
    """`sure` are of the confidences, of which `highly` were at `high_confidence` or above; `said` of what was said in
    bps; `errors` of the squared errors of that, in bps^2; `net` of the outcomes of what was decided, in bps after
    costs."""

    high_confidence: float = 0.65
    forecasts: int = 0
    sure: Moments = Moments()
    highly: int = 0
    said: Moments = Moments()
    errors: Moments = Moments()
    net: Moments = Moments()

    @property
    def high_share(self) -> float | None:
        return self.highly / self.sure.count if self.sure.count else None

    @property
    def rmse_bps(self) -> float | None:
        return math.sqrt(self.errors.mean) if self.errors.count else None


def forecast_made(showing: Showing, confidence: float | None, said_bps: float | None) -> Showing:
    """After one more forecast; None for what it does not say."""
    known = replace(showing, forecasts=showing.forecasts + 1)
    if confidence is not None:
        highly = known.highly + (confidence >= known.high_confidence)
        known = replace(known, sure=after(known.sure, confidence), highly=highly)
    return known if said_bps is None else replace(known, said=after(known.said, said_bps))


def outcome_came(showing: Showing, error_bps: float | None, net_bps: float | None) -> Showing:
    """After the outcome of a forecast: by how much it was wrong, and what its decision came to; None where it said
    nothing in bps, or nothing was decided on it."""
    known = showing
    if error_bps is not None:
        known = replace(known, errors=after(known.errors, error_bps**2))
    return known if net_bps is None else replace(known, net=after(known.net, net_bps))
