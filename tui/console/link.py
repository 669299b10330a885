"""The engine as the console has it: not there yet, not to be had, or attached, and how old its newest word is.

No Textual.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from core.control.protocol import ChartView, Seat, Snapshot
from core.control.readiness import OVER
from core.domain.errors import ConfirmationError, QuarterdeckError
from core.home.log_line import LogLine

SILENT_AFTER_MS = 3_000
logger = logging.getLogger(__name__)


def held(chart: Callable[[str], ChartView | None]) -> Callable[[str], ChartView | None]:
    """The same, which stands still: of each symbol it is the first that came, however often it is looked at."""
    came: dict[str, ChartView] = {}

    def first(symbol: str) -> ChartView | None:
        if symbol not in came and (now := chart(symbol)) is not None:
            came[symbol] = now
        return came.get(symbol)

    return first


class Link:
    """`control` is None until `attach` has found one. `failure` says why there is none, with `exit_code` of that
    error; `starting` is True while it is waited for. `clock_ms` is the console's own clock."""

    def __init__(self, control: Seat | None, clock_ms: Callable[[], int]) -> None:
        self.control = control
        self.failure = ""
        self.exit_code = 0
        self.starting = False
        self._clock_ms = clock_ms
        self._since_ms = clock_ms()
        self._seq = -1
        self._seq_seen_ms = self._since_ms
        self._log_cursor = 0

    async def attach(self, connect: Callable[[], Awaitable[Seat]]) -> None:
        """Raises ConfirmationError where the operator may be asked again; every other error is the failure."""
        self.starting = True
        try:
            self.control = await connect()
        except ConfirmationError:
            raise
        except QuarterdeckError as error:
            self.failure, self.exit_code = str(error), error.exit_code
        except Exception as error:
            logger.exception("the engine did not start")
            self.failure, self.exit_code = f"{type(error).__name__}: {error}", 1
        finally:
            self.starting = False

    @property
    def snapshot(self) -> Snapshot | None:
        return self.control.snapshot() if self.control is not None else None

    def newest(self) -> Snapshot | None:
        """The snapshot, noted as seen now where it is a new one: `stale` counts from there."""
        snapshot = self.snapshot
        if snapshot is not None and snapshot.seq != self._seq:
            self._seq = snapshot.seq
            self._seq_seen_ms = self._clock_ms()
        return snapshot

    @property
    def problem(self) -> str:
        """Why nothing new comes from an engine that was there; empty where it does."""
        return self.control.problem if self.control is not None else ""

    def stale(self, snapshot: Snapshot) -> str:
        """The age of the newest snapshot where there is a newer one somewhere, else empty."""
        silent_ms = self._clock_ms() - self._seq_seen_ms
        silent = silent_ms > SILENT_AFTER_MS and snapshot.status.state not in OVER
        return f"{silent_ms // 1000}s" if self.problem or silent else ""

    @property
    def waiting(self) -> str:
        """What stands in for data while there is no engine."""
        if self.problem:
            return f"{self.problem}. q leaves"
        return f"starting the engine, {(self._clock_ms() - self._since_ms) // 1000} s. q leaves"

    def chart(self, symbol: str) -> ChartView | None:
        return self.control.chart(symbol) if self.control is not None else None

    def log_lines(self) -> Sequence[LogLine]:
        """Those that have come since the last call."""
        if self.control is None:
            return ()
        self._log_cursor, lines = self.control.log_lines(self._log_cursor)
        return lines
