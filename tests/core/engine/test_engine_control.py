from __future__ import annotations

from concurrent.futures import Future
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

import core.engine.engine as engine_module
from core.control.protocol import ChartView, CommandResult
from core.control.request import Request, Values
from core.domain.operator import OperatorWish, Verb
from core.engine.control import EngineControl
from core.engine.engine import Engine as RealEngine
from core.home.logbook import Logbook

DONE = CommandResult("c1", True, "done")


class Engine:
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[OperatorWish] = []

    def chart(self, symbol: str) -> ChartView | None:
        return ChartView(symbol) if symbol == "BTCUSDT" else None

    def submit(self, asked: OperatorWish) -> Future[CommandResult]:
        self.asked.append(asked)
        answer: Future[CommandResult] = Future()
        answer.set_result(DONE)
        return answer


@pytest.mark.parametrize(
    ("operation", "values", "asked"),
    [
        ("pause", {}, OperatorWish(Verb.PAUSE, "", "ann")),
        ("flatten", {"symbol": "BTCUSDT"}, OperatorWish(Verb.FLATTEN, "BTCUSDT", "ann")),
        (
            "flatten",
            {"symbol": "", "include_external": True},
            OperatorWish(Verb.FLATTEN, "", "ann", include_external=True),
        ),
        (
            "lock",
            {"symbol": "BTCUSDT", "for_ms": 60_000, "reason": "news"},
            OperatorWish(Verb.LOCK, "BTCUSDT", "ann", for_ms=60_000, reason="news"),
        ),
        ("close", {"trade": "t1"}, OperatorWish(Verb.CLOSE, "", "ann", trade="t1")),
        (
            "close",
            {"trade": " t1 ", "share_pct": "33.3"},
            OperatorWish(Verb.CLOSE, "", "ann", trade="t1", share_pct=Decimal("33.3")),
        ),
        (
            "move-stop",
            {"trade": "t1", "price": "59000.10"},
            OperatorWish(Verb.MOVE_STOP, "", "ann", trade="t1", price=Decimal("59000.10")),
        ),
    ],
)
async def test_a_request_reaches_the_engine_with_all_that_was_given(
    operation: str, values: Values, asked: OperatorWish
) -> None:
    engine = Engine()
    assert await EngineControl(engine, Logbook()).send(Request(operation, values, "ann")) == DONE
    assert engine.asked == [asked]


def test_a_chart_is_asked_for_by_symbol() -> None:
    control = EngineControl(Engine(), Logbook())
    assert control.chart("BTCUSDT") == ChartView("BTCUSDT")
    assert control.chart("NOPE") is None


def test_a_chart_that_bars_come_into_is_copied_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = ChartView("BTCUSDT")
    outcomes: list[Any] = []

    def draw(*_: Any) -> ChartView:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return drawn

    monkeypatch.setattr(engine_module, "chart_view", draw)
    engine = SimpleNamespace(_session=SimpleNamespace(histories={"BTCUSDT": object()}), _recent=None)
    changed = RuntimeError("deque mutated during iteration")
    outcomes[:] = [changed, drawn]
    assert RealEngine.chart(engine, "BTCUSDT") is drawn  # type: ignore[arg-type]
    outcomes[:] = [changed] * 10
    assert RealEngine.chart(engine, "BTCUSDT") is None  # type: ignore[arg-type]
    assert RealEngine.chart(engine, "NOPE") is None  # type: ignore[arg-type]
