"""What holds for the whole suite: which tests are slow and so begin first, code that is compiled once, and a heap that
the collector need not walk through again."""

from __future__ import annotations

import compileall
import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

SLOW = (
    "tests/benchmarks/",
    "tests/command/",
    "tests/core/arithmetic/test_compiler.py",
    "tests/core/compute/test_lanes.py",
    "tests/core/compute/test_pool.py",
    "tests/core/control/test_codec.py",
    "tests/core/control/test_deltas.py",
    "tests/core/exchange/account/test_desk_faults.py",
    "tests/core/exchange/account/test_desk_order_of_news.py",
    "tests/core/exchange/markets/test_status.py",
    "tests/core/exchange/markets/test_watch.py",
    "tests/core/exchange/orders/test_outside.py",
    "tests/core/exchange/orders/test_resolver.py",
    "tests/core/features/test_pandas_ta.py",
    "tests/core/home/test_log_folding.py",
    "tests/core/lab/",
    "tests/core/learning/",
    "tests/core/market/collecting/test_collector.py",
    "tests/core/market/fetch/test_fetching.py",
    "tests/core/market/fetch/test_marks.py",
    "tests/core/market/importing/test_forms.py",
    "tests/core/market/importing/test_table.py",
    "tests/core/market/live/test_beside.py",
    "tests/core/market/live/test_elsewhere.py",
    "tests/core/market/live/test_market.py",
    "tests/core/market/live/test_observing.py",
    "tests/core/market/live/test_wire.py",
    "tests/core/market/test_seeing.py",
    "tests/core/position/test_policy.py",
    "tests/core/trader/test_arrival.py",
    "tests/core/trader/test_ladder_sessions.py",
    "tests/core/trader/test_ledger.py",
    "tests/core/trader/test_numbers.py",
    "tests/core/trader/test_restore.py",
    "tests/core/trader/test_reversing.py",
    "tests/core/trader/test_with_venue.py",
    "tests/core/venues/test_sequences.py",
    "tests/docs/test_inputs_page.py",
    "tests/docs/test_models_page.py",
    "tests/docs/test_parts_page.py",
    "tests/docs/test_python_page.py",
    "tests/docs/test_strategies_page.py",
    "tests/engine/",
    "tests/golden/",
    "tests/simulation/test_fuzz.py",
    "tests/simulation/test_importing.py",
    "tests/simulation/test_seeds.py",
    "tests/simulation/test_soak.py",
    "tests/storage/test_ageing.py",
    "tests/storage/test_checkpoints.py",
    "tests/storage/test_data_admin.py",
    "tests/storage/test_journal.py",
    "tests/storage/test_journal_reader.py",
    "tests/storage/test_journal_rules.py",
    "tests/storage/test_owned.py",
    "tests/storage/test_recorded.py",
    "tests/strategies/scalper/test_forecasts.py",
    "tests/strategies/scalper/test_hostile_model.py",
    "tests/tools/",
    "tests/tui/cli/test_warned.py",
    "tests/tui/console/panels/lab/test_pages.py",
    "tests/tui/console/panels/test_nothing_cut.py",
    "tests/tui/console/test_arming.py",
    "tests/tui/console/test_colours.py",
    "tests/tui/console/test_confirm_bars.py",
    "tests/tui/console/test_console.py",
    "tests/tui/console/test_keys.py",
    "tests/tui/console/test_snapshots.py",
    "tests/tui/console/test_standing.py",
    "tests/tui/console/test_terminal.py",
)
"""Folders and files that `make check` leaves to `make test`: processes, sessions, days, trainings, many seeds."""

LONGEST = ("tests/engine/", "tests/simulation/test_soak.py")
"""Of the slow ones, where a test takes up to a minute: a worker that begins one last works alone at the end."""

IMPORTED = ("core", "storage", "strategies", "tui", "benchmarks", "tests")
"""The folders that tests and the processes which they start import from."""

WRITES_BYTECODE = not sys.dont_write_bytecode
# Where PYTHONDONTWRITEBYTECODE is set, each worker would rewrite the assertions of every module anew, and each process
# that a test starts compile all that it imports. What tests write and import themselves stays uncompiled there.
sys.dont_write_bytecode = False

# By the clock on the wall an example fails on a busy machine, and on no other.
settings.register_profile("quarterdeck", deadline=None)
settings.load_profile("quarterdeck")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="write the golden files anew")


def pytest_configure() -> None:
    if not WRITES_BYTECODE and "PYTEST_XDIST_WORKER" not in os.environ:
        for folder in IMPORTED:
            compileall.compile_dir(ROOT / folder, quiet=2)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: an archive made at import carries the clock, and two workers would name the
    same test differently."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow ones first: what is left at the end is short, and the workers end together."""
    for item in items:
        if _place(item).startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, not _place(item).startswith(LONGEST)))


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).as_posix()


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no collection of garbage looks at it again."""
    sys.dont_write_bytecode = not WRITES_BYTECODE
    gc.collect()
    gc.freeze()
