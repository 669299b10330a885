"""What Apex says of a contract in its own row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.exchange.connection.wire import ContractStatus

_FLAGS = {"enableTrade": "is not traded", "enableOpenPosition": "takes no orders that open a position"}


def status_told(info: Mapping[str, Any]) -> ContractStatus:
    against = next((meaning for flag, meaning in _FLAGS.items() if info.get(flag) is False), "")
    if not against and info.get("isPrelaunch") is True:
        against = "is not traded yet"
    return ContractStatus(against, ends_ms=info.get("settleTimeStamp"))
