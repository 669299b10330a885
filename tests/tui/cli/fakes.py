"""A runtime that needs no engine, and a running engine that is only a socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from click.testing import Result

from core.clock import monotonic_s
from core.control.lease import WriteLease
from core.control.protocol import Control
from core.control.requests import CollectRequest, DeleteWish, FetchRequest, ImportWish, RunRequest
from core.control.socket import ControlServer
from core.domain.finding import Finding
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.domain.rows import Row
from core.home.folder import EngineLock, Home
from tests.core.control.control_samples import T0_MS, FakeControl
from tests.tui.cli.fake_lab import FakeLab

Quarterdeck = Callable[..., Result]
"""Calls the command line with some arguments and, in `answer`, what is typed."""

STORED_STATUS: Row = {
    "mode": "demo",
    "state": "stopped",
    "as_of_ms": T0_MS,
    "balance_usdt": 9_990.0,
    "equity_usdt": 9_990.0,
    "day_pnl_usdt": -10.0,
    "drawdown_pct": 0.1,
    "exposure_pct": 0.0,
    "open_positions": 0,
    "open_orders": 0,
    "feed_age_ms": None,
    "loop_lag_ms": None,
    "halts": [],
    "source": "recorded",
}
ORDER: Row = {
    "client_order_id": "qd1",
    "symbol": "BTCUSDT",
    "side": "buy",
    "type": "market",
    "role": "entry",
    "qty": 0.024,
    "filled_qty": 0.024,
    "price": None,
    "state": "filled",
    "created_ms": T0_MS,
    "reduce_only": False,
}
TRADE: Row = {
    "symbol": "ETHUSDT",
    "side": "sell",
    "qty": 1.0,
    "entry_price": 2_600.0,
    "exit_price": 2_590.5,
    "exit_time_ms": T0_MS,
    "net_pnl_usdt": -7.4,
    "exit_reason": "stop",
}
SIGNAL: Row = {
    "time_ms": T0_MS,
    "symbol": "BTCUSDT",
    "direction": -1,
    "confidence": 0.61,
    "action": "enter",
    "reason": "",
    "version": "v3",
    "reasons": [["rsi_14", 70.0, -3.0]],
}


VERIFIED: Row = {
    "account": "demo",
    "equal": True,
    "records": 12_345,
    "decisions": 321,
    "first_difference": None,
    "digest": "ab12",
    "notes": ["changed since the last start: limits.max_trades_per_day was 24, is 10"],
}


COLLECTED: Row = {
    "exchange": "binanceusdm",
    "collected": [
        {"symbol": "BTCUSDT", "stream": "trades", "came": 120, "holes": 0, "mb": 0.014, "mb_a_day": 20.25},
        {"symbol": "BTCUSDT", "stream": "mark", "came": 60, "holes": 1, "mb": 0.006, "mb_a_day": 8.64},
    ],
    "seconds": 60,
    "weight": 40,
    "free_mb": 51_200,
    "stopped": "",
}
FETCHED: Row = {
    "fetched": [
        {"symbol": "BTCUSDT", "kind": "candles", "source": "monthly archive", "from_ms": T0_MS, "rows": 44_640}
    ],
    "contracts": [
        {
            "symbol": "BTCUSDT",
            "source": "binanceusdm",
            "read_ms": T0_MS,
            "tick_size": "0.1",
            "lot_size": "0.001",
            "min_notional_usdt": "50",
            "assumed": ["its largest leverage (20x)"],
        }
    ],
    "problems": [],
    "left_out": "",
}


class FakeReader:
    def __init__(self) -> None:
        self.asked: list[object] = []
        self.account = "demo"

    def status(self) -> Row:
        return dict(STORED_STATUS)

    def positions(self) -> list[Row]:
        return []

    def orders(self, open_only: bool) -> list[Row]:
        self.asked.append(open_only)
        return [] if open_only else [ORDER]

    def trades(self, limit: int | None) -> list[Row]:
        self.asked.append(limit)
        return [TRADE]

    def signals(self, limit: int | None) -> list[Row]:
        self.asked.append(limit)
        return [SIGNAL]

    def stats(self) -> Row:
        figures = {"trades": 1, "won": 0, "lost": 1, "win_rate_pct": float("nan"), "net_pnl_usdt": -7.4}
        return {"daily": [{"day": "2025-06-04", **figures}], "totals": figures}

    def models(self) -> list[Row]:
        return [{"version": "v3", "trained_ms": T0_MS, "metrics": {"rmse": 1.0}, "horizon_ms": 600_000}]

    def limit_events(self) -> list[Row]:
        return [{"limit": "day loss", "time_ms": T0_MS, "fired": True}]


class FakeHandle:
    def __init__(self, failure: BaseException | None, *, begins: bool = True) -> None:
        self.control: Control = FakeControl()
        self.stopped: list[float] = []
        self._failure = failure
        self._begins = begins

    def wait(self) -> Control:
        if self._failure is not None and not self._begins:
            raise self._failure
        return self.control

    def ask_to_stop(self) -> None:
        self.stopped.append(0.0)

    def stop(self, timeout_s: float) -> None:
        self.stopped.append(timeout_s)

    def failure(self) -> BaseException | None:
        return self._failure

    def ended(self) -> bool:
        return bool(self.stopped)


class FakeRuntime:
    def __init__(self) -> None:
        self.requests: list[RunRequest] = []
        self.handle = FakeHandle(None)
        self.stored = FakeReader()
        self.the_lab = FakeLab()
        self.imported: list[tuple[Path, list[str], ImportWish]] = []
        self.deleted: list[object] = []
        self.fetches: list[FetchRequest] = []
        self.fetched: Row = dict(FETCHED)
        self.collects: list[CollectRequest] = []
        self.collected: Row = dict(COLLECTED)
        self.accounts: list[str | None] = []
        self.problems: list[Row] = []
        self.findings = [Finding("database", True, "schema 2")]
        self.exchange_findings = [
            Finding("exchange reachable", True, "binanceusdm answers"),
            Finding("exchange verdict", True, "ready for live"),
        ]
        self.raises: Exception | None = None
        self.verified: Row = dict(VERIFIED)
        self.panics: list[bool] = []
        self.panicked: Row = {"flat": True, "left": [], "exit_code": 0}

    def run_headless(self, request: RunRequest) -> int:
        if self.raises:
            raise self.raises
        self.requests.append(request)
        return 0

    def start_engine(self, request: RunRequest) -> FakeHandle:
        if self.raises:
            return FakeHandle(self.raises, begins=False)
        self.requests.append(request)
        return self.handle

    def reader(self, home: Path, account: str | None = None) -> FakeReader:
        if self.raises:
            raise self.raises
        self.accounts.append(account)
        return self.stored

    def lab(self, home: Path) -> FakeLab:
        return self.the_lab

    def import_files(
        self,
        home: Path,
        files: Sequence[Path],
        wish: ImportWish,
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> list[Row]:
        progress(Progress(0, 3, "rows", files[0].name))
        self.imported.append((home, [file.name for file in files], wish))
        row = {"rows": 3, "first_ms": T0_MS, "sha256": "ab" * 32, "notes": ["every volume is zero"]}
        return [{"file": file.name, **row} for file in files]

    def delete_data(self, home: Path, wish: DeleteWish, progress: OnProgress, should_stop: ShouldStop) -> list[Row]:
        progress(Progress(0, 0, "rows", wish.symbol))
        self.deleted.append((home, wish))
        return [{"symbol": wish.symbol, "kind": "candles", "rows": 3}]

    def fetch_data(
        self,
        home: Path,
        request: FetchRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        if self.raises:
            raise self.raises
        progress(Progress(1, 3, "bars", "BTCUSDT-1m-2025-06.zip"))
        self.fetches.append(request)
        return self.fetched

    def collect(
        self,
        home: Path,
        request: CollectRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        if self.raises:
            raise self.raises
        tell("gathering trades of BTCUSDT from binanceusdm")
        progress(Progress(120, 0, "rows", "0 filled"))
        self.collects.append(request)
        return self.collected

    def list_data(self, home: Path) -> list[Row]:
        return [{"symbol": "BTCUSDT", "rows": 14_400, "first_ms": T0_MS, "is_synthetic": False}]

    def check_data(self, home: Path) -> list[Row]:
        return self.problems

    def rules(self, home: Path) -> list[Row]:
        return [{"symbol": "BTCUSDT", "as_of": "2022-05-04", "tick_size": "0.1"}]

    def import_rules(self, home: Path, files: Sequence[Path], as_of_ms: int | None, source: str | None) -> list[Row]:
        return [{"symbol": path.stem, "as_of_ms": as_of_ms, "source": source} for path in files]

    def infer_rules(self, home: Path, symbols: Sequence[str]) -> list[Row]:
        return [{"symbol": symbol, "kind": "inferred"} for symbol in symbols]

    def delete_rules(self, home: Path, symbol: str, as_of_ms: int | None) -> Row:
        return {"symbol": symbol, "deleted": 2 if as_of_ms is None else 1}

    def doctor(self, home: Path, settings_path: Path | None, workers: bool, exchange: bool = False) -> list[Finding]:
        asked = [Finding("workers", True, "one started")] if workers else []
        return [*self.findings, *asked, *(self.exchange_findings if exchange else [])]

    def panic(
        self,
        home: Path,
        settings_path: Path | None,
        everything: bool,
        tell: Callable[[str], None],
        confirm: Callable[[str], None] | None,
    ) -> Row:
        if self.raises:
            raise self.raises
        tell("to close at market: BTCUSDT long 0.02")
        if confirm is not None:
            confirm("k3Y9")
        self.panics.append(everything)
        return self.panicked

    def backup(self, home: Path, target: Path) -> Row:
        target.write_bytes(b"copy")
        return {"backup": str(target), "bytes": 4}

    def replay_verify(self, home: Path, settings_path: Path | None) -> Row:
        if self.raises:
            raise self.raises
        return self.verified


class RunningEngine:
    """Holds the lock of a home and answers on its socket from a thread, as an engine does."""

    def __init__(self, home: Home) -> None:
        self.control = FakeControl()
        self.lease = WriteLease(monotonic_s)
        self._home = home
        self._lock = EngineLock(home)
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with ControlServer(self.control, self._home, lease=self.lease):
            self._listens.set()
            await self._stop.wait()

    def start(self) -> None:
        self._lock.acquire()
        self._thread.start()
        assert self._listens.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()
        self._lock.release()
