"""What signals say: what was compared with what, in the units of what was compared."""

from __future__ import annotations

from typing import Any

import pytest

from core.arithmetic import exits
from core.domain.forecast import words
from core.domain.market import MINUTE_MS
from core.domain.orders import OrderRole
from core.domain.records import SignalRecord
from core.domain.trading import ExitReason, Signal, SignalAction
from core.strategy.declaration import ExitRule, Rule
from core.trader.messages import Command, Silence
from tests.core.trader.desk import BTC, Desk, make_trader, placed, records

RULE = Rule(scan=lambda *columns: columns[1], state_size=1, parameters=())


def signal_of(commands: list[Command]) -> Signal:
    (record,) = records(commands, SignalRecord)
    return record.signal


def figures(signal: Signal) -> tuple[float | None, float | None]:
    (one,) = signal.because
    return one.value, one.needed


def silence(desk: Desk) -> list[Command]:
    return desk.handle(Silence(BTC, desk.now_ms + 100))


def holding(*rules: ExitRule) -> Desk:
    desk = Desk(make_trader(strategy={"exits": rules}))
    desk.hold()
    return desk


def test_a_model_says_its_forecast_and_what_was_needed() -> None:
    desk = Desk(make_trader())
    desk.minute()
    signal = signal_of(desk.predict(14.25))
    assert (signal.action, signal.reason) == (SignalAction.ENTER, "forecast above what is needed")
    assert words(signal.because) == "forecast +14.2 bps, needed +10.0 bps"
    assert (figures(signal), signal.confidence) == ((14.25, 10.0), 0.6)


def test_a_rule_claims_no_edge() -> None:
    desk = Desk(make_trader(strategy={"source": RULE, "lifecycle": None, "needed_bps": 0.0}))
    desk.minute()
    signal = signal_of(desk.predict(-3.0))
    assert (signal.reason, words(signal.because)) == ("the rule's signal", "forecast -3.0 bps, needed 0.0 bps")


def test_a_strategy_without_words_tells_its_outputs() -> None:
    desk = Desk(make_trader(strategy={"because": None}))
    desk.minute()
    assert words(signal_of(desk.predict(14.25)).because) == "forecast +14.2 bps; p_sign 0.60"


def test_a_cut_size_stays_in_the_reason() -> None:
    desk = Desk(make_trader(max_order_notional_usdt=100.0))
    desk.minute()
    reason = signal_of(desk.predict(20.0)).reason
    assert reason == "forecast above what is needed; size cut by order_notional"


@pytest.mark.parametrize("predicted", [True, False])
def test_a_time_stop_shows_minutes_and_no_bps(predicted: bool) -> None:
    desk = holding(ExitRule(ExitReason.FLATTEN, exits.time_stop, 2.0 * MINUTE_MS))
    desk.minute()
    assert placed(desk.predict(1.0) if predicted else silence(desk)) == []
    desk.minute()
    commands = desk.predict(1.0) if predicted else silence(desk)
    assert len(placed(commands, OrderRole.EXIT)) == 1
    signal = signal_of(commands)
    assert (signal.action, signal.reason) == (SignalAction.EXIT, ExitReason.FLATTEN)
    assert words(signal.because) == "held 2 min, needed 2 min"
    assert signal.confidence == (0.6 if predicted else None)
    assert signal.time_ms == desk.now_ms + 100


@pytest.mark.parametrize(
    ("rule", "price", "compared"),
    [
        (
            ExitRule(ExitReason.STOP, exits.stop_loss, 0.5),
            59_600.0,
            "price from the entry while long -0.67 %, needed -0.50 %",
        ),
        (
            ExitRule(ExitReason.TARGET, exits.take_profit, 0.5),
            60_600.0,
            "price from the entry while long +1.00 %, needed +0.50 %",
        ),
        (
            ExitRule(ExitReason.REVERSAL, lambda *given: True, 3.0),
            60_000.0,
            "exit <lambda> by its parameter 3; forecast nothing; p_sign nothing; price 60000; entry 60000; held 1 min",
        ),
    ],
)
def test_each_exit_says_what_it_compared(rule: ExitRule, price: float, compared: str) -> None:
    desk = holding(rule)
    desk.minute(BTCUSDT=price)
    assert words(signal_of(silence(desk)).because) == compared


def test_a_reversal_says_the_forecast() -> None:
    desk = holding(ExitRule(ExitReason.REVERSAL, exits.reversal, 5.0))
    desk.minute()
    assert silence(desk) == []
    desk.minute()
    signal = signal_of(desk.predict(-6.0))
    assert words(signal.because) == "forecast while long -6.0 bps, needed -5.0 bps"
    assert figures(signal) == (-6.0, -5.0)


def test_an_own_rule_names_the_unit_of_its_parameter() -> None:
    desk = holding(ExitRule(ExitReason.FLATTEN, lambda *given: True, 90_000.0, "ms"))
    desk.minute()
    assert words(signal_of(silence(desk)).because) == "held 1 min, needed 1.5 min"


def test_silence_is_nothing_where_nothing_is_held_or_the_bar_was_predicted() -> None:
    asked: list[tuple[Any, ...]] = []

    def ask(*given: Any) -> bool:
        asked.append(given)
        return False

    desk = Desk(make_trader(strategy={"exits": (ExitRule(ExitReason.FLATTEN, ask, 0.0),)}))
    desk.minute()
    assert silence(desk) == []
    desk.hold()
    desk.minute()
    desk.predict(7.0)
    assert silence(desk) == []
    assert [given[3].tolist() for given in asked] == [[7.0, 0.6]]
