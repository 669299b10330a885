"""What travels to a console has the digits that it shows, and every price and amount whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec import structs

from core.control.codec import encode, read
from core.control.deltas import Delta, applied, between
from core.control.protocol import SignalView, Snapshot
from core.control.shortening import shortened
from tests.core.control.control_samples import SNAPSHOT
from tests.core.control.made import made

LONG = 1 / 3


@given(snapshot=made(Snapshot))
def test_only_figures_of_forecasts_lose_digits(snapshot: Snapshot) -> None:
    short = shortened(snapshot)
    figures = ("change_pct", "prediction_bps")
    assert structs.replace(short, signals=(), prices=()) == structs.replace(snapshot, signals=(), prices=())
    for was, now in zip(snapshot.prices, short.prices, strict=True):
        assert structs.replace(was, **dict.fromkeys(figures)) == structs.replace(now, **dict.fromkeys(figures))
    for was, now in zip(snapshot.signals, short.signals, strict=True):
        assert [name for name, *_ in was.reasons] == [name for name, *_ in now.reasons]
        assert (was.time_ms, was.symbol, was.action, was.compared) == (
            now.time_ms,
            now.symbol,
            now.action,
            now.compared,
        )
    assert shortened(short) == short


def test_the_digits_that_are_shown_are_there() -> None:
    (signal,) = SNAPSHOT.signals
    long = structs.replace(signal, value_bps=100 * LONG, confidence=LONG, reasons=(("rsi", LONG / 1e4, 1e3 * LONG),))
    (short,) = shortened(structs.replace(SNAPSHOT, signals=(long,))).signals
    assert (short.value_bps, short.confidence) == (33.333, 0.333)
    ((name, value, bps),) = short.reasons
    assert (name, value, bps) == ("rsi", 3.333e-05, 333.33)
    assert (f"{value:.4g}", f"{bps:.2f}") == (f"{LONG / 1e4:.4g}", f"{1e3 * LONG:.2f}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_stays_so(value: float) -> None:
    view = structs.replace(SNAPSHOT.signals[0], value_bps=value, reasons=(("x", value, value),))
    short = shortened(structs.replace(SNAPSHOT, signals=(view,))).signals[0]
    assert repr(short) == repr(view)


@given(old=made(SignalView), new=made(SignalView))
def test_a_forecast_of_a_symbol_that_asked_for_nothing_takes_the_place_of_the_last(
    old: SignalView, new: SignalView
) -> None:
    before, after = (
        shortened(structs.replace(SNAPSHOT, signals=(structs.replace(view, symbol="BTCUSDT", action=action),)))
        for view, action in ((old, "wait"), (new, "hold"))
    )
    delta = between(before, after)
    assert delta.signals is None or delta.signals.order is None
    assert applied(before, read(Delta, encode(delta))) == after
