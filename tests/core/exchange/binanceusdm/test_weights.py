"""Binance's rate limits, as it tells them."""

from __future__ import annotations

from core.exchange.binanceusdm.weights import budget_told
from core.exchange.connection.limiter import Budget, Window

TOLD = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 50},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 5},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 12},
    {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
    {"rateLimitType": "ORDERS", "interval": "FORTNIGHT", "intervalNum": 1, "limit": 1},
]


def test_limits_of_weight_and_of_orders_are_read_and_others_left_out() -> None:
    assert budget_told({"rateLimits": TOLD}) == Budget(
        (Window(60_000, 50, "x-mbx-used-weight-1m"),),
        (Window(10_000, 5, "x-mbx-order-count-10s"), Window(60_000, 12, "x-mbx-order-count-1m")),
    )


def test_an_answer_without_limits_tells_none() -> None:
    assert budget_told({}) is None
    assert budget_told({"rateLimits": []}) is None
