"""Every key, pressed on a console with a fake engine."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from core.control.protocol import BlockView
from core.control.request import Request
from core.domain.errors import UnavailableError
from core.domain.operator import Verb
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, empty_snapshot, log_lines, snapshot
from tui.console.app import QuarterdeckApp
from tui.console.keys import ACTIONS, bindings, footer_actions
from tui.console.registry import REGISTRY
from tui.console.theme import THEMES

SIZE = (120, 40)


async def press(pilot: Pilot[None], *keys: str) -> str:
    """Press, let the console settle and flush; gives the screen."""
    app = pilot.app
    assert isinstance(app, QuarterdeckApp)
    await pilot.pause()
    await pilot.press(*keys)
    await pilot.pause()
    app.flush()
    await pilot.pause()
    return screen.text(app)


def test_every_binding_has_its_own_id() -> None:
    ids = [binding.id for binding in bindings()]
    assert None not in ids
    assert len(ids) == len(set(ids))


def test_no_key_means_two_things_in_one_scope() -> None:
    taken = [(scope, key) for a in ACTIONS for scope in a.scopes or ("",) for key in a.keys.split(",")]
    assert len(taken) == len(set(taken))


def test_every_action_has_its_method() -> None:
    for action in ACTIONS:
        assert hasattr(QuarterdeckApp, f"action_{action.name}"), action.name


@pytest.mark.parametrize(("width", "count"), [(80, 6), (99, 6), (100, 8), (200, 8)])
def test_the_footer_is_short_and_begins_with_danger(width: int, count: int) -> None:
    actions = footer_actions(width)
    assert len(actions) == count
    assert [action.label for action in actions[:3]] == ["pause", "halt", "flatten"]


async def test_capital_p_pauses_at_once(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, "P")
        assert control.commands == [Verb.PAUSE]
        assert "pause: done" in shown


async def test_small_letters_do_not_act(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "p", "k", "k", "f", "r")
        assert control.commands == []


async def test_capital_k_halts_when_pressed_twice(app: QuarterdeckApp, control: FakeControl, clock: FakeClock) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert "K again within 2 s" in await press(pilot, "K")
        assert control.commands == []
        clock.now_ms += 3_000
        await press(pilot, "K")
        assert control.commands == []
        clock.now_ms += 500
        await press(pilot, "K")
        assert control.commands == [Verb.HALT]


async def test_capital_f_needs_y_after_the_guard(app: QuarterdeckApp, control: FakeControl, clock: FakeClock) -> None:
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, "F")
        assert "FLATTEN: close 2 positions at market? DEMO" in shown
        assert "wait 1.0 s" in shown
        await press(pilot, "y")
        assert control.commands == []
        clock.now_ms += 1_000
        assert " y flatten " in await press(pilot)
        await press(pilot, "y")
        assert control.commands == [Verb.FLATTEN]
        app.desk.notice = None
        control.current = snapshot(2, positions=1)
        assert "flatten: 1/2 closed" in await press(pilot)
        control.current = snapshot(3, positions=0)
        assert "flatten done: 2/2 closed" in await press(pilot)


@pytest.mark.parametrize("key", ["escape", "n", "enter"])
async def test_the_confirm_bar_is_cancelled_by(
    key: str, app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "F")
        clock.now_ms += 2_000
        assert "flatten cancelled; nothing was sent" in await press(pilot, key)
        await press(pilot, "y")
        assert control.commands == []
        assert app.deck.page == "overview"


async def test_the_confirm_bar_cancels_itself(app: QuarterdeckApp, control: FakeControl, clock: FakeClock) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "F")
        clock.now_ms += 10_000
        assert "flatten cancelled after 10 s; nothing was sent" in await press(pilot)
        assert not app.deck.confirm.display
        await press(pilot, "y")
        assert control.commands == []


async def test_pause_and_halt_work_under_a_confirm_bar(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "F", "P", "K", "K")
        assert control.commands == [Verb.PAUSE, Verb.HALT]


async def test_safety_keys_work_on_a_small_terminal(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, (60, 20)) as pilot:
        shown = await press(pilot, "P", "K", "K", "F")
        assert "FLATTEN: close 2 positions" in shown
        clock.now_ms += 1_000
        await press(pilot, "y")
        assert control.commands == [Verb.PAUSE, Verb.HALT, Verb.FLATTEN]


async def test_capital_r_asks_and_y_resumes(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = snapshot(state="halted", halts=("day loss: clears by itself at 00:00 UTC",))
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, "R")
        assert "RESUME entries? DEMO, now HALTED" in shown
        assert "stays: day loss" in shown
        assert control.commands == []
        await press(pilot, "y")
        assert control.commands == [Verb.RESUME]


@pytest.mark.parametrize(
    ("key", "reason"),
    [("R", "resume: the engine is running, nothing to resume"), ("F", "flatten: no open position")],
)
async def test_a_key_that_cannot_act_now_says_why(
    key: str, reason: str, app: QuarterdeckApp, control: FakeControl
) -> None:
    control.current = snapshot(positions=0)
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot)
        assert "(R resume)" in shown
        assert "(F flatten)" in shown
        assert reason in await press(pilot, key)
        assert control.commands == []


async def test_a_refused_command_and_a_missing_engine_are_told(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        control.accepted, control.message = False, "recovering, ask again"
        assert "pause REFUSED: recovering, ask again" in await press(pilot, "P")
        control.error = UnavailableError("no engine answers on engine.sock")
        assert "pause REFUSED: no engine answers on engine.sock" in await press(pilot, "P")


async def test_digits_show_their_panels(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        for number, name in enumerate(REGISTRY.groups, 1):
            await press(pilot, str(number))
            assert app.deck.page == name
            assert ("markets" if name == "overview" else name) == app.deck.target.NAME
            assert app.deck.target.has_focus


async def test_tab_goes_round_the_visible_panels(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        seen = []
        for _ in range(6):
            seen.append(app.deck.target.NAME)
            await press(pilot, "tab")
        assert seen == ["markets", "positions", "chart", "risk", "signals", "logs"]
        assert app.deck.target.NAME == "markets"
        await press(pilot, "shift+tab")
        assert app.deck.target.NAME == "logs"


@pytest.mark.parametrize(("down", "up"), [("down", "up"), ("j", "k")])
async def test_the_cursor_moves_and_selects_the_symbol(down: str, up: str, app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, down, down)
        assert app.symbol == "SOLUSDT"
        assert "▸SOLUSDT" in shown
        await press(pilot, up)
        assert app.symbol == "ETHUSDT"


async def test_page_keys_and_edges(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "2")
        for key, symbol in (("G", "XRPUSDT"), ("g", "BTCUSDT"), ("pagedown", "XRPUSDT"), ("pageup", "BTCUSDT")):
            await press(pilot, key)
            assert app.symbol == symbol


async def test_enter_opens_the_chart_of_the_symbol(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, "3", "down", "enter")
        assert app.deck.page == "chart"
        assert " SOLUSDT 149" in shown


async def test_the_chart_changes_symbol_and_zoom(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert "1 min" in await press(pilot, "6")
        for key in ("]", "down", "j", "l"):
            await press(pilot, key)
            assert app.symbol == "ETHUSDT"
            await press(pilot, "[")
            assert app.symbol == "BTCUSDT"
        assert "5 min" in await press(pilot, "-", "-")
        assert "1 min" in await press(pilot, "+", "+")


async def test_help_explains_the_focused_panel_and_goes_back(app: QuarterdeckApp) -> None:
    async with screen.running(app, (120, 60)) as pilot:
        shown = await press(pilot, "5", "?")
        assert "5 Risk: what the numbers mean" in shown
        assert "drawdown as the engine counts it" in shown
        assert "close every position and pause, after a confirm bar" in shown
        await press(pilot, "?")
        assert app.deck.page == "risk"
        assert "+         wider candles" in await press(pilot, "6", "?")
        await press(pilot, "escape")
        assert app.deck.page == "chart"


async def test_escape_goes_back_to_the_overview(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "7", "escape")
        assert app.deck.page == "overview"


async def test_space_freezes_the_panels_and_nothing_else(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert "FROZEN" in await press(pilot, "space")
        control.current = snapshot(2, positions=3, day_pnl_usdt=-77.0)
        shown = await press(pilot)
        assert "day -77.00" in shown
        assert "2 pos +2.17" in shown
        await press(pilot, "P")
        assert control.commands == [Verb.PAUSE]
        shown = await press(pilot, "space")
        assert "FROZEN" not in shown
        assert "3 pos +4.96" in shown


async def test_t_goes_round_the_themes(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        seen = []
        for _ in THEMES:
            seen.append(app.theme)
            assert "BTCUSDT" in await press(pilot, "t")
        assert seen == list(THEMES)
        assert app.theme == THEMES[0]


async def test_q_leaves_at_once_where_no_engine_ends_by_it(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = empty_snapshot("ended")
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("q")
    assert app.return_code == 0


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_leaving_with_open_positions_asks_once(key: str, app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        shown = await press(pilot, key)
        assert "DEMO LEAVE and END the engine with 2 open positions?" in shown
        assert "stops with the console" in shown
        assert app.is_running
        await press(pilot, "n")
        assert app.desk.question is None
        await pilot.press(key, "y")
    assert app.return_code == 0


async def test_search_finds_marks_and_walks(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert "search the log: " in await press(pilot, "/")
        assert "search the log: line 5P" in await press(pilot, *"line", "space", "5", "P")
        shown = await press(pilot, "backspace", "enter")
        assert "'line 5' 11/11" in shown
        assert "'line 5' 10/11" in await press(pilot, "N")
        assert "'line 5' 11/11" in await press(pilot, "n", "n")
        assert "line 5'" not in await press(pilot, "escape")


async def test_no_key_acts_while_a_search_is_typed(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, "/", "P", "K", "K", "q", "1")
        assert control.commands == []
        assert app.deck.page == "logs"
        await press(pilot, "escape")
        assert app.deck.logs.wanted == ""
        await press(pilot, "P")
        assert control.commands == [Verb.PAUSE]


async def test_the_log_level_rises_and_comes_round(app: QuarterdeckApp) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert " debug " in await press(pilot, "8")
        assert " debug " not in await press(pilot, "l")
        assert " info " not in await press(pilot, "l")
        shown = await press(pilot, "l")
        assert " warn " not in shown
        assert "error+" in shown
        assert " debug " in await press(pilot, "l")


async def test_a_log_that_is_not_followed_counts_what_comes(app: QuarterdeckApp, control: FakeControl) -> None:
    control.lines = log_lines(200)
    async with screen.running(app, SIZE) as pilot:
        assert "line 199 of the log" in await press(pilot, "8")
        shown = await press(pilot, "up")
        assert "held" in shown
        assert "line 199 of the log" not in shown
        control.lines = log_lines(212)
        assert "+12 lines below. f or G = follow" in await press(pilot)
        shown = await press(pilot, "G")
        assert "line 211 of the log" in shown
        assert "lines below" not in shown
        assert "held" in await press(pilot, "f")
        assert "follow" in await press(pilot, "f")


async def test_capital_l_locks_the_selected_symbol_when_pressed_twice_for_the_same(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot)
        first = app.symbol
        assert f"L again within 2 s = LOCK {first}: no new entries there" in await press(pilot, "L")
        await press(pilot, "right_square_bracket", "L")
        assert control.commands == []
        await press(pilot, "L")
        assert app.symbol != first
        assert control.requests[-1] == Request("lock", {"symbol": app.symbol})


async def test_capital_c_closes_the_trade_under_the_cursor_when_pressed_twice_for_the_same(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, REGISTRY.key("positions"))
        ids = [position.trade_id for position in snapshot().positions]
        first = app.deck.target.cursor_trade()
        assert first in ids
        assert f"C again within 2 s = CLOSE {first}: at market" in await press(pilot, "C")
        await press(pilot, "j", "C")
        assert control.commands == []
        second = app.deck.target.cursor_trade()
        assert second != first
        await press(pilot, "C")
        assert control.requests == [Request("close", {"trade": second})]


async def test_capital_c_elsewhere_means_the_trade_of_the_selected_symbol(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await press(pilot, REGISTRY.key("chart"), "C", "C")
        assert control.requests == [Request("close", {"trade": app.symbol})]


async def test_capital_u_says_that_nothing_is_locked_or_unlocks(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        assert "unlock: no symbol is locked" in await press(pilot, "U")
        shown = snapshot()
        blocks = (BlockView("lock", app.symbol, "when the operator unlocks the symbol", "news"),)
        status = replace(shown.status, halts=(f"lock:{app.symbol}",), blocks=blocks)
        control.current = replace(shown, seq=2, status=status)
        await press(pilot, "U", "U")
        assert control.requests == [Request("unlock", {"symbol": app.symbol})]
