"""A home with the common workload's year of one symbol in it, imported as a file would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.market import temporary_home
from benchmarks.processes import QUARTERDECK, Measured, measured
from benchmarks.workload import MINUTE_MS, ONE_SEED, START_MS, YEAR_BARS, synthetic_bars
from core.home.folder import Home

SYMBOL = "BTCUSDT"
TIMEOUT_S = 3_600.0

COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}

FREE = """
[costs]
maker_fee_bps = 4
taker_fee_bps = 4
assumed_funding_bps = 0
slippage_bps = 0
impact_bps = 0
max_participation_pct = 0

[sizing]
notional_usdt = 250

[limits]
day_loss_usdt = 1e9
day_loss_pct = 100
max_trades_per_day = 1000000
max_losses_in_row = 1000000
max_drawdown_pct = 100
"""
"""The workload's rules as far as settings go: a contract's lots stay, and a real account's fees apply."""

RULES = f"""
[{SYMBOL}]
as_of = 2024-01-01
source = "the common workload"
tick_size = "0.01"
lot_size = "0.001"
min_qty = "0.001"
max_qty = "120"
min_notional_usdt = "5"
max_leverage = 125
maintenance_margin_pct = "0.4"
liquidation_fee_bps = "125"
"""
"""Those of the real contract, but for the tick that the workload's prices lie on."""


@contextmanager
def home_with_year(bars: int = YEAR_BARS) -> Iterator[Home]:
    with temporary_home(FREE) as home:
        file = home.root.parent / f"{SYMBOL}-1m.parquet"
        columns = [column[:bars] for column in synthetic_bars(YEAR_BARS, ONE_SEED, 42_000.0)]
        times = START_MS + np.arange(bars, dtype=np.int64) * MINUTE_MS
        names = ("open", "high", "low", "close", "volume")
        pq.write_table(pa.table({"open_time": times, **dict(zip(names, columns, strict=True))}), file)
        quarterdeck(home, "data", "import", "--synthetic", str(file))
        rules = file.with_suffix(".toml")
        rules.write_text(RULES, encoding="utf-8")
        quarterdeck(home, "data", "rules", "import", str(rules))
        yield home


def quarterdeck(home: Home, *arguments: str, timeout_s: float = TIMEOUT_S) -> Measured:
    """The real command in a process of its own. Raises RuntimeError with its last words when it fails.

    Its modules are compiled once, whatever our own environment says of that: an installed program's are.
    """
    return measured((*QUARTERDECK, *arguments, "--home", str(home.root)), timeout_s, COMPILED)
