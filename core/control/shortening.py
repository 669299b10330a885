"""A snapshot in the digits that a screen shows of it: forecasts and why, which are half of what changes at a bar.

Prices, quantities and amounts stay as they are; the journal has every digit of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct, structs

from core.control.protocol import PriceView, SignalView, Snapshot

_DECIMALS = 3
"""Of what is forecast, what it was compared with, and how sure that is."""

_VALUE_DIGITS, _BPS_DECIMALS = 4, 2
"""Of the value of a feature, and of its contribution in basis points."""


def shortened(snapshot: Snapshot) -> Snapshot:
    return structs.replace(
        snapshot,
        prices=tuple(map(_price, snapshot.prices)),
        signals=tuple(map(_signal, snapshot.signals)),
    )


def _price(view: PriceView) -> PriceView:
    return structs.replace(view, **_figures(view, ("change_pct", "prediction_bps")))


def _signal(view: SignalView) -> SignalView:
    reasons = tuple((name, _digits(value), _rounded(bps, _BPS_DECIMALS)) for name, value, bps in view.reasons)
    return structs.replace(view, reasons=reasons, **_figures(view, view.__struct_fields__))


def _figures(view: Struct, names: Iterable[str]) -> dict[str, float]:
    """Those of the fields that are numbers with digits."""
    found = ((name, getattr(view, name)) for name in names)
    return {name: _rounded(value, _DECIMALS) for name, value in found if isinstance(value, float)}


def _digits(value: float) -> float:
    """The largest of all floats would round to infinity."""
    short = float(f"{value:.{_VALUE_DIGITS}g}")
    return short if math.isfinite(short) else value


def _rounded(value: float, decimals: int) -> float:
    return round(value, decimals) if math.isfinite(value) else value
