"""An engine from its request to its end. Heavy imports stand inside the functions: a console paints first."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from core.clock import Clock
from core.control.requests import RunRequest
from core.home.folder import EngineLock, Home, cannot_write

if TYPE_CHECKING:
    from core.control.protocol import Seat
    from core.engine.assembly.stores import EngineStores
    from core.engine.engine import Engine

STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


async def serve_until_signal(request: RunRequest, home: Home, stores: EngineStores, wall: Clock) -> None:
    """A stop signal ends the engine after the step in hand, or the start-up at once; both are a normal end."""
    loop = asyncio.get_running_loop()
    engines: list[Engine] = []
    serving = asyncio.ensure_future(
        serve(request, home, stores, wall, lambda engine, _: engines.append(engine), console=False)
    )

    def stop() -> None:
        if engines:
            engines[0].stop()
        else:
            serving.cancel()

    for name in STOP_SIGNALS:
        loop.add_signal_handler(getattr(signal, name), stop)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def serve(
    request: RunRequest,
    home: Home,
    stores: EngineStores,
    wall: Clock,
    built: Callable[[Engine, Seat], None],
    *,
    console: bool,
) -> None:
    """Build an engine for `request`, tell `built`, and run it to its end. `wall` is this machine's time. A `console`
    in this process has the write lease to begin with."""
    from core.clock import ExchangeClock, VirtualClock
    from core.control.arming import account_of
    from core.control.seat import LeasedSeat
    from core.control.socket import ControlServer
    from core.engine.assembly.demo import demo_parts
    from core.engine.assembly.exchange import exchange_parts
    from core.engine.assembly.start import EngineStart
    from core.engine.control import EngineControl
    from core.engine.engine import Engine
    from core.home.logbook import set_up
    from core.market.seeing import check_parts
    from core.settings.of_home import settings_of
    from core.strategy.loading import load_strategy

    home.create()
    settings = settings_of(home, request.settings_path)
    async with AsyncExitStack() as stack:
        stack.enter_context(EngineLock(home))
        clock = VirtualClock(0) if request.mode == "demo" else ExchangeClock(wall)
        try:
            logs = set_up(
                home.log,
                clock.now_ms,
                stderr=None if console else sys.stderr,
                stderr_level=request.log_level,
                label="" if request.mode == "demo" else account_of(settings, request.mode).upper(),
                file_bytes=settings.log.file_mb * 1_000_000,
                file_count=settings.log.old_files,
            )
        except OSError as error:
            raise cannot_write(home.log, error) from error
        stack.callback(logs.close)
        strategy = load_strategy(settings.strategy, settings)
        check_parts(strategy, settings.market.interval_ms)
        start = EngineStart(request, home, stores, settings, strategy, logs, stack, wall, console)
        if isinstance(clock, VirtualClock):
            parts = await demo_parts(start, clock)
        else:
            parts = await exchange_parts(start, clock)
        engine = Engine(parts)
        del parts  # The journal that it was told goes with them.
        control = EngineControl(engine, logs.book)
        await stack.enter_async_context(ControlServer(control, home, lease=engine.lease))
        seat = LeasedSeat(control, engine.lease, "console")
        if console:
            await seat.claim("free")
        built(engine, seat)
        await engine.run()
