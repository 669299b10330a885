"""The demo: an engine on the recorded market, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.engine.assembly.account import note_start, told_again
from core.engine.assembly.start import EngineStart, open_forecaster
from core.market.shipped import INSTRUMENTS

if TYPE_CHECKING:
    from core.clock import VirtualClock
    from core.domain.market import MarketBatch
    from core.engine.parts import EngineParts
    from core.market.replay.resuming import ResumePoint
    from core.ports import CandleStore

CONSOLE_CORE_SHARE = 0.45


async def demo_parts(start: EngineStart, clock: VirtualClock) -> EngineParts:
    """The recorded market, a simulated venue, and the account of this home."""
    from core.engine.pacing import Pacer
    from core.engine.parts import EngineParts
    from core.engine.starts import Rules
    from core.market.contracts.instruments import chosen, load_instruments
    from core.market.replay.events import ReplayFeed, batched
    from core.market.replay.resuming import replay_cursors, resume_point
    from core.strategy.declaration import history_ms
    from core.trader.account import Opening, check_seed, first_period, iso, later_period, retired_symbols
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    request, settings, strategy = start.request, start.settings, start.strategy
    accounts = start.stores.accounts()
    candles = await start.stores.recorded().candles(read_only=True)
    start.stack.push_async_callback(candles.close)
    journal = await accounts.journal(request.mode)
    start.stack.push_async_callback(journal.close)

    known = chosen(load_instruments(INSTRUMENTS, settings.costs), settings.market.symbols)
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
    await note_start(journal, start.wall.now_ms(), Rules(settings, instruments))
    await journal.put_outputs(strategy.name, strategy.part.name, strategy.outputs)
    clock.advance_to(period.start_ms)

    forecaster = open_forecaster(start, settings, opening.seed, start.home.models)

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
        pacer=Pacer(request.speed, CONSOLE_CORE_SHARE if start.console else None),
        logbook=start.logs.book,
        start_ms=period.start_ms,
        trade_from_ms=period.trade_from_ms,
        end_with_feed=not start.console,
        publish_hz=start.publish_hz,
    )


async def span_of(candles: CandleStore, symbol: str) -> tuple[int, int]:
    """Raises BadInputError where nothing is recorded."""
    span = await candles.span(symbol)
    if span is None:
        raise BadInputError(f"market.symbols: {symbol} is not in the recorded market, which is what the demo trades")
    return span
