"""What a call of ccxt weighs in an exchange's rate limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NEW_ORDERS = frozenset({"create_order", "edit_order"})

_BINANCE = {
    "fapiPrivateGetFeeBurn": 30,
    "fapiPrivateGetMultiAssetsMargin": 30,
    "fetch_balance": 5,
    "fetch_bids_asks": 5,
    "fetch_funding_history": 30,
    "fetch_funding_rates": 10,
    "fetch_leverages": 5,
    "fetch_margin_modes": 5,
    "fetch_my_trades": 5,
    "fetch_orders": 5,
    "fetch_position_mode": 30,
    "fetch_positions": 5,
    "fetch_trades": 20,
    "fetch_trading_fee": 20,
    "fetch_trading_fees": 5,
    "load_markets": 1,
}
_BINANCE_ALL_SYMBOLS = {"fetch_open_orders": 40, "fetch_tickers": 40, "fetch_ticker": 40}
_CANDLE_METHODS = frozenset({"fetch_ohlcv", "fetch_mark_ohlcv"})
_CANDLES = ((99, 1), (499, 2), (1000, 5))
_BOOK = ((50, 2), (100, 5), (500, 10))
_CANDLES_ASKED, _CANDLES_MOST = 500, 10
_BOOK_ASKED, _BOOK_MOST = 500, 20


def is_new_order(method: str) -> bool:
    """Whether the exchange counts the call among new orders."""
    return method in _NEW_ORDERS


def weight_of(exchange_id: str, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """The weight of a call: Binance's as documented; the others count requests."""
    if exchange_id != "binanceusdm":
        return 1
    if method in _CANDLE_METHODS:
        return _by_limit(_argument(args, kwargs, 3, "limit", _CANDLES_ASKED), _CANDLES, _CANDLES_MOST)
    if method == "fetch_order_book":
        return _by_limit(_argument(args, kwargs, 1, "limit", _BOOK_ASKED), _BOOK, _BOOK_MOST)
    if method in _BINANCE_ALL_SYMBOLS and _argument(args, kwargs, 0, "symbol", None) is None:
        return _BINANCE_ALL_SYMBOLS[method]
    return _BINANCE.get(method, 1)


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: Any) -> Any:
    value = args[place] if len(args) > place else kwargs.get(name)
    return default if value is None else value


def _by_limit(limit: int, steps: Sequence[tuple[int, int]], most: int) -> int:
    return next((weight for largest, weight in steps if limit <= largest), most)
