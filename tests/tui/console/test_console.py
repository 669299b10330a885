"""What the console says at every size and in every state of the engine."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from textual.geometry import Region
from textual.strip import Strip

from core.control.protocol import Control
from core.domain.errors import UnavailableError
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, empty_snapshot, log_lines, snapshot
from tui.console.app import QuarterdeckApp
from tui.console.panels.logs import KEPT_LINES, LogPanel
from tui.console.panels.panel import Panel, View
from tui.console.registry import REGISTRY
from tui.console.widgets.lines import Lines
from tui.text.format import ASCII

SIZES = [(60, 20), (80, 24), (100, 30), (120, 40), (160, 45), (200, 50)]


async def shown(app: QuarterdeckApp, size: tuple[int, int], *keys: str) -> list[str]:
    async with screen.running(app, size) as pilot:
        await pilot.pause()
        await pilot.press(*keys)
        app.flush()
        await pilot.pause()
        assert app._flaw == ""
        return screen.lines(app)


@pytest.mark.parametrize("size", SIZES)
async def test_the_status_line_never_leaves(app: QuarterdeckApp, size: tuple[int, int]) -> None:
    top = (await shown(app, size))[0]
    for part in ("DEMO", "RUNNING", "feed 0.4s", "day +12.30", "dd 1.2%"):
        assert part in top
    assert "!1" in top or "alerts 1" in top


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        ((80, 24), ("eq 10,234.51", "12:00:00Z")),
        ((120, 40), ("loop 3ms", "eq 10,234.51", "expo 43%", "pos 2", "ord 2", "12:00:00Z")),
        ((200, 50), ("recorded 60x", "loop 3ms", "expo 43%", "ord 2", "2026-07-01 12:00:00Z")),
    ],
)
async def test_more_of_the_status_shows_where_there_is_room(
    app: QuarterdeckApp, size: tuple[int, int], parts: tuple[str, ...]
) -> None:
    top = (await shown(app, size))[0]
    assert [part for part in parts if part not in top] == []


@pytest.mark.parametrize("size", SIZES)
async def test_every_line_of_every_page_fills_the_terminal_and_cuts_no_number(
    app: QuarterdeckApp, size: tuple[int, int]
) -> None:
    async with screen.running(app, size) as pilot:
        for page in range(1, len(REGISTRY.groups) + 1):
            await pilot.press(str(page))
            await pilot.pause()
            lines = screen.lines(app)
            assert len(lines) == size[1]
            assert {len(line) for line in lines} == {size[0]}
            cut = [line for line in lines if any(f"{digit}…" in line for digit in "0123456789")]
            assert [line for line in cut if "of the log" not in line] == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_overview_shows_prices_positions_meters_and_events(
    app: QuarterdeckApp, size: tuple[int, int]
) -> None:
    text = "\n".join(await shown(app, size))
    for part in ("64,361.4", "▲LONG", "▼SHORT", "+7.75", "-5.58", "drawdown", "12.4/15", "WARN", "line 59 of the log"):
        assert part in text
    assert ("6 Chart" in text) is (size[0] >= 120)


async def test_a_small_terminal_keeps_the_essentials_and_says_what_it_needs(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    control.current = snapshot(state="halted", halts=("day loss 300 of 300 USDT: clears by itself at 00:00 UTC",))
    lines = await shown(app, (60, 20))
    text = "\n".join(lines)
    assert "This terminal is 60x20; panels need 80x24." in text
    assert "DEMO HALTED" in text
    assert "day +12.30" in text
    assert "BLOCKED day loss 300 of 300 USDT" in text
    assert "BTCUSDT +7.75" in text
    assert "K K halt" in lines[-1]
    assert "1-9 panels" in lines[-1]


async def test_growing_and_shrinking_moves_between_the_forms(app: QuarterdeckApp) -> None:
    async with screen.running(app, (60, 20)) as pilot:
        await pilot.resize_terminal(120, 40)
        await screen.until(app, pilot, "2 Markets")
        assert "panels need" not in screen.text(app)
        await pilot.resize_terminal(79, 24)
        await screen.until(app, pilot, "panels need")
        assert "2 Markets" not in screen.text(app)


async def test_a_halt_stays_on_screen_with_how_it_clears(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = snapshot(state="halted", halts=("day loss 300 of 300 USDT: clears by itself at 00:00 UTC",))
    lines = await shown(app, (80, 24), "6")
    assert "HALTED" in lines[0]
    assert "BLOCKED: day loss 300 of 300 USDT: clears by itself at 00:00 UTC" in lines[-2]


@pytest.mark.parametrize(
    ("state", "text"),
    [("paused", "PAUSED: no new entries; exits and stops go on"), ("halted", "HALTED: no new entries; stops, targets")],
)
async def test_a_standstill_says_what_still_runs(
    app: QuarterdeckApp, control: FakeControl, state: str, text: str
) -> None:
    control.current = snapshot(state=state)
    assert text in (await shown(app, (80, 24)))[-2]


async def test_a_silent_engine_is_said_and_its_age_counted(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, (120, 40)) as pilot:
        app.flush()
        clock.now_ms += 7_000
        app.flush()
        await pilot.pause()
        text = screen.text(app)
        assert " STALE 7s " in text.splitlines()[0]
        assert "RUNNING" not in text.splitlines()[0]
        assert "STALE 7s" in text
        assert "the engine has said nothing for 7s" in text
        control.current = snapshot(2)
        app.flush()
        await pilot.pause()
        assert "STALE" not in screen.text(app)


async def test_an_ended_demo_is_not_called_silent(app: QuarterdeckApp, control: FakeControl, clock: FakeClock) -> None:
    control.current = snapshot(state="ended", note="the recorded market is over")
    async with screen.running(app, (80, 24)) as pilot:
        app.flush()
        clock.now_ms += 60_000
        app.flush()
        await pilot.pause()
        lines = screen.lines(app)
        assert "ENDED" in lines[0]
        assert "STALE" not in lines[0]
        assert "the recorded market is over" in lines[-2]


async def test_a_late_price_says_so(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = snapshot(as_of_ms=snapshot().status.as_of_ms + 600_000)
    assert "late 10m" in "\n".join(await shown(app, (120, 40), "2"))


async def test_an_empty_panel_gives_its_reason(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = empty_snapshot(note="warming up: 42 of 60 bars")
    control.lines = []
    async with screen.running(app, (80, 24)) as pilot:
        for page in range(1, len(REGISTRY.groups) + 1):
            await pilot.press(str(page))
            await pilot.pause()
            visible = [panel for panel in app.deck.panels.values() if panel.display]
            assert [panel.NAME for panel in visible if "No " not in panel.render_line(1).text] == []


async def test_without_utf8_every_character_is_ascii(control: FakeControl, clock: FakeClock) -> None:
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, glyphs=ASCII)
    async with screen.running(app, (200, 50)) as pilot:
        for page in range(1, len(REGISTRY.groups) + 1):
            await pilot.press(str(page))
            await pilot.pause()
            assert screen.text(app).isascii()


async def test_the_first_picture_comes_before_the_engine(control: FakeControl, clock: FakeClock) -> None:
    asked = asyncio.Event()
    ready = asyncio.Event()

    async def connect() -> Control:
        asked.set()
        await ready.wait()
        return control

    app = QuarterdeckApp(None, connect=connect, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        await asked.wait()
        assert "STARTING" in screen.lines(app)[0]
        clock.now_ms += 2_000
        app.flush()
        await pilot.pause()
        assert "starting the engine, 2 s" in screen.text(app)
        ready.set()
        await screen.until(app, pilot, "RUNNING")
        assert "RUNNING" in screen.lines(app)[0]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_while_an_engine_is_starting_asks_and_gives_the_start_up(clock: FakeClock, key: str) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def connect() -> Control:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError("not reached")

    app = QuarterdeckApp(None, connect=connect, clock_ms=clock, version="0.1.0", flush_hz=0.001, mode="paper")
    async with app.run_test(size=(40, 10)) as pilot:
        await asked.wait()
        await pilot.press(key)
        await screen.until(app, pilot, "PAPER LEAVE and END the start?")
        await pilot.press("n")
        assert app.is_running
        await pilot.press(key, "y")
    assert app.return_code == 0
    (starting,) = app._tasks
    starting.cancel()
    await given_up.wait()


async def test_what_leaving_means_is_asked_anew_once_the_engine_is_there(
    control: FakeControl, clock: FakeClock
) -> None:
    asked, ready = asyncio.Event(), asyncio.Event()

    async def connect() -> Control:
        asked.set()
        await ready.wait()
        return control

    app = QuarterdeckApp(None, connect=connect, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        await asked.wait()
        await pilot.press("q")
        ready.set()
        await screen.until(app, pilot, "DEMO LEAVE and END the engine with 2 open positions?")
        assert app.is_running


async def test_a_start_that_fails_takes_its_question_with_it(clock: FakeClock) -> None:
    asked, ready = asyncio.Event(), asyncio.Event()

    async def connect() -> Control:
        asked.set()
        await ready.wait()
        raise UnavailableError("no engine")

    app = QuarterdeckApp(None, connect=connect, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        await asked.wait()
        await pilot.press("q")
        ready.set()
        await screen.until(app, pilot, "FAILED")
        assert app.desk.question is None
        await pilot.press("q")
    assert app.return_code == 3


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [(UnavailableError("engine.sock: no engine"), "engine.sock: no engine", 3), (OSError("no"), "OSError: no", 1)],
)
async def test_an_engine_that_does_not_start_is_a_state_and_an_exit_code(
    clock: FakeClock, error: Exception, text: str, code: int
) -> None:
    async def connect() -> Control:
        raise error

    app = QuarterdeckApp(None, connect=connect, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        await screen.until(app, pilot, "FAILED")
        assert "FAILED" in screen.lines(app)[0]
        assert text in screen.text(app)
        await pilot.press("K", "P", "q")
    assert app.return_code == code


async def test_a_closed_terminal_ends_the_console(control: FakeControl, clock: FakeClock) -> None:
    alive = True
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", terminal_alive=lambda: alive)
    async with screen.running(app, (80, 24)) as pilot:
        alive = False
        app._tick()
        await pilot.pause()
    assert app.return_code == 129


async def test_an_error_while_drawing_is_shown_and_survived(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, (80, 24)) as pilot:
        good = control.current
        control.current = "nonsense"  # type: ignore[assignment]
        app._tick()
        await pilot.pause()
        assert "console fault: AttributeError" in screen.text(app)
        control.current = good
        app._tick()
        await pilot.pause()
        assert "console fault" not in screen.text(app)


async def test_a_panel_that_cannot_be_drawn_leaves_the_others(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, (120, 40)) as pilot:
        control.current = replace(snapshot(2), positions=("nonsense",))  # type: ignore[arg-type]
        app.deck.panels["positions"].show(View(control.current))
        await pilot.pause()
        text = screen.text(app)
        assert "No picture of this panel: AttributeError" in text
        assert "64,361.4" in text


async def test_an_unchanged_snapshot_paints_nothing(app: QuarterdeckApp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with screen.running(app, (200, 50)) as pilot:
        app.flush()
        await pilot.pause()
        painted = _watch(monkeypatch)
        app.flush()
        assert painted == []


async def test_ctrl_l_sends_every_line_again(app: QuarterdeckApp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with screen.running(app, (120, 40)) as pilot:
        drawn: set[tuple[str, int]] = set()
        render = Lines.render_line

        def watched(self: Lines, y: int) -> Strip:
            drawn.add((self.id or "", y))
            return render(self, y)

        monkeypatch.setattr(Lines, "render_line", watched)
        await pilot.press("ctrl+l")
        await pilot.pause()
        visible = [line for line in app.deck.query(Lines) if line.display]
        assert drawn >= {(line.id or "", y) for line in visible for y in range(line.size.height)}


async def test_one_changed_number_paints_its_line_only(
    app: QuarterdeckApp, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen.running(app, (120, 40)) as pilot:
        app.flush()
        await pilot.pause()
        painted = _watch(monkeypatch)
        control.current = snapshot(2, loop_lag_ms=9.0)
        app.flush()
        assert painted == [("status", (Region(0, 0, 120, 1),))]


async def test_a_hidden_panel_is_not_formatted(app: QuarterdeckApp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("8")
        formatted: list[str] = []

        def remember(self: Panel, *args: object) -> None:
            formatted.append(self.NAME)

        for panel in app.deck.panels.values():
            monkeypatch.setattr(type(panel), "_place", remember)
        app.flush()
        assert sorted(formatted) == ["logs", "positions"]


def _watch(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, tuple[Region, ...]]]:
    painted: list[tuple[str | None, tuple[Region, ...]]] = []

    def remember(self: Lines, *regions: Region, **_: object) -> Lines:
        painted.append((self.id, regions))
        return self

    monkeypatch.setattr(Lines, "refresh", remember)
    return painted


def test_the_log_keeps_a_bounded_number_of_lines() -> None:
    panel = LogPanel()
    panel.add(log_lines(KEPT_LINES))
    panel.top = 100
    panel.add(log_lines(40))
    assert len(panel._all) == len(panel._filtered) == KEPT_LINES
    assert panel.top == 60


async def test_a_bar_is_late_by_the_length_of_the_bars(app: QuarterdeckApp, control: FakeControl) -> None:
    of = snapshot(as_of_ms=snapshot().status.as_of_ms + 600_000)
    control.current = replace(of, status=replace(of.status, interval_minutes=15))
    assert "late" not in "\n".join(await shown(app, (120, 40), "2"))
