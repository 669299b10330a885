"""Which handler answers which request, and what proof of identity it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from tests.venue import rest_account as account
from tests.venue import rest_market as market
from tests.venue import rest_orders as orders
from tests.venue import rest_settings as settings
from tests.venue.exchange import Exchange
from tests.venue.market import day_figures

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


TRADE = frozenset(
    {
        *((method, "/fapi/v1/order") for method in ("POST", "PUT", "DELETE")),
        *((method, "/fapi/v1/algoOrder") for method in ("POST", "DELETE")),
        *((method, "/fapi/v1/batchOrders") for method in ("POST", "DELETE")),
        ("POST", "/fapi/v1/order/test"),
        ("DELETE", "/fapi/v1/allOpenOrders"),
        ("DELETE", "/fapi/v1/algoOpenOrders"),
        ("POST", "/fapi/v1/leverage"),
        ("POST", "/fapi/v1/marginType"),
        ("POST", "/fapi/v1/positionSide/dual"),
        ("POST", "/fapi/v1/multiAssetsMargin"),
        ("POST", "/fapi/v1/feeBurn"),
    }
)
"""What a key needs the right to trade for."""

ROUTES: dict[tuple[str, str], tuple[Handler, Proof]] = {
    ("GET", "/fapi/v1/ping"): _public(market.ping),
    ("GET", "/fapi/v1/time"): _public(market.server_time),
    ("GET", "/fapi/v1/exchangeInfo"): _public(market.exchange_info),
    ("GET", "/fapi/v1/klines"): _public(market.klines),
    ("GET", "/fapi/v1/markPriceKlines"): _public(market.mark_klines),
    ("GET", "/fapi/v1/depth"): _public(market.depth),
    ("GET", "/fapi/v1/aggTrades"): _public(market.agg_trades),
    ("GET", "/fapi/v1/trades"): _public(market.recent_trades),
    ("GET", "/fapi/v1/ticker/24hr"): _public(market.one_or_all(day_figures)),
    ("GET", "/fapi/v1/ticker/bookTicker"): _public(market.one_or_all(market.book_row)),
    ("GET", "/fapi/v1/ticker/price"): _public(market.one_or_all(market.price_row)),
    ("GET", "/fapi/v2/ticker/price"): _public(market.one_or_all(market.price_row)),
    ("GET", "/fapi/v1/premiumIndex"): _public(market.one_or_all(market.premium_row)),
    ("GET", "/fapi/v1/fundingRate"): _public(market.funding_rates),
    ("GET", "/fapi/v1/fundingInfo"): _public(market.funding_info),
    ("GET", "/fapi/v1/openInterest"): _public(market.open_interest),
    ("GET", "/futures/data/openInterestHist"): _public(market.open_interest_history),
    ("GET", "/futures/data/takerlongshortRatio"): _public(market.taker_flow),
    ("GET", "/futures/data/globalLongShortAccountRatio"): _public(market.long_short_ratio),
    ("GET", "/futures/data/topLongShortAccountRatio"): _public(market.long_short_ratio),
    ("GET", "/futures/data/topLongShortPositionRatio"): _public(market.long_short_ratio),
    ("POST", "/fapi/v1/order"): _signed(orders.place_order),
    ("POST", "/fapi/v1/order/test"): _signed(orders.examine_order),
    ("GET", "/fapi/v1/order"): _signed(orders.query_order),
    ("DELETE", "/fapi/v1/order"): _signed(orders.cancel_order),
    ("PUT", "/fapi/v1/order"): _signed(orders.amend_order),
    ("POST", "/fapi/v1/batchOrders"): _signed(orders.place_batch),
    ("DELETE", "/fapi/v1/batchOrders"): _signed(orders.cancel_batch),
    ("GET", "/fapi/v1/openOrders"): _signed(orders.open_orders),
    ("GET", "/fapi/v1/openOrder"): _signed(orders.query_open_order),
    ("DELETE", "/fapi/v1/allOpenOrders"): _signed(orders.cancel_all_orders),
    ("GET", "/fapi/v1/allOrders"): _signed(orders.all_orders),
    ("POST", "/fapi/v1/algoOrder"): _signed(orders.place_algo),
    ("GET", "/fapi/v1/algoOrder"): _signed(orders.query_algo),
    ("DELETE", "/fapi/v1/algoOrder"): _signed(orders.cancel_algo),
    ("GET", "/fapi/v1/openAlgoOrders"): _signed(orders.open_algos),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _signed(orders.cancel_all_algos),
    ("GET", "/fapi/v1/allAlgoOrders"): _signed(orders.all_algos),
    ("GET", "/fapi/v1/userTrades"): _signed(orders.user_trades),
    ("GET", "/fapi/v1/income"): _signed(orders.income),
    ("GET", "/fapi/v2/account"): _signed(account.account_v2),
    ("GET", "/fapi/v3/account"): _signed(account.account_v3),
    ("GET", "/fapi/v2/balance"): _signed(account.balance),
    ("GET", "/fapi/v3/balance"): _signed(account.balance),
    ("GET", "/fapi/v2/positionRisk"): _signed(account.position_risk_v2),
    ("GET", "/fapi/v3/positionRisk"): _signed(account.position_risk_v3),
    ("POST", "/fapi/v1/leverage"): _signed(settings.set_leverage),
    ("POST", "/fapi/v1/marginType"): _signed(settings.set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual"): _signed(settings.dual_side),
    ("POST", "/fapi/v1/positionSide/dual"): _signed(settings.set_dual_side),
    ("GET", "/fapi/v1/multiAssetsMargin"): _signed(settings.multi_assets),
    ("POST", "/fapi/v1/multiAssetsMargin"): _signed(settings.set_multi_assets),
    ("GET", "/fapi/v1/feeBurn"): _signed(settings.fee_burn),
    ("POST", "/fapi/v1/feeBurn"): _signed(settings.set_fee_burn),
    ("GET", "/fapi/v1/leverageBracket"): _signed(settings.leverage_brackets),
    ("GET", "/fapi/v1/symbolConfig"): _signed(settings.symbol_config),
    ("GET", "/fapi/v1/accountConfig"): _signed(settings.account_config),
    ("GET", "/fapi/v1/commissionRate"): _signed(settings.commission_rate),
    ("GET", "/sapi/v1/account/apiRestrictions"): _signed(settings.api_restrictions),
    ("GET", "/sapi/v1/capital/config/getall"): _signed(settings.coins),
    ("GET", "/sapi/v1/margin/allPairs"): (settings.no_pairs, Proof.KEY),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): (settings.no_pairs, Proof.KEY),
    ("POST", "/fapi/v1/listenKey"): (settings.create_listen_key, Proof.KEY),
    ("PUT", "/fapi/v1/listenKey"): (settings.keep_listen_key, Proof.KEY),
    ("DELETE", "/fapi/v1/listenKey"): (settings.close_listen_key, Proof.KEY),
}
