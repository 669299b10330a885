from __future__ import annotations

from tui.cli.output import Column, table

COLUMNS = [Column("symbol", "symbol", right=False), Column("rows", "rows")]


def test_a_symbol_of_wide_letters_keeps_the_columns_straight() -> None:
    rows = [{"symbol": "币安人生USDT", "rows": 7}, {"symbol": "BTCUSDT", "rows": 12}]
    assert table(rows, COLUMNS).splitlines() == [
        "symbol        rows",
        "币安人生USDT     7",
        "BTCUSDT         12",
    ]
