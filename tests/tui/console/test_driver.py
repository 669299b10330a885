"""Bytes of a terminal as keys: what follows an escape in one piece is heard, too, and no byte ends the console."""

from __future__ import annotations

import os
import signal
from string import printable

import pytest
from textual.events import Key
from textual.keys import _character_to_key

from core.domain.operator import Verb
from tests.tui import pty_child, screen
from tests.tui.fake_control import FakeClock, FakeControl
from tui.console.app import QuarterdeckApp
from tui.console.driver import KeyParser
from tui.console.keys import ACTIONS

SIZE = (120, 40)
KEYS = {key for action in ACTIONS for key in action.keys.split(",")}


def parsed(*pieces: str) -> list[Key]:
    """The keys that the driver makes of what it read, piece by piece."""
    parser = KeyParser()
    found = [event for piece in (*pieces, "") for event in parser.feed(piece)]
    return [event for event in found if isinstance(event, Key)]


def names(*pieces: str) -> list[str]:
    return [event.key for event in parsed(*pieces)]


async def typed(app: QuarterdeckApp, data: str) -> None:
    for event in parsed(data):
        app.post_message(event)


@pytest.mark.parametrize("character", [c for c in printable if c not in "[O\t\n\r\x0b\x0c"])
def test_escape_and_any_character_are_two_keys_also_in_two_pieces(character: str) -> None:
    alone = names(character)
    assert len(alone) == 1
    assert names("\x1b" + character) == names("\x1b", character) == ["escape", *alone]
    assert names("\x1b" + character + "\x1b" + character) == ["escape", *alone] * 2


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b", ["escape"]),
        ("\x1b\x1b", ["escape", "escape"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b\t", ["escape", "tab"]),
        ("\x1b\x7f", ["escape", "backspace"]),
        ("\x1b\x10", ["escape", "ctrl+p"]),
        ("\x1b\x1b[A", ["escape", "up"]),
        ("\x1b\x1bOB", ["escape", "down"]),
        ("\x1b\x1b[F", ["escape", "end"]),
        ("\x1bKK", ["escape", "K", "K"]),
        ("\x1bFy", ["escape", "F", "y"]),
        ("\x1b[", ["escape", "left_square_bracket"]),
        ("\x1bO", ["escape", "O"]),
    ],
)
def test_nothing_behind_an_escape_is_lost(data: str, keys: list[str]) -> None:
    assert names(data) == keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [("\x1b[A", ["up"]), ("\x1bOA", ["up"]), ("\x1b[Z", ["shift+tab"]), ("\x1b[5~", ["pageup"]), ("\x1b[F", ["end"])],
)
def test_a_key_that_a_terminal_tells_in_several_characters_stays_one(data: str, keys: list[str]) -> None:
    assert names(data) == keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b[107;4u", ["escape", "K"]),
        ("\x1b[75;3u", ["escape", "K"]),
        ("\x1b[107;3u", ["escape", "k"]),
        ("\x1b[63;3u", ["escape", "question_mark"]),
        ("\x1b[1;3D", ["alt+left"]),
        ("\x1b[107;5u", ["ctrl+k"]),
        ("\x1b[107;7u", ["alt+ctrl+k"]),
    ],
)
def test_alt_and_a_character_are_two_keys_where_a_multiplexer_made_one_of_them(data: str, keys: list[str]) -> None:
    assert names(data) == keys


def test_every_key_of_the_console_is_one_that_a_terminal_sends() -> None:
    """A key that the parser names in another way would never be heard."""
    sent = {key for code in range(256) for key in names(chr(code))} | {_character_to_key(c) for c in printable}
    told = {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "shift+tab", "escape"}
    assert KEYS - sent - told == set()


@pytest.mark.parametrize(("data", "verbs"), [("\x1bP", [Verb.PAUSE]), ("\x1bKK", [Verb.HALT])])
async def test_escape_and_a_safety_key_in_one_piece_are_both_heard(
    app: QuarterdeckApp, control: FakeControl, data: str, verbs: list[Verb]
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("6")
        await typed(app, data)
        await pilot.pause()
        assert control.commands == verbs
        assert app.deck.page == "overview"


@pytest.mark.parametrize(("data", "page"), [("\x1b5", "risk"), ("\x1b?", "help"), ("\x1b\x1b[B8", "logs")])
async def test_escape_and_a_digit_or_a_sign_in_one_piece_are_both_heard(
    app: QuarterdeckApp, data: str, page: str
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("6")
        await typed(app, data)
        await pilot.pause()
        assert app.deck.page == page
        assert app.deck._before_help == "overview"


async def test_escape_comes_before_the_key_that_follows_it(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("F")
        clock.now_ms += 1_000
        await typed(app, "\x1by")
        await pilot.pause()
        assert control.commands == []
        assert "flatten cancelled" in screen.text(app)


@pytest.mark.parametrize("data", ["\x1bP", "\x1b\x1b[DP", "\x1b\rP"])
async def test_escape_out_of_a_typed_line_hands_the_key_behind_it_on(
    app: QuarterdeckApp, control: FakeControl, data: str
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("slash", "a")
        await typed(app, data)
        await pilot.pause()
        await pilot.pause()
        assert control.commands == [Verb.PAUSE]
        assert app.deck.logs.wanted == ""


def test_bytes_that_are_no_text_end_nothing_and_the_safety_key_behind_them_acts() -> None:
    child, master = pty_child.start()
    os.write(master, b"\xff\xc3\x28\x80\x1bP")
    pty_child.read_until(master, b"pause: done")
    os.kill(child, signal.SIGTERM)
    pty_child.read_to_the_end(master)
    _, status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
