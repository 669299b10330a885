"""The console's lab on a fake lab and a fake command."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from core.domain.errors import StorageError, UnavailableError
from core.domain.operator import Verb
from core.domain.progress import Progress
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, empty_snapshot, snapshot
from tests.tui.fake_lab import CHOICES, PARTIAL, SYNTHETIC, FakeLab, FakeStarts, access
from tests.tui.lab_keys import PAGES, press, settle
from tui.console.app import QuarterdeckApp
from tui.lab.runs import CALM, HASTY, Outcome
from tui.text.format import ASCII

SIZE = (120, 40)
SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab()


@pytest.fixture
def starts() -> FakeStarts:
    return FakeStarts()


@pytest.fixture
def app(control: FakeControl, clock: FakeClock, lab: FakeLab, starts: FakeStarts) -> QuarterdeckApp:
    return QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, lab=access(lab, starts))


@asynccontextmanager
async def running(app: QuarterdeckApp, size: tuple[int, int], *keys: str) -> AsyncIterator[Pilot[None]]:
    async with screen.running(app, size) as pilot:
        await press(pilot, *keys)
        yield pilot


async def type_in(pilot: Pilot[None], text: str) -> str:
    pilot.app.screen.focused.post_message(Paste(text))  # type: ignore[union-attr]
    return await settle(pilot)


@pytest.mark.parametrize("size", [*SIZES, (100, 30), (160, 45)])
@pytest.mark.parametrize("page", PAGES)
async def test_every_page_fills_the_terminal_and_cuts_no_number(
    app: QuarterdeckApp, size: tuple[int, int], page: str
) -> None:
    async with running(app, size, *PAGES[page]):
        assert app.deck.page == page
        lines = screen.lines(app)
        assert {len(line) for line in lines} == {size[0]}
        assert [line for line in lines if any(f"{digit}…" in line for digit in "0123456789")] == []
        assert "No picture of this panel" not in screen.text(app)


@pytest.mark.parametrize("page", PAGES)
async def test_without_utf8_every_character_is_ascii(
    control: FakeControl, clock: FakeClock, lab: FakeLab, starts: FakeStarts, page: str
) -> None:
    app = QuarterdeckApp(control, clock_ms=clock, version="0", flush_hz=0.001, glyphs=ASCII, lab=access(lab, starts))
    async with running(app, SIZE, *PAGES[page]):
        assert screen.text(app).isascii()


async def test_a_console_without_a_lab_says_so_and_every_key_is_harmless(
    control: FakeControl, clock: FakeClock
) -> None:
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with running(app, (80, 24), "9") as pilot:
        assert "No lab here" in screen.text(app)
        keys = ("enter", "m", "c", "e", "d", "a", "x", "r", "n", "down", "s", "left", "enter")
        assert "No lab here" in await press(pilot, *keys)
        assert "EXPORT" not in screen.text(app).upper()


async def test_the_list_has_the_newest_first_and_its_warnings_as_words(app: QuarterdeckApp) -> None:
    async with running(app, (80, 24), "9"):
        text = screen.text(app)
        order = [text.index(run_id) for run_id in ("r0003", "r0002", "r0001", "s0001")]
        assert order == sorted(order)
        line = {run_id: next(row for row in text.splitlines() if run_id in row) for run_id in ("r0003", "r0002")}
        assert "SYNTHETIC IN-SAMPLE PARTIAL" in line["r0003"]
        assert "SYNTHETIC FAILED" in line["r0002"]


async def test_a_label_this_console_does_not_know_is_shown_too(app: QuarterdeckApp, lab: FakeLab) -> None:
    lab.rows[3]["labels"] = ["DELISTED: one symbol is gone", "FAILED: ended by an error"]
    async with running(app, (80, 24), "9"):
        assert "DELISTED FAILED" in screen.text(app)


async def test_no_question_is_asked_on_the_loop(app: QuarterdeckApp, lab: FakeLab, tmp_path: Path) -> None:
    async with running(app, SIZE, *PAGES["lab_chart"]) as pilot:
        await press(pilot, "escape", "escape", "escape", "m", "up", "c")
        names = {name for name, *_ in lab.asked}
        assert names == {"runs", "choices", "run", "curve", "trades", "bars", "compare"}
        assert threading.get_ident() not in lab.threads


async def test_keys_answer_while_the_lab_thinks_and_only_the_last_question_counts(
    app: QuarterdeckApp, lab: FakeLab
) -> None:
    async with running(app, SIZE, "9") as pilot:
        lab.gate.clear()
        lab.asked.clear()
        await pilot.press("down", "down", "down")
        app.flush()
        await pilot.pause()
        assert "▸s0001" in screen.text(app)
        assert " r0003 backtest" in screen.text(app)
        lab.gate.set()
        assert " s0001 sweep" in await settle(pilot)
        assert [about for name, *about in lab.asked if name == "run"] == [["r0002"], ["s0001"]]


@pytest.mark.parametrize("error", [StorageError("lab.db: is locked"), ValueError("odd")])
async def test_an_error_of_the_lab_is_one_line_and_goes_with_the_next_answer(
    app: QuarterdeckApp, lab: FakeLab, error: Exception
) -> None:
    lab.errors["runs"] = error
    async with running(app, (80, 24), "9") as pilot:
        assert str(error) in screen.text(app)
        lab.errors.clear()
        text = await press(pilot, "r")
        assert str(error) not in text
        assert "r0003" in text


async def test_the_detail_has_labels_figures_picture_and_breakdowns(app: QuarterdeckApp) -> None:
    async with running(app, (120, 60), "9", "enter") as pilot:
        text = screen.text(app)
        for part in (SYNTHETIC, PARTIAL, "return -1.89 %", "Equity, USDT", "Drawdown, %", "deflated Sharpe"):
            assert part in text
        await press(pilot, "G")
        text = screen.text(app)
        for part in (SYNTHETIC, "By symbol", "ETHUSDT", "Refused signals", "cooldown", "fast_bars=15", "9f0c3a77"):
            assert part in text


async def test_a_sweep_shows_its_best_trials_and_has_no_trade_list(app: QuarterdeckApp, lab: FakeLab) -> None:
    async with running(app, (120, 60), "9", "G", "enter") as pilot:
        text = screen.text(app)
        assert "Best trials, by sharpe" in text
        assert "fast_bars=6 slow_bars=60" in text
        assert "its trials have no trades that are kept" in await press(pilot, "enter")
        assert "trades" not in {name for name, *_ in lab.asked}


async def test_enter_on_a_trade_shows_its_candles_with_entry_and_exit(app: QuarterdeckApp, lab: FakeLab) -> None:
    async with running(app, SIZE, *PAGES["lab_trades"]) as pilot:
        assert "2026-06-10 02:13" in screen.text(app)
        text = await press(pilot, "down", "enter")
        assert app.deck.page == "lab_chart"
        for part in ("BTCUSDT ▼SHORT", "net +10.84 USDT", "2026-06-09 20:07", "2026-06-09 21:12", "◆", "SYNTHETIC"):
            assert part in text
        chart = "\n".join(text.splitlines()[4:-8])
        assert "▼" in chart
        assert "◆" in chart
        name, run_id, symbol, start, end, interval = next(asked for asked in lab.asked if asked[0] == "bars")
        trade = lab.trades(run_id)[-2]
        assert (name, run_id, symbol, interval) == ("bars", "r0001", trade["symbol"], 300_000)
        assert start < trade["entry_time_ms"] < trade["exit_time_ms"] < end
        assert "2026-06-09 15:07" in await press(pilot, "down")
        assert "1 min candles" in await press(pilot, "+")
        assert "15 min candles" in await press(pilot, "-", "-")
        assert "▸2026-06-09 16:11" in await press(pilot, "escape")


async def test_a_trade_without_candles_says_why(app: QuarterdeckApp, lab: FakeLab) -> None:
    lab.errors["bars"] = StorageError("the candles of r0001 are gone")
    async with running(app, (80, 24), *PAGES["lab_chart"]):
        assert "No candles read yet: the candles of r0001 are gone" in screen.text(app)


async def test_two_runs_side_by_side_begin_with_what_differs(app: QuarterdeckApp) -> None:
    async with running(app, (80, 24), *PAGES["lab_compare"]):
        text = screen.text(app)
        for part in ("SYNTHETIC IN-SAMPLE PARTIAL", "total return, %", "+3.40", "ema_cross.fast_bars"):
            assert part in text
        assert text.index("Figures that differ") < text.index("total return") < text.index("Settings that differ")
        assert text.index("Settings that differ") < text.index("Figures that are the same")


async def test_compare_without_a_mark_says_what_it_needs(app: QuarterdeckApp, lab: FakeLab) -> None:
    async with running(app, (80, 24), "9") as pilot:
        assert "mark two runs with m" in await press(pilot, "c")
        assert app.deck.page == "lab"
        assert "compare" not in {name for name, *_ in lab.asked}


async def test_delete_asks_names_what_goes_and_does_it_only_on_y(app: QuarterdeckApp, lab: FakeLab) -> None:
    async with running(app, SIZE, "9", "m", "down", "m", "d") as pilot:
        text = screen.text(app)
        assert "DELETE 2 runs?" in text
        assert "what was tried stays counted" in text
        assert "delete cancelled; nothing was done" in await press(pilot, "n")
        assert len(lab.rows) == 4
        text = await press(pilot, "d", "y")
        assert "deleted r0002, r0003" in text
        assert [row["run_id"] for row in lab.rows] == ["s0001", "r0001"]
        assert "▸s0001" in text


async def test_export_goes_to_the_path_and_asks_before_it_overwrites(
    app: QuarterdeckApp, lab: FakeLab, tmp_path: Path
) -> None:
    target = tmp_path / "P K.json"
    async with running(app, (200, 50), "9", "e") as pilot:
        assert "export r0003 as html to: r0003.html" in screen.text(app)
        assert "export r0003 as json to: r0003.json" in await press(pilot, "tab", "tab", "tab")
        await press(pilot, "ctrl+u")
        await type_in(pilot, str(target))
        assert f"r0003 as json: {target}" in await press(pilot, "enter")
        target.write_text("mine")
        await press(pilot, "e", "tab", "tab", "tab", "ctrl+u")
        await type_in(pilot, str(target))
        assert "OVERWRITE" in await press(pilot, "enter")
        assert target.read_text() == "mine"
        await press(pilot, "y")
        assert target.read_text() == "picture"


async def test_the_form_is_filled_in_validated_and_started(
    app: QuarterdeckApp, starts: FakeStarts, control: FakeControl
) -> None:
    async with running(app, (80, 24), "9", "n") as pilot:
        assert "ready: s starts backtest ema_cross" in screen.text(app)
        await press(pilot, "down", "enter", *"xrp")
        assert control.commands == []
        text = await press(pilot, "enter")
        assert "! symbols: XRP has no candles; stored are BTCUSDT, ETHUSDT, SOLUSDT" in text
        assert "not started: symbols: XRP has no candles" in await press(pilot, "s")
        assert starts.commands == []
        await press(pilot, "enter", "ctrl+u", *"ethusdt", "escape")
        await press(pilot, "G", *["up"] * 6, "enter")
        await type_in(pilot, "fast_bers=5")
        assert "! overrides: " in await press(pilot, "enter")
        assert "fast_bers" in screen.text(app)
        await press(
            pilot, "enter", "home", "right", "right", "right", "right", "right", "right", "delete", "a", "enter"
        )
        assert "ready: s starts" in screen.text(app)
        text = await press(pilot, "s")
        assert app.deck.page == "lab"
        assert "backtest ema_cross: starting" in text
        assert starts.commands == [
            [
                "backtest",
                "ema_cross",
                "--market",
                "imported",
                "--symbol",
                "ETHUSDT",
                "--set",
                "fast_bars=5",
                "--engine",
                "event",
            ]
        ]
        assert "fast_bars=5" in await press(pilot, "n")
        starts.runs[0].end(Outcome("complete", "r0009"))
        await settle(pilot)


async def test_a_form_is_kept_through_errors_and_other_pages(app: QuarterdeckApp, starts: FakeStarts) -> None:
    starts.error = UnavailableError("python: cannot be started")
    async with running(app, (80, 24), "9", "n", "down", "enter", *"btcusdt", "enter", "s") as pilot:
        assert "backtest ema_cross: failed  python: cannot be started" in screen.text(app)
        assert not app.lab.running
        assert "btcusdt" in await press(pilot, "2", "9", "n")


async def test_a_run_shows_its_progress_and_keys_answer_meanwhile(
    app: QuarterdeckApp, starts: FakeStarts, clock: FakeClock, control: FakeControl
) -> None:
    async with running(app, SIZE, "9", "n", "s") as pilot:
        starts.runs[0].now = Progress(0, 1000, "slots")
        app.flush()
        clock.now_ms += 2_000
        control.current = snapshot(2)
        starts.runs[0].now = Progress(250, 1000, "slots")
        assert "25% 250/1,000 slots ETA 6.0s" in await settle(pilot)
        assert "▸r0002" in await press(pilot, "down")
        assert "not started: a run is under way" in await press(pilot, "n", "s")
        assert len(starts.commands) == 1
        await press(pilot, "escape")
        starts.runs[0].end(Outcome("complete", "r0009", labels=(SYNTHETIC,)))
        text = await settle(pilot)
        assert "r0009 complete  SYNTHETIC" in text
        assert "backtest ema_cross: complete, r0009 is stored" in text


async def test_x_stops_a_run_after_a_confirm_bar(app: QuarterdeckApp, starts: FakeStarts) -> None:
    async with running(app, SIZE, "9", "n", "s", "x") as pilot:
        assert "STOP backtest ema_cross?" in screen.text(app)
        assert "stored as a PARTIAL result" in screen.text(app)
        assert starts.runs[0].stops == []
        text = await press(pilot, "y")
        assert starts.runs[0].stops == [CALM]
        assert "r0009 partial" in text
        assert "no run is under way" in await press(pilot, "x")


async def test_leaving_stops_the_run_and_says_so(app: QuarterdeckApp, starts: FakeStarts, control: FakeControl) -> None:
    control.current = empty_snapshot()
    async with running(app, SIZE, "9", "n", "s", "q") as pilot:
        text = screen.text(app)
        assert "DEMO LEAVE and END the engine while a run of the lab is under way?" in text
        assert "it is stopped, and stores a PARTIAL result" in text
        await press(pilot, "n")
        assert app.is_running
        await pilot.press("q", "y")
        await pilot.pause()
    assert starts.runs[0].stops == [CALM]
    assert app.return_code == 0


async def test_leaving_waits_for_the_partial_result_and_q_hurries_it(app: QuarterdeckApp, starts: FakeStarts) -> None:
    starts.stubborn = True
    async with running(app, SIZE, "9", "n", "s", "q", "y") as pilot:
        assert app.is_running
        assert "the lab's run is stopped and stores what it has; q hurries it" in screen.text(app)
        assert starts.runs[0].stops == [CALM]
        await pilot.press("q")
        await pilot.pause()
    assert starts.runs[0].stops == [CALM, HASTY]
    assert app.return_code == 0


async def test_a_signal_stops_the_run_in_haste(app: QuarterdeckApp, starts: FakeStarts) -> None:
    async with running(app, SIZE, "9", "n", "s") as pilot:
        app._end(143)
        await pilot.pause()
    assert starts.runs[0].stops == [HASTY]
    assert app.return_code == 143


@pytest.mark.parametrize("page", PAGES)
async def test_safety_keys_work_from_every_page_of_the_lab(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock, page: str
) -> None:
    async with running(app, (80, 24), *PAGES[page]) as pilot:
        text = await press(pilot, "P", "K", "K", "F")
        assert control.commands == [Verb.PAUSE, Verb.HALT]
        assert "FLATTEN: close 2 positions at market? DEMO" in text
        clock.now_ms += 1_000
        await press(pilot, "y")
        assert control.commands == [Verb.PAUSE, Verb.HALT, Verb.FLATTEN]


@pytest.mark.parametrize("opening", [("n", "down", "enter"), ("e",)], ids=["field", "path"])
async def test_safety_keys_work_while_something_is_typed(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock, opening: tuple[str, ...]
) -> None:
    async with running(app, (80, 24), "9", *opening) as pilot:
        text = await press(pilot, "P", "F")
        assert control.commands == []
        assert "PF_" in text
        assert "FLATTEN: close 2 positions" in await press(pilot, "ctrl+f")
        clock.now_ms += 1_000
        await press(pilot, "y")
        assert control.commands == [Verb.FLATTEN]


async def test_a_question_of_the_lab_never_takes_the_place_of_a_safety_question(
    app: QuarterdeckApp, control: FakeControl, lab: FakeLab, clock: FakeClock
) -> None:
    async with running(app, SIZE, "9", "F", "d") as pilot:
        text = screen.text(app)
        assert "FLATTEN: close 2 positions" in text
        assert "DELETE" not in text
        assert not app.deck.prompt.display
        await press(pilot, "e")
        assert not app.deck.prompt.display
        clock.now_ms += 1_000
        await press(pilot, "y")
        assert control.commands == [Verb.FLATTEN]
        assert len(lab.rows) == 4


async def test_flatten_takes_the_place_of_a_question_of_the_lab(
    app: QuarterdeckApp, control: FakeControl, lab: FakeLab, clock: FakeClock
) -> None:
    async with running(app, SIZE, "9", "d", "F") as pilot:
        clock.now_ms += 1_000
        await press(pilot, "y")
        assert control.commands == [Verb.FLATTEN]
        assert len(lab.rows) == 4


async def test_escape_goes_up_one_page_at_a_time(app: QuarterdeckApp) -> None:
    async with running(app, SIZE, *PAGES["lab_chart"]) as pilot:
        seen = []
        for _ in range(4):
            await press(pilot, "escape")
            seen.append(app.deck.page)
        assert seen == ["lab_trades", "lab_run", "lab", "overview"]


async def test_help_tells_the_keys_of_the_lab(app: QuarterdeckApp) -> None:
    async with running(app, (120, 70), "9", "?"):
        text = screen.text(app)
        assert "9 Lab: what the numbers mean" in text
        assert "c         the two marked runs side by side" in text
        assert "9 lab" in text


async def test_again_fills_the_form_from_the_run(app: QuarterdeckApp) -> None:
    async with running(app, SIZE, "9", "down", "down", "a"):
        assert app.deck.page == "lab_form"
        assert "BTCUSDT ETHUSDT" in screen.text(app)
        assert "fast_bars=5" in screen.text(app)


async def test_an_empty_lab_names_the_next_key(app: QuarterdeckApp, lab: FakeLab) -> None:
    lab.rows = []
    async with running(app, (80, 24), "9") as pilot:
        assert "No stored run yet. n starts one" in screen.text(app)
        await press(pilot, "enter", "m", "c", "e", "d", "a")
        assert app.deck.page == "lab"


async def test_the_lab_needs_no_engine(clock: FakeClock, lab: FakeLab, starts: FakeStarts) -> None:
    app = QuarterdeckApp(None, clock_ms=clock, version="0", flush_hz=0.001, lab=access(lab, starts))
    async with running(app, (80, 24), "9"):
        assert "r0003" in screen.text(app)
    assert CHOICES["strategies"] == app.lab.form.choices["strategies"]
