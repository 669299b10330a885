"""What is wrong is told in one line, with the exit code for it, and nothing in the home is touched."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import kit

CSV = "open_time,open,high,low,close,volume\n1749081600000,1,2,0.5,1.5,10\n1749081660000,1.5,2,high,1.6,10\n"


def assert_refused(answer: kit.Answer, code: int, *said: str) -> None:
    assert answer.code == code, answer
    assert answer.out == ""
    assert answer.err.startswith("quarterdeck: "), answer.err
    assert answer.err.count("\n") == 1
    for words in said:
        assert words in answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[demo]\nspede = 5.0\n", "demo.spede: unknown key; did you mean speed?"),
        ('[account]\ninitial_balance_usdt = "much"\n', "account.initial_balance_usdt"),
        ("[limits]\nmax_drawdown_pct = 0\n", "limits.max_drawdown_pct"),
        (
            '[limits]\nno_trade_hours = ["22-23"]\n',
            "limits.no_trade_hours: '22-23' is no window of hours; write \"22:00-",
        ),
        (
            "[[limits.events]]\nname = 'x'\nfrom = 2026-01-01\n",
            "limits.events.0.from: unknown key; did you mean from_utc?",
        ),
        ("[[limits.events]]\nname = 'x'\nfrom_utc = 2026-01-01T00:00:00Z\n", "limits.events.0.to_utc: Field required"),
        (
            "[[limits.events]]\nname = 'x'\nfrom_utc = 'soon'\nto_utc = 'then'\n",
            "limits.events.0.from_utc: soon is no time; write 2026-12-10T13:00Z",
        ),
        ('[market]\nsymbols = ["SOLUSDT", "NOPEUSDT"]\n', "no 1m candles of NOPEUSDT are recorded"),
        ('strategy = "scalpel"\n', "no strategy is named scalpel; known are ema_cross, scalper"),
    ],
)
def test_bad_settings(traded: Path, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    before = kit.contents(traded)
    assert_refused(kit.quarterdeck("run", "--headless", "--home", traded, "--settings", path), 2, said)
    assert kit.contents(traded) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--headless", "--settings", "/nowhere/settings.toml"], "/nowhere/settings.toml: cannot be read"),
        (["--headless", "--mode", "paper", "--to", "2025-06-06"], "--to: for the recorded market only; mode paper"),
        (["--headless", "--confirm-live", "k3Y9"], "--confirm-live is for mode live, and mode is demo"),
        (["--headless", "--from", "2025-06-06", "--to", "2025-06-05"], "--from must lie before --to"),
        (["--headless", "--from", "2025-06-06T12:31"], "this account has traded up to 2025-06-06T12:58Z"),
        (["--headless", "--seed", "8"], "this account was opened with --seed 7"),
        ([], "there is no terminal here to draw the console on; add --headless"),
    ],
)
def test_a_run_that_cannot_be(traded: Path, arguments: list[str], said: str) -> None:
    before = kit.contents(traded)
    settings = [] if "--settings" in arguments else ["--settings", kit.SETTINGS]
    assert_refused(kit.quarterdeck("run", "--home", traded, *settings, *arguments), 2, said)
    assert kit.contents(traded) == before


def test_options_that_are_none(traded: Path) -> None:
    before = kit.contents(traded)
    answer = kit.quarterdeck("run", "--headless", "--home", traded, "--from", "yesterday")
    assert answer.code == 2
    assert "'yesterday' is no time; write 2025-06-05" in answer.err.splitlines()[-1]
    missing = kit.quarterdeck("data", "import", "--home", traded, "/nowhere/candles.csv")
    assert missing.code == 2
    assert "/nowhere/candles.csv" in missing.err.splitlines()[-1]
    assert kit.contents(traded) == before


def test_a_bad_candle_file(traded: Path, tmp_path: Path) -> None:
    path = tmp_path / "SOLUSDT-1m.csv"
    path.write_text(CSV)
    before = kit.contents(traded)
    assert_refused(
        kit.quarterdeck("data", "import", "--home", traded, path), 2, "SOLUSDT-1m.csv: line 3", "'high' is not a number"
    )
    assert kit.contents(traded) == before


def test_a_damaged_database(traded: Path) -> None:
    database = traded / "quarterdeck.db"
    whole = database.read_bytes()
    for damaged in (b"no database at all\n" * 100, whole[: len(whole) // 2 + 100]):
        database.write_bytes(damaged)
        before = kit.contents(traded)
        assert_refused(kit.finish(kit.headless(traded)), 2, f"{database}", "restore a backup")
        assert_refused(kit.quarterdeck("trades", "--home", traded), 2, f"{database}")
        assert kit.contents(traded) == before


def test_a_database_of_a_newer_program(traded: Path) -> None:
    with closing(sqlite3.connect(traded / "quarterdeck.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    before = kit.contents(traded)
    assert_refused(kit.finish(kit.headless(traded)), 2, "newer program (schema 9999", "update quarterdeck")
    assert_refused(kit.quarterdeck("trades", "--home", traded), 2, "newer program (schema 9999")
    assert kit.contents(traded) == before


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.write_text("mine\n")
    answer = kit.quarterdeck("run", "--headless", "--home", place)
    assert answer.code == 2
    assert str(place) in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
    below = kit.quarterdeck("run", "--headless", "--home", place / "below")
    assert below.code == 1
    assert below.err.startswith(f"quarterdeck: {place / 'below'}: cannot be made")
    assert below.err.count("\n") == 1
    assert place.read_text() == "mine\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_what_stands_in_place_of_the_log(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "quarterdeck.log")
    answer = kit.finish(kit.headless(tmp_path))
    assert_refused(answer, 1, "quarterdeck.log: cannot be written: ", "; mend its permissions or its disk")
