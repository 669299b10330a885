"""Whether a key may trade: an order that is tested and never placed, where the exchange has such a test."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from decimal import Decimal

from core.domain.errors import QuarterdeckError, RefusedError, RejectKind, VenueRejectedError
from core.exchange.connection.wire import Wire

log = logging.getLogger("quarterdeck.exchange")

MEND = "give the key the right to trade futures, and let its address list hold this machine"
_TAKEN = frozenset({RejectKind.REDUCE_ONLY, RejectKind.NO_MARGIN, RejectKind.ONLY_REDUCING})
"""Refusals of the order itself: the key that asked for it may trade."""


@dataclass(frozen=True, slots=True)
class TradingRight:
    """`granted` is None where it is not known; `detail` says in words what was found or why not."""

    granted: bool | None
    detail: str


async def ask_trading_right(wire: Wire, symbol: str) -> TradingRight:
    """Test the smallest order of a contract (our symbol). Nothing is placed and nothing raised."""
    method = wire.dialect.order_test
    if not method:
        return TradingRight(None, f"{wire.dialect.id} has no test for an order; the first one will show it")
    unified = wire.unified(symbol)
    market = wire.client.markets[unified]
    amount = (market["limits"].get("amount") or {}).get("min") or market["precision"]["amount"]
    # ccxt's own `test` is for spot alone: with a futures contract it would place the order.
    request = wire.client.create_order_request(
        unified, "market", "buy", f"{Decimal(str(amount)):f}", None, {"reduceOnly": True}
    )
    try:
        await wire.read(method, request)
    except VenueRejectedError as error:
        if error.kind is RejectKind.NO_PERMISSION:
            return TradingRight(False, str(error))
        if error.kind in _TAKEN:
            return TradingRight(True, "granted: an order was tested and not placed")
        return TradingRight(None, f"the test of an order was refused: {error}")
    except QuarterdeckError as error:
        return TradingRight(None, str(error))
    return TradingRight(True, "granted: an order was tested and not placed")


async def check_trading_right(wire: Wire, symbol: str, patience_s: float | None) -> None:
    """Raises RefusedError where the key is known not to trade. What is not known within `patience_s` is a warning."""
    try:
        async with asyncio.timeout(patience_s):
            right = await ask_trading_right(wire, symbol)
    except TimeoutError:
        right = TradingRight(None, "no answer in time")
    if right.granted is False:
        raise RefusedError(f"this key may not trade: {right.detail}")
    if right.granted is None:
        log.warning("whether the key may trade is not known: %s", right.detail)
