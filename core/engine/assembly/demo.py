"""The demo: an engine on a stored market, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.engine.assembly.account import MARKET, note_start, told_again
from core.engine.assembly.demo_market import DemoMarket, contracts_of, market_of, open_market, open_observations
from core.engine.assembly.start import EngineStart, open_forecasters

if TYPE_CHECKING:
    from core.clock import VirtualClock
    from core.control.requests import RunRequest
    from core.domain.market import MarketBatch
    from core.engine.parts import EngineParts
    from core.market.replay.resuming import ResumePoint
    from core.trader.account import Opening, Period

CONSOLE_CORE_SHARE = 0.45


async def demo_parts(start: EngineStart, clock: VirtualClock) -> EngineParts:
    """A stored market, a simulated venue, and the account of this home."""
    from core.engine.outside import stored_analysts
    from core.engine.pacing import Pacer
    from core.engine.parts import EngineParts
    from core.engine.settlements import Settlements
    from core.engine.starts import Rules
    from core.market.lacking import span_text
    from core.market.replay.events import ReplayFeed, batched
    from core.market.replay.resuming import replay_cursors, resume_point
    from core.market.seeing import observed_of
    from core.strategy.declaration import history_ms
    from core.trader.account import Opening, check_interval, check_seed, first_period, retired_symbols
    from core.trader.state import DAY_MS
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    settings, strategy = start.settings, start.strategy
    interval_ms = settings.market.interval_ms
    request = _on_grid(start.request, interval_ms)
    journal = await start.stores.accounts().journal(request.mode)
    start.stack.push_async_callback(journal.close)
    stored = await journal.get_meta("opening")
    before = None if stored is None else Opening.from_json(stored)
    if before is not None:
        check_seed(before, request.seed)
        check_interval(before, settings.market.interval_minutes)
    name = await market_of(journal, settings.demo.market, is_new=before is None)
    market = await open_market(start, name)
    candles = market.candles

    if before is None:
        first = first_period(market.spans, history_ms(strategy, interval_ms), request.from_ms, request.to_ms)
        seed = settings.demo.seed if request.seed is None else request.seed
        opening = Opening(seed, settings.account.initial_balance_usdt, first.start_ms, settings.market.interval_minutes)
    else:
        opening = before
    known = await contracts_of(start, market, opening.start_ms)
    instruments, records = await told_again(journal, known)
    retired = retired_symbols(records, known)
    point = resume_point(records, known)
    if before is None:
        period = first
        await journal.set_meta({"opening": opening.to_json(), "mode": request.mode, MARKET: name})
    else:
        period = _goes_on(opening, market, point, interval_ms, request)
    settings = settings.with_initial_balance(opening.initial_balance_usdt)
    await note_start(journal, start.wall.now_ms(), Rules(settings, instruments))
    for part in strategy.parts:
        await journal.put_outputs(strategy.name, part.name, part.outputs)
    clock.advance_to(period.start_ms)

    forecasters = open_forecasters(start, settings, opening.seed, start.home.models)
    if strategy.has_analysts:
        told = start.stores.accounts().told_in_real_time(strategy.name)
        span = span_text(period.start_ms, period.end_ms)
        forecasters |= stored_analysts(strategy, told, tuple(known), period.start_ms, period.end_ms, span)
    settlements = None
    if settings.limits.funding_quiet_minutes:
        to_ms = period.end_ms + DAY_MS  # What comes after the last bar is announced before it.
        rates = [rate for symbol in known for rate in await candles.funding(symbol, period.start_ms, to_ms)]
        settlements = Settlements(known, rates)
    inputs = strategy.market_inputs
    observations = await open_observations(start, name) if inputs else None

    def feed(point: ResumePoint) -> AsyncIterator[MarketBatch]:
        delay_ms, symbols = settings.engine.first_price_delay_ms, tuple(known)
        told = replay_cursors(point, interval_ms)
        beside = (observations, observed_of(inputs))
        return batched(ReplayFeed(candles, symbols, period.start_ms, period.end_ms, delay_ms, told, *beside).events())

    return EngineParts(
        mode=request.mode,
        source=market.source,
        trader=Trader(request.mode, strategy, settings, instruments, retired),
        venue=journalled_venue(instruments, settings),
        journal=journal,
        records=records,
        candles=candles,
        forecasters=forecasters,
        feed=feed,
        clock=clock,
        pacer=Pacer(request.speed, CONSOLE_CORE_SHARE if start.console else None),
        logbook=start.logs.book,
        start_ms=period.start_ms,
        trade_from_ms=period.trade_from_ms,
        end_with_feed=not start.console,
        publish_hz=start.publish_hz,
        observations=observations,
        forecasts=journal,
        settlements=settlements,
    )


def _on_grid(request: RunRequest, interval_ms: int) -> RunRequest:
    """From the first bar that opens at the wished time or after it."""
    from_ms = request.from_ms
    return request if from_ms is None else replace(request, from_ms=-(-from_ms // interval_ms) * interval_ms)


def _goes_on(opening: Opening, market: DemoMarket, point: ResumePoint, interval_ms: int, request: RunRequest) -> Period:
    """Raises BadInputError where the market has not what the account has traded already."""
    from core.trader.account import iso, later_period

    reached_ms = max((open_ms + interval_ms for open_ms in point.bars.values()), default=opening.start_ms)
    first_ms, last_ms = min(span[0] for span in market.spans.values()), max(span[1] for span in market.spans.values())
    if not first_ms <= opening.start_ms <= reached_ms <= last_ms:
        raise BadInputError(
            f"this account has traded {iso(opening.start_ms)} to {iso(reached_ms)}, and the {market.name} candles go "
            f"from {iso(first_ms)} to {iso(last_ms)}; choose another --home"
        )
    return later_period(opening, reached_ms, last_ms, request.from_ms, request.to_ms)
