"""What a screen is told of a position's protection, and of prices."""

from __future__ import annotations

import pytest

from core.domain.forecast import Contribution, Forecast, Output
from core.domain.market import Bar
from core.domain.orders import OrderRole, OrderState
from core.domain.origin import champion
from core.domain.records import SignalRecord
from core.engine.recent import Recent
from core.engine.views import position_view, price_view, signal_view, unwanted_views
from core.market.history import BarHistory
from core.strategy.declaration import Part
from core.trader.messages import Journal
from tests.core.trader.desk import BTC, Desk, make_trader


def test_a_position_is_unprotected_until_its_stop_is_known_to_rest_and_says_since_when() -> None:
    desk = Desk(make_trader())
    desk.enter()
    stop = desk.order(OrderRole.STOP)
    opened_ms = desk.now_ms + 1_000  # when the entry was filled
    view = position_view(desk.book(), opened_ms + 700)
    assert (view.protected, view.unprotected_ms) == (False, 700)
    desk.accept(stop)
    view = position_view(desk.book(), opened_ms + 900)
    assert (view.protected, view.unprotected_ms) == (True, None)
    desk.to(opened_ms + 5_000)
    desk.update(stop, OrderState.UNKNOWN, "no answer")
    view = position_view(desk.book(), opened_ms + 7_500)
    assert (view.protected, view.unprotected_ms) == (False, 2_500)


@pytest.mark.parametrize("interval_ms", [60_000, 900_000, 86_400_000])
def test_a_price_changes_over_the_last_day_whatever_the_interval(interval_ms: int) -> None:
    desk = Desk(make_trader())
    desk.bar()
    history = BarHistory("BTCUSDT", interval_ms, 3_000)
    for n in range(2_000):
        history.append(Bar("BTCUSDT", n * interval_ms, interval_ms, *(1.0 + n,) * 4, 1.0))
    day = 86_400_000 // interval_ms
    shown = price_view(desk.book(), history, "")
    assert shown.change_pct == pytest.approx(100.0 * (desk.book().mark / (2_000.0 - day) - 1.0))


def test_of_several_parts_the_reasons_are_in_the_unit_of_the_one_that_gave_them() -> None:
    mood = Part((Output("mood", "score"),), 1, name="mood")
    ahead = Part((Output("ahead", "bps"), Output("p_sign", "probability")), 1, name="ahead")
    chosen = {"parts": (mood, ahead), "decides_on": ("mood", "ahead"), "parameters": (0.5,), "because": None}
    trader = make_trader(strategy=chosen)
    desk = Desk(trader)
    desk.bar()
    close_ms = desk.book().bar_close_ms

    def speak(part: str, *values: float) -> list[object]:
        why = (Contribution("rsi", 71.0, 2.5),)
        return trader.handle(Forecast(BTC, close_ms, close_ms + 100, values, champion("plain", "v1", part), why))

    assert not [c for c in speak("mood", 0.1) if isinstance(c, Journal) and isinstance(c.record, SignalRecord)]
    speak("ahead", 12.0, 0.6)
    assert [
        (one.name, one.value)
        for one in price_view(desk.book(), BarHistory(BTC, 60_000, 9), "", trader.strategy.outputs).outputs
    ] == [
        ("mood", 0.1),
        ("ahead", 12.0),
        ("p_sign", 0.6),
    ]
    (waiting,) = unwanted_views([desk.book()], Recent(trader.state), trader.decider)
    assert (waiting.reasons, waiting.reasons_unit) == ((("rsi", 71.0, 2.5),), "bps")
    desk.to(desk.now_ms + 60_000)
    desk.bar()
    close_ms = desk.book().bar_close_ms
    speak("ahead", 12.0, 0.6)
    signals = [
        c.record.signal for c in speak("mood", 3.0) if isinstance(c, Journal) and isinstance(c.record, SignalRecord)
    ]
    assert [signal_view(signal, trader.strategy).reasons_unit for signal in signals] == ["bps"]


def test_a_forecast_that_nothing_was_decided_on_is_not_said_to_be_too_low() -> None:
    desk = Desk(make_trader())
    recent = Recent(desk.trader.state)
    stop = desk.hold()
    desk.minute()
    desk.predict(20.0)

    def shown() -> tuple[str, str, int]:
        (view,) = unwanted_views([desk.book()], recent, desk.trader.decider)
        return view.action, view.reason, view.direction

    assert shown() == ("hold", "no exit rule asks to leave", 1)
    desk.fill(stop)
    assert shown() == ("wait", "nothing was decided on it: the next one is", 1)
    desk.minute()
    desk.predict(0.5)
    assert shown() == ("wait", "forecast below what is needed", 0)


def test_a_ladder_is_shown_by_its_targets_still_to_come() -> None:
    desk = Desk(make_trader(strategy={"ladder": ((1.0, 0.5), (2.0, 0.3), (3.0, 0.1))}))
    desk.hold()
    view = position_view(desk.book(), desk.now_ms)
    assert (view.target_price, view.target_prices) == (60_600.0, (60_600.0, 61_200.0, 61_800.0))
    desk.fill(desk.order(OrderRole.TARGET))
    view = position_view(desk.book(), desk.now_ms)
    assert (view.target_price, view.target_prices) == (61_200.0, (61_200.0, 61_800.0))
