"""Orders as the exchange keeps them, and their texts: REST rows and private events, field by field as documented."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.venue.contracts import Contract

Row = dict[str, Any]
OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
CONDITIONAL_TYPES = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})


@dataclass(slots=True, eq=False)
class Order:
    """A plain order, or the child of a triggered conditional one (`parent` is then its algo id)."""

    order_id: int
    client_id: str
    contract: Contract
    side: str
    type: str
    lots: int
    price_ticks: int
    time_in_force: str
    reduce_only: bool
    position_side: str
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    filled_lots: int = 0
    quote_usdt: Decimal = Decimal(0)
    parent: int = 0
    close_position: bool = False
    stp_mode: str = "EXPIRE_MAKER"

    @property
    def symbol(self) -> str:
        return self.contract.symbol

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def remaining_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def average_text(self) -> str:
        if not self.filled_lots:
            return "0.00000"
        average = self.quote_usdt / self.contract.qty(self.filled_lots)
        return f"{average:.{self.contract.price_precision + 3}f}"


@dataclass(slots=True, eq=False)
class AlgoOrder:
    """A conditional order of the Algo Service."""

    algo_id: int
    client_id: str
    contract: Contract
    side: str
    type: str
    lots: int
    trigger_ticks: int
    price_ticks: int
    time_in_force: str
    reduce_only: bool
    close_position: bool
    position_side: str
    working_type: str
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    triggered_ms: int = 0
    child: Order | None = None
    reject_reason: str = ""
    price_protect: bool = False

    @property
    def symbol(self) -> str:
        return self.contract.symbol

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def is_open(self) -> bool:
        return self.status == "NEW"

    @property
    def is_stop(self) -> bool:
        return self.type in {"STOP", "STOP_MARKET"}

    def is_triggered_by(self, ticks: int) -> bool:
        """A stop triggers against its own side (a sell stop at or below), a take-profit with it."""
        rises = (self.side == "BUY") == self.is_stop
        return ticks >= self.trigger_ticks if rises else ticks <= self.trigger_ticks


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution of the account. Realised profit is before the fee; the fee is positive when paid."""

    trade_id: int
    order: Order
    lots: int
    price_ticks: int
    fee_usdt: Decimal
    realised_usdt: Decimal
    is_maker: bool
    time_ms: int
    position_after_lots: int


def money(amount: Decimal) -> str:
    """USDT to eight decimals, as the exchange writes it."""
    return f"{amount:.8f}"


def plain(amount: Decimal) -> str:
    """As the private events write an amount: without trailing zeros."""
    return f"{amount.normalize():f}" if amount else "0"


def order_row(order: Order) -> Row:
    """The answer to placing and cancelling."""
    contract = order.contract
    return {
        "orderId": order.order_id,
        "symbol": contract.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": contract.price_text(order.price_ticks),
        "avgPrice": order.average_text(),
        "origQty": contract.qty_text(order.lots),
        "executedQty": contract.qty_text(order.filled_lots),
        "cumQty": contract.qty_text(order.filled_lots),
        "cumQuote": plain(order.quote_usdt),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.stp_mode,
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }


def queried_order_row(order: Order) -> Row:
    """The answer to a query, which also tells when the order was placed."""
    row = order_row(order)
    del row["cumQty"]
    row["time"] = order.created_ms
    return row


def algo_row(algo: AlgoOrder) -> Row:
    contract = algo.contract
    row: Row = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": contract.symbol,
        "side": algo.side,
        "positionSide": algo.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": contract.qty_text(algo.lots),
        "algoStatus": algo.status,
        "triggerPrice": contract.price_text(algo.trigger_ticks),
        "price": contract.price_text(algo.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": algo.working_type,
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }
    return row


