"""In which ticks and lots each stretch of a journal counts, and what it traded: read from its facts, without the
settings beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from core.domain.instrument import Instrument
from core.domain.regrid import Era, Eras, Grid, grid_of

START, RULES = "start-", "rules-"
"""How the keys begin under which a journal keeps its starts and their rules."""


def read_eras(meta: Mapping[str, str], known: Mapping[str, Instrument]) -> Eras:
    """`meta` are the facts of a journal; `known` the instruments it keeps, for one that knows no start."""
    rules = {key.removeprefix(RULES): _grids(text) for key, text in meta.items() if key.startswith(RULES)}
    kept = [json.loads(meta[key]) for key in sorted(meta) if key.startswith(START)]
    eras = [Era(start["seq"], rules[start["rules"]]) for start in kept]
    return Eras(eras or [Era(0, {symbol: grid_of(instrument) for symbol, instrument in known.items()})])


def left_out(meta: Mapping[str, str], newest_seq: Mapping[str, int]) -> set[str]:
    """The symbols whose market was last taken in at `newest_seq`, and which a later start did not trade."""
    symbols = {
        key.removeprefix(RULES): json.loads(text)["settings"]["market"]["symbols"]
        for key, text in meta.items()
        if key.startswith(RULES)
    }
    starts = [json.loads(text) for key, text in meta.items() if key.startswith(START)]
    return {
        symbol
        for start in starts
        for symbol, seq in newest_seq.items()
        if start["seq"] >= seq and symbol not in symbols[start["rules"]]
    }


def _grids(text: str) -> dict[str, Grid]:
    return {
        item["symbol"]: Grid(Decimal(item["tick_size"]), Decimal(item["lot_size"]) * Decimal(item["contract_size"]))
        for item in json.loads(text)["instruments"]
    }
