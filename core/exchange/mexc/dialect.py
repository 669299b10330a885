"""MEXC perpetual swaps as ccxt speaks to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderType, Side
from core.exchange.account.reading import NO_SWITCHES
from core.exchange.connection.wire import NO_EVENTS, OrderCall, QuoteSource, Row, one_each
from core.exchange.mexc.codes import CODES
from core.exchange.mexc.corrections import CLIENT_OPTIONS, correct_mexc
from core.exchange.mexc.status import status_told
from core.exchange.mexc.weights import BUDGET
from core.exchange.mexc.words import WORDS
from core.exchange.orders.ids import is_word_id

_ONE_WAY = 2
_AT_OR_ABOVE, _AT_OR_BELOW = 1, 2
_SEVEN_DAYS = 2
_TRIGGERED_BY = {
    (OrderType.STOP_MARKET, Side.SELL): _AT_OR_BELOW,
    (OrderType.STOP_MARKET, Side.BUY): _AT_OR_ABOVE,
    (OrderType.TAKE_PROFIT_MARKET, Side.SELL): _AT_OR_ABOVE,
    (OrderType.TAKE_PROFIT_MARKET, Side.BUY): _AT_OR_BELOW,
}
_NO_CHILD = ("", "0")


@dataclass(frozen=True, slots=True)
class MexcSwap:
    id: str = "mexc"
    streams: frozenset[str] = frozenset({"orders", "fills", "balance"})
    switches = NO_SWITCHES
    window_param = ""
    order_test = ""
    key_rights = None
    account_flags = ()
    quotes = QuoteSource.TICKERS
    stream_ends = NO_EVENTS
    settings_changes = NO_EVENTS
    codes = CODES
    words = WORDS
    budget = BUDGET
    client_options = CLIENT_OPTIONS
    cuts_down = False
    lacks: tuple[str, ...] = (
        "MEXC keeps no id of ours with a stop or take-profit order, and ccxt cannot ask for a single one",
        "a stop or take-profit order on MEXC ends by itself after 7 days",
        "ccxt has no stream of positions for MEXC (watchPositions)",
        "ccxt's stream of MEXC orders leaves out stop and take-profit orders",
        "ccxt does not notice when MEXC refuses the sign-in to the private stream",
        "ccxt sets leverage and margin mode on MEXC only for one direction at a time, and only both together",
        "ccxt's stream of the MEXC balance leaves out the margin of open positions",
        "ccxt does not tell the fees of a MEXC futures account: those of the settings count",
        "ccxt has no open interest for MEXC (fetchOpenInterest)",
        "MEXC has no test network",
    )
    live_blockers: tuple[str, ...] = (
        "a stop order carries no id of ours, so one whose answer is lost could be placed twice or not at all unseen",
        "a stop order ends by itself after 7 days",
    )

    correct = staticmethod(correct_mexc)
    weight_of = staticmethod(one_each)
    status_told = staticmethod(status_told)

    def create(self, order: Order, instrument: Instrument, unified_symbol: str) -> OrderCall:
        params: Row = {"externalOid": order.client_order_id, "positionMode": _ONE_WAY}
        if order.reduce_only:
            params["reduceOnly"] = True
        if order.trigger_ticks is not None:
            params["triggerPrice"] = f"{instrument.price(order.trigger_ticks):f}"
            params["triggerType"] = _TRIGGERED_BY[order.type, order.side]
            params["executeCycle"] = _SEVEN_DAYS
        return OrderCall(
            symbol=unified_symbol,
            type="limit" if order.type is OrderType.LIMIT else "market",
            side=order.side.value,
            amount=f"{instrument.lot_size * order.qty_lots:f}",
            price=None if order.price_ticks is None else f"{instrument.price(order.price_ticks):f}",
            params=params,
        )

    def is_conditional(self, order: Order) -> bool:
        return order.type in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)

    def by_client_id(self, order: Order) -> tuple[str, Row]:
        """Raises VenueRejectedError for a conditional order: MEXC keeps no id of ours with it."""
        if self.is_conditional(order):
            text = f"MEXC cannot be asked for a conditional order by our own id: {order.client_order_id}"
            raise VenueRejectedError(text, RejectKind.NOT_SUPPORTED)
        return "", {"clientOrderId": order.client_order_id}

    def open_order_queries(self) -> Sequence[Row]:
        return ({}, {"trigger": True})

    def client_id(self, row: Row) -> str:
        return str(row.get("clientOrderId") or _info(row).get("externalOid") or "")

    def is_id(self, told: str) -> bool:
        return is_word_id(told)

    def venue_ids(self, row: Row) -> Sequence[str]:
        info = _info(row)
        ids = (info.get("id"), info.get("orderId")) if _is_trigger(info) else (row.get("id"),)
        return tuple(str(one) for one in ids if one is not None and str(one) not in _NO_CHILD)


def _info(row: Row) -> Row:
    info = row.get("info")
    return info if isinstance(info, dict) else {}


def _is_trigger(info: Row) -> bool:
    return "triggerType" in info
