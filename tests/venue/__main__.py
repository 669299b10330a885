"""A loopback exchange with a random market, for trying the command by hand.

    python -m tests.venue --port 8999

serves until interrupted and prints what to put into settings and environment. With --minute-ms 1000 its minutes last
a second; requests are then taken whatever time they carry.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time

from core.domain.market import MINUTE_MS
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue
from tests.venue.walk import START_PRICES, STEPS_PER_MINUTE, RandomWalk

FASTEST_STEP_S = 0.05


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.venue", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8999)
    parser.add_argument("--minute-ms", type=int, default=MINUTE_MS, help="how long a minute of the exchange lasts")
    parser.add_argument("--symbols", nargs="+", default=list(START_PRICES))
    parser.add_argument("--wallet-usdt", default="10000")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    start_ms, began = time.time_ns() // 1_000_000, time.monotonic()
    speed = MINUTE_MS / arguments.minute_ms

    def now_ms() -> int:
        return start_ms + int((time.monotonic() - began) * 1_000 * speed)

    venue = BinanceVenue(arguments.symbols, wallet_usdt=arguments.wallet_usdt, checks_time=speed == 1)
    walk = RandomWalk(venue, arguments.symbols, random.Random(arguments.seed))
    walk.begin(now_ms())
    async with VenueServer(venue, now_ms, port=arguments.port) as server:
        print(f"base_url = {server.base_url!r}")
        print(f"export QUARTERDECK_API_KEY={API_KEY}")
        print(f"export QUARTERDECK_API_SECRET={API_SECRET}", flush=True)
        while True:
            await asyncio.sleep(max(FASTEST_STEP_S, arguments.minute_ms / 1_000 / STEPS_PER_MINUTE))
            walk.step(now_ms())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))
