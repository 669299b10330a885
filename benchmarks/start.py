"""A live start on a home with a year behind it, against an exchange on loopback: how soon what protects acts."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.market import temporary_home
from benchmarks.old_home import PRICES, OldHome, write_old_home
from benchmarks.processes import QUARTERDECK, ROOT, cpu_seconds, measured
from benchmarks.report import Figure, Section
from benchmarks.year import COMPILED
from core.control.client import request
from core.domain.errors import QuarterdeckError
from core.domain.orders import OUR_PREFIX
from core.home.folder import Home
from core.settings.schema import load_settings
from tests.venue import by_hand
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

TARGET_S = 2.0
TARGET_MIB = 300.0
DAYS, EVERY_MINUTES, ROUNDS = 365, 15, 3
LIMIT_S = 300.0
LOOK_S = 0.02
STOP_S = 20.0
LEVERAGE = 3
BESIDE = ("the past", "databases")
"""What a start does beside, as the status names it."""

BARE = (sys.executable, "-c", "import ccxt.pro, numpy, pydantic, click")

SETTINGS = """
mode = "live"
strategy = "ema_cross"
[sizing]
notional_usdt = 100
[limits]
max_trades_per_day = 1000000
max_losses_in_row = 1000000
[live]
paper_hours_first = 0
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the process's start: until the exchange had the stop of the position that a crash left bare, and the
    engine's processor time by then; to the first snapshot, to the first that shows the position, and until all that
    follows beside it was there. `peak_mib` is its greatest resident memory."""

    protected_s: float
    protected_cpu_s: float
    snapshot_s: float
    position_s: float
    whole_s: float
    peak_mib: float


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def exchange(old: OldHome) -> BinanceVenue:
    """What the crash left there: the entry was taken and has filled."""
    venue = BinanceVenue(list(PRICES), wallet_usdt=old.wallet_usdt, checks_time=False, start_ms=now_ms() - 60_000)
    for symbol, price in PRICES.items():
        tick = venue.exchange.contracts[symbol].tick_size
        bid = (Decimal(str(price)) // tick) * tick
        venue.set_book(symbol, str(bid), str(bid + tick), now_ms(), last=str(bid))
        by_hand.change_leverage(venue, symbol, LEVERAGE, now_ms())
    entry = old.entry
    contract = venue.exchange.contracts[entry.symbol]
    sent = {"symbol": entry.symbol, "side": entry.side.value.upper(), "quantity": contract.qty_text(entry.qty_lots)}
    venue.place_external(now_ms(), **sent, newClientOrderId=entry.client_order_id)
    return venue


async def start(old: OldHome) -> Start:
    """Raises RuntimeError where the engine ends, TimeoutError where it does not come as far."""
    venue = exchange(old)
    async with VenueServer(venue, now_ms) as server:
        old.home.settings.write_text(f'{SETTINGS}\n[exchange]\nbase_url = "{server.base_url}"\n', encoding="utf-8")
        keys = {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": API_SECRET}
        command = (*QUARTERDECK, "run", "--headless", "--home", str(old.home.root), "--confirm-live", API_KEY[-4:])
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env={**os.environ, **COMPILED, **keys}, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
        try:
            return await _watched(process, venue, old.home, began)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()


async def _watched(process: Process, venue: BinanceVenue, home: Home, began: float) -> Start:
    protected_s = protected_cpu_s = snapshot_s = position_s = whole_s = 0.0
    while not (protected_s and snapshot_s and position_s and whole_s):
        venue.advance(now_ms())
        took_s = time.perf_counter() - began
        if process.returncode is not None:
            _, words = await process.communicate()
            raise RuntimeError(f"the engine ended with exit {process.returncode}: {words.decode()[-800:]}")
        if took_s > LIMIT_S:
            raise TimeoutError(f"the engine has not come as far within {LIMIT_S:g} s")
        if not protected_s and any(algo.client_id.startswith(OUR_PREFIX) for algo in venue.algos):
            protected_s, protected_cpu_s = took_s, cpu_seconds(process.pid)[process.pid]
        snapshot = await asyncio.to_thread(_snapshot, home)
        took_s = time.perf_counter() - began
        if snapshot is not None:
            snapshot_s = snapshot_s or took_s
            position_s = position_s or (took_s if snapshot["positions"] else 0.0)
            whole_s = whole_s or (took_s if _is_whole(snapshot) else 0.0)
        await asyncio.sleep(LOOK_S)
    return Start(protected_s, protected_cpu_s, snapshot_s, position_s, whole_s, _peak_mib(process.pid))


def _is_whole(snapshot: dict[str, Any]) -> bool:
    status = snapshot["status"]
    waits = any(part in status["connection"] for part in BESIDE)
    return status["state"] == "running" and not waits


def _snapshot(home: Home) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = request(home, "snapshot")
    except QuarterdeckError:
        return None
    return found


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024.0


def started(old: OldHome, rounds: int) -> list[Start]:
    """So many starts, each on a copy of the home as the crash left it."""
    found = []
    for n in range(rounds):
        copy = Home(old.home.root.parent / f"{old.home.root.name}-{n}")
        shutil.copytree(old.home.root, copy.root)
        try:
            found.append(asyncio.run(start(replace(old, home=copy))))
        finally:
            shutil.rmtree(copy.root)
    return found


def starts_after(days: int, rounds: int, every_minutes: int, *, with_checkpoint: bool = True) -> list[Start]:
    """Of a home with so many days behind it."""
    with temporary_home(SETTINGS) as home:
        settings = load_settings(home.settings)
        old = write_old_home(
            home, settings, days, now_ms(), every_minutes=every_minutes, with_checkpoint=with_checkpoint
        )
        return started(old, rounds)


def run(days: int = DAYS, rounds: int = ROUNDS, *, full: bool = False) -> Section:
    """`full` writes a sample and predictions of each minute, which is what a real year holds."""
    every = 1 if full else EVERY_MINUTES
    bare = [measured(BARE, LIMIT_S, COMPILED) for _ in range(rounds)]
    young = starts_after(1, rounds, every)
    old = starts_after(days, rounds, every)
    told = starts_after(days, 1, every, with_checkpoint=False)
    bare_cpu_s = min(each.cpu_s for each in bare)
    figures = [
        *figures_of("", old),
        *figures_of("without a checkpoint, ", told, aimed=False),
        Figure("reference: the same of a home of one day: processor time until the stop", _cpu_s(young), "s"),
        Figure("reference: importing ccxt, numpy, pydantic and click alone", min(each.wall_s for each in bare), "s"),
        Figure("reference: the same, processor time", bare_cpu_s, "s"),
        Figure("processor time until the stop against that of a home of one day", _cpu_s(old) / _cpu_s(young), "x"),
        Figure("processor time until the stop against the imports alone", _cpu_s(old) / bare_cpu_s, "x"),
    ]
    notes = (
        f"{days} days of five contracts, {rounds} fresh processes, each on a copy of what a crash left: an entry "
        "that filled at the exchange and has no stop; trainings every quarter of an hour",
        f"sampled and predicted for every {every} minutes; processor time tells more than wall time where others use "
        "the machine",
    )
    return Section("start", "a live start on a home with a year behind it", tuple(figures), notes)


def figures_of(which: str, starts: list[Start], *, aimed: bool = True) -> list[Figure]:
    goal_s, goal_mib = (TARGET_S, TARGET_MIB) if aimed else (None, None)
    return [
        Figure(f"{which}stop of the bare position: fastest", min(s.protected_s for s in starts), "s", goal_s),
        Figure(f"{which}stop of the bare position: median", median(s.protected_s for s in starts), "s"),
        Figure(f"{which}processor time until the stop, least", _cpu_s(starts), "s"),
        Figure(f"{which}first snapshot: fastest", min(s.snapshot_s for s in starts), "s", goal_s),
        Figure(f"{which}first snapshot with the position: fastest", min(s.position_s for s in starts), "s"),
        Figure(f"{which}all that follows beside: fastest", min(s.whole_s for s in starts), "s"),
        Figure(f"{which}greatest resident memory", max(s.peak_mib for s in starts), "MiB", goal_mib),
    ]


def _cpu_s(starts: list[Start]) -> float:
    return min(start.protected_cpu_s for start in starts)
