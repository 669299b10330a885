"""Where the account of some settings is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings.schema import Settings


def place_of(settings: Settings) -> str:
    """As the journal's fact EXCHANGE tells it."""
    from core.control.arming import TESTNET

    return f"{settings.exchange.id}-{TESTNET}" if settings.exchange.testnet else settings.exchange.id


def server_of(settings: Settings) -> str:
    """What is told of it beside the exchange's name where another host stands in for its own."""
    return f" at {settings.exchange.base_url}" if settings.exchange.base_url else ""
