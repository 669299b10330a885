"""The console before a live start, and LIVE on every page after it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.domain.errors import RefusedError
from core.domain.operator import Verb
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, live_snapshot, order, snapshot
from tests.tui.live_start import TAG, LiveRoot, live_app
from tui.console.app import QuarterdeckApp
from tui.console.registry import REGISTRY
from tui.console.safety import GUARD_MS
from tui.console.theme import THEMES, roles
from tui.text.table import row_text

SIZES = [(60, 20), (80, 24), (120, 40), (200, 50)]


@pytest.fixture
def root() -> LiveRoot:
    return LiveRoot()


@pytest.mark.parametrize("size", SIZES)
async def test_a_live_start_asks_for_the_tag_and_starts_nothing_before(
    root: LiveRoot, clock: FakeClock, size: tuple[int, int]
) -> None:
    app = live_app(root, clock)
    async with screen.running(app, size) as pilot:
        await screen.until(app, pilot, "account tag:")
        top = screen.lines(app)[0]
        assert "LIVE" in top
        assert "CONFIRM" in top
        if size != (60, 20):
            for part in ("REAL MONEY", "binanceusdm", "BTCUSDT", "3 times", "not known before", "Leverage can lose"):
                assert part in screen.text(app)
        assert root.typed == []
        assert TAG not in screen.text(app)


async def test_the_right_tag_starts_and_shows_the_console(root: LiveRoot, clock: FakeClock) -> None:
    app = live_app(root, clock)
    async with screen.running(app, (80, 24)) as pilot:
        await screen.until(app, pilot, "account tag:")
        await pilot.press(*TAG, "enter")
        await screen.until(app, pilot, "2 Markets")
        assert root.typed == [TAG]
        assert app.deck.page == "overview"
        await pilot.press("P")
        await screen.until_true(pilot, lambda: root.control.commands == [Verb.PAUSE])


async def test_a_wrong_tag_is_refused_and_asked_for_again(root: LiveRoot, clock: FakeClock) -> None:
    app = live_app(root, clock)
    async with screen.running(app, (120, 40)) as pilot:
        await screen.until(app, pilot, "account tag:")
        await pilot.press(*"K3Y9", "enter")
        await screen.until(app, pilot, "REFUSED: this is not the account")
        assert "account tag: _" in screen.text(app)
        assert "FAILED" not in screen.text(app)
        await pilot.press(*TAG, "enter")
        await screen.until(app, pilot, "2 Markets")
        assert root.typed == ["K3Y9", TAG]


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_leaving_starts_nothing_and_is_a_refusal(root: LiveRoot, clock: FakeClock, key: str) -> None:
    app = live_app(root, clock)
    async with screen.running(app, (80, 24)) as pilot:
        await screen.until(app, pilot, "account tag:")
        await pilot.press(*TAG[:2], key)
        await pilot.pause()
    assert app.return_code == RefusedError.exit_code
    assert root.typed == []


async def test_no_safety_key_ends_the_question(root: LiveRoot, clock: FakeClock) -> None:
    """There is no engine that they could reach."""
    app = live_app(root, clock)
    async with screen.running(app, (120, 40)) as pilot:
        await screen.until(app, pilot, "account tag:")
        assert "pause/halt/flatten" not in screen.text(app)
        await pilot.press("ctrl+p", "ctrl+k", "ctrl+f", "q", "1")
        app.flush()
        await screen.until(app, pilot, "account tag: q1_")
        assert app.deck.page == "arming"


async def test_what_else_keeps_the_engine_from_starting_is_shown(root: LiveRoot, clock: FakeClock) -> None:
    root.error = RefusedError("the first live start of a home needs 24 hours on paper and this one has 3")
    app = live_app(root, clock)
    async with screen.running(app, (120, 40)) as pilot:
        await screen.until(app, pilot, "account tag:")
        await pilot.press(*TAG, "enter")
        await screen.until(app, pilot, "FAILED: the first live start of a home needs 24 hours on paper")
        assert "LIVE" in screen.lines(app)[0]
    assert app.link.exit_code == RefusedError.exit_code


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["live", "testnet"])
async def test_live_and_testnet_stand_on_every_page_twice(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int], mode: str
) -> None:
    control.current = live_snapshot(mode=mode)
    async with screen.running(app, size) as pilot:
        for key in (*(str(number) for number in range(1, len(REGISTRY.groups) + 1)), "?"):
            await pilot.press(key)
            await screen.until_true(pilot, lambda: screen.lines(app)[0].startswith(f" {mode.upper()} "))
            await screen.until_true(pilot, lambda: screen.lines(app)[-2].startswith(f" {mode.upper()} "))
            assert {len(line) for line in screen.lines(app)} == {size[0]}


@pytest.mark.parametrize("mode", ["demo", "paper"])
async def test_other_modes_never_say_live(app: QuarterdeckApp, control: FakeControl, mode: str) -> None:
    control.current = snapshot(mode=mode)
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.pause()
        assert screen.lines(app)[0].startswith(f" {mode.upper()} ")
        assert "LIVE" not in screen.text(app)


@pytest.mark.parametrize("theme", THEMES)
def test_the_modes_look_different_and_live_is_reversed_whatever_the_colours(theme: str) -> None:
    styles = roles(theme)
    assert styles["live"].reverse
    assert styles["live"].bold
    assert len({styles["live"], styles["paper"], styles["demo"]}) == 3
    assert not styles["paper"].reverse
    assert not styles["demo"].reverse


@pytest.mark.parametrize("size", SIZES)
async def test_a_position_without_a_stop_is_shown_before_everything_else(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = live_snapshot(naked_ms=3_400, state="halted", halts=("halted",), connection="requests: no answer")
    async with screen.running(app, size) as pilot:
        await pilot.press("3")
        said = "UNPROTECTED: BTCUSDT has no stop at the venue for 3 s"
        await screen.until_true(pilot, lambda: said in screen.lines(app)[-2])
        if size != (60, 20):
            await screen.until(app, pilot, "NO STOP")
        head = screen.lines(app)[0]
        assert "!3" in head or "alerts 3" in head


async def test_a_protected_position_is_not_cried_about(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = live_snapshot()
    async with screen.running(app, (120, 40)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "UNPROTECTED" not in screen.text(app)
        assert "NO STOP" not in screen.text(app)


async def test_a_bad_connection_and_lost_answers_are_told_in_words(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, (200, 50)) as pilot:
        control.current = live_snapshot(connection="market stream: silent for 12 s")
        app.flush()
        await screen.until(app, pilot, "BLOCKED by connection (market stream: silent for 12 s) until it is well again")
        control.current = live_snapshot(2, connection="requests: banned", halts=("connection", "drawdown"))
        app.flush()
        stands = "BLOCKED by connection (requests: banned) until it is well again; drawdown until R resumes"
        await screen.until(app, pilot, stands)
        lost = replace(order("BTCUSDT", "entry", "market", 9), state="unknown")
        control.current = replace(live_snapshot(3), orders=(lost,))
        await pilot.press("3")
        await screen.until(app, pilot, "UNKNOWN: no answer about 1 order (BTCUSDT entry); the exchange is being asked")
        await screen.until(app, pilot, "unknown, asking")


@pytest.mark.parametrize("size", SIZES[1:])
async def test_what_others_placed_is_marked_external(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = live_snapshot()
    async with screen.running(app, size) as pilot:
        await pilot.press("3")
        await screen.until(app, pilot, "2 external")

        def external(*words: str) -> int:
            return len([line for line in screen.lines(app) if all(word in line for word in ("external", *words))])

        await screen.until_true(pilot, lambda: external("ETHUSDT", "limit") == 1)
        await screen.until_true(pilot, lambda: external("BNBUSDT", "position") == 1)


async def test_flatten_takes_what_others_placed_only_after_the_second_choice(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    control.current = live_snapshot()
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("F")
        await screen.until(app, pilot, "left alone")
        assert "FLATTEN: close 2 positions at market? LIVE" in screen.text(app)
        clock.now_ms += GUARD_MS
        await pilot.press("e")
        await screen.until(app, pilot, "CLOSED TOO")
        await pilot.press("y")
        await screen.until_true(pilot, lambda: (control.commands, control.external) == ([Verb.FLATTEN], [True]))


async def test_without_others_the_second_choice_is_no_key(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, (80, 24)) as pilot:
        clock.now_ms += GUARD_MS
        await pilot.press("F", "e")
        clock.now_ms += GUARD_MS
        await pilot.press("y")
        await screen.until_true(pilot, lambda: (control.commands, control.external) == ([Verb.FLATTEN], [False]))


@pytest.mark.parametrize(("quote_age_ms", "late"), [(900, False), (16_000, True)])
async def test_the_age_of_a_quote_counts_where_there_are_quotes(
    app: QuarterdeckApp, control: FakeControl, quote_age_ms: int, late: bool
) -> None:
    base = live_snapshot()
    quoted = replace(base.prices[0], quote_ms=base.status.as_of_ms - quote_age_ms)
    control.current = replace(base, prices=(quoted, *base.prices[1:]))
    async with screen.running(app, (120, 40)) as pilot:
        await pilot.pause()
        head = row_text(app.deck.panels["markets"].shown.body[0])
        assert ("late" in head) is late
