"""The composition root: the only module that knows core, strategies, storage and tui at once.

Heavy imports stand inside the functions that need them, so that a read verb answers at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from core.clock import SystemClock
from core.control.requests import DeleteWish, EngineHandle, FetchRequest, ImportWish, Reader, RunRequest
from core.domain.errors import DataError, QuarterdeckError, RefusedError, UnavailableError
from core.domain.finding import Finding
from core.domain.rows import Row
from core.home.folder import EngineLock, Home, cannot_write, engine_pid, leave_to_engine
from core.home.garbage import collect_garbage
from core.home.key_environment import withdraw_keys
from quarterdeck_demo import DATA, chosen

if TYPE_CHECKING:
    from core.control.protocol import Control
    from core.domain.progress import OnProgress, ShouldStop
    from core.engine.engine import Engine
    from core.lab.requests import Lab
    from core.settings.schema import Settings
    from core.strategy.declaration import Strategy
    from storage.database import Database

STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


class QuarterdeckRuntime:
    """Implements `tui.cli.runtime.Runtime`."""

    def run_headless(self, request: RunRequest) -> int:
        from core.engine.thread import first_cause

        collect_garbage()
        try:
            asyncio.run(_serve_until_signal(request))
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        return 0

    def start_engine(self, request: RunRequest) -> EngineHandle:
        from core.engine.thread import EngineThread

        collect_garbage()
        return EngineThread(lambda built: _serve(request, built, console=True))

    def reader(self, home: Path, account: str | None = None) -> Reader:
        from storage.reader import Reader as StoredReader

        return StoredReader(Home(home).database, account)

    def import_files(
        self,
        home: Path,
        files: Sequence[Path],
        wish: ImportWish,
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> list[Row]:
        from core.home.memory_limit import IMPORT_MEMORY_BYTES, memory_limit
        from core.market.intervals import INTERVALS_MS
        from storage.data_admin import ImportReport, import_file
        from storage.database import open_database
        from storage.history import prepare_history
        from storage.import_rows import Manner

        collect_garbage()
        where = Home(home)
        where.create()
        database = open_database(where.database)
        now_ms = SystemClock().now_ms()
        manner = Manner(partial(leave_to_engine, where), progress, should_stop)
        with memory_limit(IMPORT_MEMORY_BYTES):
            reports = list[ImportReport]()
            for path in files:
                try:
                    reports.append(import_file(database, path, now_ms=now_ms, manner=manner, **asdict(wish)))
                except DataError as error:
                    before = ", ".join(report.file for report in reports)
                    raise DataError(f"{error}; imported before it: {before}" if before else str(error)) from error
        for key in sorted({(report.symbol, report.interval) for report in reports if report.kind == "candles"}):
            prepare_history(database, key[0], INTERVALS_MS[key[1]])
        return [report.as_dict() for report in reports]

    def fetch_data(
        self,
        home: Path,
        request: FetchRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        from quarterdeck_fetch import fetch_data

        collect_garbage()
        where = Home(home)
        return fetch_data(where, _settings(request.settings_path, where), request, tell, progress, should_stop)

    def delete_data(self, home: Path, wish: DeleteWish, progress: OnProgress, should_stop: ShouldStop) -> list[Row]:
        from core.market.intervals import INTERVALS_MS
        from storage.deleting import delete_data
        from storage.import_rows import Manner

        where = Home(home)
        if engine_pid(where) is not None:
            raise RefusedError(f"an engine runs in {home} and may need what is to go; stop it first")
        gone = delete_data(
            _existing_database(home),
            wish.symbol,
            from_ms=wish.from_ms,
            to_ms=wish.to_ms,
            interval_ms=None if wish.interval is None else INTERVALS_MS[wish.interval],
            kind=wish.kind,
            manner=Manner(partial(leave_to_engine, where), progress, should_stop),
        )
        return [row.as_dict() for row in gone]

    def list_data(self, home: Path) -> list[Row]:
        from storage.data_admin import list_data

        return [row.as_dict() for row in list_data(_existing_database(home))]

    def check_data(self, home: Path) -> list[Row]:
        from storage.data_admin import check_data

        beyond = _settings(None, Home(home)).lab.jump_volatilities
        return [row.as_dict() for row in check_data(_existing_database(home), beyond)]

    def rules(self, home: Path) -> list[Row]:
        from quarterdeck_rules import known_rules

        database = _existing_database(home) if Home(home).database.exists() else None
        return [item.told() for item in sorted(known_rules(database), key=lambda item: (item.symbol, item.as_of_ms))]

    def import_rules(self, home: Path, files: Sequence[Path], as_of_ms: int | None, source: str | None) -> list[Row]:
        from quarterdeck_rules import import_rules

        return import_rules(_own_database(home), files, as_of_ms, source)

    def infer_rules(self, home: Path, symbols: Sequence[str]) -> list[Row]:
        from quarterdeck_rules import infer_rules

        return infer_rules(_own_database(home), symbols)

    def delete_rules(self, home: Path, symbol: str, as_of_ms: int | None) -> Row:
        from quarterdeck_rules import delete_rules

        return delete_rules(_own_database(home), symbol, as_of_ms)

    def doctor(self, home: Path, settings_path: Path | None, workers: bool, exchange: bool = False) -> list[Finding]:
        findings = _examine(Home(home), settings_path, workers)
        if exchange:
            from quarterdeck_exchange import examine_exchange

            findings += examine_exchange(Home(home), _settings(settings_path, Home(home)))
        return findings

    def panic(
        self,
        home: Path,
        settings_path: Path | None,
        everything: bool,
        tell: Callable[[str], None],
        confirm: Callable[[str], None] | None,
    ) -> Row:
        from quarterdeck_exchange import panic

        return panic(Home(home), settings_path, everything, tell, confirm)

    def backup(self, home: Path, target: Path) -> Row:
        database = _existing_database(home)
        database.backup(target)
        return {"database": str(database.path), "backup": str(target), "bytes": target.stat().st_size}

    def lab(self, home: Path) -> Lab:
        from quarterdeck_lab import HomeLab

        return HomeLab(Home(home))

    def replay_verify(self, home: Path, settings_path: Path | None) -> Row:
        collect_garbage()
        return asyncio.run(_verify(Home(home), settings_path))


async def _serve_until_signal(request: RunRequest) -> None:
    """A stop signal ends the engine after the step in hand, or the start-up at once; both are a normal end."""
    loop = asyncio.get_running_loop()
    engines: list[Engine] = []
    serving = asyncio.ensure_future(_serve(request, lambda engine, _: engines.append(engine), console=False))

    def stop() -> None:
        if engines:
            engines[0].stop()
        else:
            serving.cancel()

    for name in STOP_SIGNALS:
        loop.add_signal_handler(getattr(signal, name), stop)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _serve(request: RunRequest, built: Callable[[Engine, Control], None], *, console: bool) -> None:
    """Build an engine for `request`, tell `built`, and run it to its end."""
    from core.clock import ExchangeClock, VirtualClock
    from core.control.arming import account_of
    from core.control.socket import ControlServer
    from core.engine.engine import Engine, EngineControl
    from core.home.logbook import set_up
    from quarterdeck_demo import demo_parts
    from quarterdeck_exchange import exchange_parts

    home = Home(request.home)
    home.create()
    settings = _settings(request.settings_path, home)
    async with AsyncExitStack() as stack:
        stack.enter_context(EngineLock(home))
        clock = VirtualClock(0) if request.mode == "demo" else ExchangeClock(SystemClock())
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
        strategy = _strategy(settings)
        if isinstance(clock, VirtualClock):
            parts = await demo_parts(request, home, settings, strategy, clock, logs, stack, console=console)
        else:
            parts = await exchange_parts(request, home, settings, strategy, clock, logs, stack, console=console)
        engine = Engine(parts)
        del parts  # The journal that it was told goes with them.
        control = EngineControl(engine, logs.book)
        await stack.enter_async_context(ControlServer(control, home))
        built(engine, control)
        await engine.run()


async def _verify(home: Home, settings_path: Path | None) -> Row:
    """Replay the account written last, each stretch of its journal by the rules that its start kept."""
    from core.engine.starts import Rules, Start, changes, read_starts
    from core.exchange.markets.symbols import with_exchange_symbols
    from core.lab.replay.verify import verify
    from core.market.contracts.instruments import load_instruments
    from core.trader.account import Opening
    from core.trader.trader import Trader
    from quarterdeck_exchange import EXCHANGE
    from quarterdeck_plan import code_version
    from storage.candles import SqliteCandles
    from storage.database import open_database
    from storage.journal_reader import JournalReader

    database = _existing_database(home.root)
    settings = _settings(settings_path, home)
    with JournalReader(database) as journal:
        meta = journal.meta()
        if "opening" not in meta:
            raise UnavailableError(f"{home.root}: its first start did not come as far as a record; start it again")
        opening = Opening.from_json(meta["opening"])
        settings = settings.with_initial_balance(opening.initial_balance_usdt)
        exchange = meta.get(EXCHANGE)
        if exchange is None:
            known = load_instruments(DATA / "instruments.toml", settings.costs)
            today = Rules(settings, chosen(known, settings.market.symbols))
        else:
            today = Rules(with_exchange_symbols(settings), journal.instruments())
        starts = read_starts(meta)
        if starts and starts[0].seq == 0:
            notes = [f"changed since the last start: {change}" for change in changes(starts[-1].rules, today)]
            code = code_version(settings.strategy)
            if starts[-1].code not in ("", code):
                notes.append(f"changed since the last start: the code was {starts[-1].code}, is {code}")
        else:
            until = starts[0].seq if starts else journal.last_seq
            notes = [f"the settings of the first {until:,} records were not kept: replayed with those of today"]
            starts.insert(0, Start(0, today))
        market = _recorded(home) if exchange is None else open_database(home.market(exchange))
        candles = await SqliteCandles.open(market, read_only=True)
        try:
            found = await verify(
                journal,
                candles,
                starts,
                opening.start_ms,
                lambda rules: Trader(
                    journal.account, _strategy(rules.settings), rules.settings, rules.instruments, rules.retired
                ),
            )
        finally:
            await candles.close()
    return {"account": journal.account, "equal": found.first_difference is None, **asdict(found), "notes": notes}


def _recorded(home: Home) -> Database:
    """The recorded market as it lies there: what only reads does so on a home that cannot be written, too."""
    from storage.database import open_database
    from storage.recorded import open_recorded

    if home.recorded.exists():
        return open_database(home.recorded, thorough=False)
    return open_recorded(home.recorded, DATA, SystemClock().now_ms())


def _settings(path: Path | None, home: Home) -> Settings:
    """The file named, else the home's own, else the defaults."""
    from core.settings.schema import Settings, load_settings

    if path is not None:
        return load_settings(path)
    return load_settings(home.settings) if home.settings.exists() else Settings()


