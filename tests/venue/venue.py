"""A Binance USD-M futures exchange in memory: REST, websockets, a market driven from outside, books to compare with.

Everything is synchronous and a pure function of the calls made: the time is always the caller's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from core.domain.market import Bar
from tests.venue import broadcast, drive, filters, matching
from tests.venue.account import AccountSettings
from tests.venue.contracts import load_contracts
from tests.venue.exchange import Exchange, Script
from tests.venue.ledger import Ledger
from tests.venue.limits import Limited, Limits
from tests.venue.orders import AlgoOrder, Order
from tests.venue.protection import Protection
from tests.venue.refusals import RefusalError, integer
from tests.venue.routes import ROUTES, TRADE, Proof
from tests.venue.streams import Connection, text_of

API_KEY = "loopbackkeyloopbackkeyloopbackkeyloopbackkeyloopbackkeyloopb1234"
API_SECRET = "loopbacksecretloopbacksecretloopbacksecretloopbacksecretloopbac1"
DEFAULT_RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000

FUNDED_MS = 1_577_836_800_000
"""The account was funded at the beginning of 2020, unless told otherwise."""

Price = Decimal | float | str


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer. `body` is JSON text."""

    status: int
    body: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class BinanceVenue:
    """The exchange as its clients and its tests see it.

    `checks_time` is whether -1021 is answered to requests outside recvWindow, `checks_signature` whether -1022 to
    wrongly signed ones. With `child_has_own_client_id` a triggered conditional order's child has a client id of its
    own; without, that of the conditional order.
    """

    def __init__(
        self,
        symbols: Sequence[str] | None = None,
        *,
        wallet_usdt: Price = "10000",
        api_key: str = API_KEY,
        api_secret: str = API_SECRET,
        checks_time: bool = True,
        checks_signature: bool = True,
        child_has_own_client_id: bool = True,
        start_ms: int = FUNDED_MS,
    ) -> None:
        self.exchange = Exchange(load_contracts(symbols), child_has_own_client_id)
        self.limits = Limits()
        self.pace = drive.Pace()
        self.protection = Protection(self.exchange)
        self.checks_time = checks_time
        self.checks_signature = checks_signature
        self._api_key = api_key
        self._secret = api_secret.encode()
        self.exchange.ledger.transfer(Decimal(str(wallet_usdt)), start_ms)

    # Clients

    def rest(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        now_ms: int,
        signed_text: str | None = None,
    ) -> Response:
        """Answer one request. `query` holds the parameters of query and body together.

        `signed_text` is what the client signed, as sent and without `&signature=...`; without it the parameters are
        put together again, percent-encoded, in their order.
        """
        drive.advance(self.exchange, self.pace, now_ms)
        route = ROUTES.get((method, path))
        if route is None:
            return Response(404, '{"code":-5000,"msg":"Path ' + f"{path}, Method {method}" + ' is invalid"}', {})
        handler, proof = route
        try:
            limited = self.limits.charge(method, path, query, now_ms)
            if limited is not None:
                return self._turned_away(limited)
            self._check_proof(proof, query, headers, now_ms, signed_text)
            if (method, path) in TRADE and not self.settings.can_trade:
                raise RefusalError(-2015)
            if (method, path) in self.exchange.refused:
                raise RefusalError(self.exchange.refused[method, path])
            answer = handler(self.exchange, query, now_ms)
        except RefusalError as refusal:
            return Response(refusal.status, text_of(refusal.body()), self.limits.headers(method, path))
        return Response(200, text_of(answer), self.limits.headers(method, path))

    def http(self, method: str, target: str, body: str, headers: Mapping[str, str], now_ms: int) -> Response:
        """Answer one raw HTTP request: `target` is path and query, `body` the form as sent."""
        path, _, query_text = target.partition("?")
        text = query_text + body
        signed_text, _, _ = text.rpartition("&signature=")
        params = dict(parse_qsl(query_text, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        return self.rest(method, path, params, headers, now_ms, signed_text)

    def connect(self, path_and_query: str, now_ms: int) -> Connection:
        """Open a websocket. Raises ValueError for an address that is no stream route."""
        drive.advance(self.exchange, self.pace, now_ms)
        self.pace.due_ms = now_ms
        return self.exchange.hub.connect(path_and_query)

    @property
    def connections(self) -> list[Connection]:
        return list(self.exchange.hub.connections)

    def _turned_away(self, limited: Limited) -> Response:
        retry_s = -(-limited.retry_ms // 1000)
        headers = {"Retry-After": str(retry_s), "X-MBX-USED-WEIGHT-1M": str(self.limits.used_weight)}
        return Response(limited.status, text_of({"code": limited.code, "msg": limited.msg}), headers)

    def _check_proof(
        self,
        proof: Proof,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        now_ms: int,
        signed_text: str | None,
    ) -> None:
        if proof is Proof.NONE:
            return
        key = headers.get("X-MBX-APIKEY", "")
        if not key or not key.isalnum():
            raise RefusalError(-2014)
        if key != self._api_key:
            raise RefusalError(-2015)
        if proof is Proof.KEY:
            return
        if not query.get("timestamp"):
            raise RefusalError.missing("timestamp")
        if self.checks_time:
            _check_time(integer(query, "timestamp"), integer(query, "recvWindow", DEFAULT_RECV_WINDOW_MS), now_ms)
        if self.checks_signature:
            if signed_text is None:
                params = {name: value for name, value in query.items() if name != "signature"}
                signed_text = urlencode(params, quote_via=quote)
            expected = hmac.new(self._secret, signed_text.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(expected, query.get("signature", "")):
                raise RefusalError(-1022)

    # The market

    def advance(self, now_ms: int) -> None:
        """Let time pass: candles close, mark prices and open candles are pushed, listen keys expire."""
        drive.advance(self.exchange, self.pace, now_ms)

    def set_book(
        self,
        symbol: str,
        bid: Price,
        ask: Price,
        now_ms: int,
        *,
        bid_qty: Price | None = None,
        ask_qty: Price | None = None,
        last: Price | None = None,
        volume: Price | None = None,
    ) -> None:
        """Move the best prices. A quantity is that of each of the levels, one tick apart; without one there is no end.

        The last price follows: `last`, or where it is not told the old one moved to the nearer side of the new book.
        A change of it is a public trade of `volume`; with a volume there is a trade in any case. Resting orders fill
        and conditional ones trigger.
        """
        drive.advance(self.exchange, self.pace, now_ms)
        drive.set_book(self.exchange, symbol, (bid, bid_qty), (ask, ask_qty), last, volume, now_ms)

    def set_depth(
        self,
        symbol: str,
        bids: Sequence[tuple[Price, Price]],
        asks: Sequence[tuple[Price, Price]],
        now_ms: int,
    ) -> None:
        """Replace the whole book by (price, quantity) levels, best first."""
        drive.advance(self.exchange, self.pace, now_ms)
        drive.set_depth(self.exchange, symbol, bids, asks, now_ms)

    def trade(self, symbol: str, price: Price, qty: Price, now_ms: int, *, is_buyer_maker: bool = False) -> None:
        """A trade between others: it moves the last price, fills resting orders up to `qty`, triggers stops."""
        drive.advance(self.exchange, self.pace, now_ms)
        drive.trade(self.exchange, symbol, price, qty, is_buyer_maker, now_ms)

    def tell_liquidation(self, symbol: str, side: str, price: Price, qty: Price, now_ms: int) -> None:
        """Somebody else's position was closed by force: BUY or SELL is the side of the exchange's order."""
        market, contract = self.exchange.markets[symbol], self.exchange.contracts[symbol]
        order = contract.nearest_ticks(price), contract.nearest_lots(qty)
        broadcast.liquidation(self.exchange.hub, market, side, *order, now_ms)

    def set_mark(self, symbol: str, mark: Price | None, now_ms: int, funding_rate: Price | None = None) -> None:
        """Tell the mark price (None: follow the last price again) and the rate of the coming funding."""
        drive.advance(self.exchange, self.pace, now_ms)
        market = self.exchange.markets[symbol]
        market.told_mark = None if mark is None else Decimal(str(mark))
        if funding_rate is not None:
            market.funding_rate = Decimal(str(funding_rate))
        matching.trigger(self.exchange, market, now_ms)

    def fund(self, symbol: str, rate: Price, mark: Price, now_ms: int) -> Decimal:
        """A funding event: every position of the symbol pays or receives. Returns what the account received, USDT."""
        drive.advance(self.exchange, self.pace, now_ms)
        return drive.fund(self.exchange, symbol, Decimal(str(rate)), Decimal(str(mark)), now_ms)

    def load_history(self, symbol: str, bars: Iterable[Bar]) -> None:
        """One-minute bars of before everything known so far, for GET klines."""
        self.exchange.markets[symbol].load(bars)

    def transfer(self, amount_usdt: Price, now_ms: int) -> None:
        """Money into (positive) or out of the account."""
        amount = Decimal(str(amount_usdt))
        self.exchange.ledger.transfer(amount, now_ms)
        self.exchange.publish_account("DEPOSIT" if amount > 0 else "WITHDRAW", amount, now_ms)

    # What tests do by hand

    def place_external(self, now_ms: int, **params: str) -> Order:
        """An order of somebody else on this account, with the parameters of POST order. Raises RefusalError."""
        drive.advance(self.exchange, self.pace, now_ms)
        named = {"newClientOrderId": f"web_{self.exchange.next_order_id()}", "type": "MARKET"}
        return self.exchange.place({**named, **params}, now_ms)

    def place_external_algo(self, now_ms: int, **params: str) -> AlgoOrder:
        """A conditional order of somebody else, with the parameters of POST algoOrder. Raises RefusalError."""
        drive.advance(self.exchange, self.pace, now_ms)
        named = {"clientAlgoId": f"web_{self.exchange.next_order_id()}", "algoType": "CONDITIONAL"}
        return self.exchange.place_algo({**named, **params}, now_ms)

    def change_steps(self, symbol: str, *, tick: str | None = None, lot: str | None = None) -> None:
        """The exchange takes orders of the contract in other ticks or lots from now on; everything else stays."""
        filters.change_steps(self.exchange, symbol, tick=tick, lot=lot)

    def expire_after(self, symbol: str, fill_qty: Price) -> None:
        """The next order of the symbol that reaches the book fills so much at most; the rest of it expires."""
        lots = self.exchange.contracts[symbol].nearest_lots(fill_qty)
        self.exchange.scripts[symbol] = Script(lots)

    def liquidate(self, symbol: str, now_ms: int) -> Order:
        """Close the position by force, as the exchange does when the margin is gone."""
        drive.advance(self.exchange, self.pace, now_ms)
        position = self.ledger.position(symbol)
        params = {
            "symbol": symbol,
            "side": "SELL" if position.lots > 0 else "BUY",
            "type": "MARKET",
            "quantity": position.contract.qty_text(abs(position.lots)),
            "reduceOnly": "true",
            "newClientOrderId": f"{matching.LIQUIDATION}{now_ms}",
        }
        return self.exchange.place(params, now_ms)

    def stick_triggers(self, symbol: str, stuck: bool = True) -> None:
        """From now on conditional orders of the symbol that trigger stay TRIGGERING and never become an order."""
        change = self.exchange.stuck_triggers.add if stuck else self.exchange.stuck_triggers.discard
        change(symbol)

    def forget(self, before_ms: int) -> None:
        """Drop finished orders, trades and income rows older than `before_ms`; sums and positions stay."""
        self.exchange.forget(before_ms)

    def cut(self) -> None:
        """Close every websocket."""
        for connection in self.connections:
            connection.close()

    # What tests compare with

    @property
    def settings(self) -> AccountSettings:
        return self.exchange.settings

    @property
    def ledger(self) -> Ledger:
        return self.exchange.ledger

    @property
    def orders(self) -> list[Order]:
        """Every plain order ever accepted, children of conditional ones included, in order of arrival."""
        return list(self.exchange.orders.values())

    @property
    def algos(self) -> list[AlgoOrder]:
        """Every conditional order ever accepted, in order of arrival."""
        return list(self.exchange.algos.values())

    def position_lots(self, symbol: str) -> int:
        """Signed lots in one-way mode."""
        return self.ledger.position(symbol).lots


def _check_time(timestamp: int, window: int, now_ms: int) -> None:
    if window > MAX_RECV_WINDOW_MS:
        raise RefusalError(-1102, msg="recvWindow must be less than 60000")
    if timestamp >= now_ms + 1_000:
        ahead = timestamp - now_ms
        raise RefusalError(-1021, msg=f"Timestamp for this request was {ahead}ms ahead of the server's time.")
    if now_ms - timestamp > window:
        raise RefusalError(-1021)
