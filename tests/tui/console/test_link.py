"""What the console knows of its engine: none yet, none to be had, one that has fallen silent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.protocol import ChartView, Control
from core.domain.errors import ConfirmationError, QuarterdeckError, UnavailableError
from tests.tui.fake_control import FakeClock, FakeControl, log_lines, snapshot
from tui.console.link import SILENT_AFTER_MS, Link, held


async def failing(error: Exception) -> Control:
    raise error


@pytest.mark.parametrize(
    ("error", "failure", "exit_code"),
    [
        (UnavailableError("no exchange"), "no exchange", UnavailableError.exit_code),
        (RuntimeError("flaw"), "RuntimeError: flaw", 1),
    ],
)
async def test_an_engine_that_cannot_be_had_is_a_failure(
    clock: FakeClock, error: Exception, failure: str, exit_code: int
) -> None:
    link = Link(None, clock)
    await link.attach(lambda: failing(error))
    assert (link.control, link.starting, link.failure, link.exit_code) == (None, False, failure, exit_code)


async def test_a_wrong_tag_is_no_failure(clock: FakeClock) -> None:
    link = Link(None, clock)
    with pytest.raises(QuarterdeckError):
        await link.attach(lambda: failing(ConfirmationError("not the tag")))
    assert (link.starting, link.failure) == (False, "")


def test_while_there_is_none_it_says_for_how_long(clock: FakeClock) -> None:
    link = Link(None, clock)
    clock.now_ms += 4_900
    assert link.waiting == "starting the engine, 4 s. q leaves"
    assert (link.snapshot, link.newest(), tuple(link.log_lines())) == (None, None, ())


def test_silence_counts_from_the_newest_snapshot_and_ends_with_the_next(clock: FakeClock) -> None:
    control = FakeControl(snapshot())
    link = Link(control, clock)
    first = link.newest()
    assert first is not None
    clock.now_ms += SILENT_AFTER_MS
    assert link.newest() is first
    assert link.stale(first) == ""
    clock.now_ms += 1_000
    assert link.stale(first) == f"{SILENT_AFTER_MS // 1000 + 1}s"
    ended = replace(first, status=replace(first.status, state="ended"))
    assert link.stale(ended) == ""
    control.current = replace(first, seq=first.seq + 1)
    assert link.stale(link.newest() or first) == ""


def test_each_log_line_comes_once(clock: FakeClock) -> None:
    control = FakeControl(snapshot())
    control.lines = log_lines(3)
    link = Link(control, clock)
    assert len(link.log_lines()) == 3
    control.lines = log_lines(5)
    assert len(link.log_lines()) == 2


def test_a_held_chart_stands_still_from_the_first_that_came() -> None:
    charts: dict[str, ChartView] = {}
    stands = held(charts.get)
    assert stands("BTCUSDT") is None
    charts["BTCUSDT"] = first = ChartView("BTCUSDT")
    assert stands("BTCUSDT") is first
    charts["BTCUSDT"] = ChartView("BTCUSDT", ())
    charts["ETHUSDT"] = other = ChartView("ETHUSDT")
    assert stands("BTCUSDT") is first
    assert stands("ETHUSDT") is other


def test_without_an_engine_there_is_no_chart(clock: FakeClock) -> None:
    assert Link(None, clock).chart("BTCUSDT") is None
