"""What ccxt gets wrong of Apex, put right in the client itself, so that requests and streams tell the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.exchange.connection.ccxt_corrections import (
    ask_for_candles_to_an_end,
    info_of,
    page_through_funding,
    put_right,
)
from core.exchange.connection.wire import Row

_STATES = {
    "PENDING": "open",
    "OPEN": "open",
    "UNTRIGGERED": "open",
    "CANCELING": "open",
    "FILLED": "closed",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
}

_LEAST_MICROSECONDS = 100_000_000_000_000
_MOST_CANDLES = 200


def correct_apex(client: Any) -> None:
    """Contracts with their size and fees, orders with what is filled, fills with order and fee; and signing at all."""
    sign = client.get_zk_contract_signature_obj

    async def signed(seeds: str, contract: Row) -> str:
        # ccxt awaits this function, which is not asynchronous.
        return str(sign(seeds, contract))

    client.get_zk_contract_signature_obj = signed
    put_right(client, "parse_market", apex_market)
    put_right(client, "parse_order", apex_order)
    put_right(client, "parse_trade", apex_trade)
    put_right(client, "parse_ws_trade", apex_trade)
    for name in ("handle_order_book", "handle_ticker"):
        _time_in_microseconds(client, name)
    ask_for_candles_to_an_end(client, _MOST_CANDLES)
    page_through_funding(client, "page", 0)


def apex_market(row: Row) -> Row:
    """ccxt gives the least order for the contract size, which is one base unit, and each fee for the other."""
    fees = {"maker": min(row["maker"], row["taker"]), "taker": max(row["maker"], row["taker"])}
    return {**row, "contractSize": 1.0, **fees}


def apex_order(row: Row) -> Row:
    info = info_of(row)
    if "status" not in info:
        return row
    size, left, matched = Decimal(info["size"]), info.get("remainingSize"), info.get("cumMatchFillSize")
    filled = Decimal(matched) if matched else size - Decimal(left) if left else Decimal(0)
    value = Decimal(info.get("cumMatchFillValue") or 0)
    return {
        **row,
        "status": _STATES[info["status"]],
        "filled": float(filled),
        "remaining": float(size - filled),
        "average": float(value / filled) if filled and value else None,
        "triggerPrice": row.get("triggerPrice") or None,
    }


def apex_trade(row: Row) -> Row:
    info = info_of(row)
    if "orderId" not in info:
        return row
    return {
        **row,
        "order": info["orderId"],
        "clientOrderId": info.get("clientOrderId") or info.get("clientId") or None,
        "takerOrMaker": str(info.get("direction") or info.get("liquidity") or "TAKER").lower(),
        "cost": float(Decimal(info["price"]) * Decimal(info["size"])),
        "fee": {"cost": float(info["fee"]), "currency": "USDT"},
    }


def _time_in_microseconds(client: Any, name: str) -> None:
    """ccxt takes the time of a frame for microseconds; Apex documents some in milliseconds."""
    handle = getattr(client, name)

    def handled(connection: Any, message: Row) -> None:
        told = int(message.get("ts") or 0)
        handle(connection, {**message, "ts": told * 1000} if 0 < told < _LEAST_MICROSECONDS else message)

    setattr(client, name, handled)
