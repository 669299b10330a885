"""A snapshot in the digits that a screen shows of it: forecasts and why, which are half of what changes at a bar.

Prices, quantities and amounts stay as they are; the journal has every digit of the rest.
"""

from __future__ import annotations

import math

from msgspec import structs

from core.control.events import BecauseView
from core.control.protocol import OutputView, PriceView, SignalView, Snapshot

_DECIMALS = 2
"""Of what is forecast, what it was compared with, and how sure that is."""

_ROUNDED_UNITS = ("bps", "pct", "probability")
"""A score may be as small as it likes, and the rest are prices and whole numbers."""

_DIGITS, _BPS_DECIMALS = 3, 1
"""Of the value of a feature and of what it added to a forecast; of that in basis points."""


def shortened(snapshot: Snapshot) -> Snapshot:
    return structs.replace(
        snapshot,
        prices=tuple(map(_price, snapshot.prices)),
        signals=tuple(map(_signal, snapshot.signals)),
    )


def _price(view: PriceView) -> PriceView:
    outputs = tuple(map(_output, view.outputs))
    return structs.replace(view, change_pct=_rounded(view.change_pct, _DECIMALS), outputs=outputs)


def _signal(view: SignalView) -> SignalView:
    is_bps = view.reasons_unit == "bps"
    return structs.replace(
        view,
        confidence=None if view.confidence is None else _rounded(view.confidence, _DECIMALS),
        because=tuple(map(_because, view.because)),
        reasons=tuple(
            (name, _digits(value), _rounded(share, _BPS_DECIMALS) if is_bps else _digits(share))
            for name, value, share in view.reasons
        ),
    )


def _output(view: OutputView) -> OutputView:
    return structs.replace(view, value=_figure(view.value, view.unit))


def _because(view: BecauseView) -> BecauseView:
    value, needed = _figure(view.value, view.unit), _figure(view.needed, view.unit)
    # Two figures that differ are told so, however close.
    return view if value == needed and view.value != view.needed else structs.replace(view, value=value, needed=needed)


def _figure(value: float | None, unit: str) -> float | None:
    return value if value is None or unit not in _ROUNDED_UNITS else _rounded(value, _DECIMALS)


def _digits(value: float) -> float:
    """The largest of all floats would round to infinity."""
    short = float(f"{value:.{_DIGITS}g}")
    return short if math.isfinite(short) else value


def _rounded(value: float, decimals: int) -> float:
    return round(value, decimals) if math.isfinite(value) else value
