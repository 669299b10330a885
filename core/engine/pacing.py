"""How fast recorded time may run: a chosen speed, and never more than a share of one core."""

from __future__ import annotations

import asyncio
import time

from core.clock import monotonic_ns

_MAX_DEBT_NS = 1_000_000_000


class Pacer:
    """`speed` is virtual over real time, `core_share` the most of one core the thread may use; None: no bound."""

    def __init__(self, speed: float | None, core_share: float | None) -> None:
        self._speed = speed
        self._core_share = core_share
        self._due_ns = 0
        self._virtual_ms = 0
        self._cpu_ns = time.thread_time_ns()
        self._wall_ns = monotonic_ns()

    async def until(self, virtual_ms: int) -> None:
        """Return when the event due at `virtual_ms` may happen; always gives other tasks a turn."""
        now_ns = monotonic_ns()
        wait_ns = self._speed_wait_ns(virtual_ms, now_ns)
        wait_ns = max(wait_ns, self._share_wait_ns(now_ns))
        await asyncio.sleep(wait_ns / 1e9)

    def _speed_wait_ns(self, virtual_ms: int, now_ns: int) -> int:
        if self._speed is None:
            return 0
        elapsed_ms = virtual_ms - self._virtual_ms if self._virtual_ms else 0
        self._virtual_ms = virtual_ms
        self._due_ns = max(self._due_ns, now_ns - _MAX_DEBT_NS) + int(elapsed_ms * 1e6 / self._speed)
        return max(0, self._due_ns - now_ns)

    def _share_wait_ns(self, now_ns: int) -> int:
        if self._core_share is None:
            return 0
        cpu_ns = time.thread_time_ns()
        used_ns, spent_ns = cpu_ns - self._cpu_ns, now_ns - self._wall_ns
        if spent_ns > _MAX_DEBT_NS:
            self._cpu_ns, self._wall_ns = cpu_ns, now_ns
        return max(0, int(used_ns / self._core_share) - spent_ns)