def _strategy(settings: Settings) -> Strategy:
    from core.strategy.loading import load_strategy

    return load_strategy(settings.strategy, settings)


def _existing_database(home: Path) -> Database:
    from storage.database import open_database

    path = Home(home).database
    if not path.exists():
        raise UnavailableError(f"{home}: holds no database yet; start an engine with: quarterdeck run")
    return open_database(path)


def _own_database(home: Path) -> Database:
    """Made where there is none."""
    from storage.database import open_database

    where = Home(home)
    where.create()
    return open_database(where.database, thorough=False)


def _examine(home: Home, settings_path: Path | None, workers: bool) -> list[Finding]:
    """The checks of `doctor` that need storage, strategies or workers; each failure is one finding."""
    findings: list[Finding] = []

    def check(name: str, mend: str, look: Callable[[], str]) -> None:
        try:
            findings.append(Finding(name, ok=True, detail=look()))
        except QuarterdeckError as error:
            findings.append(Finding(name, ok=False, detail=str(error), mend=mend))

    check("database", "restore a backup, or choose another --home", lambda: _look_at_database(home))
    check(
        "contract rules",
        "give them with: quarterdeck data rules import FILE",
        lambda: _look_at_instruments(settings_path, home),
    )
    check("strategy", "mend the settings named", lambda: _strategy(_settings(settings_path, home)).name)
    if workers:
        check("workers", "see the log for the worker's own error", lambda: _try_workers(settings_path, home))
        check("compute", "mend [compute] in the settings", lambda: _try_compute(settings_path, home))
    return findings


