"""The rules of a strategy over many bars at once, part after part: the same values as bar by bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from core.ports import BarColumns, Seen
from core.strategy.declaration import Part, Strategy
from core.strategy.rules import Floats, RuleDesk
from core.strategy.said import Times, joined, said_at

Said = tuple[Times, Floats]
"""Of which closes (m,) what was said, (m, outputs)."""

Spoken = Mapping[str, Said]
"""By part, what was said where no rule over bars can tell it again."""

NOTHING: Spoken = MappingProxyType({})


def rules_over(
    strategy: Strategy, desks: Mapping[str, RuleDesk], bars: BarColumns, first_ms: Mapping[str, int], spoken: Spoken
) -> dict[str, Floats]:
    """Fold the next n bars of a symbol into the rules `desks`: the outputs of each part (n, outputs), NaN where it says
    nothing; of a part over the whole market, what was `spoken`. A part is shown the bars that open at its `first_ms` or
    later. `bars.seen` is what was seen of the market by any part. Raises as `RuleDesk.values` does.
    """
    values: dict[str, Floats] = {}
    said: dict[str, Seen] = {}
    closes_ms = bars.open_time_ms + bars.interval_ms
    seen = {name for part in strategy.parts for name in strategy.parts_seen(part)}
    for part in strategy.parts:
        told = np.full((len(closes_ms), len(part.outputs)), np.nan)
        if part.name in desks and part.scope == "symbol":
            begin = int(np.searchsorted(bars.open_time_ms, first_ms[part.name]))
            told[begin:] = desks[part.name].values(_shown(part, bars, said, begin))
        if part.name in seen or part.name in spoken:
            there = ~np.isnan(told).all(axis=1)
            known = spoken.get(part.name, (closes_ms[there], told[there]))
            said[part.name] = said_at(part, bars.symbol, closes_ms, *known)
        values[part.name] = said[part.name].values if part.scope == "market" and part.name in said else told
    return values


def seen_by_part(strategy: Strategy, part: Part, bars: BarColumns, spoken: Spoken) -> Seen:
    """What a part with inputs sees of some bars of a symbol: of the market as `bars.seen` has it, of other parts what
    they have `spoken`."""
    closes_ms = bars.open_time_ms + bars.interval_ms
    nothing = np.empty(0, np.int64)
    seen = [] if bars.seen is None else [bars.seen]
    for one in strategy.parts:
        if one.name in part.inputs:
            told = spoken.get(one.name, (nothing, np.empty((0, len(one.outputs)))))
            seen.append(said_at(one, bars.symbol, closes_ms, *told))
    return joined(seen, part.inputs)


def fresh_values(strategy: Strategy, part: Part, bars: BarColumns, market: Spoken = NOTHING) -> Floats:
    """What a part that waits for no model says at each of the bars (n, outputs), the first that it and those that it
    sees are ever shown. `bars.seen` as in `rules_over`; `market` is what was said of the whole market."""
    early = [p for p in strategy.parts if p.rule is not None and p.scope == "symbol" and not strategy.learns_late(p)]
    desks = {one.name: RuleDesk(strategy, (bars.symbol,), 0, one) for one in early}
    return rules_over(strategy, desks, bars, dict.fromkeys(desks, 0), market)[part.name]


def bars_behind(strategy: Strategy, part: Part) -> int:
    """How many bars a forecast of a part looks back on, through the rules that it sees."""
    seen = [one for one in strategy.parts if one.name in strategy.parts_seen(part) and one.rule is not None]
    return part.lookback_bars + max((bars_behind(strategy, one) for one in seen), default=0)


def _shown(part: Part, bars: BarColumns, said: Mapping[str, Seen], begin: int) -> BarColumns:
    """The bars from `begin` on, with what the part sees of them."""
    market = bars.seen
    own = replace(bars, seen=None).at(slice(begin, None))
    if not part.inputs:
        return own
    seen = [*([market] if market is not None else []), *(said[name] for name in part.inputs if name in said)]
    return own.beside(joined([one.at(slice(begin, None)) for one in seen], part.inputs))
