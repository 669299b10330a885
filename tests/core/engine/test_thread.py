"""A start in a thread of its own: whoever waits for it hears how it ends, and it can be given up at any time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.control.protocol import Control
from core.domain.errors import ConfirmationError, UnavailableError
from core.engine.thread import EngineThread
from tests.core.control.control_samples import FakeControl

Built = Callable[[Any, Control], None]
PATIENCE_S = 60.0


class FakeEngine:
    """Runs until it is told to stop."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.failed = ""

    def stop(self) -> None:
        self.over.set()

    def fail(self, reason: str) -> None:
        self.failed = reason


def started(serve: Callable[[Built], Awaitable[None]]) -> EngineThread:
    return EngineThread(serve)  # type: ignore[arg-type]


def test_a_start_that_waits_for_ever_is_given_up_and_lets_go_of_what_it_holds() -> None:
    waiting, let_go = threading.Event(), threading.Event()

    async def serve(built: Built) -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            let_go.set()

    engine = started(serve)
    waiting.wait()
    engine.stop(PATIENCE_S)
    assert engine.ended()
    assert let_go.is_set()
    assert engine.failure() is None
    with pytest.raises(UnavailableError, match="stopped before it began"):
        engine.wait()


def test_who_waits_for_a_start_that_is_given_up_waits_no_longer_even_where_it_hangs() -> None:
    stuck, waiting = threading.Event(), threading.Event()
    heard: list[BaseException] = []

    async def serve(built: Built) -> None:
        waiting.set()
        stuck.wait()

    engine = started(serve)

    def wait() -> None:
        try:
            engine.wait()
        except UnavailableError as error:
            heard.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    waiting.wait()
    engine.ask_to_stop()
    waiter.join()
    assert len(heard) == 1
    assert not engine.ended()
    stuck.set()
    engine.stop(PATIENCE_S)


def test_a_stop_before_the_loop_is_there_is_heard() -> None:
    async def serve(built: Built) -> None:
        await asyncio.Event().wait()

    for _ in range(20):
        engine = started(serve)
        engine.stop(PATIENCE_S)
        assert engine.ended()
        assert engine.failure() is None


def test_an_engine_that_is_there_is_stopped_after_its_step_and_not_cancelled() -> None:
    ends: list[str] = []

    async def serve(built: Built) -> None:
        engine = FakeEngine()
        built(engine, FakeControl())
        try:
            await engine.over.wait()
            ends.append("by itself")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    engine = started(serve)
    assert isinstance(engine.wait(), FakeControl)
    engine.stop(PATIENCE_S)
    assert ends == ["by itself"]
    assert engine.failure() is None


@pytest.mark.parametrize("error", [ConfirmationError("not the account"), UnavailableError("the home is in use")])
def test_what_keeps_an_engine_from_starting_is_told_to_whoever_waits(error: Exception) -> None:
    async def serve(built: Built) -> None:
        raise error

    engine = started(serve)
    with pytest.raises(type(error), match=str(error)):
        engine.wait()
    engine.stop(PATIENCE_S)
    assert engine.failure() is error


def test_a_start_that_ends_without_an_engine_says_so() -> None:
    async def serve(built: Built) -> None:
        return

    engine = started(serve)
    with pytest.raises(UnavailableError, match="ended before it began"):
        engine.wait()
