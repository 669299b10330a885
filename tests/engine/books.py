"""The durable books as plain data, without what may differ between a cut run and an uncut one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

# What a crash may leave otherwise: the order of rows, and the instant at which an order that was never received is
# acknowledged when it is sent again.
_QUERIES = {
    "orders": "SELECT client_order_id, symbol, side, type, role, qty_lots, trigger_ticks, state, filled_lots, trade_id"
    " FROM orders ORDER BY 1",
    "fills": "SELECT fill_id, client_order_id, side, qty_lots, price_ticks, fee_usdt, time_ms FROM fills ORDER BY 1",
    "funding": "SELECT funding_id, symbol, time_ms, amount_usdt FROM funding_payments ORDER BY 1",
    "trades": "SELECT trade_id, entry_time_ms, exit_time_ms, gross_pnl_usdt, fees_usdt, funding_usdt, net_pnl_usdt,"
    " exit_reason, version FROM trades ORDER BY 1, 3",
    "positions": "SELECT symbol, lots, cost_usdt, trade_id FROM positions ORDER BY 1",
    "signals": "SELECT signal_id, action, reason, because FROM signals ORDER BY 1",
    "forecasts": 'SELECT symbol, bar_close_ms, "values", version FROM forecasts ORDER BY 1, 2',
    "equity": "SELECT time_ms, wallet_usdt, unrealised_usdt, peak_equity_usdt, day_start_equity_usdt FROM equity"
    " ORDER BY 1",
    "limit_events": 'SELECT "limit", symbol, time_ms, fired, used FROM limit_events ORDER BY 3, 1, 2, 4',
    "training": "SELECT symbol, requested_ms, status, version FROM training ORDER BY 1, 2, 3",
    "operator_commands": "SELECT verb, symbol, result FROM operator_commands ORDER BY seq",
}


def read_books(database: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return {name: connection.execute(sql).fetchall() for name, sql in _QUERIES.items()}
    finally:
        connection.close()
