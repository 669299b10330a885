"""What ccxt gets wrong of MEXC, put right in the client itself, so that requests and streams tell the same."""

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

CLIENT_OPTIONS = {"defaultSubType": "linear"}

_SIDES = {"1": "buy", "2": "buy", "3": "sell", "4": "sell"}
"""Open long, close short, open short, close long. ccxt knows the first two, and takes "close short" for a sell."""

_TYPES = {"1": "limit", "2": "limit", "3": "limit", "4": "limit", "5": "market", "6": "market"}
_ORDER_STATES = {"1": "open", "2": "open", "3": "closed", "4": "canceled", "5": "rejected"}
_TRIGGER_STATES = {"1": "open", "2": "canceled", "3": "closed", "4": "canceled", "5": "rejected"}
_ONE_WAY, _HEDGE = 2, "1"
_MOST_CANDLES = 2000


def correct_mexc(client: Any) -> None:
    """Orders with side, type, status and client id, and by client id; fills of futures; wallets with their margin;
    volumes in base units."""
    _leave_spot_out(client)
    put_right(client, "parse_order", mexc_order)
    put_right(client, "custom_parse_balance", mexc_balance)
    for name in ("parse_ohlcv", "parse_ws_ohlcv"):
        _count_in_base_units(client, name)
    ask_for_candles_to_an_end(client, _MOST_CANDLES)
    page_through_funding(client, "page_num", 1)
    _find_mexc_orders(client)
    _read_position_mode(client)
    put_right(client, "parse_leverage", mexc_leverage)


def _read_position_mode(client: Any) -> None:
    """ccxt takes whatever is not hedge mode, also an answer without a mode, for one-way mode."""
    fetch = client.fetch_position_mode

    async def fetch_position_mode(symbol: str | None = None, params: Row | None = None) -> Row:
        row = dict(await fetch(symbol, params or {}))
        mode = str(info_of(row).get("data"))
        return {**row, "hedged": {_HEDGE: True, str(_ONE_WAY): False}.get(mode)}

    client.fetch_position_mode = fetch_position_mode


def _find_mexc_orders(client: Any) -> None:
    parse_trade, fetch_order, cancel_order = client.parse_trade, client.fetch_order, client.cancel_order

    def parse_fill(trade: Row, market: Any = None) -> Row:
        # Without a position mode ccxt reads a fill as one of spot, and loses its amount and time.
        is_fill = "orderId" in trade and "vol" in trade
        return mexc_trade(parse_trade({"positionMode": _ONE_WAY, **trade} if is_fill else trade, market))

    async def fetch_any(order_id: str, symbol: str, params: Row | None = None) -> Row:
        params = params or {}
        if "clientOrderId" not in params:
            return dict(await fetch_order(order_id, symbol, params))
        market = client.market(symbol)
        wanted = {"symbol": market["id"], "external_oid": params["clientOrderId"]}
        answer = await client.contractPrivateGetOrderExternalSymbolExternalOid(wanted)
        return dict(client.parse_order(answer["data"], market))

    async def cancel_any(order_id: str, symbol: str, params: Row | None = None) -> Row:
        params = params or {}
        if "clientOrderId" in params:
            order_id = (await fetch_any("", symbol, params))["id"]
            params = {}
        return dict(await cancel_order(order_id, symbol, params))

    client.parse_trade, client.fetch_order, client.cancel_order = parse_fill, fetch_any, cancel_any


def _leave_spot_out(client: Any) -> None:
    async def no_markets(params: Any = None) -> list[Any]:
        return []

    client.fetch_spot_markets = no_markets


def mexc_order(row: Row) -> Row:
    info = info_of(row)
    if "state" not in info:
        return row
    is_trigger = "triggerType" in info
    states = _TRIGGER_STATES if is_trigger else _ORDER_STATES
    corrected = {
        **row,
        "side": _SIDES[str(info["side"])],
        "status": states[str(info["state"])],
        "type": _TYPES.get(str(info.get("orderType"))),
        "clientOrderId": info.get("externalOid") or None,
    }
    # An untriggered order's "orderId" is that of its child, which is not there yet; ccxt takes it for its own.
    return corrected | {"id": str(info["id"])} if is_trigger else corrected


def mexc_trade(row: Row) -> Row:
    info = info_of(row)
    if "orderId" not in info or "side" not in info:
        return row
    return {**row, "side": _SIDES[str(info["side"])], "clientOrderId": info.get("externalOid") or None}


def mexc_leverage(row: Row) -> Row:
    """ccxt takes a row without a margin mode for one of cross margin."""
    sides = row["info"] if isinstance(row.get("info"), list) else []
    return row if any(side.get("openType") for side in sides) else {**row, "marginMode": None}


def mexc_balance(balance: Row) -> Row:
    """ccxt's total is what is free and what is frozen for orders, without the margin of positions."""
    for asset in info_of(balance).get("data") or ():
        code = asset["currency"]
        total = float(Decimal(str(asset["equity"])) - Decimal(str(asset["unrealized"])))
        balance[code]["total"] = balance["total"][code] = total
        balance[code]["used"] = balance["used"][code] = float(Decimal(str(total)) - Decimal(str(balance[code]["free"])))
    return balance


def _count_in_base_units(client: Any, name: str) -> None:
    """ccxt's candles of MEXC have their volume in contracts, those of the other exchanges in base units."""
    parse = getattr(client, name)

    def parsed(candle: Any, market: Any = None) -> list[Any]:
        *row, volume = parse(candle, market)
        if volume is None or not market or not market.get("contract"):
            return [*row, volume]
        return [*row, float(Decimal(str(volume)) * Decimal(str(market["contractSize"])))]

    setattr(client, name, parsed)
