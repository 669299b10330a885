"""What Apex tells in its own row of a contract."""

from __future__ import annotations

from core.exchange.connection.own_words import ContractTold, OwnWords, Row
from core.exchange.orders.rows import part


def contract(market: Row) -> ContractTold:
    """A row names its rate in one of two ways."""
    told = part(market, "info")
    return ContractTold(told.get("maintenanceMarginRate") or told.get("baselineMaintenanceMarginRate"))


WORDS = OwnWords(contract=contract)
