"""The demo at the composition root: an engine on the recorded market, and what paper and live share with it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import SystemClock
from core.control.requests import RunRequest
from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.home.folder import Home

if TYPE_CHECKING:
    from core.clock import VirtualClock
    from core.domain.instrument import Instrument
    from core.domain.market import MarketBatch
    from core.domain.records import Record
    from core.engine.engine import EngineParts
    from core.engine.recovery import Remembered
    from core.engine.starts import Rules
    from core.home.logbook import LogSetup
    from core.market.replay.resuming import ResumePoint
    from core.ports import Forecaster
    from core.settings.schema import Settings
    from core.strategy.declaration import Strategy
    from core.trader.memory import TraderMemory
    from storage.candles import SqliteCandles
    from storage.journal import SqliteJournal

log = logging.getLogger("quarterdeck")

DATA = Path(__file__).resolve().parent / "data"
CONSOLE_CORE_SHARE = 0.45
CONSOLE_PUBLISH_HZ = 4.0
HEADLESS_PUBLISH_HZ = 1.0


async def demo_parts(
    request: RunRequest,
    home: Home,
    settings: Settings,
    strategy: Strategy,
    clock: VirtualClock,
    logs: LogSetup,
    stack: AsyncExitStack,
    *,
    console: bool,
) -> EngineParts:
    """The recorded market, a simulated venue, and the account of this home."""
    from core.engine.engine import EngineParts
    from core.engine.pacing import Pacer
    from core.engine.starts import Rules
    from core.market.contracts.instruments import load_instruments
    from core.market.replay.events import ReplayFeed, batched
    from core.market.replay.resuming import replay_cursors, resume_point
    from core.strategy.declaration import history_ms
    from core.trader.account import Opening, check_seed, first_period, iso, later_period, retired_symbols
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue
    from storage.candles import SqliteCandles
    from storage.database import open_database
    from storage.journal import SqliteJournal
    from storage.recorded import open_recorded

    database = open_database(home.database)
    candles = await SqliteCandles.open(open_recorded(home.recorded, DATA, SystemClock().now_ms()), read_only=True)
    stack.push_async_callback(candles.close)
    journal = await SqliteJournal.open(database, request.mode)
    stack.push_async_callback(journal.close)

    known = chosen(load_instruments(DATA / "instruments.toml", settings.costs), settings.market.symbols)
    spans = {symbol: await span_of(candles, symbol) for symbol in known}
    instruments, records = await told_again(journal, known)
    retired = retired_symbols(records, known)
    point = resume_point(records, known)
    stored = await journal.get_meta("opening")
    if stored is None:
        period = first_period(spans, history_ms(strategy, MINUTE_MS), request.from_ms, request.to_ms)
        seed = settings.demo.seed if request.seed is None else request.seed
        opening = Opening(seed, settings.account.initial_balance_usdt, period.start_ms)
        await journal.set_meta({"opening": opening.to_json(), "mode": request.mode})
    else:
        opening = Opening.from_json(stored)
        check_seed(opening, request.seed)
        reached_ms = max((open_ms + MINUTE_MS for open_ms in point.bars.values()), default=opening.start_ms)
        last_ms = max(span[1] for span in spans.values())
        if not min(span[0] for span in spans.values()) <= opening.start_ms <= reached_ms <= last_ms:
            raise BadInputError(
                f"this account has traded {iso(opening.start_ms)} to {iso(reached_ms)} on imported candles, and "
                "the demo trades the recorded market alone; choose another --home"
            )
        period = later_period(opening, reached_ms, last_ms, request.from_ms, request.to_ms)
    settings = settings.with_initial_balance(opening.initial_balance_usdt)
    await note_start(journal, SystemClock().now_ms(), Rules(settings, instruments))
    clock.advance_to(period.start_ms)

    forecaster = open_forecaster(strategy, settings, home, opening.seed, stack)

    def feed(point: ResumePoint) -> AsyncIterator[MarketBatch]:
        delay_ms, symbols, told = settings.engine.first_price_delay_ms, tuple(known), replay_cursors(point)
        return batched(ReplayFeed(candles, symbols, period.start_ms, period.end_ms, delay_ms, told).events())

    return EngineParts(
        mode=request.mode,
        source="recorded Binance USD-M",
        trader=Trader(request.mode, strategy, settings, instruments, retired),
        venue=journalled_venue(instruments, settings),
        journal=journal,
        records=records,
        candles=candles,
        forecaster=forecaster,
        feed=feed,
        clock=clock,
        pacer=Pacer(request.speed, CONSOLE_CORE_SHARE if console else None),
        logbook=logs.book,
        start_ms=period.start_ms,
        trade_from_ms=period.trade_from_ms,
        end_with_feed=not console,
        publish_hz=CONSOLE_PUBLISH_HZ if console else HEADLESS_PUBLISH_HZ,
    )


async def told_again(
    journal: SqliteJournal, fresh: Mapping[str, Instrument]
) -> tuple[dict[str, Instrument], list[Record]]:
    """The contracts by which this account goes on, which take orders as `fresh` do, then those that it traded once, as
    it knew them last; and its records, counted by them.

    Raises RefusedError where a contract has become one in which what was done cannot be counted.
    """
    instruments = await _rules(journal, fresh)
    records = await journal.load(instruments)
    return _needed(instruments, records, fresh, await _coming_back(journal, fresh))


async def recalled(
    journal: SqliteJournal, fresh: Mapping[str, Instrument]
) -> tuple[dict[str, Instrument], Remembered | None, list[Record]]:
    """As `told_again`, but with what the journal's checkpoint stands for in place of its records; None, and all of
    them, where it cannot be gone by."""
    instruments = await _rules(journal, fresh)
    remembered, records = await journal.recall(instruments)
    away = await _coming_back(journal, fresh)
    if remembered is not None and away:
        remembered, records = None, await journal.load(instruments)
    before = None if remembered is None else remembered.memory
    instruments, records = _needed(instruments, records, fresh, away, before)
    return instruments, remembered, records


def _needed(
    instruments: Mapping[str, Instrument],
    records: Sequence[Record],
    fresh: Collection[str],
    away: Collection[str],
    before: TraderMemory | None = None,
) -> tuple[dict[str, Instrument], list[Record]]:
    from core.market.replay.resuming import rejoining
    from core.trader.account import traded_symbols

    needed = traded_symbols(records, before).union(fresh)
    kept = {symbol: instrument for symbol, instrument in instruments.items() if symbol in needed}
    return kept, rejoining(records, away)


async def _rules(journal: SqliteJournal, fresh: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """Of every contract that is traded or was, in the ticks and lots of the account."""
    from core.domain.regrid import working

    eras = await journal.eras()
    known = await journal.instruments()
    rules = {**fresh, **{symbol: rule for symbol, rule in known.items() if symbol not in fresh}}
    return {symbol: working(instrument, eras.grids(symbol)) for symbol, instrument in rules.items()}


async def _coming_back(journal: SqliteJournal, fresh: Mapping[str, Instrument]) -> set[str]:
    return (await journal.left_out()).intersection(fresh)


async def note_start(journal: SqliteJournal, now_ms: int, rules: Rules) -> None:
    """Keep what a start trades by, and say in which contracts it takes orders otherwise than the last."""
    from core.engine.starts import changed_steps, start_meta
    from quarterdeck_plan import code_version

    before = await journal.instruments()
    for line in changed_steps(before, rules.instruments):
        log.warning("%s", line)
    first: dict[str, str] = {}
    if before and journal.last_seq and not await journal.has_starts():
        # Its records count by what is written over now; by which settings they were made, nobody knows any more.
        first = start_meta(0, now_ms, replace(rules, instruments=before))
    code = code_version(rules.settings.strategy)
    await journal.set_meta(first | start_meta(journal.last_seq, now_ms, rules, code))
    await journal.put_instruments(list(rules.instruments.values()))


async def change_rules(journal: SqliteJournal, now_ms: int, rules: Rules) -> None:
    """Keep what a running engine trades by from now on."""
    from core.domain.regrid import factor, grid_of

    for symbol, before in (await journal.instruments()).items():
        now = rules.instruments.get(symbol, before)
        by = factor(symbol, grid_of(before), grid_of(now))
        if not by.is_one:
            await journal.count_finer(symbol, by)
    await note_start(journal, now_ms, rules)


def open_forecaster(
    strategy: Strategy,
    settings: Settings,
    home: Home,
    seed: int,
    stack: AsyncExitStack,
    *,
    models: Path | None = None,
) -> Forecaster | None:
    """Worker processes for the strategy's models, ended with `stack`; None for a strategy without any. `models` is
    where these are kept; in the home's folder for them unless it is told."""
    from core.learning.forecaster import WorkerForecaster
    from core.learning.versions import sweep_partials
    from core.learning.workers import WorkerPool

    if strategy.model is None:
        return None
    models = models or home.models
    sweep_partials(models)
    pool = WorkerPool(settings.engine.training_workers, settings.engine.worker_nice, home.worker_log)
    stack.push_async_callback(pool.close)
    return WorkerForecaster(strategy, pool, models, seed)


def chosen(instruments: dict[str, Instrument], symbols: Sequence[str]) -> dict[str, Instrument]:
    """Raises BadInputError naming a symbol without contract rules."""
    unknown = [symbol for symbol in symbols if symbol not in instruments]
    if unknown:
        raise BadInputError(
            f"market.symbols: no contract rules for {', '.join(unknown)}; known are {', '.join(instruments)}"
        )
    return {symbol: instruments[symbol] for symbol in symbols}


async def span_of(candles: SqliteCandles, symbol: str) -> tuple[int, int]:
    """Raises BadInputError where nothing is recorded."""
    span = await candles.span(symbol)
    if span is None:
        raise BadInputError(f"market.symbols: {symbol} is not in the recorded market, which is what the demo trades")
    return span
