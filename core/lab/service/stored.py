"""What the lab tells of stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.lab.service.bench import Bench
from core.lab.service.plan import market_of

if TYPE_CHECKING:
    from core.lab.service.stores import LabStore


def trades(store: LabStore, run_id: str) -> list[Row]:
    from core.lab.run.result_rows import trade_rows

    result = store.load(run_id).result
    return trade_rows(result.trades, result.plans)


def curve(store: LabStore, run_id: str, points: int) -> Row:
    from core.lab.run.result_rows import curve_row

    return curve_row(store.load(run_id).result, points)


def bars(bench: Bench, run_id: str, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> Row:
    from core.lab.data.history import MAX_HOLE_MS
    from core.market.joining import joined

    own = bench.store.load(run_id).provenance
    market = market_of(own)
    if symbol not in own.symbols:
        raise BadInputError(f"{run_id}: has no {symbol}; it traded {', '.join(own.symbols)}")
    history = bench.market(market).history([symbol], own.interval_ms, from_ms, to_ms, 0, MAX_HOLE_MS)
    candles = joined(history.columns(symbol), interval_ms)
    names = ("open", "high", "low", "close", "volume")
    told = {name: getattr(candles, name).tolist() for name in names}
    return {"open_ms": candles.open_time_ms.tolist(), **told}


def compared(store: LabStore, run_ids: Sequence[str]) -> Row:
    from core.lab.report.comparison import compare

    return compare([store.run(run_id) for run_id in run_ids])


def exported(store: LabStore, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
    from core.lab.report.export import export

    files = export(store.load(run_id).report(), path, form, overwrite)
    return {"run_id": store.run(run_id)["run_id"], "form": form, "files": [str(file) for file in files]}
