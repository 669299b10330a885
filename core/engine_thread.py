"""An engine on an event loop of its own in a thread of its own, so that a blocked terminal never stalls trading."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable

from core.control import Control
from core.domain.errors import QuarterdeckError, UnavailableError
from core.engine import Engine

Serve = Callable[[Callable[[Engine, Control], None]], Awaitable[None]]
"""Builds and runs an engine to its end; calls back as soon as there is one to be asked."""

# With Python's default of 5 ms a busy engine step delays a key's echo by as much.
_SWITCH_INTERVAL_S = 0.0005


class EngineThread:
    """Implements `core.runtime.EngineHandle`. The constructor returns once the engine exists, or raises why not."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._engine: Engine | None = None
        self._control: Control | None = None
        self._failure: BaseException | None = None
        self._built = threading.Event()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        self._built.wait()
        if self._control is None:
            self._thread.join()
            raise self._failure or UnavailableError("the engine ended before it began")

    @property
    def control(self) -> Control:
        assert self._control is not None
        return self._control

    def stop(self, timeout_s: float) -> None:
        """Raises UnavailableError when the engine has not ended after `timeout_s`."""
        if self._engine is not None:
            self._engine.stop()
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
        except BaseException as error:  # noqa: BLE001 - handed to the console thread, which shows it and exits with it
            self._failure = first_cause(error)
            if self._engine is not None:
                self._engine.fail(str(self._failure))
        finally:
            self._built.set()

    async def _main(self) -> None:
        await self._serve(self._take)

    def _take(self, engine: Engine, control: Control) -> None:
        self._engine, self._control = engine, control
        self._built.set()


def first_cause(error: BaseException) -> BaseException:
    """The error inside an exception group that says most: ours before others."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [first_cause(inner) for inner in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, QuarterdeckError)), causes[0])
