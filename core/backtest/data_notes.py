"""What the data of a run lack or have that a reader of its figures should know, as rows of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.backtest.history import History
from core.backtest.holes import holes
from core.market.jumps import jumps

Rows = Sequence[Mapping[str, object]]


def data_rows(history: History, jump_volatilities: float) -> dict[str, Rows]:
    """`holes` and `price_jumps` of the traded slots; what there is none of is left out."""
    found: dict[str, Rows] = {
        "holes": [
            {
                "symbol": hole.symbol,
                "what": str(hole.kind),
                "from_ms": hole.from_ms,
                "to_ms": hole.to_ms,
                "bars": hole.bars,
            }
            for hole in holes(history)
        ],
        "price_jumps": [
            {
                "symbol": jump.symbol,
                "from_ms": jump.before_ms,
                "to_ms": jump.time_ms,
                "move_pct": jump.move_pct,
                "volatilities": jump.volatilities,
            }
            for symbol in history.symbols
            for jump in jumps(history.columns(symbol), jump_volatilities)
            if jump.time_ms >= history.from_ms
        ],
    }
    return {name: rows for name, rows in found.items() if rows}
