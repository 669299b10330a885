"""The asyncio shell: wires feed, trader, venue, learning and journal, and owns their tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from core.clock import monotonic_ns, monotonic_s
from core.control.events import EventLog
from core.control.lease import WriteLease
from core.control.operations import OPERATIONS
from core.control.protocol import ChartView, CommandResult, RunState, Snapshot, StatusView
from core.domain.errors import UnavailableError
from core.domain.market import Bar
from core.domain.operator import OperatorCommand, OperatorWish, Verb
from core.domain.orders import RESTING_STATES
from core.domain.records import ForecastRecord, Record
from core.engine.events import events_of
from core.engine.lag import LagMeter
from core.engine.log_lines import narrate
from core.engine.parts import EngineParts, Recollection
from core.engine.recent import Recent
from core.engine.recovery import BOOK_DIFFERENCES, FRESH_MS
from core.engine.session import Session
from core.engine.steering import Steering
from core.engine.view_guard import Drawing
from core.engine.views import (
    block_views,
    chart_view,
    meter_views,
    order_view,
    position_view,
    price_views,
    signal_views,
    trade_view,
)
from core.engine.warm_up import Past
from core.market.history import bar_at
from core.market.replay.resuming import ResumePoint, newest_first_prices, resume_point
from core.trader import limits
from core.trader.account import iso
from core.trader.memory import recall
from core.trader.restore import restore, set_marks
from core.trader.symbol_state import SymbolState

log = logging.getLogger("quarterdeck.engine")

_PAST = "the past"
_GIVES_WAY_S, _GIVES_WAY_LOOKS = 0.05, 60
_CHART_TRIES = 3


class Engine:
    """One account trading one market. `run` returns at the end of the market or after `stop`."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self._trader = parts.trader
        self._symbols = parts.trader.state.traded
        settings = parts.trader.settings
        self._exit_cost_bps = float(settings.costs.taker_fee_bps) + settings.costs.slippage_bps
        self._recent = Recent(parts.trader.state)
        self._session = Session(
            parts.trader,
            parts.venue,
            parts.journal,
            parts.forecasters,
            parts.clock,
            self._observe,
            waits_for_models=parts.real_time is None,
            settlements=parts.settlements,
        )
        self._steering = Steering(
            parts.mode,
            parts.trader,
            self._session.stepper,
            parts.clock,
            parts.real_time,
            lambda: self._state,
            self._publish_now,
        )
        self._lag = LagMeter(parts.lag_period_s)
        self._state: RunState = "starting"
        self._note = ""
        self._drawing = Drawing()
        self._telling = Drawing("events cannot be told")
        self.events = EventLog()
        self.lease = WriteLease(monotonic_s)
        self._point = ResumePoint({}, {})
        self._fed_ns: int | None = None
        self._progress: tuple[int, int] | None = None
        self._speed = 0.0
        self._seq = 0
        self._following: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.latest: Snapshot | None = None

    async def run(self) -> None:
        """Recover, then trade. Raises what ended it when that was not a stop or the end of the market."""
        self._loop = asyncio.get_running_loop()
        self._publish_now()
        recollection = await self._recollect()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._lag.run()),
                group.create_task(self._publish()),
                group.create_task(self._session.warm_up()),
                # What positions need is sent while their books are still being compared.
                *(group.create_task(attend(self._trader, self._session.stepper)) for attend in self._parts.attendants),
            ]
            trading = group.create_task(self._trade(recollection, group))
            await self._until_over(trading)
            async with self._session.stepper.lock:
                self._state = "stopping"
                for task in (*tasks, trading, *self._following, *self._session.tasks()):
                    task.cancel()
        self._publish_now()

    def stop(self) -> None:
        """Ask the engine to end after the step in hand. Safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def submit(self, wish: OperatorWish) -> Future[CommandResult]:
        """Ask for a command from any thread, as `command`. Raises UnavailableError when the engine does not run."""
        if self._loop is None or self._loop.is_closed():
            without = OPERATIONS[wish.verb].words.without
            raise UnavailableError("; ".join(filter(None, ("no engine runs here", without))))
        return asyncio.run_coroutine_threadsafe(self.command(wish), self._loop)

    def chart(self, symbol: str) -> ChartView | None:
        """Drawn when it is asked for, from any thread; None for a symbol that is not traded, and where the bars came
        too fast to be copied."""
        if (history := self._session.histories.get(symbol)) is None:
            return None
        for _ in range(_CHART_TRIES):
            with suppress(RuntimeError):
                return chart_view(symbol, history, self._recent)
        return None

    def fail(self, reason: str) -> None:
        """Show that the engine ended by an error."""
        self._state, self._note = "failed", reason
        self._publish_now()

    async def command(self, wish: OperatorWish) -> CommandResult:
        """Carry out an operator's command between two steps, although whoever asked gives up meanwhile. Runs on the
        engine's loop."""
        return await self._steering.command(wish)

    async def _trade(self, recollection: Recollection, group: asyncio.TaskGroup) -> None:
        await self._settle(recollection, group)
        for follow in self._parts.followers:
            self._following.append(group.create_task(follow(self._trader, self._session.stepper)))
        self._following.append(group.create_task(self._begin_beside(recollection, group)))
        await self._follow_market(group)

    async def _begin_beside(self, recollection: Recollection, group: asyncio.TaskGroup) -> None:
        """Begin what no position waits for, which would only take the processor from what protects one now."""
        for _ in range(_GIVES_WAY_LOOKS):
            if not any(map(_needs_protection, self._trader.state.symbols.values())):
                break
            await asyncio.sleep(_GIVES_WAY_S)
        for attend in self._parts.beside:
            self._following.append(group.create_task(attend(self._trader, self._session.stepper)))
        if self._parts.real_time is not None:
            await self._learn(recollection, group)

    async def _until_over(self, trading: asyncio.Task[None]) -> None:
        """Raises where a step could not be made durable, whoever asked for it."""
        stepper = self._session.stepper
        stop, failed = asyncio.ensure_future(self._stop.wait()), asyncio.ensure_future(stepper.failed.wait())
        waiting = (stop, failed, trading) if self._parts.end_with_feed else (stop, failed)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            failed.cancel()
        stepper.check()

    async def _recollect(self) -> Recollection:
        """Tell the state again from the journal and the newest bars; nobody outside is asked yet. No more is read than
        what protects a position takes, however long the account lives."""
        parts, trader = self._parts, self._trader
        self._state = "recovering"
        self._publish_now()
        records, before = parts.records, parts.remembered
        if before is not None:
            recall(trader, before.memory, before.seen)
        differences = restore(trader, records)
        self._steering.recall(records)
        self._session.take_in(records)
        self._session.is_ready = False
        known = records if before is None else (*before.earlier, *records)
        self._observe(known, narrated=False)
        self._point = resume_point(records, self._symbols)
        last_bars = await self._newest_bars()
        set_marks(trader, last_bars)
        delay_ms = trader.settings.engine.first_price_delay_ms
        last_prices = await newest_first_prices(parts.candles, self._point, self._session.interval_ms, delay_ms)
        parts.venue.restore(known, last_bars, last_prices)
        self._session.stepper.prices = last_prices
        for price in last_prices:
            trader.handle(price)
        now_ms = max(
            parts.clock.now_ms(),
            trader.state.sampled_ms,
            *(bar.close_time_ms for bar in last_bars),
            *(price.time_ms for price in last_prices),
            *(record.forecast.made_ms for record in records if isinstance(record, ForecastRecord)),
        )
        parts.clock.advance_to(now_ms)
        if parts.real_time is not None:
            parts.real_time.report(_PAST, "it is still being read")
        # A journal takes more room than all that was learned of it.
        self._parts = replace(parts, records=(), remembered=None)
        return Recollection(len(records), before.seq if before is not None else 0, now_ms, last_bars, differences)

    async def _settle(self, recollection: Recollection, group: asyncio.TaskGroup) -> None:
        """Bring trader and venue to agree, and finish what a crash kept from being decided."""
        parts, trader, now_ms = self._parts, self._trader, recollection.now_ms
        differences = [*recollection.differences]
        self._steering.recollected()
        differences += await parts.reconcile(trader, parts.venue, self._session.stepper, now_ms)
        await self._steering.settled()
        if recollection.records:
            told = "recovered %d records up to %s, the %d before them by a checkpoint: %d differences"
            log.info(told, recollection.records, iso(now_ms), recollection.before, len(differences))
        if parts.real_time is None:
            await self._learn(recollection, group)
        if any(difference.what in BOOK_DIFFERENCES for difference in differences):
            pause = OperatorCommand(f"recovery-{now_ms}", Verb.PAUSE, "", "recovery: the books differ", now_ms)
            await self._session.stepper.step([pause], now_ms)
        if differences:
            self._note = f"{len(differences)} differences between books and venue found at start; see the log"

    async def _learn(self, recollection: Recollection, group: asyncio.TaskGroup) -> None:
        """Read what signals need of the past: a recorded market waits for it, one in real time does not."""
        parts, session = self._parts, self._session
        newest = recollection.last_bars if recollection.records else ()
        reached_ms = {symbol: self._reached_ms(symbol) for symbol in self._symbols}
        stores = (parts.candles, parts.observations, parts.forecasts, parts.clock.now_ms)
        bars = await Past(session, *stores, parts.start_ms, reached_ms, newest, parts.aside).learn()
        newest_ms = max((bar.close_time_ms for bar in bars), default=0)
        fresh_ms = max(FRESH_MS, session.latest_ms + 1)
        await session.begin(bars, fresh=newest_ms + fresh_ms > parts.clock.now_ms())
        session.start_trainings(group)
        if parts.real_time is not None:
            parts.real_time.report(_PAST, "")

    def _reached_ms(self, symbol: str) -> int:
        """The open time of the first bar behind what was taken in."""
        last_ms = self._point.bars.get(symbol)
        return self._parts.start_ms if last_ms is None else last_ms + self._session.interval_ms

    async def _newest_bars(self) -> list[Bar]:
        """The newest bar of each symbol that was taken in."""
        candles, session = self._parts.candles, self._session
        newest: list[Bar] = []
        for symbol in self._symbols:
            end_ms = self._reached_ms(symbol)
            for bars in (1, session.capacity):  # It is the last one but where the store has a gap.
                columns = await candles.bars(symbol, end_ms - bars * session.interval_ms, end_ms)
                if len(columns.open_time_ms):
                    newest.append(bar_at(columns, -1))
                    break
        return newest

    async def _follow_market(self, group: asyncio.TaskGroup) -> None:
        parts, session = self._parts, self._session
        self._state = "running"
        async for batch in parts.feed(self._point):
            trading = batch.trading and batch.due_ms >= parts.trade_from_ms
            if trading:
                await session.deliver_models(batch.due_ms)
                await parts.pacer.until(batch.due_ms)
            self._note_progress(batch.due_ms)
            await session.instant(batch.due_ms, batch.events, group, trading=trading, observed=batch.observed)
        self._state = "ended"
        log.info("the recorded market ended")

    def _observe(self, records: Sequence[Record], *, narrated: bool = True) -> None:
        self._steering.observe(records)
        self._recent.take_in(records)
        if narrated:
            instruments = {symbol: s.instrument for symbol, s in self._trader.state.symbols.items()}
            narrate(records, instruments)
            self._telling.attempt(lambda: self.events.tell(events_of(records, instruments)))

    def _note_progress(self, due_ms: int) -> None:
        now_ns = monotonic_ns()
        self._fed_ns = now_ns
        if self._progress is None or now_ns - self._progress[1] > 2_000_000_000:
            if self._progress is not None:
                self._speed = (due_ms - self._progress[0]) * 1e6 / (now_ns - self._progress[1])
            self._progress = (due_ms, now_ns)

    async def _publish(self) -> None:
        while True:
            self._publish_now()
            await asyncio.sleep(1.0 / self._parts.publish_hz)

    def _publish_now(self) -> None:
        """Nothing that only draws may end an engine."""
        self._drawing.attempt(self._draw)

    def _draw(self) -> None:
        self._seq += 1
        state = self._trader.state
        books = {symbol: state.symbols[symbol] for symbol in state.traded}
        champions = self._session.champions()
        recent = self._recent
        quotes = self._parts.real_time.quotes() if self._parts.real_time is not None else {}
        now_ms = self._parts.clock.now_ms()
        silences = self._session.silences.now()
        self.latest = Snapshot(
            seq=self._seq,
            status=self._status(),
            prices=price_views(
                books, self._session.histories, champions, self._trader.strategy.outputs, quotes, silences
            ),
            positions=tuple(position_view(s, now_ms, quotes.get(symbol)) for symbol, s in books.items() if s.lots),
            orders=tuple(order_view(order, s.instrument) for s in books.values() for order in s.orders.values()),
            signals=signal_views(books, recent, self._trader.decider, silences),
            meters=meter_views(self._trader.guard.measure(state, now_ms, books)),
            trades=tuple(trade_view(trade) for trade in reversed(recent.trades)),
            external=self._parts.real_time.external() if self._parts.real_time is not None else (),
            events=self.events.last,
            writer=self.lease.writer(),
        )

    def _status(self) -> StatusView:
        state, parts = self._trader.state, self._parts
        real_time = parts.real_time
        shown: RunState = self._state
        if shown == "running" and (state.halted or state.paused):
            shown = "halted" if state.halted else "paused"
        equity = state.equity_usdt()
        return StatusView(
            mode=parts.mode,
            state=shown,
            as_of_ms=parts.clock.now_ms(),
            balance_usdt=state.wallet_usdt,
            equity_usdt=equity,
            day_pnl_usdt=equity - state.day_start_equity_usdt,
            drawdown_pct=limits.drawdown_pct(state.peak_equity_usdt, equity),
            exposure_pct=limits.exposure_pct(sum(s.notional_usdt for s in state.symbols.values()), equity),
            open_positions=sum(1 for s in state.symbols.values() if s.lots),
            open_orders=sum(len(s.orders) for s in state.symbols.values()),
            feed_age_ms=self._feed_age_ms(),
            loop_lag_ms=self._lag.p99_ms(),
            halts=(
                *self._trader.guard.halts(),
                *(["paused"] if state.paused else []),
                *(["halted"] if state.halted else []),
            ),
            speed=round(self._speed, 1),
            source=parts.source,
            note=self._note or self._session.note(),
            exit_cost_bps=self._exit_cost_bps,
            exchange=real_time.exchange() if real_time is not None else "",
            connection=real_time.problem() if real_time is not None else "",
            clock_offset_ms=real_time.clock_offset_ms() if real_time is not None else None,
            blocks=block_views(self._trader.guard.blocking()),
            interval_minutes=self._trader.settings.market.interval_minutes,
        )

    def _feed_age_ms(self) -> float | None:
        real_time = self._parts.real_time
        if real_time is not None:
            fed_ms = real_time.fed_ms()
            return None if fed_ms is None else float(self._parts.clock.now_ms() - fed_ms)
        return None if self._fed_ns is None else (monotonic_ns() - self._fed_ns) / 1e6


def _needs_protection(s: SymbolState) -> bool:
    """Whether a position has no stop that is known to rest, or may come to be one that has none."""
    return bool(s.lots and not s.is_protected()) or any(order.state not in RESTING_STATES for order in s.entries())
