from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from core.control.protocol import CommandResult
from core.control.request import Request, Values
from core.domain.operator import Verb
from core.engine.engine import EngineControl
from core.home.logbook import Logbook

DONE = CommandResult("c1", True, "done")


class Engine:
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def submit(self, *asked: Any) -> Future[CommandResult]:
        self.asked.append(asked)
        answer: Future[CommandResult] = Future()
        answer.set_result(DONE)
        return answer


@pytest.mark.parametrize(
    ("operation", "values", "asked"),
    [
        ("pause", {}, (Verb.PAUSE, "", "ann", False)),
        ("flatten", {"symbol": "BTCUSDT"}, (Verb.FLATTEN, "BTCUSDT", "ann", False)),
        ("flatten", {"symbol": "", "include_external": True}, (Verb.FLATTEN, "", "ann", True)),
    ],
)
async def test_a_request_reaches_the_engine_with_all_that_was_given(
    operation: str, values: Values, asked: tuple[object, ...]
) -> None:
    engine = Engine()
    assert await EngineControl(engine, Logbook()).send(Request(operation, values, "ann")) == DONE
    assert engine.asked == [asked]
