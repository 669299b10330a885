"""Strategies with models and analysts live on the loopback exchange, then in the demo and the lab on what that account
stored. A program of its own, so that workers find the strategy where it is installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.compute.lanes import WorkerPool
from core.domain.forecast import words
from core.domain.market import MINUTE_MS, Bar
from core.domain.records import ForecastRecord, Record, SignalRecord, TradeRecord, TrainingRecord, TrainingStatus
from core.domain.trading import ExitReason, SignalAction
from core.home.folder import Home
from core.lab.requests import BacktestRequest
from core.lab.run.result import RunResult, TradeColumns, trade_columns
from core.settings.schema import parse_settings
from core.strategy.loading import load_strategy
from core.trader.account import Opening
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from storage.journal import SqliteJournal
from storage.journal_reader import JournalReader
from tests.engine import day_runner, modes
from tests.engine.day_runner import LEVERAGE, START_MS, STARTS, SYMBOLS, Market, Quarterdeck, live_a_day
from tests.simulation.loop import VirtualLoop
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET

MINUTES = 125
PAST_BARS = 800
TREND, SWING = 0.6, 5e-4
SETTINGS = """
strategy = "{name}"
[market]
symbols = ["BTCUSDT", "ETHUSDT"]
[demo]
market = "imported"
[account]
leverage = {leverage}
[sizing]
notional_usdt = 3000.0
[costs]
max_participation_pct = 0.0
slippage_bps = 0.0
impact_bps = 0.0
[limits]
max_losses_in_row = 50
day_loss_usdt = 5000.0
day_loss_pct = 50.0
{more}
"""

Rows = list[list[object]]
trading: list[asyncio.Future[None]] = []


def main(name: str, root: Path, more: str) -> None:
    os.environ |= {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": API_SECRET}
    strategy = load_strategy(name, parse_settings({"strategy": name, **tomllib.loads(more)}, "here"))
    home, again = Home(root / "live"), Home(root / "demo")
    loop = VirtualLoop(real_io=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_runner, "jump_follower", lambda: strategy)
        with day_runner.threads_stop_time(loop), pytest.MonkeyPatch.context() as patient:
            for call in ("infer", "train", "warm_up"):
                patient.setattr(WorkerPool, call, day_runner.patient(loop, getattr(WorkerPool, call)))
            loop.run_until_complete(live_a_day(loop, home.root, plan, minutes=MINUTES))
            loop.close()
        starts, verified = asyncio.run(day_runner.replayed(home, "live"))
    live = modes.journalled(home.root)

    again.create()
    shutil.copy(home.market("binanceusdm"), again.database)
    (again.root / "settings.toml").write_text(SETTINGS.format(name=name, leverage=LEVERAGE, more=more))
    if strategy.has_analysts:
        asyncio.run(_keep(again, [record for record in live if isinstance(record, ForecastRecord)]))
    with JournalReader(open_database(home.database)) as journal:
        from_ms = Opening.from_json(journal.meta()["opening"]).start_ms
    to_ms = START_MS + MINUTES * MINUTE_MS
    demo = modes.demo(again.root, from_ms, to_ms)
    lab = QuarterdeckRuntime().lab(again.root)
    request = BacktestRequest(name, from_ms=from_ms, to_ms=to_ms, engine="event-driven", market="imported")
    row = lab.backtest(request, lambda _: None, lambda: False)
    result = lab.store.load(row["run_id"]).result
    told = modes.journalled(again.root)
    trades = trade_columns([record.trade for record in live if isinstance(record, TradeRecord)])
    print(
        json.dumps(
            {
                "trades": {"live": _trades(trades), "demo": _trades(demo), "lab": _trades(result.trades)},
                "forecasts": {"live": _forecasts(live), "demo": _forecasts(told), "lab": _predicted(result)},
                "trained": {"live": _trained(live), "demo": _trained(told)},
                "signals": {"live": _signals(live), "demo": _signals(told)},
                "replayed": starts == 1 and verified.first_difference is None,
            }
        )
    )


def plan(market: Market, quarterdeck: Quarterdeck, server: VenueServer) -> None:
    """A past that is long enough to train on, and a market whose moves go on for a while. Without any volume in the
    minute before it a simulated order would not be filled where one of the exchange is."""

    async def trade() -> None:
        await asyncio.sleep((START_MS - 30_000 - server.now_ms()) / 1_000)
        for symbol in SYMBOLS:
            market.venue.trade(symbol, f"{STARTS[symbol][0]:.2f}", "1", server.now_ms())

    trading.append(asyncio.ensure_future(trade()))
    rng = np.random.default_rng(11)
    for symbol in SYMBOLS:
        price, tick, _ = STARTS[symbol]
        first_ms = START_MS - (day_runner.HISTORY_BARS + 2 + PAST_BARS) * MINUTE_MS
        past = list(_walk(rng, price, PAST_BARS))
        opens = [price, *past[:-1]]
        bars = [
            Bar(symbol, first_ms + i * MINUTE_MS, MINUTE_MS, o, max(o, c) + tick, min(o, c) - tick, c, 10.0)
            for i, (o, c) in enumerate(zip(opens, past, strict=True))
        ]
        market.venue.load_history(symbol, bars)
        market._closes[symbol] = [round(round(close / tick) * tick, 8) for close in _walk(rng, price, MINUTES)]


def _walk(rng: np.random.Generator, price: float, count: int) -> Iterator[float]:
    move = 0.0
    for _ in range(count):
        move = TREND * move + SWING * float(rng.normal())
        price *= 1.0 + move
        yield price


async def _keep(home: Home, told: list[ForecastRecord]) -> None:
    """What the account was told in real time, in a home of its market alone."""
    journal = await SqliteJournal.open(open_database(home.database), "live")
    await journal.commit(told)
    await journal.close()


def _trades(trades: TradeColumns) -> Rows:
    """Symbol, side, quantity, the bars in which each began and ended, why it ended; and the prices. What rests at the
    venue ends a trade inside a bar, of which its close is the last instant."""
    resting = np.isin(trades.exit_reason, [str(ExitReason.STOP), str(ExitReason.TARGET)])
    begun, ended = ((times - START_MS) // MINUTE_MS for times in (trades.entry_time_ms, trades.exit_time_ms - resting))
    told = (
        trades.symbol,
        trades.side,
        trades.qty,
        begun,
        ended,
        trades.exit_reason,
        trades.entry_price,
        trades.exit_price,
    )
    rows = zip(*(column.tolist() for column in told), strict=True)
    # The last ones end where the demo does.
    return sorted(list(row) for row in rows if row[4] < MINUTES - 1)


def _forecasts(records: list[Record]) -> dict[str, Rows]:
    made = [record.forecast for record in records if isinstance(record, ForecastRecord)]
    return {
        symbol: [
            [one.bar_close_ms, one.made_ms - one.bar_close_ms, *one.values] for one in made if one.symbol == symbol
        ]
        for symbol in SYMBOLS
    }


def _predicted(result: RunResult) -> dict[str, Rows]:
    return {
        symbol: [[at, *said] for at, said in zip(made.close_ms.tolist(), made.values.tolist(), strict=True)]
        for symbol, made in result.predictions.items()
    }


def _trained(records: list[Record]) -> list[str]:
    swapped = TrainingStatus.SWAPPED
    return sorted(r.origin.version for r in records if isinstance(r, TrainingRecord) and r.status is swapped)


def _signals(records: list[Record]) -> list[str]:
    entered = [r.signal for r in records if isinstance(r, SignalRecord) and r.signal.action is SignalAction.ENTER]
    return [f"{one.symbol}: {words(one.because)}" for one in entered]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
