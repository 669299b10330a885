"""What travels to a console has the digits that it shows, and every price and amount whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from core.control.codec import encode, read
from core.control.deltas import Delta, applied, between
from core.control.events import BecauseView
from core.control.protocol import SignalView, Snapshot
from core.control.shortening import shortened
from core.domain.forecast import words
from tests.core.control.control_samples import SNAPSHOT
from tests.core.control.made import made

LONG = 1 / 3


@given(snapshot=made(Snapshot))
def test_only_figures_of_forecasts_lose_digits(snapshot: Snapshot) -> None:
    short = shortened(snapshot)
    figures = ("change_pct", "outputs")
    assert structs.replace(short, signals=(), prices=()) == structs.replace(snapshot, signals=(), prices=())
    for was, now in zip(snapshot.prices, short.prices, strict=True):
        assert structs.replace(was, **dict.fromkeys(figures)) == structs.replace(now, **dict.fromkeys(figures))
    for was, now in zip(snapshot.signals, short.signals, strict=True):
        assert [name for name, *_ in was.reasons] == [name for name, *_ in now.reasons]
        assert [one.what for one in was.because] == [one.what for one in now.because]
        assert (was.time_ms, was.symbol, was.action) == (now.time_ms, now.symbol, now.action)
    assert shortened(short) == short


def shown(**changes: Any) -> SignalView:
    (short,) = shortened(structs.replace(SNAPSHOT, signals=(structs.replace(SNAPSHOT.signals[0], **changes),))).signals
    return short


def test_the_digits_that_are_shown_are_there() -> None:
    because = (BecauseView("forecast", 100 * LONG, 8.0, "bps"), BecauseView("level", 100 * LONG, None, "price"))
    short = shown(because=because, confidence=LONG, reasons=(("rsi", LONG / 1e4, 1e3 * LONG),), reasons_unit="bps")
    assert [one.value for one in short.because] == [33.33, 100 * LONG]
    assert short.confidence == 0.33
    ((name, value, bps),) = short.reasons
    assert (name, value, bps) == ("rsi", 3.33e-05, 333.3)
    assert (f"{value:.3g}", f"{bps:.1f}") == (f"{LONG / 1e4:.3g}", f"{1e3 * LONG:.1f}")


def test_a_small_share_of_a_probability_is_not_nothing() -> None:
    short = shown(reasons=(("rsi", 1.0, LONG / 1e3),), reasons_unit="probability")
    assert short.reasons == (("rsi", 1.0, 3.33e-4),)


def test_figures_that_differ_by_less_than_is_shown_stay_apart() -> None:
    close = (BecauseView("p_up", 0.60000001, 0.6, "probability"),)
    assert shown(because=close).because == close
    assert words(shown(because=close).because) == words(close)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_stays_so(value: float) -> None:
    changes = {"because": (BecauseView("x", value, value, "bps"),), "reasons": (("x", value, value),)}
    assert repr(shown(**changes)) == repr(structs.replace(SNAPSHOT.signals[0], **changes))


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
