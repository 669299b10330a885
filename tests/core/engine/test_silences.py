"""What is not forecast is told once in the log, while it lasts on the screen, and with what is missing."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from core.control.deltas import applied, between
from core.control.protocol import SILENT
from core.domain.forecast import MARKET
from core.engine.recent import Recent
from core.engine.silences import Silences
from core.engine.views import price_views, signal_views, silent_views
from core.market.history import BarHistory
from tests.core.trader.desk import BTC, Desk, make_trader
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


def test_while_a_part_over_the_whole_market_is_silent_no_symbol_s_forecast_is_shown_as_one_of_now() -> None:
    desk = Desk(make_trader())
    desk.bar()
    desk.predict(0.5)
    book, silences = desk.book(), Silences()

    def shown() -> tuple[list[tuple[str, str, str]], list[int]]:
        books, now, trader = {BTC: book}, silences.now(), desk.trader
        signals = signal_views(books, Recent(trader.state), trader.decider, now)
        prices = price_views(books, {BTC: BarHistory(BTC, 60_000, 9)}, {}, trader.strategy.outputs, {}, now)
        return [(one.symbol, one.action, one.reason) for one in signals], [len(one.outputs) for one in prices]

    waiting = (BTC, "wait", "forecast below what is needed")
    assert shown() == ([waiting], [len(desk.trader.strategy.outputs)])
    silences.tell(MARKET, book.bar_close_ms, WHY, part="mood")
    assert shown() == ([("market", SILENT, f"mood: {WHY}")], [0])
    silences.tell(MARKET, book.bar_close_ms, "", part="mood")
    assert shown() == ([waiting], [len(desk.trader.strategy.outputs)])
