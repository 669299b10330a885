"""What ccxt gets wrong of MEXC and Apex, put right in the client itself, so that requests and streams tell the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

from core.exchange.connection.wire import Row

_MEXC_SIDES = {"1": "buy", "2": "buy", "3": "sell", "4": "sell"}
"""Open long, close short, open short, close long. ccxt knows the first two, and takes "close short" for a sell."""

_MEXC_TYPES = {"1": "limit", "2": "limit", "3": "limit", "4": "limit", "5": "market", "6": "market"}
_MEXC_ORDER_STATES = {"1": "open", "2": "open", "3": "closed", "4": "canceled", "5": "rejected"}
_MEXC_TRIGGER_STATES = {"1": "open", "2": "canceled", "3": "closed", "4": "canceled", "5": "rejected"}
_MEXC_ONE_WAY, _MEXC_HEDGE = 2, "1"

_APEX_STATES = {
    "PENDING": "open",
    "OPEN": "open",
    "UNTRIGGERED": "open",
    "CANCELING": "open",
    "FILLED": "closed",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
}


_LEAST_MICROSECONDS = 100_000_000_000_000
_MEXC_CANDLES, _APEX_CANDLES = 2000, 200
_FUNDING_PAGE = 100


def mend_mexc(client: Any) -> None:
    """Orders with side, type, status and client id, and by client id; fills of futures; wallets with their margin;
    volumes in base units."""
    _wrap(client, "parse_order", mexc_order)
    _wrap(client, "custom_parse_balance", mexc_balance)
    for name in ("parse_ohlcv", "parse_ws_ohlcv"):
        _count_in_base_units(client, name)
    _ask_for_candles_to_an_end(client, _MEXC_CANDLES)
    _page_through_funding(client, "page_num", 1)
    _find_mexc_orders(client)
    _read_position_mode(client)
    _wrap(client, "parse_leverage", mexc_leverage)


def _read_position_mode(client: Any) -> None:
    """ccxt takes whatever is not hedge mode, also an answer without a mode, for one-way mode."""
    fetch = client.fetch_position_mode

    async def fetch_position_mode(symbol: str | None = None, params: Row | None = None) -> Row:
        row = dict(await fetch(symbol, params or {}))
        mode = str(_info(row).get("data"))
        return {**row, "hedged": {_MEXC_HEDGE: True, str(_MEXC_ONE_WAY): False}.get(mode)}

    client.fetch_position_mode = fetch_position_mode


def _find_mexc_orders(client: Any) -> None:
    parse_trade, fetch_order, cancel_order = client.parse_trade, client.fetch_order, client.cancel_order

    def parse_fill(trade: Row, market: Any = None) -> Row:
        # Without a position mode ccxt reads a fill as one of spot, and loses its amount and time.
        is_fill = "orderId" in trade and "vol" in trade
        return mexc_trade(parse_trade({"positionMode": _MEXC_ONE_WAY, **trade} if is_fill else trade, market))

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


def mend_apex(client: Any) -> None:
    """Contracts with their size and fees, orders with what is filled, fills with order and fee; and signing at all."""
    sign = client.get_zk_contract_signature_obj

    async def signed(seeds: str, contract: Row) -> str:
        # ccxt awaits this function, which is not asynchronous.
        return str(sign(seeds, contract))

    client.get_zk_contract_signature_obj = signed
    _wrap(client, "parse_market", apex_market)
    _wrap(client, "parse_order", apex_order)
    _wrap(client, "parse_trade", apex_trade)
    _wrap(client, "parse_ws_trade", apex_trade)
    for name in ("handle_order_book", "handle_ticker"):
        _time_in_microseconds(client, name)
    _ask_for_candles_to_an_end(client, _APEX_CANDLES)
    _page_through_funding(client, "page", 0)


def mexc_order(row: Row) -> Row:
    info = _info(row)
    if "state" not in info:
        return row
    is_trigger = "triggerType" in info
    states = _MEXC_TRIGGER_STATES if is_trigger else _MEXC_ORDER_STATES
    mended = {
        **row,
        "side": _MEXC_SIDES[str(info["side"])],
        "status": states[str(info["state"])],
        "type": _MEXC_TYPES.get(str(info.get("orderType"))),
        "clientOrderId": info.get("externalOid") or None,
    }
    # An untriggered order's "orderId" is that of its child, which is not there yet; ccxt takes it for its own.
    return mended | {"id": str(info["id"])} if is_trigger else mended


def mexc_trade(row: Row) -> Row:
    info = _info(row)
    if "orderId" not in info or "side" not in info:
        return row
    return {**row, "side": _MEXC_SIDES[str(info["side"])], "clientOrderId": info.get("externalOid") or None}


def mexc_leverage(row: Row) -> Row:
    """ccxt takes a row without a margin mode for one of cross margin."""
    sides = row["info"] if isinstance(row.get("info"), list) else []
    return row if any(side.get("openType") for side in sides) else {**row, "marginMode": None}


def mexc_balance(balance: Row) -> Row:
    """ccxt's total is what is free and what is frozen for orders, without the margin of positions."""
    for asset in _info(balance).get("data") or ():
        code = asset["currency"]
        total = float(Decimal(str(asset["equity"])) - Decimal(str(asset["unrealized"])))
        balance[code]["total"] = balance["total"][code] = total
        balance[code]["used"] = balance["used"][code] = float(Decimal(str(total)) - Decimal(str(balance[code]["free"])))
    return balance


