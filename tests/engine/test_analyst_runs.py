"""A strategy with an analyst in a home: demo and backtest say again what paper was told, or are refused in a line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.forecast import Forecast
from core.domain.origin import champion
from core.domain.records import ForecastRecord
from core.home.folder import Home
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.engine import modes
from tests.engine.test_parity import FROM_MS, assert_the_same
from tests.strategies.packages import distribution

MINUTE_MS = 60_000
MINUTES = 45
TO_MS = FROM_MS + MINUTES * MINUTE_MS
SYMBOLS = ("SOLUSDT", "BTCUSDT")
CODE = """
from core.domain.forecast import Output
from core.strategy.declaration import Analyst, Part, Strategy


def ask():
    raise AssertionError("nobody is asked in virtual time")


def decide(values, cost_bps, parameters):
    return (1 if values[0] > 0.7 else -1 if values[0] < 0.3 else 0), 0.5


def build(settings):
    news = Part((Output("mood", "probability"),), 2, Analyst(ask), name="news", max_age_ms=12_000)
    return Strategy("hears", (news,), decide, stop_pct=0.3, target_pct=0.4, cooldown_ms=0, reverses=True)
"""
SETTINGS = """
strategy = "hears"
[market]
symbols = ["SOLUSDT", "BTCUSDT"]
[limits]
max_trades_per_day = 200
max_losses_in_row = 100
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    distribution(tmp_path, "hears", "hears = hears_mod:build", {"hears_mod": CODE})
    root = tmp_path / "home"
    QuarterdeckRuntime().lab(root).market("recorded")
    (root / "settings.toml").write_text(SETTINGS)
    return root


def told_in_paper(home: Path) -> list[Forecast]:
    rng = np.random.default_rng(4)
    made = [
        Forecast(symbol, close_ms, close_ms + 3_000, (float(rng.uniform()),), champion("hears", part="news"))
        for close_ms in range(FROM_MS + MINUTE_MS, TO_MS + 1, MINUTE_MS)
        for symbol in SYMBOLS
    ]

    async def keep() -> None:
        journal = await SqliteJournal.open(open_database(Home(home).database), "paper")
        await journal.commit([ForecastRecord(one) for one in made])
        await journal.close()

    asyncio.run(keep())
    return made


def test_demo_and_backtest_say_again_what_paper_was_told(home: Path) -> None:
    made = told_in_paper(home)
    demo = modes.demo(home, FROM_MS, TO_MS)
    run_id, own = modes.backtest(home, "hears", "event-driven", FROM_MS, TO_MS)
    assert_the_same(own.trades, demo, "event-driven")
    assert len(demo) > 5
    said = [r.forecast for r in modes.journalled(home) if isinstance(r, ForecastRecord)]
    assert sorted(said, key=lambda one: (one.bar_close_ms, one.symbol)) == sorted(
        (one for one in made if one.made_ms < TO_MS), key=lambda one: (one.bar_close_ms, one.symbol)
    )
    assert modes.verified(home)["equal"]
    labels = QuarterdeckRuntime().lab(home).store.load(run_id).provenance.labels()
    (label,) = (label for label in labels if label.startswith("ANALYST"))
    assert label.startswith("ANALYST: news says again what it said in real time, 90 times (")
    with pytest.raises(BadInputError, match="hears has an analyst, whom no sweep asks; use --engine event"):
        modes.backtest(home, "hears", "sweep", FROM_MS, TO_MS)
    with pytest.raises(BadInputError, match="the sweep cannot run part news, whose forecasts are known late"):
        modes.backtest(home, "hears", "sweep", FROM_MS, TO_MS, run_id)
    _, swept = modes.backtest(home, "hears", "event-driven", FROM_MS, TO_MS, run_id)
    assert swept.predictions["SOLUSDT"].close_ms.tolist() == own.predictions["SOLUSDT"].close_ms.tolist()


def test_where_nothing_is_stored_both_are_refused_in_a_line(home: Path) -> None:
    for run in (
        lambda: modes.backtest(home, "hears", "event-driven", FROM_MS, TO_MS),
        lambda: modes.demo(home, FROM_MS, TO_MS),
    ):
        with pytest.raises(BadInputError) as error:
            run()
        told = "strategy hears: its part news is an analyst, who is asked in real time alone, and nothing is stored"
        assert str(error.value).startswith(told)
        assert "\n" not in str(error.value)
        assert error.value.exit_code == 2
