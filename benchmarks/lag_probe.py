"""Programs that measure how late an event loop wakes a task: the engine itself, and a loop with nothing else to do.

`python -m benchmarks.lag_probe FILE` alone ticks until it is told to stop. With further arguments it is the
`quarterdeck` command with those arguments, whose engine leaves the samples of its own lag meter. Both write FILE at
their end: a JSON list of milliseconds, of about the last minute.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path

import core.engine.engine
from core.engine.lag import LagMeter


class LeavingLagMeter(LagMeter):
    """The engine's meter, which writes down what it saw when it is stopped."""

    target = Path()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.target.write_text(json.dumps(list(self._lags_ms)), encoding="utf-8")


async def tick() -> None:
    ticking = asyncio.ensure_future(LeavingLagMeter().run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ticking.cancel)
    LeavingLagMeter.target.touch()
    with suppress(asyncio.CancelledError):
        await ticking


def main() -> None:
    LeavingLagMeter.target = Path(sys.argv[1]).absolute()
    if len(sys.argv) == 2:
        asyncio.run(tick())
        return
    core.engine.engine.LagMeter = LeavingLagMeter  # type: ignore[misc]
    sys.argv = ["quarterdeck", *sys.argv[2:]]
    from quarterdeck import main as run_quarterdeck

    run_quarterdeck()


if __name__ == "__main__":
    main()
