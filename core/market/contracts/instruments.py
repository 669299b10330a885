"""The contracts of a file of rules, with the operator's fee settings applied."""

from __future__ import annotations

from pathlib import Path

from core.domain.instrument import Instrument
from core.market.contracts.rules import read_rules
from core.settings.schema import CostSettings


def load_instruments(path: Path, costs: CostSettings) -> dict[str, Instrument]:
    """Instruments by symbol. Raises DataError with the file, the symbol and the key."""
    return {rules.symbol: rules.instrument(costs) for rules in read_rules(path, "shipped")}
