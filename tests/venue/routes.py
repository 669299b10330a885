"""Which handler answers which request, and what proof of identity it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from tests.venue import rest_account as account
from tests.venue import rest_market as market
from tests.venue.exchange import Exchange

Handler = Callable[[Exchange, Mapping[str, str], int], Any]


class Proof(IntEnum):
    """What a request must carry: nothing, the API key, or key, time and signature."""

    NONE = 0
    KEY = 1
    SIGNATURE = 2


def _public(handler: Handler) -> tuple[Handler, Proof]:
    return handler, Proof.NONE


def _signed(handler: Handler) -> tuple[Handler, Proof]:
    return handler, Proof.SIGNATURE


ROUTES: dict[tuple[str, str], tuple[Handler, Proof]] = {
    ("GET", "/fapi/v1/ping"): _public(market.ping),
    ("GET", "/fapi/v1/time"): _public(market.server_time),
    ("GET", "/fapi/v1/exchangeInfo"): _public(market.exchange_info),
    ("GET", "/fapi/v1/klines"): _public(market.klines),
    ("GET", "/fapi/v1/depth"): _public(market.depth),
    ("GET", "/fapi/v1/aggTrades"): _public(market.agg_trades),
    ("GET", "/fapi/v1/trades"): _public(market.recent_trades),
    ("GET", "/fapi/v1/ticker/24hr"): _public(market.one_or_all(market.day_ticker)),
    ("GET", "/fapi/v1/ticker/bookTicker"): _public(market.one_or_all(market.book_row)),
    ("GET", "/fapi/v1/ticker/price"): _public(market.one_or_all(market.price_row)),
    ("GET", "/fapi/v2/ticker/price"): _public(market.one_or_all(market.price_row)),
    ("GET", "/fapi/v1/premiumIndex"): _public(market.one_or_all(market.premium_row)),
    ("GET", "/fapi/v1/fundingRate"): _public(market.funding_rates),
    ("GET", "/fapi/v1/fundingInfo"): _public(market.funding_info),
    ("GET", "/fapi/v1/openInterest"): _public(market.open_interest),
    ("GET", "/futures/data/openInterestHist"): _public(market.open_interest_history),
    ("GET", "/futures/data/globalLongShortAccountRatio"): _public(market.long_short_ratio),
    ("GET", "/futures/data/topLongShortAccountRatio"): _public(market.long_short_ratio),
    ("GET", "/futures/data/topLongShortPositionRatio"): _public(market.long_short_ratio),
    ("POST", "/fapi/v1/order"): _signed(account.place_order),
    ("GET", "/fapi/v1/order"): _signed(account.query_order),
    ("DELETE", "/fapi/v1/order"): _signed(account.cancel_order),
    ("PUT", "/fapi/v1/order"): _signed(account.amend_order),
    ("POST", "/fapi/v1/batchOrders"): _signed(account.place_batch),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(account.cancel_batch),
    ("GET", "/fapi/v1/openOrders"): _signed(account.open_orders),
    ("GET", "/fapi/v1/openOrder"): _signed(account.query_open_order),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(account.cancel_all_orders),
    ("GET", "/fapi/v1/allOrders"): _signed(account.all_orders),
    ("POST", "/fapi/v1/algoOrder"): _signed(account.place_algo),
    ("GET", "/fapi/v1/algoOrder"): _signed(account.query_algo),
    ("DELETE", "/fapi/v1/algoOrder"): _signed(account.cancel_algo),
    ("GET", "/fapi/v1/openAlgoOrders"): _signed(account.open_algos),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _signed(account.cancel_all_algos),
    ("GET", "/fapi/v1/allAlgoOrders"): _signed(account.all_algos),
    ("GET", "/fapi/v1/userTrades"): _signed(account.user_trades),
    ("GET", "/fapi/v1/income"): _signed(account.income),
    ("GET", "/fapi/v2/account"): _signed(account.account_v2),
    ("GET", "/fapi/v3/account"): _signed(account.account_v3),
    ("GET", "/fapi/v2/balance"): _signed(account.balance),
    ("GET", "/fapi/v3/balance"): _signed(account.balance),
    ("GET", "/fapi/v2/positionRisk"): _signed(account.position_risk_v2),
    ("GET", "/fapi/v3/positionRisk"): _signed(account.position_risk_v3),
    ("POST", "/fapi/v1/leverage"): _signed(account.set_leverage),
    ("POST", "/fapi/v1/marginType"): _signed(account.set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(account.dual_side),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(account.set_dual_side),
    ("GET", "/fapi/v1/multiAssetsMargin"): _signed(account.multi_assets),
    ("POST", "/fapi/v1/multiAssetsMargin"): _signed(account.set_multi_assets),
    ("GET", "/fapi/v1/feeBurn"): _signed(account.fee_burn),
    ("POST", "/fapi/v1/feeBurn"): _signed(account.set_fee_burn),
    ("GET", "/fapi/v1/leverageBracket"): _signed(account.leverage_brackets),
    ("GET", "/fapi/v1/symbolConfig"): _signed(account.symbol_config),
    ("GET", "/fapi/v1/accountConfig"): _signed(account.account_config),
    ("GET", "/fapi/v1/commissionRate"): _signed(account.commission_rate),
    ("GET", "/sapi/v1/account/apiRestrictions"): _signed(account.api_restrictions),
    ("GET", "/sapi/v1/capital/config/getall"): _signed(account.coins),
    ("GET", "/sapi/v1/margin/allPairs"): (account.no_pairs, Proof.KEY),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): (account.no_pairs, Proof.KEY),
    ("POST", "/fapi/v1/listenKey"): (account.create_listen_key, Proof.KEY),
    ("PUT", "/fapi/v1/listenKey"): (account.keep_listen_key, Proof.KEY),
    ("DELETE", "/fapi/v1/listenKey"): (account.close_listen_key, Proof.KEY),
}
