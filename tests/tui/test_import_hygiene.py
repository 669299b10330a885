from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "numpy", "pandas", "pydantic", "pyarrow", "numba", "lightgbm", "aiosqlite", "sqlite3", "storage", "strategies",
    "core.settings.schema", "core.trader", "core.venues", "core.learning", "core.engine.engine",
)  # fmt: skip


def test_the_console_imports_nothing_of_the_engine() -> None:
    code = f"import sys, tui.console.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_console_uses_no_table_or_log_of_the_toolkit() -> None:
    """They repaint too much for live prices, and cost start-up time."""
    code = "import sys, tui.console.app; print([n for n in sys.modules if n.startswith('textual.widgets._')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in ("_data_table", "_rich_log", "_log'", "_sparkline") if name in found.stdout] == []
