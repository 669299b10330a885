"""Paper on the loopback exchange with a part that sees what the exchange pushes: what it says is what the lab says over
what was stored, through a kill and a broken connection."""

from __future__ import annotations

import numpy as np
import pytest

from core.control.protocol import SILENT, Snapshot
from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord
from core.home.folder import Home
from core.lab.data.seeing import seen_by
from core.lab.run.fixed_predictions import rule_values
from core.market.streams import stream
from core.strategy.declaration import Rule, Strategy
from storage.database import open_database
from storage.history import load_history
from tests.declared import Vector, declared, never, with_part
from tests.engine import day_runner, modes
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, paper_home
from tests.venue.server import VenueServer

MINUTES = 60
INPUTS = ("mark", "trades", "book10", "liquidations")
CUT, MENDED = 45, 49
SHOWN: list[Snapshot] = []
"""The screen of when the exchange had not been heard for minutes."""


def scan(
    state: Vector, opens: Vector, highs: Vector, lows: Vector, closes: Vector, volumes: Vector, seen: Vector, _: Vector
) -> Vector:
    """Of every column that is there."""
    return np.asarray(np.nansum(seen * np.arange(1.0, seen.shape[1] + 1.0), axis=1) / closes)


def looking() -> Strategy:
    """Under the name of the day's, which its replay asks for."""
    return with_part(declared("jumps", source=Rule(scan, 1, ()), lookback_bars=5, decide=never), inputs=INPUTS)


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    async def kill() -> None:
        await quarterdeck.kill()
        quarterdeck.start()

    def force(minute: int) -> None:
        async def act() -> None:
            server.venue.tell_liquidation("ETHUSDT", "SELL", "3000.5", f"{minute}.5", server.now_ms())

        market.acts[minute] = act

    async def cut() -> None:
        server.refuses_websockets = True
        await server.cut()

    async def mend() -> None:
        server.refuses_websockets = False
        assert quarterdeck.engine is not None
        assert quarterdeck.engine.latest is not None
        SHOWN.append(quarterdeck.engine.latest)

    market.acts = {31: kill, CUT: cut, MENDED: mend}
    for minute in (5, 17, 36):
        force(minute)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return paper_home(tmp_path_factory.mktemp("pushed") / "home", looking, plan, MINUTES)


def test_what_it_says_is_what_the_lab_says_of_what_was_stored(home: Home) -> None:
    database = open_database(home.market("binanceusdm"))
    to_ms = START_MS + MINUTES * MINUTE_MS
    history = load_history(database, SYMBOLS, MINUTE_MS, START_MS - 2 * MINUTE_MS, to_ms, 20, streams=INPUTS)
    table = rule_values(looking(), history)
    closes_ms = history.open_time_ms + MINUTE_MS
    made = [r.forecast for r in modes.journalled(home.root) if isinstance(r, ForecastRecord)]
    for row, symbol in enumerate(SYMBOLS):
        said = {
            one.bar_close_ms: one.values[0] for one in made if one.symbol == symbol and one.bar_close_ms in closes_ms
        }
        lab = {int(at): value for at, value in zip(closes_ms, table[row, :, 0], strict=True) if value == value}
        assert said == {at: value for at, value in lab.items() if at in said}
        # The kill takes the bars that nobody decided on, and those that were told in one go with the next.
        assert len(lab) - len(said) <= 5
        assert len(set(said.values())) > 20
        seen = seen_by(history, symbol, INPUTS)
        for column in ("mark.mark_price", "trades.price", "book10.bid_price_10"):
            assert len(np.unique(seen.column(column)[~np.isnan(seen.column(column))])) > 20, column
    forced = seen_by(history, "ETHUSDT", INPUTS).column("liquidations.qty")
    assert set(forced[~np.isnan(forced)]) == {5.5, 17.5, 36.5}
    # Nothing was told of it, and that is no lack.
    assert np.isnan(seen_by(history, "BTCUSDT", INPUTS).column("liquidations.qty")).all()


def test_what_was_not_heard_is_missing_and_what_is_missing_forecasts_nothing(home: Home) -> None:
    stale_ms = START_MS + (CUT + 1) * MINUTE_MS + stream("mark").max_age_ms
    made = {r.forecast.bar_close_ms for r in modes.journalled(home.root) if isinstance(r, ForecastRecord)}
    silent = [START_MS + minute * MINUTE_MS for minute in range(CUT + 3, MENDED + 1)]
    assert not made & set(silent)
    assert max(at for at in made if at < silent[0]) <= stale_ms
    told = home.log.read_text()
    assert "no forecast of BTCUSDT: mark is missing since" in told
    assert "BTCUSDT is forecast again" in told
    assert "streams: trades: " in told
    (shown,) = SHOWN
    rows = {one.symbol: one for one in shown.signals if one.action == SILENT}
    assert rows.keys() == set(SYMBOLS)
    assert all(one.reason.startswith("mark is missing since 2026-05-29 00:46 UTC") for one in rows.values())
    assert all(one.time_ms in silent for one in rows.values())
    assert all(price.outputs == () for price in shown.prices)


async def test_its_journal_is_replayed_to_the_bit(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_runner, "jump_follower", looking)
    starts, found = await day_runner.replayed(home, "paper")
    assert starts == 2
    assert found.first_difference is None
    assert found.records > MINUTES
