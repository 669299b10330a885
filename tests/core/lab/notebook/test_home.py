"""A home in a notebook: bars, runs and accounts as frames that are equal to what is stored, and refusals in a line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import BadInputError, DataError, QuarterdeckError, UnavailableError
from core.lab.notebook import frames
from core.lab.notebook.home import OpenHome
from core.lab.notebook.run import StoredRun
from core.lab.requests import BacktestRequest, SweepRequest
from quarterdeck import QuarterdeckRuntime, open_home
from tests.engine.modes import demo

FROM_MS = 1_749_081_600_000
DAY: dict[str, Any] = {"since": "2025-06-05", "until": "2025-06-06"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> OpenHome:
    return open_home(tmp_path_factory.mktemp("notebook") / "home")


@pytest.fixture(scope="module")
def run(home: OpenHome) -> StoredRun:
    return home.backtest("ema_cross", symbols=["SOLUSDT"], market="recorded", note="of a test", **DAY)


def test_longer_bars_are_those_of_pandas(home: OpenHome) -> None:
    minutes = home.bars("SOLUSDT", market="recorded", **DAY)
    assert len(minutes) == 1440
    assert minutes.index[0] == pd.Timestamp("2025-06-05", tz="UTC")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    wanted = minutes.resample("15min").agg(how)
    found = home.bars("SOLUSDT", "15m", market="recorded", **DAY)
    pd.testing.assert_frame_equal(found, wanted, check_freq=False, rtol=1e-12)
    assert found.attrs["is_synthetic"] is False
    assert found.attrs["data_hash"] != minutes.attrs["data_hash"]


def test_without_a_period_bars_are_all_that_there_are(home: OpenHome) -> None:
    whole = home.bars("SOLUSDT", "1h", market="recorded")
    part = home.bars("SOLUSDT", "1h", market="recorded", **DAY)
    assert len(whole) > len(part) == 24
    pd.testing.assert_frame_equal(whole.loc["2025-06-05"], part)
    assert "SOLUSDT" in home.symbols("recorded")


def test_what_a_run_came_to_stands_in_its_frames(run: StoredRun) -> None:
    trades, equity = run.trades(), run.equity()
    assert len(trades) == run.detail["trades"] > 0
    net = trades["gross_usdt"] - trades["fees_usdt"] + trades["funding_usdt"]
    np.testing.assert_allclose(trades["net_usdt"], net, atol=1e-9)
    assert trades["net_usdt"].sum() == pytest.approx(run.figures["net_usdt"])
    assert equity["equity_usdt"].iloc[-1] == pytest.approx(run.detail["final_usdt"])
    assert equity["drawdown_pct"].min() == pytest.approx(-run.figures["max_drawdown_pct"])
    assert str(trades["entry_time"].dt.tz) == str(equity.index.tz) == "UTC"
    assert (trades["exit_time"] > trades["entry_time"]).all()
    assert trades.attrs["run_id"] == run.id
    assert trades.attrs["labels"] == list(run.labels)


def test_a_stored_run_is_found_again(home: OpenHome, run: StoredRun) -> None:
    assert home.runs().loc[run.id, "note"] == "of a test"
    again = home.run(run.id)
    assert again.detail == run.detail
    pd.testing.assert_frame_equal(again.trades(), run.trades())
    assert repr(again) == f"{run.id} ema_cross SOLUSDT: {run.verdict}"


def test_both_engines_agree_trade_by_trade(home: OpenHome, run: StoredRun) -> None:
    swept = home.backtest("ema_cross", symbols=["SOLUSDT"], market="recorded", engine="sweep", **DAY)
    pd.testing.assert_frame_equal(swept.trades(), run.trades(), check_dtype=False)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda home: home.bars("SOLUSDT", "7m"), "interval='7m': is none; known are 1m, 3m"),
        (lambda home: home.bars("SOLUSDT", since="tomorrowish"), "since='tomorrowish': is no time; give one as"),
        (lambda home: home.bars("SOLUSDT", since=5.0), "since=5.0: is no time"),
        (lambda home: home.bars("SOLUSDT", until=float("nan")), "until=nan: is no time"),
        (lambda home: home.bars("SOLUSDT", market="mine"), "market='mine': is none; known are imported, recorded"),
        (lambda home: home.backtest("nobody"), "no strategy is named nobody"),
        (lambda home: home.backtest("ema_cross", symbols="SOLUSDT"), "symbols='SOLUSDT': is text; give a list"),
        (lambda home: home.backtest("ema_cross", engine="fast"), "engine='fast': is none; known are event, sweep"),
        (lambda home: home.backtest("ema_cross", settings={"fast": 3}), "--set: ema_cross.fast: unknown key"),
        (lambda home: home.run("r0999"), "r0999"),
    ],
)
def test_bad_input_is_told_in_a_line(home: OpenHome, ask: Any, said: str) -> None:
    with pytest.raises(BadInputError, match="^" + said.replace("[", r"\[")) as refusal:
        ask(home)
    assert "\n" not in str(refusal.value)


def test_what_is_not_there_is_no_empty_frame(home: OpenHome) -> None:
    with pytest.raises(DataError):
        home.bars("SOLUSDT")
    with pytest.raises(DataError):
        home.bars("NOPEUSDT", market="recorded")
    with pytest.raises(UnavailableError):
        home.trades()


def test_a_sweep_has_no_trades(home: OpenHome) -> None:
    request = BacktestRequest("ema_cross", symbols=("SOLUSDT",), from_ms=FROM_MS, market="recorded")
    lab = QuarterdeckRuntime().lab(home.path)
    swept = lab.sweep(SweepRequest(request, (("fast_bars", (10, 20)),)), lambda _: None, lambda: False)
    with pytest.raises(BadInputError, match="is a sweep, which has trials and no trades"):
        home.run(swept["run_id"])


def test_times_of_any_zone_are_the_same_moment() -> None:
    given = ("2025-06-05", datetime(2025, 6, 5, tzinfo=UTC), pd.Timestamp("2025-06-05T02:00+02:00"))
    assert [frames.moment_ms(moment, "since") for moment in given] == [FROM_MS] * 3
    assert frames.moment_ms(None, "since") is None


def test_lengths_of_time_stay_milliseconds() -> None:
    made = frames.frame([{"exit_time_ms": 0, "held_ms": 60_000}], {})
    assert list(made.columns) == ["exit_time", "held_ms"]
    assert made["held_ms"].iloc[0] == 60_000


def test_without_pandas_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(QuarterdeckError, match=r"needs pandas; .* pip install 'quarterdeck\[notebook\]'"):
        frames.pandas()


def test_the_accounts_trades_are_the_records(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('strategy = "ema_cross"\n[market]\nsymbols = ["SOLUSDT"]\n')
    made = demo(tmp_path, FROM_MS, FROM_MS + 86_400_000)
    trades = open_home(tmp_path).trades("demo")
    assert len(trades) == len(made) > 0
    np.testing.assert_array_equal(trades["net_pnl_usdt"], made.net_usdt)
    assert list(trades["exit_time"]) == list(pd.to_datetime(made.exit_time_ms, unit="ms", utc=True))
    assert trades.attrs == {"account": "demo"}
    assert len(open_home(tmp_path).signals()) > 0 < len(open_home(tmp_path).orders())
