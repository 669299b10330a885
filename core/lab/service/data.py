"""The operator's own market data: import, list, check, delete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.control.requests import DeleteWish, ImportWish
from core.domain.errors import DataError, RefusedError
from core.domain.progress import Manner, OnProgress, ShouldStop
from core.domain.rows import Row
from core.home.folder import Home, check_begun, engine_pid, leave_to_engine

if TYPE_CHECKING:
    from core.lab.service.stores import HomeStores
    from core.market.stored import ImportReport


def import_files(
    home: Home,
    stores: HomeStores,
    clock: Clock,
    files: Sequence[Path],
    wish: ImportWish,
    progress: OnProgress,
    should_stop: ShouldStop,
) -> list[Row]:
    """As `tui.cli.runtime.Runtime.import_files` says."""
    from core.home.memory_limit import IMPORT_MEMORY_BYTES, memory_limit
    from core.market.intervals import INTERVALS_MS

    home.create()
    store = stores.imported(thorough=True)
    now_ms = clock.now_ms()
    manner = Manner(partial(leave_to_engine, home), progress, should_stop)
    with memory_limit(IMPORT_MEMORY_BYTES):
        reports: list[ImportReport] = []
        for path in files:
            try:
                reports.append(store.take(path, wish, now_ms, manner))
            except DataError as error:
                before = ", ".join(report.file for report in reports)
                raise DataError(f"{error}; imported before it: {before}" if before else str(error)) from error
    for symbol, interval in sorted({(told.symbol, told.interval) for told in reports if told.kind == "candles"}):
        store.prepare(symbol, INTERVALS_MS[interval])
    return [report.as_dict() for report in reports]


def delete_data(
    home: Home, stores: HomeStores, wish: DeleteWish, progress: OnProgress, should_stop: ShouldStop
) -> list[Row]:
    """As `tui.cli.runtime.Runtime.delete_data` says."""
    if engine_pid(home) is not None:
        raise RefusedError(f"an engine runs in {home.root} and may need what is to go; stop it first")
    check_begun(home)
    manner = Manner(partial(leave_to_engine, home), progress, should_stop)
    return [row.as_dict() for row in stores.imported(thorough=True).delete(wish, manner)]


def list_data(home: Home, stores: HomeStores) -> list[Row]:
    check_begun(home)
    return [row.as_dict() for row in stores.imported(thorough=True).data()]


def check_data(home: Home, stores: HomeStores) -> list[Row]:
    """A row a problem; empty when the data are whole."""
    from core.settings.of_home import settings_of

    beyond = settings_of(home).lab.jump_volatilities
    check_begun(home)
    return [row.as_dict() for row in stores.imported(thorough=True).problems(beyond)]
