"""Trades, equity and figures as CSV, Parquet and JSON, and daily returns for quantstats. Labels go into each."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from core.lab.report.data import Report, all_figures, notes, provenance_pairs, whole_day_returns
from core.lab.run.result import EquityCurve, TradeColumns
from core.lab.run.trade_plans import plan_columns
from core.lab.statistics.series import drawdown_pct

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 2


def tables(report: Report) -> dict[str, pa.Table]:
    """`trades`, `equity` and `figures` as Arrow tables; times are integer UTC ms, `side` is +1 or -1."""
    import pyarrow as pa

    figures = all_figures(report)
    curve = report.result.curve
    equity = {field.name: getattr(curve, field.name) for field in fields(EquityCurve)}
    equity["drawdown_pct"] = drawdown_pct(curve.equity_usdt, report.result.initial_usdt)
    return {
        "trades": pa.table(
            {field.name: getattr(report.result.trades, field.name) for field in fields(TradeColumns)}
            | {
                name: pa.array(column, from_pandas=True)
                for name, column in plan_columns(report.result.trades, report.result.plans).items()
            }
        ),
        "equity": pa.table(equity),
        "figures": pa.table(
            {
                "figure": pa.array(list(figures), pa.string()),
                "value": pa.array([_finite(value) for value in figures.values()], pa.float64()),
            }
        ),
    }


def csv_files(report: Report) -> dict[str, bytes]:
    """Three files whose first lines begin with "#": read them with pandas' comment="#"."""
    from pyarrow import csv as arrow_csv

    head = comment_lines(report).encode()
    files = {}
    for name, table in tables(report).items():
        buffer = io.BytesIO()
        buffer.write(head)
        arrow_csv.write_csv(table, buffer)
        files[f"{name}.csv"] = buffer.getvalue()
    return files


def parquet_files(report: Report) -> dict[str, bytes]:
    """Three files whose schema metadata holds `labels` and `provenance` as JSON."""
    from pyarrow import parquet

    metadata = {"labels": strict_json(list(report.labels())), "provenance": strict_json(asdict(report.provenance))}
    files = {}
    for name, table in tables(report).items():
        buffer = io.BytesIO()
        parquet.write_table(table.replace_schema_metadata(metadata), buffer)
        files[f"{name}.parquet"] = buffer.getvalue()
    return files


def json_text(report: Report) -> str:
    """Strict JSON of the whole report: labels first, trades as records, curves as columns, undefined figures null."""
    result = report.result
    trades = tables(report)["trades"].to_pylist()
    return strict_json(
        {
            "schema_version": SCHEMA_VERSION,
            "verdict": report.verdict(),
            "labels": list(report.labels()),
            "complete": result.complete,
            "made_ms": report.made_ms,
            "provenance": asdict(report.provenance),
            "figures": all_figures(report),
            "notes": list(notes(report)),
            "breakdowns": report.breakdowns,
            "vetoes": result.vetoes,
            "limits": result.limits,
            "trainings": result.trainings,
            "trades": trades,
            "equity": _curve(result.curve),
            "references": {name: _curve(curve) for name, curve in report.references.items()},
            "forecasts": {
                symbol: {
                    "close_ms": found.close_ms,
                    "units": dict(zip(found.names.tolist(), found.units.tolist(), strict=True)),
                    "outputs": dict(zip(found.names.tolist(), found.values.T, strict=True)),
                }
                for symbol, found in result.predictions.items()
            },
        }
    )


def quantstats_text(report: Report) -> str:
    """Simple daily returns as quantstats takes them: UTC days, fractions, one column named after the strategy. They are
    those that the ratios stand on: of whole days without holes, as far as the run is measured.

    `pandas.read_csv(path, index_col=0, parse_dates=True, comment="#").squeeze("columns")` reads it.
    """
    found = whole_day_returns(report)
    days = found.day_ms.astype("datetime64[ms]").astype("datetime64[D]")
    labels = report.short_labels()
    name = report.provenance.strategy.replace("#", " ") + (f" [{', '.join(labels)}]" if labels else "")
    buffer = io.StringIO()
    buffer.write(comment_lines(report))
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("Date", " ".join(name.split())))
    writer.writerows(zip(days.astype(str).tolist(), map(_cell, found.value.tolist()), strict=True))
    return buffer.getvalue()


def comment_lines(report: Report) -> str:
    """The labels, then where the run comes from: one "# ..." line each."""
    lines = [*report.labels(), report.verdict(), *(f"{name}: {text}" for name, text in provenance_pairs(report))]
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)


def _curve(curve: EquityCurve) -> dict[str, object]:
    return {field.name: getattr(curve, field.name) for field in fields(EquityCurve)}


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def strict_json(value: object) -> str:
    """JSON that every parser takes: arrays as lists, a number that is not finite as null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> object:
    """What strict JSON can say: arrays as lists, a number that is not finite as null, the unknown as text."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return [_finite(item) for item in value.tolist()]
        return value.tolist()
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return _finite(value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)
