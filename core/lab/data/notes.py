"""What the data of a run lack or have that a reader of its figures should know, as rows of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.lab.data.history import History
from core.lab.data.holes import holes
from core.lab.data.seeing import seen_by
from core.lab.statistics.figures import utc_minute
from core.market.jumps import Jump, jumps
from core.strategy.declaration import Scope, Strategy

Rows = Sequence[Mapping[str, object]]

_JUMPS_TOLD = 3


def jump_labels(history: History, jump_volatilities: float) -> tuple[str, ...]:
    """What stands beside every figure of a run over a market whose prices jumped."""
    found = _jumps(history, jump_volatilities)
    if not found:
        return ()
    told = [f"{jump.symbol} {utc_minute(jump.time_ms)} {jump.move_pct:+,.2f} %" for jump in found[:_JUMPS_TOLD]]
    more = f" and {len(found) - _JUMPS_TOLD:,} more" if len(found) > _JUMPS_TOLD else ""
    return (
        f"JUMPS: prices moved by more than {jump_volatilities:g} times the recent volatility: {', '.join(told)}{more}",
    )


def lack_labels(history: History, strategy: Strategy) -> tuple[str, ...]:
    """What stands beside every figure of a run in which a part could not forecast for want of an input, or a part over
    the market was shown less than it asks for."""
    named: dict[Scope, tuple[str, ...]] = {
        scope: tuple(dict.fromkeys(n for p in strategy.parts if p.scope == scope for n in strategy.market_seen(p)))
        for scope in ("symbol", "market")
    }
    of_symbols, of_market = (_lacks(history, named[scope]) for scope in ("symbol", "market"))
    told = (("nothing is forecast of", of_symbols), ("a part over the market is not shown all of", of_market))
    return tuple(f"MISSING INPUTS: {what} {'; '.join(lacks)}" for what, lacks in told if lacks)


def _lacks(history: History, inputs: Sequence[str]) -> list[str]:
    """By symbol, at how many bars one of the inputs is missing, and which is the first."""
    found = []
    for symbol in history.symbols if inputs else ():
        seen = seen_by(history, symbol, inputs)
        traded = seen.at(seen.close_ms > history.from_ms)
        lacking = np.flatnonzero(traded.is_lacking())
        if len(lacking):
            first = ", ".join(lack.name for lack in traded.lacking(int(lacking[0])))
            times = f"first of {first} at {utc_minute(int(traded.close_ms[lacking[0]]))}"
            found.append(f"{symbol} at {len(lacking):,} of {len(traded.close_ms):,} bars, {times}")
    return found


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
            for jump in _jumps(history, jump_volatilities)
        ],
    }
    return {name: rows for name, rows in found.items() if rows}


def _jumps(history: History, beyond: float) -> list[Jump]:
    """Those of the traded slots, by symbol and time."""
    return [
        jump
        for symbol in history.symbols
        for jump in jumps(history.columns(symbol), beyond)
        if jump.time_ms >= history.from_ms
    ]
