"""The recorded market as a candle store in memory and as a history, and the demo's engine over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.clock import VirtualClock
from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar, FundingRate
from core.domain.records import ForecastRecord, Record
from core.engine.engine import Engine
from core.engine.pacing import Pacer
from core.engine.parts import EngineParts
from core.home.logbook import Logbook
from core.lab.data.history import History, align
from core.market.contracts.instruments import load_instruments
from core.market.replay.events import ReplayFeed, batched
from core.market.replay.resuming import replay_cursors
from core.ports import BarColumns, Forecaster, SettledFunding
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.journal_rules import JournalRules
from tests.strategies.recorded import cut, recorded

DATA = Path(__file__).resolve().parents[3] / "data"
ACCOUNT = "demo"


class RecordedCandles:
    """Implements core.ports.CandleStore over the recorded files."""

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        times = recorded(symbol).open_time_ms
        return cut(recorded(symbol), int(np.searchsorted(times, from_ms)), int(np.searchsorted(times, to_ms)))

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]:
        return [rate for rate in funding(symbol) if from_ms <= rate.time_ms < to_ms]

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        raise NotImplementedError

    async def append_funding(self, rates: Sequence[SettledFunding]) -> None:
        raise NotImplementedError

    async def span(self, symbol: str) -> tuple[int, int] | None:
        times = recorded(symbol).open_time_ms
        return int(times[0]), int(times[-1]) + 60_000


class ListJournal:
    """Implements core.ports.Journal: everything, in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._rules = JournalRules()

    async def commit(self, records: Sequence[Record]) -> None:
        self._rules.take(records)
        self.records += records

    async def load(self) -> list[Record]:
        return []

    async def forecasts(self, strategy: str, from_ms: int) -> list[Forecast]:
        """As core.ports.ForecastStore has them."""
        made = [record.forecast for record in self.records if isinstance(record, ForecastRecord)]
        return [one for one in made if one.origin.strategy == strategy and one.bar_close_ms >= from_ms]


@cache
def funding(symbol: str) -> tuple[FundingRate, ...]:
    table = pq.read_table(DATA / "funding" / f"{symbol}-8h.parquet").to_pylist()
    return tuple(
        FundingRate(symbol, row["funding_time"], Decimal(repr(row["funding_rate"])), Decimal(repr(row["mark_price"])))
        for row in table
    )


def instruments(settings: Settings) -> dict[str, Instrument]:
    known = load_instruments(DATA / "instruments.toml", settings.costs)
    return {symbol: known[symbol] for symbol in settings.market.symbols}


def history(symbols: Sequence[str], from_ms: int, to_ms: int, warm_up_bars: int) -> History:
    bars = []
    for symbol in symbols:
        times = recorded(symbol).open_time_ms
        first = int(np.searchsorted(times, from_ms - warm_up_bars * 60_000))
        bars.append(cut(recorded(symbol), first, int(np.searchsorted(times, to_ms))))
    rates = [rate for symbol in symbols for rate in funding(symbol) if rate.time_ms < to_ms]
    return align(bars, from_ms, rates, "recorded", is_synthetic=False)


async def demo_records(
    strategy: Strategy,
    settings: Settings,
    forecaster: Forecaster | None,
    from_ms: int,
    to_ms: int,
    journal: ListJournal | None = None,
    analysts: Mapping[str, Forecaster] | None = None,
) -> list[Record]:
    """Every record of the demo's engine, run over the span from a new account, or from where `journal` is."""
    known = instruments(settings)
    candles, journal = RecordedCandles(), journal or ListJournal()
    delay_ms = settings.engine.first_price_delay_ms
    engine = Engine(
        EngineParts(
            mode="demo",
            source="recorded",
            trader=Trader(ACCOUNT, strategy, settings, known),
            venue=journalled_venue(known, settings),
            journal=journal,
            records=[*journal.records],
            candles=candles,
            forecasters={**({} if forecaster is None else {"main": forecaster}), **(analysts or {})},
            feed=lambda point: batched(
                ReplayFeed(candles, tuple(known), from_ms, to_ms, delay_ms, replay_cursors(point, MINUTE_MS)).events()
            ),
            clock=VirtualClock(from_ms),
            pacer=Pacer(None, None),
            logbook=Logbook(),
            start_ms=from_ms,
            trade_from_ms=from_ms,
            end_with_feed=True,
            publish_hz=1.0,
            forecasts=journal,
        )
    )
    await engine.run()
    return journal.records
