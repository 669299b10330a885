"""Paper on the loopback exchange with parts that speak of the whole market, one of bars and one of open interest and of
what another says of each symbol, and parts that see them: what each says is what the lab says over what was stored,
through a kill."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.forecast import MARKET, Output
from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord
from core.home.folder import Home
from core.lab.run.fixed_predictions import rule_values
from core.strategy.declaration import Part, Rule, Strategy
from storage.database import open_database
from storage.history import load_history
from tests.declared import Vector, declared, never
from tests.engine import modes
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, paper_home
from tests.venue.server import VenueServer

MINUTES = 75
INPUTS = ("open_interest.5m", "time", "own")


def rising(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, _: Vector
) -> Vector:
    """How many symbols there are, and by how much more of them rose than fell."""
    there = ~np.isnan(closes)
    return np.column_stack([there.sum(axis=1), np.where(there, np.sign(closes - opens), 0.0).sum(axis=1)])


def own(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, seen: Vector, _: Vector
) -> Vector:
    """Against the market or with it, and the minute of the day."""
    return np.asarray(seen[:, 4] * np.sign(closes - opens) + seen[:, 0] / 1e4)


def crowd(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, seen: Vector, _: Vector
) -> Vector:
    """Of how many symbols open interest is known, what all of it is worth, and what was said of them together."""
    interest, said = seen[:, :, 1], seen[:, :, 5]
    return np.column_stack([(~np.isnan(interest)).sum(axis=1), np.nansum(interest, axis=1), np.nansum(said, axis=1)])


def last(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, seen: Vector, _: Vector
) -> Vector:
    return np.asarray(seen[:, 0] + 100.0 * seen[:, 2] + seen[:, 4] / 1e9)


def stepping() -> Strategy:
    """Under the name of the day's, which its replay asks for."""
    parts = (
        Part(
            (Output("symbols", "score"), Output("breadth", "score")),
            5,
            Rule(rising, 1, ()),
            name="wide",
            scope="market",
        ),
        Part((Output("own", "score"),), 5, Rule(own, 1, ()), name="own", inputs=("time", "wide")),
        Part(
            (Output("known", "score"), Output("interest", "score"), Output("said", "score")),
            5,
            Rule(crowd, 1, ()),
            name="crowd",
            inputs=INPUTS,
            scope="market",
        ),
        Part((Output("last", "score"),), 5, Rule(last, 1, ()), name="last", inputs=("own", "wide", "crowd")),
    )
    return declared("jumps", parts=parts, decide=never, because=None, decides_on=("wide", "own", "crowd", "last"))


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def kill() -> None:
        await quarterdeck.kill()
        quarterdeck.start()

    market.acts = {31: kill}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return paper_home(tmp_path_factory.mktemp("parts") / "home", stepping, plan, MINUTES)


def test_what_each_part_says_is_what_the_lab_says_of_what_was_stored(home: Home) -> None:
    database = open_database(home.market("binanceusdm"))
    to_ms = START_MS + MINUTES * MINUTE_MS
    history = load_history(database, SYMBOLS, MINUTE_MS, START_MS - 2 * MINUTE_MS, to_ms, 20, streams=INPUTS[:1])
    table = rule_values(stepping(), history)
    closes_ms = history.open_time_ms + MINUTE_MS
    made = [r.forecast for r in modes.journalled(home.root) if isinstance(r, ForecastRecord)]
    of_market = [one for one in made if one.symbol == MARKET]
    wide, crowded = (
        {one.bar_close_ms: one.values for one in of_market if one.origin.part == part} for part in ("wide", "crowd")
    )
    assert len(wide) + len(crowded) == len(of_market)
    assert {values[0] for values in crowded.values()} == {2.0}
    assert len({values[1] for values in crowded.values()}) > 5
    for row, symbol in enumerate(SYMBOLS):
        lab = {int(at): tuple(values) for at, values in zip(closes_ms, table[row].tolist(), strict=True)}
        said = {
            part: {one.bar_close_ms: one.values for one in made if (one.symbol, one.origin.part) == (symbol, part)}
            for part in ("own", "last")
        }
        for at, values in said["last"].items():
            assert (*wide[at], *said["own"][at], *crowded[at], *values) == lab[at]
        # The kill takes the bars that nobody decided on.
        known = [at for at, values in lab.items() if not np.isnan(values).any()]
        assert len(known) - len(said["last"]) <= 4
        assert len(said["last"]) > MINUTES - 20
        assert len(set(said["last"].values())) > 5
