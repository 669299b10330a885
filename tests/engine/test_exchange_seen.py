"""Paper on the loopback exchange with a part that sees open interest, a longer bar and the clock: what it says is what
the lab says over what was stored, through a kill."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord
from core.home.folder import Home
from core.lab.data.seeing import seen_by
from core.lab.run.fixed_predictions import rule_values
from core.strategy.declaration import Rule, Strategy
from storage.database import open_database
from storage.history import load_history
from tests.declared import Vector, declared, never, with_part
from tests.engine import modes
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, paper_home
from tests.venue.server import VenueServer

MINUTES = 75
INPUTS = ("open_interest.5m", "bars.15m", "time")


def scan(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, seen: Vector, _: Vector
) -> Vector:
    """Of the newest value in dollars, the close of the longer bar and the minute of the day."""
    return np.asarray(seen[:, 1] / 1e6 + 1e4 * (closes / seen[:, 5] - 1.0) + seen[:, 7])


def looking() -> Strategy:
    """Under the name of the day's, which its replay asks for."""
    strategy = declared("jumps", source=Rule(scan, 1, ()), lookback_bars=5, decide=never)
    return with_part(strategy, inputs=INPUTS)


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def kill() -> None:
        await quarterdeck.kill()
        quarterdeck.start()

    market.acts = {41: kill}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return paper_home(tmp_path_factory.mktemp("seen") / "home", looking, plan, MINUTES)


def test_what_it_says_is_what_the_lab_says_of_what_was_stored(home: Home) -> None:
    database = open_database(home.market("binanceusdm"))
    to_ms = START_MS + MINUTES * MINUTE_MS
    history = load_history(database, SYMBOLS, MINUTE_MS, START_MS - 2 * MINUTE_MS, to_ms, 20, streams=INPUTS[:2])
    table = rule_values(looking(), history)
    closes_ms = history.open_time_ms + MINUTE_MS
    for row, symbol in enumerate(SYMBOLS):
        made = [r.forecast for r in modes.journalled(home.root) if isinstance(r, ForecastRecord)]
        said = {one.bar_close_ms: one.values[0] for one in made if one.symbol == symbol}
        lab = {int(at): value for at, value in zip(closes_ms, table[row, :, 0], strict=True) if value == value}
        assert said == {at: value for at, value in lab.items() if at in said}
        # The kill takes the bars that nobody decided on.
        assert len(lab) - len(said) <= 4
        assert len(said) > MINUTES - 20
        interest = seen_by(history, symbol, INPUTS).column("open_interest.5m.open_interest_value")
        assert len(np.unique(interest[~np.isnan(interest)])) > 5
