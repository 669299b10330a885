"""What Binance's private stream tells beside orders and fills, by its own names."""

from __future__ import annotations

from core.exchange.account.reading import is_on, whole
from core.exchange.connection.own_words import Row, SettingsTold
from core.exchange.orders.rows import part

ENDS = frozenset({"listenKeyExpired", "eventStreamTerminated"})
CHANGES = frozenset({"ACCOUNT_CONFIG_UPDATE"})
_BY_TRADING = "ORDER"


def settings_told(event: Row) -> SettingsTold:
    contract = part(event, "ac").get("s")
    return SettingsTold(
        is_on(part(event, "ai").get("j")),
        contract if isinstance(contract, str) else "",
        whole(part(event, "ac").get("l")),
    )


def moved_money(balance: Row) -> bool | None:
    event = part(balance, "info")
    return part(event, "a").get("m") != _BY_TRADING if "a" in event else None
