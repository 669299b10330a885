"""REST answers about what the account is set to, its key's rights, and listen keys."""

from __future__ import annotations

from collections.abc import Mapping

from tests.venue.exchange import Exchange
from tests.venue.orders import Row
from tests.venue.refusals import RefusalError, integer
from tests.venue.rest_orders import symbols_of

Params = Mapping[str, str]
SUCCESS: Row = {"code": 200, "msg": "success"}


def set_leverage(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return exchange.set_leverage(params.get("symbol", ""), integer(params, "leverage", 0), now_ms)


def set_margin_type(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.set_margin_type(params.get("symbol", ""), params.get("marginType", ""), now_ms)
    return SUCCESS


def dual_side(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"dualSidePosition": exchange.settings.is_dual_side}


def set_dual_side(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.set_dual_side(params.get("dualSidePosition", "").lower() == "true")
    return SUCCESS


def multi_assets(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"multiAssetsMargin": exchange.settings.is_multi_assets}


def set_multi_assets(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.set_multi_assets(params.get("multiAssetsMargin", "").lower() == "true", now_ms)
    return SUCCESS


def fee_burn(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"feeBurn": exchange.settings.is_fee_burn}


def set_fee_burn(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.settings.is_fee_burn = params.get("feeBurn", "").lower() == "true"
    return SUCCESS


def leverage_brackets(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    return [
        {"symbol": symbol, "notionalCoef": 1, "brackets": list(exchange.contracts[symbol].brackets)}
        for symbol in symbols_of(exchange, params)
    ]


def symbol_config(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    settings = exchange.settings
    return [
        {
            "symbol": symbol,
            "marginType": settings.margin_type(symbol),
            "isAutoAddMargin": "false",
            "leverage": settings.leverage(symbol),
            "maxNotionalValue": str(exchange.contracts[symbol].max_notional(settings.leverage(symbol))),
        }
        for symbol in symbols_of(exchange, params)
    ]


def account_config(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": exchange.settings.can_withdraw,
        "dualSidePosition": exchange.settings.is_dual_side,
        "updateTime": 0,
        "multiAssetsMargin": exchange.settings.is_multi_assets,
        "tradeGroupId": -1,
    }


def commission_rate(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "symbol": exchange.contract(params.get("symbol")).symbol,
        "makerCommissionRate": f"{exchange.settings.maker_fee_rate.normalize():f}",
        "takerCommissionRate": f"{exchange.settings.taker_fee_rate.normalize():f}",
    }


def api_restrictions(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "ipRestrict": exchange.settings.is_ip_restricted,
        "createTime": 1698645219000,
        "enableReading": True,
        "enableWithdrawals": exchange.settings.can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": exchange.settings.can_trade,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


def coins(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """GET sapi capital/config/getall: the coins that the contracts settle in."""
    return [
        {
            "coin": "USDT",
            "name": "TetherUS",
            "free": "0",
            "locked": "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "networkList": [],
        }
    ]


def no_pairs(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """GET sapi margin/allPairs and margin/isolated/allPairs: no margin trading here."""
    return []


def create_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"listenKey": exchange.hub.create_listen_key(now_ms)}


def keep_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    if not exchange.hub.keep_listen_key(now_ms):
        raise RefusalError(-1125)
    return {"listenKey": next(iter(exchange.hub.listen_keys))}


def close_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.hub.listen_keys.clear()
    return {}
