"""What MEXC tells in its own row of a contract."""

from __future__ import annotations

from core.exchange.connection.own_words import ContractTold, OwnWords, Row
from core.exchange.orders.rows import part


def contract(market: Row) -> ContractTold:
    return ContractTold(maintenance_margin_rate=part(market, "info").get("maintenanceMarginRate"))


WORDS = OwnWords(contract=contract)
