"""What is not forecast is told once in the log, while it lasts on the screen, and with what is missing."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from core.control.deltas import applied, between
from core.control.protocol import SILENT
from core.engine.silences import Silences
from core.engine.views import silent_views
from tests.tui.fake_control import snapshot

WHY = "funding is missing since 2025-06-01 08:10 UTC"


def test_a_silence_is_logged_once_and_shown_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    silences = Silences()
    for minute in range(3):
        silences.tell("BTCUSDT", minute * 60_000, WHY, "m-1")
        silences.tell("ETHUSDT", minute * 60_000, "")
        (view,) = silent_views(silences.now())
        assert (view.time_ms, view.symbol, view.action) == (minute * 60_000, "BTCUSDT", SILENT)
        assert (view.reason, view.model_version, view.direction, view.confidence) == (WHY, "m-1", 0, None)
        assert silences.note() == f"no forecast of BTCUSDT: {WHY}"
    silences.tell("BTCUSDT", 180_000, "")
    assert silent_views(silences.now()) == []
    assert silences.note() == ""
    assert [record.getMessage() for record in caplog.records] == [
        f"no forecast of BTCUSDT: {WHY}",
        f"BTCUSDT is forecast again (before: {WHY})",
    ]


def test_a_symbol_s_silence_goes_on_in_a_delta_as_one_row() -> None:
    first, then = Silences(), Silences()
    first.tell("BTCUSDT", 60_000, WHY)
    then.tell("BTCUSDT", 120_000, WHY)
    old, new = (replace(snapshot(), signals=tuple(silent_views(one.now()))) for one in (first, then))
    delta = between(old, new)
    assert applied(old, delta) == new
    assert delta.signals is not None
    assert delta.signals.order is None