def _look_at_database(home: Home) -> str:
    from storage.data_admin import list_data
    from storage.database import open_database

    if not home.database.exists():
        return "none yet; the first run makes it"
    rows = list_data(open_database(home.database))
    return f"whole; {len(rows)} candle and funding series"


def _look_at_instruments(settings_path: Path | None, home: Home) -> str:
    """The lab goes by the rules of the home, too: imported, fetched or read off its candles."""
    from core.market.contracts.rules import ACCOUNT_COIN
    from quarterdeck_rules import known_rules
    from storage.database import open_database

    settings = _settings(settings_path, home)
    wanted = settings.market.symbols
    database = open_database(home.database, thorough=False) if home.database.exists() else None
    known = [rules for rules in known_rules(database) if rules.symbol in wanted or rules.quote == ACCOUNT_COIN]
    return ", ".join(chosen({rules.symbol: rules.instrument(settings.costs) for rules in known}, wanted))


def _try_workers(settings_path: Path | None, home: Home) -> str:
    """Start the worker processes and let them import and compile what they need."""
    from core.learning.forecaster import WorkerForecaster
    from core.learning.workers import WorkerPool

    settings = _settings(settings_path, home)
    strategy = _strategy(settings)
    if strategy.model is None:
        return f"none needed: {strategy.name} has no model"

    async def warm_up() -> None:
        pool = WorkerPool(settings.engine.training_workers, settings.engine.worker_nice)
        try:
            await WorkerForecaster(strategy, pool, home.models, settings.demo.seed).warm_up()
        finally:
            await pool.close()

    asyncio.run(warm_up())
    return f"1 for predictions and {settings.engine.training_workers} for training start and answer"


def _try_compute(settings_path: Path | None, home: Home) -> str:
    from core.compute.pool import compute_of, probe

    return probe(compute_of(_settings(settings_path, home).compute))


def main() -> NoReturn:
    """The `quarterdeck` command."""
    # Looking for garbage while hundreds of modules are imported finds none, and is a fifth of the way to the console's
    # first picture. A process that goes on to run for long turns it on again.
    gc.disable()
    # Before anything is started that could inherit them.
    withdraw_keys(os.environ)
    from tui.cli import main as run_command_line

    sys.exit(run_command_line(QuarterdeckRuntime()))
