"""Panel 4 says what was compared with what, and no bps of what has none."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from core.control.events import BecauseView
from core.control.protocol import SILENT, OutputView
from tests.tui import screen
from tests.tui.fake_control import FakeControl, signal, snapshot
from tui.console.app import QuarterdeckApp


async def test_a_time_stop_shows_minutes_and_no_bps(app: QuarterdeckApp, control: FakeControl) -> None:
    left = replace(
        signal(0, "ETHUSDT", -1, "exit", "flatten"),
        confidence=None,
        because=(BecauseView("held", 30.0, 30.0, "min"),),
    )
    control.current = replace(snapshot(), signals=(left,), prices=())
    async with screen.running(app, (120, 40)) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "Why ETHUSDT")
        assert app._flaw == ""
        lines = screen.lines(app)
    (row,) = (line for line in lines if "ETHUSDT" in line and "exit" in line)
    # The order sells, and what is wanted is to hold nothing any more.
    assert "FLAT" in row
    assert "SHORT" not in row
    assert "bp" not in row
    assert "None" not in row
    assert any("Why ETHUSDT" in line and "held 30 min, needed 30 min" in line for line in lines)


async def test_a_probability_is_shown_as_one(app: QuarterdeckApp, control: FakeControl) -> None:
    sure = replace(
        signal(0, "ETHUSDT", 1, "enter", "forecast above what is needed"),
        confidence=0.63,
        because=(BecauseView("p_up", 0.63, 0.6, "probability"), BecauseView("p_flat", 0.25, None, "probability")),
        reasons_unit="probability",
        reasons_of="p_down",
    )
    quoted = replace(
        snapshot().prices[1],
        outputs=(OutputView("p_down", 0.12, "probability"), OutputView("p_flat", 0.25, "probability")),
    )
    control.current = replace(snapshot(), signals=(sure,), prices=(quoted,))
    async with screen.running(app, (200, 50)) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "Why ETHUSDT")
        lines = screen.lines(app)
    assert any("Why ETHUSDT" in line and "p_up 0.63, needed 0.60; p_flat 0.25" in line for line in lines)
    assert any(re.search(r"ETHUSDT .* p_up 0\.63 +0\.60 +63%", line) for line in lines)
    assert any(re.search(r"change .*p_down", line) for line in lines)
    assert any(quoted.symbol in line and "0.12" in line for line in lines)
    # What a feature added is of the first output, whatever was decided on.
    assert any(re.search(r"ema_gap .* \+1\.93  p_down ", line) for line in lines)
    assert not any("bp" in line for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_figure_that_could_be_of_either_side_is_never_shown_without_its_name(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    flat = replace(
        signal(0, "ETHUSDT", 0, "wait", "nothing is probable enough"),
        confidence=0.31,
        because=(BecauseView("p_down", 0.31, 0.6, "probability"),),
    )
    control.current = replace(snapshot(), signals=(flat,), prices=())
    async with screen.running(app, size) as pilot:
        await screen.until(app, pilot, "Risk")
        lines = screen.lines(app)
        await pilot.press("4")
        await screen.until(app, pilot, "Why ETHUSDT")
        focused = screen.lines(app)
    for line in (*lines, *focused):
        if re.search(r"ETHUSDT .*wait", line):
            assert "0.31" not in line.replace("p_down 0.31", "")
    assert any(re.search(r"ETHUSDT .*p_down 0\.31 +0\.60.* wait", line) for line in focused)


WHY = "mark is missing since 2026-05-29 00:46 UTC, book10 is missing since 2026-05-29 00:46 UTC"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_what_is_not_forecast_says_what_is_missing_and_since_when(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    silent = replace(
        signal(0, "ETHUSDT", 0, SILENT, WHY), confidence=None, because=(), reasons=(), reasons_unit="", model_version=""
    )
    control.current = replace(snapshot(), signals=(silent, signal(3, "BTCUSDT", 1, "enter", "edge over threshold")))
    async with screen.running(app, size) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "Why ETHUSDT")
        lines = screen.lines(app)
    (row,) = (line for line in lines if "ETHUSDT" in line and SILENT in line)
    assert size[0] > 80 or "mark is missing" in row
    # What nothing is wanted of is no wish to be flat.
    assert "FLAT" not in row
    first = next(n for n, line in enumerate(lines) if "Why ETHUSDT" in line)
    tail = " ".join(re.split(r"\s{2,}|│", line.strip(" │"))[0] for line in lines[first : first + 2])
    assert tail == f"Why ETHUSDT 12:00: nothing is forecast: {WHY}"
    told = "".join(lines)
    assert "contributions" not in told


async def test_what_was_compared_is_whole_at_80_columns(app: QuarterdeckApp, control: FakeControl) -> None:
    compared = tuple(BecauseView(f"what number {n} says", 10.0 + n, 20.0 + n, "bps") for n in range(4))
    moved = replace(signal(0, "ETHUSDT", 1, "enter", "forecast above what is needed"), because=compared)
    control.current = replace(snapshot(), signals=(moved,), prices=())
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "ema_gap")
        lines = screen.lines(app)
    said = " ".join(" ".join(lines).split())
    for n in range(4):
        assert f"what number {n} says +{10 + n}.0 bps, needed +{20 + n}.0 bps" in said
    assert "ema_gap" in said
