"""What calls of ccxt weigh in the rate limit of Binance USD-M futures, as documented, and how large that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.domain.market import MINUTE_MS
from core.exchange.connection.limiter import Budget, Window

BUDGET = Budget(
    weight=(Window(MINUTE_MS, 2400, "x-mbx-used-weight-1m"),),
    orders=(
        Window(10_000, 300, "x-mbx-order-count-10s"),
        Window(MINUTE_MS, 1200, "x-mbx-order-count-1m"),
    ),
)

_WEIGHTS = {
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
_ALL_SYMBOLS = {"fetch_open_orders": 40, "fetch_tickers": 40, "fetch_ticker": 40}
_CANDLE_METHODS = frozenset({"fetch_ohlcv", "fetch_mark_ohlcv"})
_CANDLES = ((99, 1), (499, 2), (1000, 5))
_BOOK = ((50, 2), (100, 5), (500, 10))
_CANDLES_ASKED, _CANDLES_MOST = 500, 10
_BOOK_ASKED, _BOOK_MOST = 500, 20
_UNITS = {"SECOND": 1000, "MINUTE": MINUTE_MS, "HOUR": 60 * MINUTE_MS, "DAY": 1440 * MINUTE_MS}


def weight_of(method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """The weight of a call of ccxt."""
    if method in _CANDLE_METHODS:
        return _by_limit(_argument(args, kwargs, 3, "limit", _CANDLES_ASKED), _CANDLES, _CANDLES_MOST)
    if method == "fetch_order_book":
        return _by_limit(_argument(args, kwargs, 1, "limit", _BOOK_ASKED), _BOOK, _BOOK_MOST)
    if method in _ALL_SYMBOLS and _argument(args, kwargs, 0, "symbol", None) is None:
        return _ALL_SYMBOLS[method]
    return _WEIGHTS.get(method, 1)


def budget_told(answer: Mapping[str, Any]) -> Budget | None:
    """The limits that an answer tells in its `rateLimits`; None where it tells none."""
    rows = answer.get("rateLimits")
    return Budget(_windows(rows, "REQUEST_WEIGHT"), _windows(rows, "ORDERS")) if rows else None


def _windows(rows: Sequence[Mapping[str, Any]], kind: str) -> tuple[Window, ...]:
    header = {"REQUEST_WEIGHT": "x-mbx-used-weight", "ORDERS": "x-mbx-order-count"}[kind]
    found: list[Window] = []
    for row in rows:
        unit, number, limit = row.get("interval"), row.get("intervalNum"), row.get("limit")
        if row.get("rateLimitType") == kind and unit in _UNITS and number and limit:
            name = f"{header}-{number}{unit[0].lower()}"
            found.append(Window(int(number) * _UNITS[unit], int(limit), name))
    return tuple(found)


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: Any) -> Any:
    value = args[place] if len(args) > place else kwargs.get(name)
    return default if value is None else value


def _by_limit(limit: int, steps: Sequence[tuple[int, int]], most: int) -> int:
    return next((weight for largest, weight in steps if limit <= largest), most)
