"""Bars of 15 minutes: candles of that length alone run everywhere, and are what those of a minute come to."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from quarterdeck import QuarterdeckRuntime
from tests.command.in_process import command, refused, told

CANDLES = Path(__file__).resolve().parents[2] / "data" / "candles"
FUNDING = CANDLES.parent / "funding"
SETTINGS = """
strategy = "ema_cross"
[market]
symbols = ["BTCUSDT"]
interval_minutes = {minutes}
[limits]
max_losses_in_row = 50
[ema_cross]
fast_bars = 2
slow_bars = 4
first_signal_bar = 5
stop_pct = 0.3
target_pct = 0.5
[demo]
market = "imported"
"""
FROM, TO = "2025-06-06", "2025-06-08"
PERIOD = ("--from", FROM, "--to", TO)


def home_with(root: Path, candles: Path, minutes: int = 15) -> Path:
    root.mkdir()
    (root / "settings.toml").write_text(SETTINGS.format(minutes=minutes))
    for path in (candles, FUNDING / "BTCUSDT-8h.parquet"):
        told(command(root, "data", "import", path, "--json"))
    return root


@pytest.fixture(scope="module")
def quarters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with candles of 15 minutes alone, made by other hands than ours."""
    root = tmp_path_factory.mktemp("quarters")
    rows = pd.read_parquet(CANDLES / "BTCUSDT-1m.parquet")
    rows.index = pd.to_datetime(rows["open_time"], unit="ms", utc=True)
    how = {"open_time": "first", "open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    joined = rows.resample("15min", label="left", closed="left").agg(how)
    joined["volume"] = joined["volume"].round(3)
    joined.to_parquet(root / "BTCUSDT-15m.parquet", index=False)
    return home_with(root / "home", root / "BTCUSDT-15m.parquet")


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with candles of one minute alone, of the same market."""
    return home_with(tmp_path_factory.mktemp("minutes") / "home", CANDLES / "BTCUSDT-1m.parquet")


def trades_of(home: Path, run_id: str) -> list[dict[str, Any]]:
    return QuarterdeckRuntime().lab(home).trades(run_id)


def test_a_run_on_bars_that_are_built_equals_one_on_those_that_are_stored(quarters: Path, minutes: Path) -> None:
    stored, built = (told(command(home, "backtest", "ema_cross", *PERIOD, "--json")) for home in (quarters, minutes))
    assert stored["interval_ms"] == built["interval_ms"] == 900_000
    assert stored["data_hash"] == built["data_hash"]
    assert stored["trades"] > 10
    assert trades_of(quarters, stored["run_id"]) == trades_of(minutes, built["run_id"])
    assert built["source"] == "BTCUSDT-1m.parquet, BTCUSDT-8h.parquet"
    everything = [told(command(home, "data", "check", "--json")) for home in (quarters, minutes)]
    assert everything[0] == everything[1]


def test_both_engines_and_the_demo_give_the_same_trades(quarters: Path) -> None:
    event, sweep = (
        told(command(quarters, "backtest", "ema_cross", *PERIOD, *engine, "--json"))
        for engine in ((), ("--engine", "sweep"))
    )
    assert trades_of(quarters, event["run_id"]) == trades_of(quarters, sweep["run_id"])
    demo = command(quarters, "run", "--headless", "--speed", "max", *PERIOD, "--log-level", "error")
    assert demo.exit_code == 0, demo.stderr
    names = ("entry_time_ms", "exit_time_ms", "entry_price", "exit_price", "exit_reason")
    made = [tuple(row[name] for name in names) for row in told(command(quarters, "trades", "--json"))]
    assert made == [tuple(row[name] for name in names) for row in trades_of(quarters, event["run_id"])]
    again = told(command(quarters, "replay", "--verify", "--json"))
    assert (again["equal"], again["first_difference"]) == (True, None)
    held = [row["exit_time_ms"] - row["entry_time_ms"] for row in told(command(quarters, "trades", "--json"))]
    assert all((held_ms + 1_000) % 900_000 in (0, 1_000) for held_ms in held)


@pytest.mark.parametrize(
    "verb",
    [
        ("sweep", "ema_cross", "--grid", "stop_pct=0.3,0.6"),
        ("walkforward", "ema_cross", "--train", "12h", "--test", "12h", "--grid", "stop_pct=0.3,0.6"),
        ("backtest", "ema_cross"),
        ("check", "ema_cross"),
    ],
    ids=lambda verb: verb[0],
)
def test_every_result_says_what_bars_it_is_of(quarters: Path, verb: tuple[str, ...]) -> None:
    result = command(quarters, *verb, *PERIOD)
    assert result.exit_code == 0, result.stderr
    assert "15m bars" in result.stdout


def test_bars_that_are_not_there_are_refused_with_what_is_and_the_mend(quarters: Path) -> None:
    one = ("--set", "market.interval_minutes=1")
    for verb, *more in (("backtest",), ("sweep", "--trials", "2"), ("walkforward", "--train", "12h", "--test", "12h")):
        line = refused(command(quarters, verb, "ema_cross", *one, *more))
        assert "no 1m candles of BTCUSDT are imported, and market.interval_minutes is 1" in line
        assert "there are BTCUSDT 15m 2025-06-0" in line
        assert "; set market.interval_minutes to 15, or " in line


def test_predictions_of_other_bars_are_refused(minutes: Path) -> None:
    run_id = told(command(minutes, "backtest", "ema_cross", *PERIOD, "--json"))["run_id"]
    more = ("--set", "market.interval_minutes=5", "--predictions", run_id)
    assert refused(command(minutes, "backtest", "ema_cross", *PERIOD, *more)).endswith(
        f"{run_id}: predicted at the closes of 15m bars; name a run on 5m bars"
    )


def test_an_account_keeps_its_interval_and_its_market(minutes: Path) -> None:
    run = ("run", "--headless", "--speed", "max", "--from", FROM, "--to", "2025-06-06T03:00", "--log-level", "error")
    assert command(minutes, *run).exit_code == 0
    settings = minutes / "settings.toml"
    for change, said in (
        (("interval_minutes = 15", "interval_minutes = 5"), "this account trades bars of 15 min, and market.interval"),
        (('market = "imported"', 'market = "recorded"'), "this account trades the imported market, and demo.market is"),
    ):
        kept = settings.read_text()
        settings.write_text(kept.replace(*change))
        assert said in refused(command(minutes, *run))
        settings.write_text(kept)
    assert command(minutes, *run).exit_code == 0


def test_times_of_a_strategy_must_be_numbers_of_bars(minutes: Path) -> None:
    line = refused(command(minutes, "backtest", "scalper", *PERIOD))
    assert "strategy scalper: it looks ahead over 10 min, which is no whole number of bars of 15 min" in line
    line = refused(command(minutes, "backtest", "scalper", "--set", "horizon_minutes=30", "--set", "window_hours=12"))
    assert "it trains on 48 bars of 15 min, and one forecast looks back on" in line


def test_the_pages_commands_do_what_they_say(tmp_path: Path, quarters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text()
    block = page.partition("Candles of another interval are run by")[2].partition("A home with shorter candles")[0]
    lines = re.findall(r"^    quarterdeck (.*)$", block, re.M)
    assert [line.split()[0] for line in lines] == ["data", "backtest", "walkforward", "sweep"]
    pd.read_parquet(quarters.parent / "BTCUSDT-15m.parquet").to_csv(tmp_path / "BTCUSDT-15m.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for line in lines:
        result = command(tmp_path / "home", *shlex.split(line))
        assert result.exit_code == 0, result.stderr
        assert "15m" in result.stdout
