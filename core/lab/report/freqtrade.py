"""A run as a backtest result of freqtrade: the zip and metadata that its `load_backtest_data` reads (seen in 2026.9).

Only what the run knows is told. freqtrade's own statistics, such as its Sharpe over trades, are left out, so
`load_backtest_data`, `load_backtest_stats` and what is built on trades work, and `backtesting-show` does not.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from core.lab.report.data import Report
from core.lab.report.tables import strict_json
from core.lab.run.result import TradeColumns
from core.market.intervals import interval_text

LAST_RESULT = ".last_result.json"
_QUOTE = "USDT"


def freqtrade_files(report: Report, name: str) -> dict[str, bytes]:
    """`<name>.zip`, which holds `<name>.json`, and `<name>.meta.json` beside it.

    The labels are in the strategy's name, in the metadata's notes and in every trade's `enter_tag`.
    """
    strategy = strategy_name(report)
    content = {"strategy": {strategy: _strategy(report, strategy)}, "strategy_comparison": []}
    made = datetime.fromtimestamp(report.made_ms // 1000, UTC)
    entry = zipfile.ZipInfo(f"{name}.json", made.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, strict_json(content))
    metadata = {strategy: _metadata(report)}
    return {f"{name}.zip": buffer.getvalue(), f"{name}.meta.json": strict_json(metadata).encode()}


def pointer_file(name: str) -> dict[str, bytes]:
    """What tells freqtrade which result of a folder is the latest."""
    return {LAST_RESULT: strict_json({"latest_backtest": f"{name}.zip"}).encode()}


def strategy_name(report: Report) -> str:
    labels = report.short_labels()
    return report.provenance.strategy + (f" [{', '.join(labels)}]" if labels else "")


def pair_name(symbol: str) -> str:
    """BTCUSDT as freqtrade names the perpetual: BTC/USDT:USDT. Other names stay."""
    base = symbol.removesuffix(_QUOTE)
    return f"{base}/{_QUOTE}:{_QUOTE}" if base != symbol and base.isalnum() else symbol


def _metadata(report: Report) -> dict[str, object]:
    run = report.provenance
    identity = strict_json([asdict(run), report.made_ms]).encode()
    return {
        "run_id": hashlib.blake2b(identity, digest_size=20).hexdigest(),
        "backtest_start_time": report.made_ms // 1000,
        "backtest_start_ts": run.from_ms // 1000,
        "backtest_end_ts": run.to_ms // 1000,
        "timeframe": interval_text(run.interval_ms),
        "timeframe_detail": None,
        "notes": "; ".join(report.labels()),
    }


def _strategy(report: Report, name: str) -> dict[str, object]:
    run, result = report.provenance, report.result
    trades = trade_records(result.trades, ", ".join(report.short_labels()))
    profit_usdt = float(result.trades.net_usdt.sum())
    shorts = sum(bool(trade["is_short"]) for trade in trades)
    return {
        "trades": trades,
        "locks": [],
        "strategy_name": name,
        "total_trades": len(trades),
        "trade_count_long": len(trades) - shorts,
        "trade_count_short": shorts,
        "profit_total": profit_usdt / result.initial_usdt,
        "profit_total_abs": profit_usdt,
        "backtest_start": _date(run.from_ms)[:19],
        "backtest_start_ts": run.from_ms,
        "backtest_end": _date(run.to_ms)[:19],
        "backtest_end_ts": run.to_ms,
        "backtest_run_start_ts": report.made_ms // 1000,
        "pairlist": [pair_name(symbol) for symbol in run.symbols],
        "stake_currency": _QUOTE,
        "starting_balance": result.initial_usdt,
        "dry_run_wallet": result.initial_usdt,
        "final_balance": result.final_usdt,
        "timeframe": interval_text(run.interval_ms),
        "trading_mode": "futures",
        "labels": list(report.labels()),
        "provenance": asdict(run),
    }


def trade_records(trades: TradeColumns, tag: str) -> list[dict[str, Any]]:
    """Trades with the columns of freqtrade's BT_DATA_COLUMNS; what the run does not record (stops, extremes) is null.

    A trade's fees are spread over both sides at one rate, and its leverage is 1, so `stake_amount` is the notional at
    entry. `profit_ratio` is as freqtrade computes it: profit over the entry's value with its fee.
    """
    columns = {name: getattr(trades, name).tolist() for name in TradeColumns.__dataclass_fields__}
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [_record(row, tag) for row in rows]


def _record(row: dict[str, Any], tag: str) -> dict[str, Any]:
    opened, closed = row["qty"] * row["entry_price"], row["qty"] * row["exit_price"]
    fee_rate = row["fees_usdt"] / (opened + closed) if opened + closed else 0.0
    basis = opened * (1 + row["side"] * fee_rate)
    is_short = row["side"] < 0
    sides = ("sell", "buy") if is_short else ("buy", "sell")
    return {
        "pair": pair_name(row["symbol"]),
        "stake_amount": opened,
        "max_stake_amount": opened,
        "amount": row["qty"],
        "open_date": _date(row["entry_time_ms"]),
        "close_date": _date(row["exit_time_ms"]),
        "open_rate": row["entry_price"],
        "close_rate": row["exit_price"],
        "fee_open": fee_rate,
        "fee_close": fee_rate,
        "trade_duration": (row["exit_time_ms"] - row["entry_time_ms"]) // 60_000,
        "profit_ratio": row["net_usdt"] / basis if basis else 0.0,
        "profit_abs": row["net_usdt"],
        "exit_reason": row["exit_reason"],
        "initial_stop_loss_abs": None,
        "initial_stop_loss_ratio": None,
        "stop_loss_abs": None,
        "stop_loss_ratio": None,
        "min_rate": None,
        "max_rate": None,
        "is_open": False,
        "enter_tag": tag,
        "leverage": 1.0,
        "is_short": is_short,
        "open_timestamp": row["entry_time_ms"],
        "close_timestamp": row["exit_time_ms"],
        "orders": [
            _order(row, "entry", sides[0], opened, is_entry=True),
            _order(row, "exit", sides[1], closed, is_entry=False),
        ],
        "funding_fees": row["funding_usdt"],
    }


def _order(row: dict[str, Any], end: str, side: str, cost_usdt: float, is_entry: bool) -> dict[str, Any]:
    return {
        "amount": row["qty"],
        "safe_price": row[f"{end}_price"],
        "ft_order_side": side,
        "order_filled_timestamp": row[f"{end}_time_ms"],
        "ft_is_entry": is_entry,
        "ft_order_tag": None if is_entry else row["exit_reason"],
        "cost": cost_usdt,
    }


def _date(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}+00:00"
