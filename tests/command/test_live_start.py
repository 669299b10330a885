"""A live start from the command line: what it refuses before anything is started, and the tag that is typed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.command import kit
from tests.command.live_runtime import TAG
from tests.command.pty_kit import Terminal
from tests.command.test_bad_input import assert_refused
from tests.venue import by_hand
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue
from tui.console.arming import RISK

COMMAND = [sys.executable, "-c", "from tests.command.live_runtime import main; main()"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is set to live, and nothing else."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text('mode = "live"\n\n[account]\nleverage = 2\n')
    return home


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--headless"], 1, "live trades real money: confirm it with --confirm-live TAG"),
        (["--headless", "--confirm-live", TAG, "--speed", "max"], 2, "--speed: for the recorded market only"),
        (["--headless", "--confirm-live", TAG, "--from", "2025-06-06"], 2, "--from: for the recorded market only"),
        (["--headless", "--mode", "paper", "--confirm-live", TAG], 2, "--confirm-live is for mode live"),
        ([], 2, "there is no terminal here to draw the console on"),
    ],
)
def test_what_a_live_home_refuses(home: Path, arguments: list[str], code: int, said: str) -> None:
    before = kit.contents(home)
    assert_refused(kit.quarterdeck("run", "--home", home, *arguments), code, said)
    assert kit.contents(home) == before


@pytest.mark.parametrize("mode", ["demo", "paper"])
def test_live_needs_the_settings_to_say_so(home: Path, mode: str) -> None:
    (home / "settings.toml").write_text(f'mode = "{mode}"\n')
    before = kit.contents(home)
    answer = kit.quarterdeck("run", "--headless", "--home", home, "--mode", "live", "--confirm-live", TAG)
    assert_refused(answer, 1, f'the settings say mode = "{mode}"; write mode = "live" there')
    assert kit.contents(home) == before


def live_console(home: Path, columns: int = 120, lines: int = 40) -> Terminal:
    return Terminal("run", "--home", home, columns=columns, lines=lines, command=COMMAND)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_the_console_starts_live_with_the_tag_and_not_before(home: Path, columns: int, lines: int) -> None:
    with live_console(home, columns, lines) as terminal:
        shown = terminal.until_shown("account tag:", "REAL MONEY", "binanceusdm", "2 times, cross margin")
        assert shown.splitlines()[0].startswith(" LIVE   CONFIRM ")
        terminal.press("nope\r")
        terminal.until_shown("REFUSED: this is not the account", "account tag: _")
        assert not (home / "started").exists()
        terminal.press(TAG + "\r")
        shown = terminal.until_shown("2 Markets", "BTCUSDT", "RUNNING")
        assert shown.splitlines()[0].startswith(" LIVE ")
        assert shown.splitlines()[-2].startswith(" LIVE ")
        assert (home / "started").read_text() == TAG
        terminal.press("q")
        terminal.until_shown("LIVE LEAVE and END the engine with 2 open positions?")
        terminal.press("y")
        assert terminal.exit_code() == 0
        terminal.assert_restored()


def test_escape_leaves_and_says_that_nothing_was_started(home: Path) -> None:
    with live_console(home) as terminal:
        terminal.until_shown("account tag:")
        terminal.press("k3\x1b")
        assert terminal.exit_code() == 1
        terminal.assert_restored()
        after = terminal.output.rpartition(b"\x1b[?1049l")[2]
        assert b"quarterdeck: live was not confirmed; nothing was started" in after
    assert not (home / "started").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_question(home: Path, number: signal.Signals) -> None:
    with live_console(home) as terminal:
        terminal.until_shown("account tag:")
        os.kill(terminal.process.pid, number)
        assert terminal.exit_code() == 128 + number
        terminal.assert_restored()
    assert not (home / "started").exists()


def test_a_terminal_that_is_closed_ends_the_question(home: Path) -> None:
    with live_console(home) as terminal:
        terminal.until_shown("account tag:")
        terminal.hang_up()
        assert terminal.exit_code() == 129
    assert not (home / "started").exists()


KEY, SECRET = "AAAABBBBCCCCDDDDEEEEFFFFk3Y9", "never-told-secret-of-this-account-00000"
NOWHERE = '\n[exchange]\nbase_url = "http://127.0.0.1:9"\n'
"""Nothing listens there: what would get through its arming ends with exit code 3."""


@pytest.mark.parametrize(
    ("keys", "typed", "paper_hours", "code", "said"),
    [
        ({}, TAG, 0, 1, "live needs the API key of an account"),
        ({"QUARTERDECK_API_KEY": KEY}, TAG, 0, 2, "QUARTERDECK_API_SECRET is missing"),
        ({"QUARTERDECK_API_KEY": KEY, "QUARTERDECK_API_SECRET": SECRET}, "k3y9", 0, 1, "this is not the account"),
        (
            {"QUARTERDECK_API_KEY": KEY, "QUARTERDECK_API_SECRET": SECRET},
            TAG,
            24,
            1,
            "the first live start of a home needs 24 hours on paper and this one has 0",
        ),
    ],
    ids=["no key", "no secret", "another tag", "no paper"],
)
def test_what_the_root_refuses_before_it_asks_the_exchange(
    home: Path, keys: dict[str, str], typed: str, paper_hours: int, code: int, said: str
) -> None:
    settings = f'mode = "live"\n{NOWHERE}\n[live]\npaper_hours_first = {paper_hours}\n'
    (home / "settings.toml").write_text(settings)
    answer = kit.quarterdeck("run", "--headless", "--home", home, "--confirm-live", typed, **keys)
    assert answer.code == code, answer
    assert answer.out == ""
    assert said in answer.err.splitlines()[-1]
    assert kit.rows(home, "SELECT account FROM journals") == []
    assert_nothing_told(home, answer)
    kit.assert_released(home)


def test_an_exchange_out_of_reach_ends_with_3(home: Path) -> None:
    (home / "settings.toml").write_text(f'mode = "live"\n{NOWHERE}\n[live]\npaper_hours_first = 0\n')
    keys = {"QUARTERDECK_API_KEY": KEY, "QUARTERDECK_API_SECRET": SECRET}
    answer = kit.quarterdeck("run", "--headless", "--home", home, "--confirm-live", TAG, **keys)
    assert answer.code == 3, answer
    risk, *told, last = answer.err.splitlines()
    assert risk == RISK
    assert last.startswith("quarterdeck: ")
    assert all(line.startswith("LIVE ") for line in told)
    assert_nothing_told(home, answer)
    kit.assert_released(home)
    assert kit.quarterdeck("status", "--home", home).code == 3


def assert_nothing_told(home: Path, answer: kit.Answer) -> None:
    """No key and no secret in what was said or written."""
    for text in (KEY, SECRET, KEY[:12]):
        assert text not in answer.out + answer.err
        for path in home.rglob("*"):
            assert not path.is_file() or text.encode() not in path.read_bytes(), path


def test_the_console_asks_the_root_again_after_a_wrong_tag(home: Path) -> None:
    """With the real root and its keys; past the tag it finds no exchange, which it says, and the shell, too."""
    (home / "settings.toml").write_text(f'mode = "live"\n{NOWHERE}\n[live]\npaper_hours_first = 0\n')
    (home / "keys.toml").write_text(f'api_key = "{KEY}"\nsecret = "{SECRET}"\n')
    (home / "keys.toml").chmod(0o600)
    with Terminal("run", "--home", home) as terminal:
        terminal.until_shown("account tag:", "TEST SERVER http://127.0.0.1:9")
        terminal.press("K3Y9\r")
        terminal.until_shown("REFUSED: this is not the account", "account tag: _")
        terminal.press(TAG + "\r")
        shown = terminal.until_shown("FAILED")
        assert shown.splitlines()[0].startswith(" LIVE   FAILED ")
        terminal.press("q")
        assert terminal.exit_code() == 3
        terminal.assert_restored()
        assert KEY.encode() not in terminal.output
        assert SECRET.encode() not in terminal.output
    kit.assert_released(home)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/fapi/v1/symbolConfig", "BTCUSDT: the margin mode and the leverage could not be read: fetch_leverages: "),
        ("/fapi/v1/positionSide/dual", "the position mode could not be read: fetch_position_mode: "),
    ],
)
async def test_an_account_whose_settings_cannot_be_read_ends_with_3(home: Path, path: str, said: str) -> None:
    venue = BinanceVenue(["BTCUSDT", "ETHUSDT"], checks_time=False)
    by_hand.refuse_for_good(venue, "GET", path)
    async with VenueServer(venue, lambda: time.time_ns() // 1_000_000) as server:
        (home / "settings.toml").write_text(
            'mode = "live"\n[market]\nsymbols = ["BTCUSDT", "ETHUSDT"]\n[live]\npaper_hours_first = 0\n'
            f'[exchange]\nbase_url = "{server.base_url}"\n'
        )
        keys = {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": API_SECRET}
        arguments = ("run", "--headless", "--home", home, "--confirm-live", API_KEY[-4:])
        answer = await asyncio.to_thread(partial(kit.quarterdeck, *arguments, **keys))
    assert answer.code == 3, answer
    last = answer.err.splitlines()[-1]
    assert last.startswith(f"quarterdeck: {said}")
    assert last.endswith(
        "live does not start without it; doctor --exchange says what the exchange tells, then start again"
    )
    assert venue.orders == []
    assert (venue.settings.leverages, venue.settings.margin_types) == ({}, {})
    kit.assert_released(home)