def apex_market(row: Row) -> Row:
    """ccxt gives the least order for the contract size, which is one base unit, and each fee for the other."""
    fees = {"maker": min(row["maker"], row["taker"]), "taker": max(row["maker"], row["taker"])}
    return {**row, "contractSize": 1.0, **fees}


def apex_order(row: Row) -> Row:
    info = _info(row)
    if "status" not in info:
        return row
    size, left, matched = Decimal(info["size"]), info.get("remainingSize"), info.get("cumMatchFillSize")
    filled = Decimal(matched) if matched else size - Decimal(left) if left else Decimal(0)
    value = Decimal(info.get("cumMatchFillValue") or 0)
    return {
        **row,
        "status": _APEX_STATES[info["status"]],
        "filled": float(filled),
        "remaining": float(size - filled),
        "average": float(value / filled) if filled and value else None,
        "triggerPrice": row.get("triggerPrice") or None,
    }


def apex_trade(row: Row) -> Row:
    info = _info(row)
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


def _count_in_base_units(client: Any, name: str) -> None:
    """ccxt's candles of MEXC have their volume in contracts, those of the other exchanges in base units."""
    parse = getattr(client, name)

    def parsed(candle: Any, market: Any = None) -> list[Any]:
        *row, volume = parse(candle, market)
        if volume is None or not market or not market.get("contract"):
            return [*row, volume]
        return [*row, float(Decimal(str(volume)) * Decimal(str(market["contractSize"])))]

    setattr(client, name, parsed)


def _time_in_microseconds(client: Any, name: str) -> None:
    """ccxt takes the time of a frame for microseconds; Apex documents some in milliseconds."""
    handle = getattr(client, name)

    def handled(connection: Any, message: Row) -> None:
        told = int(message.get("ts") or 0)
        handle(connection, {**message, "ts": told * 1000} if 0 < told < _LEAST_MICROSECONDS else message)

    setattr(client, name, handled)


def _ask_for_candles_to_an_end(client: Any, most: int) -> None:
    """Where more candles follow than fit an answer, it is not said which of them come: an end leaves no choice."""
    fetch = client.fetch_ohlcv

    async def fetch_ohlcv(
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Row | None = None,
    ) -> Any:
        limit = min(limit or most, most)
        last = {} if since is None else {"end": since // 1000 + client.parse_timeframe(timeframe) * (limit - 1)}
        return await fetch(symbol, timeframe, since, limit, {**last, **(params or {})})

    client.fetch_ohlcv = fetch_ohlcv


def _page_through_funding(client: Any, page_key: str, first: int) -> None:
    """The exchanges tell past funding rates newest first, a hundred at a time. All since a time come at once, whatever
    the limit: for the next of them every page would be asked for again."""
    fetch = client.fetch_funding_rate_history

    async def fetch_funding_rate_history(
        symbol: str, since: int | None = None, limit: int | None = None, params: Row | None = None
    ) -> Any:
        rows: list[Row] = []
        for page in count(first):
            told = await fetch(symbol, None, _FUNDING_PAGE, {**(params or {}), page_key: page})
            # Behind what was told before, a page that a settlement meanwhile moved begins with rows told already.
            older = [row for row in told if not rows or row["timestamp"] < rows[0]["timestamp"]]
            rows = [*older, *rows]
            if len(told) < _FUNDING_PAGE or not older or since is None or older[0]["timestamp"] < since:
                break
        return client.filter_by_since_limit(rows, since, limit if since is None else None, "timestamp")

    client.fetch_funding_rate_history = fetch_funding_rate_history


def _wrap(client: Any, name: str, mend: Callable[[Row], Row]) -> None:
    parse = getattr(client, name)
    setattr(client, name, lambda *args, **named: mend(parse(*args, **named)))


def _info(row: Row) -> Row:
    info = row.get("info")
    return info if isinstance(info, dict) else {}
