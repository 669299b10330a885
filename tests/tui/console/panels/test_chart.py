"""The chart of the selected symbol: it is asked for, and stands still while the panels are held."""

from __future__ import annotations

from msgspec.structs import replace

from tests.tui.fake_control import FakeControl, chart, snapshot
from tui.console.app import QuarterdeckApp
from tui.console.panels.panel import View
from tui.text.table import row_text


def words(app: QuarterdeckApp, view: View) -> str:
    return " ".join(row_text(row) for row in app.deck.chart.content(view, 100, 30).body)


def test_what_has_not_come_is_told_apart_from_what_has_no_bar(app: QuarterdeckApp) -> None:
    empty = replace(chart("BTCUSDT"), bars=())
    assert "bars of BTCUSDT have not come yet" in words(app, View(snapshot(), symbol="BTCUSDT"))
    assert "No closed bar of BTCUSDT yet" in words(app, View(snapshot(), symbol="BTCUSDT", chart=lambda _: empty))
    assert "No closed bar yet" in words(app, View(snapshot(), chart=lambda _: empty))


async def test_held_panels_hold_the_chart_too(app: QuarterdeckApp, control: FakeControl) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        app.deck.go("chart")
        await pilot.pause()
        app.action_freeze()
        before = app.deck.chart.shown.body
        control.charts["BTCUSDT"] = replace(chart("BTCUSDT"), bars=chart("BTCUSDT").bars[:-100])
        control.current = snapshot(2)
        app.flush()
        assert app.deck.chart.shown.body == before
        app.action_freeze()
        assert app.deck.chart.shown.body != before
