"""Request weights and the limits on them: 429 when a minute's weight is used up, 418 for going on regardless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.venue.refusals import RefusalError, integer

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
TOLERATED_AFTER_429 = 10
BAN_MS = 120_000

WEIGHTS: dict[tuple[str, str], int] = {
    ("GET", "/fapi/v1/aggTrades"): 20,
    ("GET", "/fapi/v1/trades"): 5,
    ("GET", "/fapi/v1/leverageBracket"): 1,
    ("GET", "/fapi/v1/income"): 30,
    ("GET", "/fapi/v1/positionSide/dual"): 30,
    ("GET", "/fapi/v1/multiAssetsMargin"): 30,
    ("GET", "/fapi/v1/feeBurn"): 30,
    ("GET", "/fapi/v1/symbolConfig"): 5,
    ("GET", "/fapi/v1/accountConfig"): 5,
    ("GET", "/fapi/v1/commissionRate"): 20,
    ("GET", "/fapi/v1/allOrders"): 5,
    ("GET", "/fapi/v1/allAlgoOrders"): 5,
    ("GET", "/fapi/v1/userTrades"): 5,
    ("POST", "/fapi/v1/order"): 0,
    ("POST", "/fapi/v1/algoOrder"): 0,
    ("POST", "/fapi/v1/batchOrders"): 5,
}
ACCOUNT_WEIGHT = 5
WITHOUT_SYMBOL: dict[str, int] = {
    "/fapi/v1/openOrders": 40,
    "/fapi/v1/openAlgoOrders": 40,
    "/fapi/v1/ticker/24hr": 40,
    "/fapi/v1/ticker/bookTicker": 5,
    "/fapi/v1/ticker/price": 2,
    "/fapi/v1/premiumIndex": 10,
}
BY_LIMIT: dict[str, tuple[tuple[int, int], ...]] = {
    "/fapi/v1/klines": ((99, 1), (499, 2), (1000, 5), (1500, 10)),
    "/fapi/v1/markPriceKlines": ((99, 1), (499, 2), (1000, 5), (1500, 10)),
    "/fapi/v1/depth": ((50, 2), (100, 5), (500, 10), (1000, 20)),
}
ORDER_ROUTES = frozenset(
    {
        ("POST", "/fapi/v1/order"),
        ("POST", "/fapi/v1/algoOrder"),
        ("PUT", "/fapi/v1/order"),
        ("POST", "/fapi/v1/batchOrders"),
    }
)


def weight_of(method: str, path: str, params: Mapping[str, str]) -> int:
    """What a request uses up of the futures API's minute; the other APIs have limits of their own."""
    if not path.startswith("/fapi/"):
        return 0
    tiers = BY_LIMIT.get(path)
    if tiers is not None:
        limit = integer(params, "limit", 500)
        return next((weight for most, weight in tiers if limit <= most), tiers[-1][1])
    if method == "GET" and "symbol" not in params and path in WITHOUT_SYMBOL:
        return WITHOUT_SYMBOL[path]
    if path.startswith(("/fapi/v2/", "/fapi/v3/")):
        return ACCOUNT_WEIGHT
    return WEIGHTS.get((method, path), 1)


@dataclass
class Limits:
    """Counters of the present minute and ten seconds. The limits may be changed at any time."""

    weight_limit: int = 2400
    orders_per_minute: int = 1200
    orders_per_ten_seconds: int = 300
    used_weight: int = 0
    order_counts: dict[int, int] = field(default_factory=lambda: {MINUTE_MS: 0, TEN_SECONDS_MS: 0})
    banned_until_ms: int = 0
    refused: int = 0
    _windows: dict[int, int] = field(default_factory=dict)

    def charge(self, method: str, path: str, params: Mapping[str, str], now_ms: int) -> Limited | None:
        """Count a request; what it is answered if it is too many. Raises RefusalError -1015 for too many orders."""
        self._roll(now_ms)
        if now_ms < self.banned_until_ms:
            return Limited(418, -1003, self._ban_text(), self.banned_until_ms - now_ms)
        self.used_weight += weight_of(method, path, params)
        if self.used_weight > self.weight_limit:
            self.refused += 1
            if self.refused > TOLERATED_AFTER_429:
                self.banned_until_ms = now_ms + BAN_MS
                return Limited(418, -1003, self._ban_text(), BAN_MS)
            text = f"Too many requests; current limit is {self.weight_limit} requests per minute."
            return Limited(429, -1003, text, MINUTE_MS - now_ms % MINUTE_MS)
        if (method, path) in ORDER_ROUTES:
            for window in self.order_counts:
                self.order_counts[window] += 1
            if self.order_counts[TEN_SECONDS_MS] > self.orders_per_ten_seconds:
                raise RefusalError(-1015)
            if self.order_counts[MINUTE_MS] > self.orders_per_minute:
                raise RefusalError(
                    -1015, msg=f"Too many new orders; current limit is {self.orders_per_minute} per MINUTE."
                )
        return None

    def headers(self, method: str, path: str) -> dict[str, str]:
        headers = {"X-MBX-USED-WEIGHT-1M": str(self.used_weight)}
        if (method, path) in ORDER_ROUTES:
            headers["X-MBX-ORDER-COUNT-10S"] = str(self.order_counts[TEN_SECONDS_MS])
            headers["X-MBX-ORDER-COUNT-1M"] = str(self.order_counts[MINUTE_MS])
        return headers

    def _roll(self, now_ms: int) -> None:
        for window in (MINUTE_MS, TEN_SECONDS_MS):
            number = now_ms // window
            if self._windows.get(window) != number:
                self._windows[window] = number
                self.order_counts[window] = 0
                if window == MINUTE_MS:
                    self.used_weight = self.refused = 0

    def _ban_text(self) -> str:
        return (
            f"Way too many requests; IP(127.0.0.1) banned until {self.banned_until_ms}. "
            "Please use the websocket for live updates to avoid bans."
        )


@dataclass(frozen=True, slots=True)
class Limited:
    """A request turned away. `retry_ms` is when to come back, counted from now."""

    status: int
    code: int
    msg: str
    retry_ms: int
