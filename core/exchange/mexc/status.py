"""What MEXC says of a contract in its own row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.exchange.connection.wire import ContractStatus

_STATES = {"1": "is being settled", "2": "was settled", "3": "is taken off", "4": "is paused"}


def status_told(info: Mapping[str, Any]) -> ContractStatus:
    told = str(info.get("state") or "0")
    return ContractStatus("" if told == "0" else _STATES.get(told, f"has the state {told}"))