def queried_algo_row(algo: AlgoOrder) -> Row:
    row = algo_row(algo)
    child = algo.child
    row["actualOrderId"] = str(child.order_id) if child else ""
    row["actualPrice"] = child.average_text() if child else "0.00000"
    if child:
        row["actualQty"] = algo.contract.qty_text(child.filled_lots)
        row["actualType"] = child.type
    for key in ("tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice"):
        row[key] = "0.000"
    row["tpOrderType"] = ""
    return row


def trade_row(trade: Trade) -> Row:
    order, contract = trade.order, trade.order.contract
    return {
        "symbol": contract.symbol,
        "id": trade.trade_id,
        "orderId": order.order_id,
        "side": order.side,
        "price": contract.price_text(trade.price_ticks),
        "qty": contract.qty_text(trade.lots),
        "realizedPnl": money(trade.realised_usdt),
        "marginAsset": "USDT",
        "quoteQty": plain(contract.notional(trade.lots, trade.price_ticks)),
        "commission": money(trade.fee_usdt),
        "commissionAsset": "USDT",
        "time": trade.time_ms,
        "positionSide": order.position_side,
        "buyer": order.side == "BUY",
        "maker": trade.is_maker,
    }


def trade_lite_event(trade: Trade) -> Row:
    order, contract = trade.order, trade.order.contract
    return {
        "e": "TRADE_LITE",
        "E": trade.time_ms,
        "T": trade.time_ms,
        "s": contract.symbol,
        "q": contract.qty_text(order.lots),
        "p": contract.price_text(order.price_ticks),
        "m": trade.is_maker,
        "c": order.client_id,
        "S": order.side,
        "L": contract.price_text(trade.price_ticks),
        "l": contract.qty_text(trade.lots),
        "t": trade.trade_id,
        "i": order.order_id,
    }


def order_event(order: Order, execution: str, now_ms: int, trade: Trade | None = None, expiry_reason: str = "0") -> Row:
    """ORDER_TRADE_UPDATE."""
    contract = order.contract
    values: Row = {
        "s": contract.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": contract.qty_text(order.lots),
        "p": contract.price_text(order.price_ticks) if order.price_ticks else "0",
        "ap": order.average_text() if order.filled_lots else "0",
        "sp": "0",
        "x": execution,
        "X": order.status,
        "i": order.order_id,
        "l": contract.qty_text(trade.lots) if trade else "0",
        "z": contract.qty_text(order.filled_lots) if order.filled_lots else "0",
        "L": contract.price_text(trade.price_ticks) if trade else "0",
        "n": money(trade.fee_usdt) if trade else "0",
        "N": "USDT",
        "T": now_ms,
        "t": trade.trade_id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.is_maker if trade else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.type,
        "ps": order.position_side,
        "cp": order.close_position,
        "rp": money(trade.realised_usdt) if trade and trade.realised_usdt else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.stp_mode,
        "pm": "NONE",
        "gtd": 0,
        "er": expiry_reason,
    }
    return {"e": "ORDER_TRADE_UPDATE", "T": now_ms, "E": now_ms, "o": values}


def algo_event(algo: AlgoOrder, status: str, now_ms: int) -> Row:
    contract, child = algo.contract, algo.child
    values: Row = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": contract.symbol,
        "S": algo.side,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": contract.qty_text(algo.lots),
        "X": status,
        "ai": str(child.order_id) if child and status != "TRIGGERING" else "",
    }
    if status != "TRIGGERING":
        finished = child is not None and status == "FINISHED"
        values["ap"] = child.average_text() if child and finished and child.filled_lots else "0"
        values["aq"] = contract.qty_text(child.filled_lots) if child and finished and child.filled_lots else "0"
        values["act"] = child.type if child else "0"
    values |= {
        "tp": contract.price_text(algo.trigger_ticks),
        "p": contract.price_text(algo.price_ticks) if algo.price_ticks else "0",
        "V": "EXPIRE_MAKER",
        "wt": algo.working_type,
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": 0,
    }
    if algo.reject_reason:
        values["rm"] = algo.reject_reason
    return {"e": "ALGO_UPDATE", "T": now_ms, "E": now_ms, "o": values}
