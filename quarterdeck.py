"""The composition root: the only module that knows core, strategies, storage and tui at once.

Heavy imports stand inside the functions that need them, so that a read verb answers at once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from core.clock import SystemClock
from core.control.requests import CollectRequest, DeleteWish, EngineHandle, FetchRequest, ImportWish, Reader, RunRequest
from core.domain.finding import Finding
from core.domain.rows import Row
from core.home.folder import Home, check_begun, find_home
from core.home.garbage import collect_garbage
from core.home.key_environment import withdraw_keys
from core.market.shipped import DATA

if TYPE_CHECKING:
    from core.domain.progress import OnProgress, ShouldStop
    from core.lab.notebook.home import OpenHome
    from core.lab.service.lab import HomeLab
    from storage.home import SqliteHome


class QuarterdeckRuntime:
    """Implements `tui.cli.runtime.Runtime`."""

    def run_headless(self, request: RunRequest) -> int:
        from core.engine.assembly.serving import serve_until_signal
        from core.engine.thread import first_cause

        collect_garbage()
        home = Home(request.home)
        try:
            asyncio.run(serve_until_signal(request, home, _stores(home), SystemClock()))
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        return 0

    def start_engine(self, request: RunRequest) -> EngineHandle:
        from core.engine.assembly.serving import serve
        from core.engine.thread import EngineThread

        collect_garbage()
        home = Home(request.home)
        return EngineThread(lambda built: serve(request, home, _stores(home), SystemClock(), built, console=True))

    def reader(self, home: Path, account: str | None = None) -> Reader:
        from storage.reader import Reader as StoredReader

        return StoredReader(Home(home).database, account)

    def lab(self, home: Path) -> HomeLab:
        from core.lab.service.lab import HomeLab

        return HomeLab(Home(home), _stores(Home(home)), SystemClock())

    def import_files(
        self, home: Path, files: Sequence[Path], wish: ImportWish, progress: OnProgress, should_stop: ShouldStop
    ) -> list[Row]:
        from core.lab.service.data import import_files

        collect_garbage()
        return import_files(Home(home), _stores(Home(home)), SystemClock(), files, wish, progress, should_stop)

    def fetch_data(
        self,
        home: Path,
        request: FetchRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        from core.lab.service.fetch import fetch_data

        collect_garbage()
        return fetch_data(Home(home), _stores(Home(home)), SystemClock(), request, tell, progress, should_stop)

    def collect(
        self,
        home: Path,
        request: CollectRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        from core.lab.service.collect import collect

        collect_garbage()
        return collect(Home(home), _stores(Home(home)), SystemClock(), request, tell, progress, should_stop)

    def delete_data(self, home: Path, wish: DeleteWish, progress: OnProgress, should_stop: ShouldStop) -> list[Row]:
        from core.lab.service.data import delete_data

        return delete_data(Home(home), _stores(Home(home)), wish, progress, should_stop)

    def list_data(self, home: Path) -> list[Row]:
        from core.lab.service.data import list_data

        return list_data(Home(home), _stores(Home(home)))

    def check_data(self, home: Path) -> list[Row]:
        from core.lab.service.data import check_data

        return check_data(Home(home), _stores(Home(home)))

    def rules(self, home: Path) -> list[Row]:
        from core.lab.service.rules import rules_told

        return rules_told(Home(home), _stores(Home(home)))

    def import_rules(self, home: Path, files: Sequence[Path], as_of_ms: int | None, source: str | None) -> list[Row]:
        from core.lab.service.rules import import_rules

        return import_rules(Home(home), _stores(Home(home)), files, as_of_ms, source)

    def infer_rules(self, home: Path, symbols: Sequence[str]) -> list[Row]:
        from core.lab.service.rules import infer_rules

        return infer_rules(Home(home), _stores(Home(home)), symbols)

    def delete_rules(self, home: Path, symbol: str, as_of_ms: int | None) -> Row:
        from core.lab.service.rules import delete_rules

        return delete_rules(Home(home), _stores(Home(home)), symbol, as_of_ms)

    def doctor(self, home: Path, settings_path: Path | None, workers: bool, exchange: bool = False) -> list[Finding]:
        from core.lab.service.doctor import examine, examine_exchange

        findings = examine(Home(home), _stores(Home(home)), settings_path, workers=workers)
        return findings + (examine_exchange(Home(home), settings_path, SystemClock()) if exchange else [])

    def panic(
        self,
        home: Path,
        settings_path: Path | None,
        everything: bool,
        tell: Callable[[str], None],
        confirm: Callable[[str], None] | None,
    ) -> Row:
        from core.engine.assembly.panic import panic

        return panic(Home(home), _stores(Home(home)), SystemClock(), settings_path, everything, tell, confirm)

    def backup(self, home: Path, target: Path) -> Row:
        from storage.database import open_database

        check_begun(Home(home))
        database = open_database(Home(home).database)
        database.backup(target)
        return {"database": str(database.path), "backup": str(target), "bytes": target.stat().st_size}

    def replay_verify(self, home: Path, settings_path: Path | None) -> Row:
        from core.lab.service.replay import verify_account

        collect_garbage()
        return asyncio.run(verify_account(Home(home), _stores(Home(home)), settings_path))


def _stores(home: Home) -> SqliteHome:
    from storage.home import SqliteHome

    return SqliteHome(home, DATA, SystemClock())


def open_home(path: str | Path | None = None) -> OpenHome:
    """A home for a notebook or a script, as docs/python.md shows it: `path`, else $QUARTERDECK_HOME, else the user's
    data folder."""
    from core.lab.notebook.home import OpenHome

    withdraw_keys(os.environ)
    root = find_home(None if path is None else Path(path), os.environ).root
    runtime = QuarterdeckRuntime()
    return OpenHome(root, runtime.lab(root), lambda account: runtime.reader(root, account))


def main() -> NoReturn:
    """The `quarterdeck` command."""
    # Looking for garbage while hundreds of modules are imported finds none, and is a fifth of the way to the console's
    # first picture. A process that goes on to run for long turns it on again.
    gc.disable()
    # Before anything is started that could inherit them.
    withdraw_keys(os.environ)
    from tui.cli import main as run_command_line

    sys.exit(run_command_line(QuarterdeckRuntime()))
