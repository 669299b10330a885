"""Whether the exchange, its rules and others on the account allow entries in a contract."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

CONTRACT = Limit(
    "contract",
    "problems",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "when what is wrong with the contract has passed",
    "1 while the exchange, its rules or others on the account forbid entries in this contract",
    warns=False,
    renews=True,
)
