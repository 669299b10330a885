"""What the log says of an order that got no answer, and of books that differ."""

from __future__ import annotations

import pytest

from core.domain.forecast import Because
from core.domain.operator import LimitEffect, LimitEvent, OperatorCommand, Verb
from core.domain.orders import OrderState, OrderUpdate
from core.domain.origin import Origin
from core.domain.records import AdjustmentRecord, LimitRecord, OperatorRecord, OrderUpdateRecord, SignalRecord
from core.domain.trading import ExitReason, Signal, SignalAction
from core.engine.log_lines import narrate
from tests.storage.examples import entry


def test_an_unknown_order_is_told_with_what_is_done_about_it(caplog: pytest.LogCaptureFixture) -> None:
    order = entry(1)
    update = OrderUpdate(order.client_order_id, order.symbol, OrderState.UNKNOWN, 1_000, reason="no answer in 5 s")
    narrate([OrderUpdateRecord(update, order)], {})
    (line,) = caplog.messages
    assert line.startswith("BTCUSDT entry order UNKNOWN (no answer in 5 s): ")
    assert "the venue is asked by its id" in line


@pytest.mark.parametrize(("symbol", "about"), [("BTCUSDT", "BTCUSDT"), ("", "account")])
def test_books_that_differ_say_whose_is_which(caplog: pytest.LogCaptureFixture, symbol: str, about: str) -> None:
    narrate([AdjustmentRecord("a1", 1_000, symbol, "position lots", "10", "12")], {})
    assert caplog.messages == [f"{about}: our books and the venue's differ: position lots, ours 10, the venue's 12"]


def test_what_is_wrong_comes_first_and_names_come_last(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fired = LimitEvent(
        "connection", "", 1_000, True, LimitEffect.NO_NEW_ENTRIES, 1.0, 0.0, "problems", "it is well again", "banned"
    )
    command = OperatorCommand("op1", Verb.FLATTEN, "BTCUSDT", "cli:root", 1)
    narrate([LimitRecord(fired), OperatorRecord(command, "closing")], {})
    first, second = caplog.messages
    assert first.startswith("connection fired: banned; 1.00 of 0.00 problems, effect ")
    assert second == "flatten BTCUSDT: closing (operator cli:root)"


def test_a_command_for_the_whole_account_names_no_symbol(caplog: pytest.LogCaptureFixture) -> None:
    narrate([OperatorRecord(OperatorCommand("op1", Verb.HALT, "", "cli:root", 1), "halted")], {})
    assert caplog.messages == ["halt: halted (operator cli:root)"]


@pytest.mark.parametrize(
    ("direction", "action", "said"),
    [
        (1, SignalAction.ENTER, "BTCUSDT enter long: held 10 min, needed 10 min (time)"),
        (-1, SignalAction.ENTER, "BTCUSDT enter short: held 10 min, needed 10 min (time)"),
        (1, SignalAction.EXIT, "BTCUSDT exit from short: held 10 min, needed 10 min (time)"),
        (-1, SignalAction.EXIT, "BTCUSDT exit from long: held 10 min, needed 10 min (time)"),
    ],
)
def test_an_exit_names_what_is_left_and_not_the_way_of_its_order(
    caplog: pytest.LogCaptureFixture, direction: int, action: SignalAction, said: str
) -> None:
    caplog.set_level("INFO")
    because = (Because("held", 10.0, 10.0, "min"),)
    told = Signal("s1", "BTCUSDT", 1, direction, 0.6, action, ExitReason.TIME, Origin("s"), because=because)
    narrate([SignalRecord(told)], {})
    assert caplog.messages == [said]
