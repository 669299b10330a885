"""The contracts of a file of rules, with the operator's fee settings applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.domain.errors import BadInputError
from core.domain.instrument import Instrument
from core.market.contracts.rules import read_rules
from core.settings.schema import CostSettings


def load_instruments(path: Path, costs: CostSettings) -> dict[str, Instrument]:
    """Instruments by symbol. Raises DataError with the file, the symbol and the key."""
    return {rules.symbol: rules.instrument(costs) for rules in read_rules(path, "shipped")}


def chosen(instruments: Mapping[str, Instrument], symbols: Sequence[str]) -> dict[str, Instrument]:
    """Raises BadInputError naming a symbol without contract rules."""
    unknown = [symbol for symbol in symbols if symbol not in instruments]
    if unknown:
        raise BadInputError(
            f"market.symbols: no contract rules for {', '.join(unknown)}; known are {', '.join(instruments)}"
        )
    return {symbol: instruments[symbol] for symbol in symbols}
