"""Binance USD-M futures: conditional orders live on an endpoint of their own, under ids of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderType
from core.exchange.account.reading import FEE_COIN, MULTI_ASSETS
from core.exchange.binanceusdm.codes import CODES
from core.exchange.binanceusdm.corrections import CLIENT_OPTIONS, correct_binanceusdm
from core.exchange.binanceusdm.doctor import ACCOUNT_FLAGS, KEY_RIGHTS
from core.exchange.binanceusdm.frames import CHANGES, ENDS
from core.exchange.binanceusdm.status import status_told
from core.exchange.binanceusdm.weights import BUDGET, weight_of
from core.exchange.binanceusdm.words import WORDS
from core.exchange.connection.wire import OrderCall, QuoteSource, Row
from core.exchange.orders.ids import is_number_id

_TRIGGERS = {OrderType.STOP_MARKET: "stopLossPrice", OrderType.TAKE_PROFIT_MARKET: "takeProfitPrice"}


class BinanceUsdm:
    """`core.exchange.connection.wire.Dialect` of binanceusdm."""

    id = "binanceusdm"
    lacks: Sequence[str] = ()
    live_blockers: Sequence[str] = ()
    streams = frozenset({"orders", "fills", "balance", "positions"})
    switches: Mapping[str, tuple[str, str]] = {
        MULTI_ASSETS: ("fapiPrivateGetMultiAssetsMargin", "multiAssetsMargin"),
        FEE_COIN: ("fapiPrivateGetFeeBurn", "feeBurn"),
    }
    window_param = "recvWindow"
    order_test = "fapiPrivatePostOrderTest"
    key_rights = KEY_RIGHTS
    account_flags = ACCOUNT_FLAGS
    quotes = QuoteSource.BEST_PRICES
    stream_ends = ENDS
    settings_changes = CHANGES
    codes = CODES
    words = WORDS
    budget = BUDGET
    client_options: Mapping[str, Any] = CLIENT_OPTIONS
    cuts_down = True

    correct = staticmethod(correct_binanceusdm)
    weight_of = staticmethod(weight_of)
    status_told = staticmethod(status_told)

    def create(self, order: Order, instrument: Instrument, unified_symbol: str) -> OrderCall:
        params: Row = {"clientOrderId": order.client_order_id}
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.trigger_ticks is not None:
            params[_TRIGGERS[order.type]] = f"{instrument.price(order.trigger_ticks):f}"
        price = None if order.price_ticks is None else f"{instrument.price(order.price_ticks):f}"
        return OrderCall(
            unified_symbol,
            "limit" if order.type is OrderType.LIMIT else "market",
            order.side.value,
            f"{instrument.lot_size * order.qty_lots:f}",
            price,
            params,
        )

    def is_conditional(self, order: Order) -> bool:
        return order.type in _TRIGGERS

    def by_client_id(self, order: Order) -> tuple[str, Row]:
        params: Row = {"clientOrderId": order.client_order_id}
        if self.is_conditional(order):
            params["trigger"] = True
        return "", params

    def open_order_queries(self) -> Sequence[Row]:
        return ({}, {"trigger": True})

    def client_id(self, row: Row) -> str:
        info = row.get("info") or {}
        # ccxt hands trades on without the client id that their event carried.
        told = row.get("clientOrderId") or info.get("c") or info.get("clientOrderId")
        return str(told) if told else ""

    def is_id(self, told: str) -> bool:
        return is_number_id(told)

    def venue_ids(self, row: Row) -> Sequence[str]:
        """A conditional order's own id is left out: it has no fills, and its numbers are not those of plain orders."""
        info = row.get("info") or {}
        if "aid" in info or "algoId" in info:
            child = str(info.get("ai") or info.get("actualOrderId") or "")
            return (child,) if self.is_id(child) else ()
        own = str(row.get("id") or "")
        return (own,) if self.is_id(own) else ()
