"""What Binance says of a contract in its own row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.exchange.connection.wire import ContractStatus

_STATUSES = {
    "PENDING_TRADING": "is not traded yet",
    "PRE_TRADING": "is not traded yet",
    "PRE_DELIVERING": "is being settled",
    "DELIVERING": "is being settled",
    "DELIVERED": "was settled",
    "PRE_SETTLE": "is being settled",
    "SETTLING": "is being settled",
    "CLOSE": "is closed",
    "BREAK": "is paused",
    "HALT": "is paused",
    "TRADING_HALT": "is paused",
    "TRADING_CANCEL_ONLY": "takes no new orders",
}


def status_told(info: Mapping[str, Any]) -> ContractStatus:
    told = str(info.get("status") or info.get("contractStatus") or "")
    against = "" if told in ("", "TRADING") else _STATUSES.get(told, f"has the status {told}")
    return ContractStatus(against, opens_ms=info.get("onboardDate"), ends_ms=info.get("deliveryDate"))
