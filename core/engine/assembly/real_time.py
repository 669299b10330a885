"""Paper and live: an engine's parts around an exchange that answers in real time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from core.control.arming import TESTNET
from core.control.protocol import ExternalOrderView
from core.domain.errors import QuarterdeckError
from core.domain.market import MarketBatch, Quote
from core.domain.records import Record
from core.engine.pacing import Pacer
from core.engine.parts import Attendant, EngineParts, RestorableVenue
from core.engine.recovery import Remembered, reconcile
from core.engine.settlements import follow
from core.engine.stepper import Stepper
from core.engine.warm_up import Aside, at_once
from core.exchange.account.desk import AccountDesk, health_watch, watch
from core.exchange.connection.requests import Requests, keep_time
from core.exchange.connection.wire import Wire
from core.exchange.markets.status import StatusWatch
from core.home.logbook import Logbook
from core.market.live.beside import StreamsBeside
from core.market.live.market import LiveMarket
from core.market.replay.resuming import ResumePoint
from core.ports import CandleStore, Forecaster, ForecastStore, Journal, ObservationStore
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.exchange")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Implements `core.engine.parts.RealTime`."""

    wire: Wire
    market: LiveMarket
    desk: AccountDesk | None
    symbols: tuple[str, ...]

    def quotes(self) -> Mapping[str, Quote]:
        return self.market.quotes()

    def fed_ms(self) -> int | None:
        return self.market.fed_ms()

    def exchange(self) -> str:
        return self.wire.dialect.id

    def problem(self) -> str:
        return self.wire.health.problem() or self.wire.health.standing

    def holds(self) -> str:
        return self.wire.holds()

    def report(self, part: str, problem: str) -> None:
        self.wire.health.report(part, problem)

    def clock_offset_ms(self) -> float:
        return float(self.wire.clock.offset_ms)

    def external(self) -> tuple[ExternalOrderView, ...]:
        if self.desk is None:
            return ()
        orders = [
            ExternalOrderView(
                symbol=order.symbol,
                side=order.side,
                type=order.type,
                qty=order.qty,
                price=order.price,
                state="open",
                client_order_id=order.order_id,
            )
            for order in self.desk.external_orders
        ]
        held = [
            ExternalOrderView(symbol, "buy" if qty > 0 else "sell", "position", float(abs(qty)), None, "open", "")
            for symbol, qty in self.desk.external_positions.items()
        ]
        return (*orders, *held)

    async def flatten_external(self, symbol: str) -> str:
        """Close what others hold and cancel what they placed, of one symbol or of all; one line of what was done."""
        if self.desk is None:
            return "nobody else trades here"
        async with asyncio.TaskGroup() as group:
            symbols = (symbol,) if symbol else self.symbols
            asked = [group.create_task(_flatten_external(self.desk, each)) for each in symbols]
        return "; ".join(task.result() for task in asked)


async def _flatten_external(desk: AccountDesk, symbol: str) -> str:
    """One contract that cannot be read keeps no other from being closed."""
    try:
        return await desk.flatten_external(symbol)
    except QuarterdeckError as error:
        log.error("%s: what others placed could not be closed: %s", symbol, error)
        return f"{symbol}: NOT CLOSED FOR CERTAIN: {error}"


def _source(mode: str) -> str:
    return "test account" if mode == TESTNET else "account"


def real_time_parts(
    *,
    mode: str,
    wire: Requests,
    market: LiveMarket,
    trader: Trader,
    venue: RestorableVenue,
    desk: AccountDesk | None,
    follow_rules: Attendant | None = None,
    journal: Journal,
    records: Sequence[Record],
    candles: CandleStore,
    forecasters: Mapping[str, Forecaster],
    logbook: Logbook,
    start_ms: int,
    publish_hz: float,
    server: str = "",
    beside: Sequence[Attendant] = (),
    aside: Aside = at_once,
    remembered: Remembered | None = None,
    observations: ObservationStore | None = None,
    forecasts: ForecastStore | None = None,
    streams: StreamsBeside | None = None,
) -> EngineParts:
    """An engine on a live market. `desk` is None on paper, where only the market comes from the exchange;
    `follow_rules` then follows those of its contracts, as the desk does for an account.

    `start_ms` is where the account was opened: a whole minute. `server` is told with the source wherever that stands.
    `beside`, `aside`, `remembered`, `observations` and `forecasts` are as in `EngineParts`;
    `streams` are what comes of others beside the market.
    """
    clock = wire.clock

    async def follow_market(_: Trader, __: Stepper) -> None:
        await market.run()

    async def follow_time(_: Trader, __: Stepper) -> None:
        await keep_time(wire)

    async def look_after(trader: Trader, stepper: Stepper) -> None:
        await watch(trader, stepper, clock)

    async def tell_health(trader: Trader, stepper: Stepper) -> None:
        await health_watch(wire.health, stepper, clock, trader.state.traded)

    async def follow_streams(_: Trader, __: Stepper) -> None:
        if streams is not None:
            await streams.run()

    def feed(point: ResumePoint) -> AsyncIterator[MarketBatch]:
        batches = market.batches(point, from_ms=start_ms)
        return batches if streams is None else streams.batches(batches)

    async def follow_settlements(_: Trader, stepper: Stepper) -> None:
        def announced() -> dict[str, int]:
            return {symbol: mark.next_funding_ms or 0 for symbol, mark in market.mark_prices.items()}

        await follow(announced, stepper, clock)

    statuses = StatusWatch(wire, trader.state.traded)
    attendants: list[Attendant] = [follow_market, follow_time, tell_health, statuses.run]
    if streams is not None:
        attendants.append(follow_streams)
    if desk is not None:
        attendants.append(desk.run)
    elif follow_rules is not None:
        attendants.append(follow_rules)
    return EngineParts(
        mode=mode,
        source=f"{wire.dialect.id} {_source(mode) if desk is not None else 'prices, simulated fills'}{server}",
        trader=trader,
        venue=venue,
        journal=journal,
        records=records,
        candles=candles,
        forecasters=forecasters,
        feed=feed,
        clock=clock,
        pacer=Pacer(None, None),
        logbook=logbook,
        start_ms=start_ms,
        trade_from_ms=start_ms,
        end_with_feed=False,
        publish_hz=publish_hz,
        reconcile=reconcile if desk is None else desk.reconcile,
        attendants=attendants,
        # A position that a crash left without a stop gets one before it is judged by how long it had none.
        followers=[look_after],
        beside=[*beside, follow_settlements] if trader.settings.limits.funding_quiet_minutes else beside,
        aside=aside,
        remembered=remembered,
        observations=observations,
        forecasts=forecasts,
        real_time=Surroundings(wire, market, desk, trader.state.traded),
    )
