"""An engine on an event loop of its own in a thread of its own, so that a blocked terminal never stalls trading."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from core.control.protocol import Seat
from core.domain.errors import QuarterdeckError, UnavailableError
from core.engine.engine import Engine

Serve = Callable[[Callable[[Engine, Seat], None]], Awaitable[None]]
"""Builds and runs an engine to its end; calls back as soon as there is one to be asked."""

# With Python's default of 5 ms a busy engine step delays a key's echo by as much.
_SWITCH_INTERVAL_S = 0.0005


class EngineThread:
    """Implements `core.control.requests.EngineHandle`. The start goes on beside whoever made it."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._engine: Engine | None = None
        self._control: Seat | None = None
        self._failure: BaseException | None = None
        self._over = threading.Event()
        """The start is: there is an engine, or there will be none."""
        self._stop_asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def wait(self) -> Seat:
        self._over.wait()
        if self._control is None:
            raise self._failure or UnavailableError("the engine was stopped before it began")
        return self._control

    def ask_to_stop(self) -> None:
        self._stop_asked = True
        if self._loop is not None:
            with suppress(RuntimeError):  # A loop that is closed has nothing left to stop.
                self._loop.call_soon_threadsafe(self._stop_here)
        if self._control is None:
            self._over.set()

    def stop(self, timeout_s: float) -> None:
        self.ask_to_stop()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise UnavailableError(f"the engine did not end within {timeout_s:g} s; its journal is safe")

    def failure(self) -> BaseException | None:
        return self._failure

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
            if self._engine is None and not self._stop_asked:
                self._failure = UnavailableError("the engine ended before it began")
        except BaseException as error:  # noqa: BLE001 - handed to the console thread, which shows it and exits with it
            if not self._was_given_up(error):
                self._failure = first_cause(error)
            if self._engine is not None:
                self._engine.fail(str(self._failure))
        finally:
            self._over.set()

    async def _main(self) -> None:
        self._serving = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        # Asked after this line, a stop finds the loop; asked before it, it is found here.
        if not self._stop_asked:
            await self._serve(self._take)

    def _stop_here(self) -> None:
        """On the engine's loop, where an engine that is there also runs."""
        if self._engine is not None:
            self._engine.stop()
        elif self._serving is not None:
            self._serving.cancel()

    def _was_given_up(self, error: BaseException) -> bool:
        return self._stop_asked and self._engine is None and isinstance(error, asyncio.CancelledError)

    def _take(self, engine: Engine, control: Seat) -> None:
        self._engine, self._control = engine, control
        self._over.set()


def first_cause(error: BaseException) -> BaseException:
    """The error inside an exception group that says most: ours before others."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [first_cause(inner) for inner in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, QuarterdeckError)), causes[0])
