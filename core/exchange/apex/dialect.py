"""Apex Omni perpetual swaps as ccxt speaks to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import Any

from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderType, Side
from core.exchange.account.reading import NO_SWITCHES
from core.exchange.apex.codes import CODES
from core.exchange.apex.corrections import correct_apex
from core.exchange.apex.status import status_told
from core.exchange.apex.weights import BUDGET
from core.exchange.apex.words import WORDS
from core.exchange.connection.wire import NO_EVENTS, OrderCall, QuoteSource, Row, one_each
from core.exchange.orders.ids import is_word_id

_WORST_STOP_PRICE = Decimal("0.02")
"""How much worse than its trigger a stop may fill. Apex refuses market orders more than 2.5 % away (BTC)."""

_TRIGGER_PARAMS = {OrderType.STOP_MARKET: "stopLossPrice", OrderType.TAKE_PROFIT_MARKET: "takeProfitPrice"}
_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ApexOmni:
    id: str = "apex"
    streams: frozenset[str] = frozenset({"orders", "fills", "positions"})
    switches = NO_SWITCHES
    window_param = ""
    order_test = ""
    key_rights = None
    account_flags = ()
    quotes = QuoteSource.ORDER_BOOKS
    stream_ends = NO_EVENTS
    settings_changes = NO_EVENTS
    codes = CODES
    words = WORDS
    budget = BUDGET
    client_options = _NO_OPTIONS
    cuts_down = False
    lacks: tuple[str, ...] = (
        "ccxt signs Apex orders with the Omni key (seeds) and with the package apexomni, which is not installed here",
        "ccxt cannot place a market order on Apex without a worst price, which a market order here does not have",
        "ccxt has no stream of the balance for Apex (watchBalance)",
        "ccxt tells the equity of an Apex account, open profit included, and not its wallet",
        "ccxt can neither set nor read margin mode and position mode on Apex (setMarginMode, setPositionMode)",
        "ccxt sets leverage on Apex but cannot read it back without an open position (fetchLeverage)",
        "ccxt does not tell the fees of an Apex account: those of the settings count (fetchTradingFee)",
        "ccxt has no present funding rate for Apex, only past ones (fetchFundingRate)",
        "ccxt has no past mark prices for Apex (fetchMarkOHLCV)",
        "an order on Apex ends by itself after 30 days, stops included",
        "ccxt does not know Apex's error codes: a refusal and a trouble of the exchange look alike",
    )
    live_blockers: tuple[str, ...] = (
        "market orders need a worst price, so exits could not be placed",
        "the wallet is not told apart from open profit, so the books could not be compared",
        "a refusal and a trouble of the exchange look alike, so a lost order could be taken for a refused one",
        "margin mode, position mode and leverage cannot be read, so a position could be liquidated before its stop",
    )

    correct = staticmethod(correct_apex)
    weight_of = staticmethod(one_each)
    status_told = staticmethod(status_told)

    def create(self, order: Order, instrument: Instrument, unified_symbol: str) -> OrderCall:
        """Raises VenueRejectedError for a market order that names no worst price."""
        params: Row = {"clientOrderId": order.client_order_id}
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.trigger_ticks is not None:
            params[_TRIGGER_PARAMS[order.type]] = f"{instrument.price(order.trigger_ticks):f}"
        if order.type is not OrderType.LIMIT:
            params["timeInForce"] = "IMMEDIATE_OR_CANCEL"
        return OrderCall(
            symbol=unified_symbol,
            type="limit" if order.type is OrderType.LIMIT else "market",
            side=order.side.value,
            amount=f"{instrument.qty(order.qty_lots):f}",
            price=f"{instrument.price(_price_ticks(order)):f}",
            params=params,
        )

    def is_conditional(self, order: Order) -> bool:
        return False

    def by_client_id(self, order: Order) -> tuple[str, Row]:
        return "", {"clientOrderId": order.client_order_id}

    def open_order_queries(self) -> Sequence[Row]:
        return ({},)

    def client_id(self, row: Row) -> str:
        return str(row.get("clientOrderId") or _info(row).get("clientOrderId") or _info(row).get("clientId") or "")

    def is_id(self, told: str) -> bool:
        return is_word_id(told)

    def venue_ids(self, row: Row) -> Sequence[str]:
        return (str(row["id"]),) if row.get("id") else ()


def _price_ticks(order: Order) -> int:
    if order.price_ticks is not None:
        return order.price_ticks
    if order.trigger_ticks is None:
        raise VenueRejectedError(
            f"Apex: a market order needs a worst price: {order.client_order_id}", RejectKind.NOT_SUPPORTED
        )
    # A protective order is there to fill: it may do so at a worse price than its trigger.
    worst = order.trigger_ticks * (1 + order.side.sign * _WORST_STOP_PRICE)
    return int(worst.to_integral_value(ROUND_CEILING if order.side is Side.BUY else ROUND_FLOOR))


def _info(row: Row) -> Row:
    info = row.get("info")
    return info if isinstance(info, dict) else {}
