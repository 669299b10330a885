"""The contract rules of a home, and those that a run goes by.

Heavy imports stand inside the functions that need them, here and in the modules beside this one, so that a read verb
answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.home.folder import Home
from core.settings.values import Market

if TYPE_CHECKING:
    from core.lab.data.history import History
    from core.lab.service.stores import HomeStores, MarketStore
    from core.market.contracts.rules import ContractRules
    from core.market.stored import Series


def rules_of_history(history: History, market: Market, candles: MarketStore) -> dict[str, ContractRules]:
    """By symbol, the rules known of its contract that were the newest where the history's trading begins; read off its
    candles where none are known. The recorded market goes by what comes with it.

    Raises BadInputError where the prices are not of such a contract.
    """
    from core.market.contracts.inference import rules_of_bars
    from core.market.contracts.known import known_rules

    known = known_rules(candles.rules() if market == "imported" else ())
    return {symbol: rules_of_bars(history.columns(symbol), known, history.from_ms) for symbol in history.symbols}


def rules_told(home: Home, stores: HomeStores) -> list[Row]:
    """Those that a home knows, those that come with the program among them, by symbol and day."""
    from core.market.contracts.known import known_rules

    of_home = stores.imported(thorough=True).rules() if home.database.exists() else ()
    return [item.told() for item in sorted(known_rules(of_home), key=lambda item: (item.symbol, item.as_of_ms))]


def import_rules(
    home: Home, stores: HomeStores, files: Sequence[Path], as_of_ms: int | None, source: str | None
) -> list[Row]:
    """Store the rules of all files or of none, and tell them."""
    from core.market.contracts.rules import read_rules

    home.create()
    store = stores.imported()
    rules = [item for path in files for item in read_rules(path, as_of_ms=as_of_ms, source=source)]
    store.put_rules(rules)
    return [item.told() for item in rules]


def infer_rules(home: Home, stores: HomeStores, symbols: Sequence[str]) -> list[Row]:
    """Store, of the contract of each symbol, what all its candles tell."""
    from core.lab.data.history import MAX_HOLE_MS
    from core.market.contracts.inference import read_off

    home.create()
    store = stores.imported()
    series: dict[str, Series] = {}
    for one in store.all_series():
        series.setdefault(one.symbol, one)
    missing = [symbol for symbol in symbols if symbol not in series]
    if missing:
        raise BadInputError(
            f"no candles of {', '.join(missing)} are imported; import some with: quarterdeck data import FILE"
        )
    rules = []
    for symbol in symbols:
        its = series[symbol]
        history = store.history([symbol], its.interval_ms, its.first_ms, its.last_ms, 0, MAX_HOLE_MS)
        rules.append(read_off(history.columns(symbol)))
    store.put_rules(rules)
    return [item.told() for item in rules]


def delete_rules(home: Home, stores: HomeStores, symbol: str, as_of_ms: int | None) -> Row:
    """Those of the home alone: what comes with the program stays."""
    from core.market.contracts.rules import DAY_MS

    home.create()
    count = stores.imported().drop_rules(symbol, None if as_of_ms is None else as_of_ms // DAY_MS * DAY_MS)
    if not count:
        raise BadInputError(f"{symbol}: this home holds no such rules; see: quarterdeck data rules list")
    return {"symbol": symbol, "deleted": count}
