"""The market that comes with the program and the operator's own candles, each used by its name and kept apart."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.control.requests import RunRequest
from core.domain.errors import BadInputError
from core.home.folder import Home
from core.lab.run.result import Provenance
from core.lab.service.plan import market_of
from quarterdeck import QuarterdeckRuntime
from tests.command.in_process import command, refused, told
from tests.engine import modes
from tests.storage.test_recorded import old_database
from tests.strategies.recorded import recorded

DAY_MS = 86_400_000
START_MS = 1_749_081_600_000
"""2025-06-05: a day of the recorded market."""
DAY = ("--from", "2025-06-05T02:00", "--to", "2025-06-05T20:00")
ON_BTC = ("ema_cross", "--symbol", "BTCUSDT")


def walk(path: Path, step_ms: int, count: int = 1_440, price: float = 90_000.0) -> Path:
    """Candles of a market that never was, on the days of the recorded one."""
    closes = price * np.exp(np.cumsum(np.random.default_rng(3).normal(0.0, 1e-3, count)))
    lines = ["open_time,open,high,low,close,volume"]
    for n, (opened, closed) in enumerate(zip([price, *closes[:-1]], closes, strict=True)):
        prices = (opened, max(opened, closed), min(opened, closed), closed)
        lines.append(f"{START_MS + n * step_ms},{','.join(f'{value:.1f}' for value in prices)},1000")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("interval", "step_ms", "there"),
    [
        ("5m", 300_000, "BTCUSDT 5m 2025-06-05 00:00 to 2025-06-10 00:00 UTC"),
        ("1h", 3_600_000, "BTCUSDT 1h 2025-06-05 00:00 to 2025-08-04 00:00 UTC"),
    ],
)
@pytest.mark.parametrize("verb", ["backtest", "sweep", "walkforward", "check"])
def test_candles_that_do_not_fit_are_told_and_no_other_market_is_taken(
    home: Path, tmp_path: Path, interval: str, step_ms: int, there: str, verb: str
) -> None:
    told(command(home, "data", "import", walk(tmp_path / f"BTCUSDT-{interval}.csv", step_ms), "--json"))
    more = {"sweep": ["--grid", "fast_bars=4,8"], "walkforward": ["--train", "1d", "--test", "1d"]}
    line = refused(command(home, verb, *ON_BTC, *more.get(verb, ())))
    assert "no 1m candles of BTCUSDT are imported" in line
    assert there in line
    assert "--market recorded" in line
    assert told(command(home, "runs", "list", "--json")) == []
    assert not Home(home).recorded.exists()


def test_a_home_without_candles_says_what_there_is_to_do(home: Path) -> None:
    line = refused(command(home, "backtest", *ON_BTC))
    assert f"no candles are imported into {home}" in line
    assert "quarterdeck data import FILE" in line
    assert "--market recorded" in line
    listed = command(home, "data", "list")
    assert listed.exit_code == 0
    assert "no candles are stored" in listed.stderr


def test_a_symbol_that_is_not_there_is_told_with_those_that_are(home: Path, tmp_path: Path) -> None:
    told(command(home, "data", "import", walk(tmp_path / "ABCUSDT-1m.csv", 60_000), "--json"))
    line = refused(command(home, "backtest", "ema_cross"))
    assert "no 1m candles of BTCUSDT, ETHUSDT, SOLUSDT, BNBUSDT, XRPUSDT are imported" in line
    assert "there are ABCUSDT 1m 2025-06-05 00:00 to 2025-06-06 00:00 UTC" in line
    line = refused(command(home, "backtest", "ema_cross", "--market", "recorded", "--symbol", "ABCUSDT"))
    assert "no 1m candles of ABCUSDT are recorded" in line
    assert "BTCUSDT 1m 2025-06-04 00:00 to 2025-06-14 00:00 UTC" in line
    assert "data import" not in line


@pytest.mark.parametrize("begins", ["with the demo", "with candles", "as an old home"])
def test_the_demo_and_the_operator_s_candles_never_meet(
    home: Path, tmp_path: Path, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = walk(tmp_path / "BTCUSDT-1m.csv", 60_000)

    def demo() -> None:
        request = RunRequest("demo", home, from_ms=START_MS, to_ms=START_MS + 600_000, log_level="CRITICAL")
        assert QuarterdeckRuntime().run_headless(request) == 0
        assert modes.verified(home)["equal"]

    Home(home).create()
    (home / "settings.toml").write_text('strategy = "ema_cross"\n')
    if begins == "with the demo":
        demo()
    if begins == "as an old home":
        old_database(Home(home).database, monkeypatch)
    told(command(home, "data", "import", file, "--json"))
    if begins != "with the demo":
        demo()
    (listed,) = told(command(home, "data", "list", "--json"))
    assert (listed["symbol"], listed["rows"], listed["source"]) == ("BTCUSDT", 1_440, file.name)
    own = told(command(home, "backtest", *ON_BTC, *DAY, "--json"))
    theirs = told(command(home, "backtest", *ON_BTC, *DAY, "--market", "recorded", "--json"))
    assert (own["market"], theirs["market"]) == ("imported", "recorded")
    assert own["source"] == file.name
    assert own["data_hash"] != theirs["data_hash"]
    again = told(command(home, "backtest", *ON_BTC, *DAY, "--json"))
    assert again["data_hash"] == own["data_hash"]
    lab = QuarterdeckRuntime().lab(home)
    opens = [lab.bars(row["run_id"], "BTCUSDT", START_MS, START_MS + 60_000, 60_000)["open"] for row in (own, theirs)]
    assert opens[0] == [90_000.0]
    assert opens[1] == [recorded("BTCUSDT").open[1_440]]


def test_the_settings_name_the_market_and_the_option_another(home: Path, tmp_path: Path) -> None:
    told(command(home, "data", "import", walk(tmp_path / "BTCUSDT-1m.csv", 60_000), "--json"))
    (home / "settings.toml").write_text('[lab]\nmarket = "recorded"\n')
    rows = [told(command(home, "backtest", *ON_BTC, *DAY, *more, "--json")) for more in ((), ("--market", "imported"))]
    assert [row["market"] for row in rows] == ["recorded", "imported"]


def test_a_demo_that_once_traded_imported_candles_is_told_where_it_stands(home: Path) -> None:
    Home(home).create()
    (home / "settings.toml").write_text('strategy = "ema_cross"\n')
    request = RunRequest("demo", home, from_ms=START_MS, to_ms=START_MS + 120_000, log_level="CRITICAL")
    assert QuarterdeckRuntime().run_headless(request) == 0
    with closing(sqlite3.connect(Home(home).database)) as connection:
        opening = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'opening'").fetchone()[0])
        opening["start_ms"] -= 400 * DAY_MS
        connection.execute("UPDATE meta SET value = ? WHERE key = 'opening'", (json.dumps(opening),))
        connection.commit()
    with pytest.raises(
        BadInputError, match=r"has traded 2024-05-01T00:00Z to .*, and the recorded candles go from .* another --home"
    ):
        QuarterdeckRuntime().run_headless(request)


@pytest.mark.parametrize(
    ("settings", "source", "market"),
    [
        ({"lab": {"market": "recorded"}}, "mine.csv", "recorded"),
        ({"lab": {"market": "imported"}}, "BTCUSDT-1m.parquet", "imported"),
        ({}, "BTCUSDT-1m.parquet, ETHUSDT-1m.parquet, SOLUSDT-1m.parquet and 7 more", "recorded"),
        ({}, "BTCUSDT-1m.parquet, BTCUSDT-8h.parquet", "recorded"),
        ({}, "mine.csv", "imported"),
        ({}, "BTCUSDT-1m.parquet, mine.csv", "imported"),
    ],
)
def test_a_run_tells_its_market_and_of_an_old_one_its_files_do(
    settings: dict[str, Any], source: str, market: str
) -> None:
    text = json.dumps(settings)
    own = Provenance("s", "sweep", ("BTCUSDT",), 0, 1, 60_000, source, "h", False, False, text, "v", 7)
    assert market_of(own) == market


def test_a_sweep_goes_on_with_the_market_that_it_began_on(home: Path) -> None:
    asked = (*ON_BTC, *DAY, "--market", "recorded", "--jobs", 1, "--json")
    begun = told(command(home, "sweep", *asked, "--grid", "fast_bars=4,8"))
    row = told(command(home, "sweep", "ema_cross", "--resume", begun["run_id"], "--json"))
    assert (row["run_id"], row["market"], row["data_hash"]) == (begun["run_id"], "recorded", begun["data_hash"])
