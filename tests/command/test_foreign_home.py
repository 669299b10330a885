"""A home of another user, or one that others can write: whatever would write there refuses it, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.control.requests import CollectRequest, DeleteWish, FetchRequest, ImportWish, RunRequest
from core.domain.errors import RefusedError
from core.home.folder import Home
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from tests.command.kit import contents

RUNTIME = QuarterdeckRuntime()
FETCH = FetchRequest(("BTCUSDT",), "1m", 0)
COLLECT = CollectRequest(("BTCUSDT",), ("trades",))
WRITERS: dict[str, Callable[[Path, Path], Any]] = {
    "run": lambda home, _: RUNTIME.run_headless(RunRequest("demo", home)),
    "data import": lambda home, file: RUNTIME.import_files(home, [file], ImportWish(), _hear, _never),
    "data delete": lambda home, _: RUNTIME.delete_data(home, DeleteWish("BTCUSDT"), _hear, _never),
    "data fetch": lambda home, _: RUNTIME.fetch_data(home, FETCH, _hear, _hear, _never),
    "collect": lambda home, _: RUNTIME.collect(home, COLLECT, _hear, _hear, _never),
    "data rules import": lambda home, file: RUNTIME.import_rules(home, [file], None, None),
    "data rules infer": lambda home, _: RUNTIME.infer_rules(home, ["BTCUSDT"]),
    "data rules delete": lambda home, _: RUNTIME.delete_rules(home, "BTCUSDT", None),
    "lab": lambda home, _: RUNTIME.lab(home).store,
    "lab market": lambda home, _: RUNTIME.lab(home).market("recorded"),
}


def _hear(*_: object) -> None:
    return None


def _never() -> bool:
    return False


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = Home(tmp_path / "home")
    home.create()
    open_database(home.database)
    return home.root


@pytest.fixture(params=["of another user", "open to others"])
def foreign(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "open to others":
        home.chmod(0o777)
        return "can be written by others; run: chmod go-w"
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    return "belongs to another user; name a folder of your own with --home"


@pytest.mark.parametrize("verb", WRITERS)
def test_what_writes_is_refused(home: Path, foreign: str, verb: str, tmp_path: Path) -> None:
    before = contents(home)
    (tmp_path / "BTCUSDT-1m.csv").write_text("")
    with pytest.raises(RefusedError, match=foreign):
        WRITERS[verb](home, tmp_path / "BTCUSDT-1m.csv")
    assert contents(home) == before


def test_an_old_home_is_not_brought_up_to_date(tmp_path: Path, foreign: str, home: Path) -> None:
    """What only reads would do so, too."""
    older = home / "market-old.db"
    older.touch()
    with pytest.raises(RefusedError, match=foreign):
        open_database(older)
    assert older.stat().st_size == 0
