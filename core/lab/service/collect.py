"""What `collect` does: an exchange's streams on one side, the home's store on the other."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

from core.clock import Clock, ExchangeClock
from core.control.requests import CollectRequest
from core.domain.errors import BadInputError, RefusedError
from core.domain.progress import Progress
from core.domain.rows import Row
from core.home.folder import ENGINE_TURN_S, Home, cannot_write, engine_pid, open_own

if TYPE_CHECKING:
    from core.domain.progress import OnProgress, ShouldStop
    from core.lab.service.stores import HomeStores
    from core.market.collecting.collector import Collector, Gathering
    from core.settings.schema import Settings

log = logging.getLogger("quarterdeck.collect")

_SHOWN_EVERY_MS = 60_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_MB = 1_000_000


def collect(
    home: Home,
    stores: HomeStores,
    clock: Clock,
    request: CollectRequest,
    tell: Callable[[str], None],
    progress: OnProgress,
    should_stop: ShouldStop,
) -> Row:
    """As `tui.cli.runtime.Runtime.collect` says."""
    from core.home.logbook import set_up
    from core.settings.of_home import settings_of

    settings = settings_of(home, request.settings_path)
    # Prices of test hosts are nobody's market.
    chosen = settings.exchange.model_copy(update={"id": request.exchange or settings.exchange.id, "testnet": False})
    settings = settings.model_copy(update={"exchange": chosen})
    asked = gathering(settings, request)
    home.create()
    exchange_clock = ExchangeClock(clock)
    with _only_one(home):
        try:
            logs = set_up(
                home.collect_log,
                exchange_clock.now_ms,
                stderr=sys.stderr,
                stderr_level="WARNING",
                file_bytes=settings.log.file_mb * _MB,
                file_count=settings.log.old_files,
            )
        except OSError as error:
            raise cannot_write(home.collect_log, error) from error

        def say(text: str) -> None:
            log.info("%s", text)
            tell(text)

        try:
            return asyncio.run(
                _collected(home, stores, exchange_clock, settings, asked, request.for_ms, say, progress, should_stop)
            )
        except BaseExceptionGroup as group:
            from core.engine.thread import first_cause

            raise first_cause(group) from group
        finally:
            logs.close()


def gathering(settings: Settings, request: CollectRequest) -> Gathering:
    """What a request comes to with its settings. Raises BadInputError for what the exchange does not tell."""
    from core.exchange.markets.symbols import normalise
    from core.market.collecting.collector import Gathering
    from core.market.live.observing import live_names

    kept = settings.collect
    streams = live_names(settings.exchange.id, request.streams, short=True)
    days = {name: kept.keep_days(name.partition(".")[0]) for name in streams}
    least_mb = kept.min_free_disk_mb if request.min_free_disk_mb is None else request.min_free_disk_mb
    return Gathering(
        symbols=tuple(dict.fromkeys(normalise(symbol) for symbol in request.symbols)),
        streams=streams,
        keep_ms={name: its_days * _DAY_MS for name, its_days in days.items() if its_days},
        batch_ms=round(kept.batch_seconds * 1_000),
        sample_ms=round(kept.sample_seconds * 1_000),
        stale_ms=round(settings.exchange.stale_after_seconds * 1_000),
        fill_ms=round(kept.fill_hours * _HOUR_MS),
        weight_an_hour=kept.weight_an_hour,
        min_free_bytes=least_mb * _MB,
    )


async def _collected(
    home: Home,
    stores: HomeStores,
    clock: ExchangeClock,
    settings: Settings,
    asked: Gathering,
    for_ms: int | None,
    tell: Callable[[str], None],
    progress: OnProgress,
    should_stop: ShouldStop,
) -> Row:
    from core.exchange.connection.health import Health
    from core.exchange.connection.requests import keep_time, open_wire
    from core.exchange.dialects import dialect_of
    from core.market.collecting.collector import Collector
    from core.market.collecting.report import gathered

    exchange = settings.exchange.id
    async with AsyncExitStack() as stack:
        try:
            wire = await open_wire(settings, None, clock, Health(), dialect_of(exchange), asked.symbols)
        except BadInputError as error:
            raise BadInputError(str(error).removeprefix("exchange.symbols: ")) from error
        stack.push_async_callback(wire.close)
        # Whether all of a large file is whole is looked at by `data check`.
        store = await stores.imported().collected(exchange)
        stack.push_async_callback(store.close)

        async def rest() -> None:
            if engine_pid(home) is not None:
                await asyncio.sleep(ENGINE_TURN_S)

        def free_bytes() -> int:
            return shutil.disk_usage(home.root).free

        collector = Collector(wire, store, asked, rest=rest, free_bytes=free_bytes, tell=tell)
        ends = _Ends(collector, clock, for_ms, progress, should_stop)
        tell(f"gathering {', '.join(asked.streams)} of {', '.join(asked.symbols)} from {exchange}")
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(keep_time(wire))
            try:
                stopped = await collector.run(ends)
            finally:
                keeper.cancel()
        return {
            "exchange": exchange,
            "collected": await gathered(collector, store, asked, exchange, clock.now_ms()),
            "seconds": (clock.now_ms() - collector.since_ms) // 1_000,
            "weight": collector.spent,
            "free_mb": free_bytes() // _MB,
            "stopped": stopped,
        }


class _Ends:
    """Whether the gathering is to end: its time is over, or that is wished. Shows now and then how far it is."""

    def __init__(
        self,
        collector: Collector,
        clock: ExchangeClock,
        for_ms: int | None,
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> None:
        self._collector = collector
        self._clock = clock
        self._until_ms = None if for_ms is None else collector.since_ms + for_ms
        self._progress = progress
        self._should_stop = should_stop
        self._shown_ms = collector.since_ms

    def __call__(self) -> bool:
        now_ms, told = self._clock.now_ms(), self._collector.told
        if now_ms >= self._shown_ms + _SHOWN_EVERY_MS:
            self._shown_ms = now_ms
            self._progress(Progress(sum(told.stored.values()), 0, "rows", f"{sum(told.filled.values()):,} filled"))
        return self._should_stop() or (self._until_ms is not None and now_ms >= self._until_ms)


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Raises RefusedError while another one goes on in the home."""
    try:
        descriptor = open_own(home.collecting, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise cannot_write(home.collecting, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"{home.root}: another collect goes on here; name all that is wanted there") from None
        yield
    finally:
        os.close(descriptor)
