"""A rule that sees funding, the last 15-minute bar and open interest: live on the loopback exchange, then in the demo
and the lab on what that account stored. A program of its own, so that its strategy is found where it is installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord, TradeRecord
from core.home.folder import Home
from core.lab.data.history import History
from core.lab.data.seeing import window_of
from core.lab.requests import BacktestRequest
from core.lab.run.result import RunResult
from core.market.seeing import streams_of
from core.ports import BarColumns
from core.settings.schema import parse_settings
from core.strategy.loading import load_strategy
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from storage.history import load_history
from tests.engine import day_runner, modes
from tests.engine.day_runner import START_MS, SYMBOLS, Market, Quarterdeck, live_a_day, threads_stop_time
from tests.simulation.loop import VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET

MINUTES = 75
RATES = {"BTCUSDT": "0.0003", "ETHUSDT": "-0.0002"}
SETTINGS = """
strategy = "crowded"
[market]
symbols = ["BTCUSDT", "ETHUSDT"]
[demo]
market = "imported"
"""

Rows = list[list[float | None]]


def main(root: Path) -> None:
    os.environ |= {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": API_SECRET}
    strategy = load_strategy("crowded", parse_settings({"strategy": "crowded"}, "here"))
    inputs = strategy.part.inputs
    day_runner.jump_follower = lambda: strategy
    learned: dict[str, Rows] = {}
    home, again = Home(root / "live"), Home(root / "demo")

    def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
        async def settle() -> None:
            await asyncio.sleep((START_MS + 30 - server.now_ms()) / 1_000)
            for symbol, rate in RATES.items():
                server.venue.fund(symbol, rate, "3000", server.now_ms())

        async def kill() -> None:
            await quarterdeck.kill()
            quarterdeck.start()

        async def learn() -> None:
            assert quarterdeck.engine is not None
            parts = quarterdeck.engine._session.parts
            for symbol in SYMBOLS:
                # What a training is given, of as many bars as it asks for.
                learned[symbol] = _seen(parts._window(strategy.part, symbol, MINUTES, server.now_ms()))

        settling.append(asyncio.ensure_future(settle()))
        market.acts = {41: kill, MINUTES - 1: learn}

    settling: list[asyncio.Future[None]] = []
    loop = VirtualLoop(real_io=True)
    with threads_stop_time(loop):
        loop.run_until_complete(live_a_day(loop, home.root, plan, minutes=MINUTES))
        loop.close()

    again.create()
    shutil.copy(home.market("binanceusdm"), again.database)
    (again.root / "settings.toml").write_text(SETTINGS)
    from_ms, to_ms = START_MS, START_MS + MINUTES * MINUTE_MS
    modes.demo(again.root, from_ms, to_ms)
    lab = QuarterdeckRuntime().lab(again.root)
    request = BacktestRequest("crowded", from_ms=from_ms, to_ms=to_ms, engine="event-driven", market="imported")
    row = lab.backtest(request, lambda _: None, lambda: False)
    stored = open_database(home.market("binanceusdm"))
    history = load_history(stored, SYMBOLS, MINUTE_MS, from_ms, to_ms, 30, streams=streams_of(inputs))
    print(
        json.dumps(
            {
                "live": _forecasts(home.root),
                "demo": _forecasts(again.root),
                "lab": _told(lab.store.load(row["run_id"]).result),
                "live training": learned,
                "lab training": {symbol: _whole(history, symbol, inputs) for symbol in SYMBOLS},
                "trades": sum(isinstance(record, TradeRecord) for record in modes.journalled(home.root)),
            }
        )
    )


def _seen(window: BarColumns) -> Rows:
    assert window.seen is not None
    table = np.column_stack([window.seen.close_ms, window.close, window.seen.values])
    return [[None if np.isnan(value) else value for value in row] for row in table.tolist()]


def _whole(history: History, symbol: str, inputs: tuple[str, ...]) -> Rows:
    return _seen(window_of(history, symbol, inputs))


def _forecasts(home: Path) -> dict[str, Rows]:
    made = [record.forecast for record in modes.journalled(home) if isinstance(record, ForecastRecord)]
    return {symbol: [[one.bar_close_ms, *one.values] for one in made if one.symbol == symbol] for symbol in SYMBOLS}


def _told(result: RunResult) -> dict[str, Rows]:
    return {
        symbol: [[at, *said] for at, said in zip(made.close_ms.tolist(), made.values.tolist(), strict=True)]
        for symbol, made in result.predictions.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
