"""The exchange's state and its order entry: checks, placing, cancelling, amending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.venue import matching
from tests.venue.account import AccountSettings, Margin
from tests.venue.contracts import Contract
from tests.venue.ledger import Ledger
from tests.venue.market import SymbolMarket
from tests.venue.orders import CONDITIONAL_TYPES, AlgoOrder, Order, Row, algo_event, order_event, plain
from tests.venue.refusals import RefusalError, integer
from tests.venue.streams import Hub

MAX_CLIENT_ID = 36


@dataclass(frozen=True, slots=True)
class Script:
    """What shall become of the next order that takes liquidity: fill so much, then expire the rest."""

    fill_lots: int


class Exchange:
    """One account on one exchange. Every change tells the private connections in the exchange's own order."""

    def __init__(self, contracts: dict[str, Contract], child_has_own_client_id: bool) -> None:
        self.contracts = contracts
        self.child_has_own_client_id = child_has_own_client_id
        self.settings = AccountSettings()
        self.ledger = Ledger(contracts)
        self.hub = Hub()
        self.markets = {symbol: SymbolMarket(contract) for symbol, contract in contracts.items()}
        self.orders: dict[int, Order] = {}
        self.algos: dict[int, AlgoOrder] = {}
        self.open_orders: dict[str, dict[int, Order]] = {symbol: {} for symbol in contracts}
        self.open_algos: dict[str, dict[int, AlgoOrder]] = {symbol: {} for symbol in contracts}
        self.orders_by_client_id: dict[str, Order] = {}
        self.algos_by_client_id: dict[str, AlgoOrder] = {}
        self.scripts: dict[str, Script] = {}
        self.stuck_triggers: set[str] = set()
        self.refused: dict[tuple[str, str], int] = {}
        self.watchers: list[Callable[[str, int], None]] = []
        self._next_order_id = 8_000_000_001
        self._next_algo_id = 1_000_000_000_000_001
        self._next_trade_id = 700_000_001
        self._next_tran_id = 9_689_000_001

    def next_order_id(self) -> int:
        self._next_order_id += 1
        return self._next_order_id

    def next_trade_id(self) -> int:
        self._next_trade_id += 1
        return self._next_trade_id

    def next_tran_id(self) -> int:
        self._next_tran_id += 1
        return self._next_tran_id

    def contract(self, symbol: str | None) -> Contract:
        if not symbol:
            raise RefusalError.missing("symbol")
        found = self.contracts.get(symbol)
        if found is None:
            raise RefusalError(-1121)
        return found

    def changed(self, symbol: str, now_ms: int) -> None:
        """Tell the watchers that the position or the stops of a symbol changed."""
        for watch in self.watchers:
            watch(symbol, now_ms)

    # Plain orders

    def place(self, params: Mapping[str, str], now_ms: int) -> Order:
        """POST order. Raises RefusalError."""
        order = self._checked_order(params, now_ms)
        self.orders[order.order_id] = order
        self.orders_by_client_id[order.client_id] = order
        matching.execute(self, order, now_ms)
        return order

    def examine(self, params: Mapping[str, str], now_ms: int) -> Order:
        """POST order/test: the order as it would be placed. Raises RefusalError as `place`."""
        return self._checked_order(params, now_ms)

    def _checked_order(self, params: Mapping[str, str], now_ms: int) -> Order:
        contract = self.contract(params.get("symbol"))
        side, kind = _side(params), params.get("type", "")
        if kind in CONDITIONAL_TYPES:
            raise RefusalError(-4120)
        if kind not in {"MARKET", "LIMIT"}:
            raise RefusalError(-1116)
        time_in_force = params.get("timeInForce") or ("GTC" if kind == "MARKET" else "")
        if time_in_force not in {"GTC", "IOC", "FOK", "GTX", "GTD"}:
            raise RefusalError(-1115)
        client_id = self._client_id(params.get("newClientOrderId"), self.orders_by_client_id)
        if client_id is None:
            client_id = f"web_{self._next_order_id}"
        if "quantity" not in params:
            raise RefusalError.missing("quantity")
        lots = contract.lots(params["quantity"], kind == "MARKET")
        price_ticks = contract.ticks(params.get("price", "")) if kind == "LIMIT" else 0
        position_side, reduce_only = self._sides(params, side)
        order = Order(
            self.next_order_id(),
            client_id,
            contract,
            side,
            kind,
            lots,
            price_ticks,
            time_in_force,
            reduce_only,
            position_side,
            now_ms,
            now_ms,
        )
        self._check_size(order)
        if len(self.open_orders[contract.symbol]) >= contract.max_orders:
            raise RefusalError(-1015, msg="Reach max open order limit.")
        if time_in_force == "GTX" and matching.would_take(self, order):
            raise RefusalError(-5022)
        return order

    def _check_size(self, order: Order) -> None:
        """Reduce-only, minimum notional, leverage bracket and margin."""
        market, position = self.markets[order.symbol], self.ledger.position(order.symbol, order.position_side)
        if order.reduce_only:
            if not position.reducible_lots(order.sign):
                raise RefusalError(-2022)
            return
        matching.require_book(market)
        self._check_percent_price(order, market)
        ticks = order.price_ticks or (market.asks if order.sign > 0 else market.bids)[0][0]
        if order.contract.notional(order.lots, ticks) < order.contract.min_notional_usdt:
            raise RefusalError(-4164, order.contract.min_notional_usdt)
        opened = order.lots - min(order.lots, position.reducible_lots(order.sign))
        if not opened:
            return
        if self.contracts[order.symbol].info["status"] != "TRADING":
            raise RefusalError(-4140)
        price, lot = float(order.contract.price(ticks)), float(order.contract.lot_size)
        leverage = self.settings.leverage(order.symbol)
        held = 0 if position.reducible_lots(order.sign) else abs(position.lots)
        if (held + opened) * lot * price > order.contract.max_notional(leverage):
            raise RefusalError(-2027)
        margin = self.margin()
        freed = margin.positions if position.reducible_lots(order.sign) else 0.0
        need = opened * lot * price * (1 / leverage + float(self.settings.taker_fee_rate))
        if need > margin.available + freed:
            raise RefusalError(-2019)

    def _check_percent_price(self, order: Order, market: SymbolMarket) -> None:
        """A limit may not lie too far beyond the mark price. Raises RefusalError -4016 or -4024."""
        if order.type != "LIMIT":
            return
        price, contract = order.contract.price(order.price_ticks), order.contract
        highest, lowest = market.mark * contract.multiplier_up, market.mark * contract.multiplier_down
        if order.sign > 0 and price > highest:
            raise RefusalError(-4016, f"{highest:.{contract.price_precision}f}")
        if order.sign < 0 and price < lowest:
            raise RefusalError(-4024, f"{lowest:.{contract.price_precision}f}")

    def _client_id(self, text: str | None, known: Mapping[str, Order] | Mapping[str, AlgoOrder]) -> str | None:
        if not text:
            return None
        if len(text) > MAX_CLIENT_ID:
            raise RefusalError(-4015, msg="Client order id length should not be more than 36 chars")
        other = known.get(text)
        if other is not None and other.is_open:
            raise RefusalError(-4116)
        return text

    def _sides(self, params: Mapping[str, str], side: str) -> tuple[str, bool]:
        """Position side, and whether the order may only reduce. Raises RefusalError -4061 or -1106."""
        position_side = params.get("positionSide") or "BOTH"
        reduce_only = params.get("reduceOnly", "").lower() == "true"
        if self.settings.is_dual_side != (position_side != "BOTH"):
            raise RefusalError(-4061)
        if not self.settings.is_dual_side:
            return position_side, reduce_only
        if "reduceOnly" in params:
            raise RefusalError(-1106, "reduceOnly")
        return position_side, (position_side == "LONG") == (side == "SELL")

    def find_order(self, params: Mapping[str, str], code: int = -2013) -> Order:
        """By orderId or origClientOrderId within the symbol. Raises RefusalError with `code` where there is none."""
        symbol = self.contract(params.get("symbol")).symbol
        if params.get("orderId"):
            found = self.orders.get(integer(params, "orderId"))
        elif params.get("origClientOrderId"):
            found = self.orders_by_client_id.get(params["origClientOrderId"])
        else:
            raise RefusalError.neither("origClientOrderId", "orderId")
        if found is None or found.symbol != symbol:
            raise RefusalError(code)
        return found

    def cancel(self, order: Order, now_ms: int) -> None:
        if not order.is_open:
            raise RefusalError(-2011)
        self.close_order(order, "CANCELED", now_ms)

    def close_order(self, order: Order, status: str, now_ms: int, expiry_reason: str = "0") -> None:
        """End an order without a further fill: CANCELED or EXPIRED."""
        order.status = status
        order.updated_ms = now_ms
        self.open_orders[order.symbol].pop(order.order_id, None)
        self.hub.publish_private(order_event(order, status, now_ms, expiry_reason=expiry_reason))
        matching.finish_parent(self, order, now_ms)

    def amend(self, order: Order, params: Mapping[str, str], now_ms: int) -> None:
        """PUT order: another price or quantity of a resting limit order. Raises RefusalError."""
        if not order.is_open:
            raise RefusalError(-2013)
        lots = order.contract.lots(params.get("quantity", ""), market=False)
        ticks = order.contract.ticks(params.get("price", ""))
        if (lots, ticks) == (order.lots, order.price_ticks):
            raise RefusalError(-5027)
        if lots <= order.filled_lots:
            self.close_order(order, "CANCELED", now_ms)
            return
        order.lots, order.price_ticks, order.updated_ms = lots, ticks, now_ms
        self.hub.publish_private(order_event(order, "AMENDMENT", now_ms))
        matching.execute_amended(self, order, now_ms)

    # Conditional orders

    def place_algo(self, params: Mapping[str, str], now_ms: int) -> AlgoOrder:
        """POST algoOrder. No margin and no position is looked at before the trigger. Raises RefusalError."""
        algo = self._checked_algo(params, now_ms)
        self.algos[algo.algo_id] = algo
        self.algos_by_client_id[algo.client_id] = algo
        self.open_algos[algo.symbol][algo.algo_id] = algo
        self.hub.publish_private(algo_event(algo, "NEW", now_ms))
        self.changed(algo.symbol, now_ms)
        return algo

    def _checked_algo(self, params: Mapping[str, str], now_ms: int) -> AlgoOrder:
        contract = self.contract(params.get("symbol"))
        side, kind = _side(params), params.get("type", "")
        if params.get("algoType") != "CONDITIONAL":
            raise RefusalError.missing("algoType")
        if kind not in CONDITIONAL_TYPES or kind == "TRAILING_STOP_MARKET":
            raise RefusalError(-1116)
        client_id = self._client_id(params.get("clientAlgoId"), self.algos_by_client_id)
        close_position = params.get("closePosition", "").lower() == "true"
        for needless in ("quantity", "reduceOnly"):
            if close_position and needless in params:
                raise RefusalError(-1106, needless)
        is_market = kind.endswith("_MARKET")
        lots = 0 if close_position else contract.lots(params.get("quantity", "0"), is_market)
        position_side, reduce_only = self._sides(params, side)
        self._next_algo_id += 1
        algo = AlgoOrder(
            self._next_algo_id,
            client_id or f"algo_{self._next_algo_id}",
            contract,
            side,
            kind,
            lots,
            contract.ticks(params.get("triggerPrice", "")),
            0 if is_market else contract.ticks(params.get("price", "")),
            params.get("timeInForce") or "GTC",
            reduce_only or close_position,
            close_position,
            position_side,
            params.get("workingType") or "CONTRACT_PRICE",
            now_ms,
            now_ms,
        )
        if len(self.open_algos[contract.symbol]) >= contract.max_algo_orders:
            raise RefusalError(-4045)
        market = self.markets[contract.symbol]
        if market.last_ticks and algo.is_triggered_by(matching.working_ticks(market, algo)):
            raise RefusalError(-2021)
        return algo

    def find_algo(self, params: Mapping[str, str], code: int = -2013) -> AlgoOrder:
        """By algoId or clientAlgoId. Raises RefusalError with `code` where there is none."""
        if params.get("algoId"):
            found = self.algos.get(integer(params, "algoId"))
        elif params.get("clientAlgoId"):
            found = self.algos_by_client_id.get(params["clientAlgoId"])
        else:
            raise RefusalError.neither("algoId", "clientAlgoId")
        if found is None:
            raise RefusalError(code)
        return found

    def cancel_algo(self, algo: AlgoOrder, now_ms: int) -> None:
        if not algo.is_open:
            raise RefusalError(-2011)
        self.close_algo(algo, "CANCELED", now_ms)

    def close_algo(self, algo: AlgoOrder, status: str, now_ms: int, reason: str = "") -> None:
        """End a conditional order that has no child: CANCELED, EXPIRED or REJECTED."""
        algo.status, algo.reject_reason, algo.updated_ms = status, reason, now_ms
        self.open_algos[algo.symbol].pop(algo.algo_id, None)
        self.hub.publish_private(algo_event(algo, status, now_ms))
        self.changed(algo.symbol, now_ms)

    def forget(self, before_ms: int) -> None:
        """Drop what has ended and not changed since `before_ms`."""

        def stays(order: Order | AlgoOrder) -> bool:
            return order.is_open or order.updated_ms >= before_ms

        self.orders = {key: order for key, order in self.orders.items() if stays(order)}
        self.algos = {key: algo for key, algo in self.algos.items() if stays(algo)}
        by_order, by_algo = self.orders_by_client_id, self.algos_by_client_id
        self.orders_by_client_id = {key: order for key, order in by_order.items() if stays(order)}
        self.algos_by_client_id = {key: algo for key, algo in by_algo.items() if stays(algo)}
        self.ledger.trades = [trade for trade in self.ledger.trades if trade.time_ms >= before_ms]
        self.ledger.income = [row for row in self.ledger.income if row["time"] >= before_ms]

    # The account

    def margin(self) -> Margin:
        """What the account ties up, at mark prices."""
        unrealised = positions = orders = maintenance = 0.0
        for position in self.ledger.positions.values():
            if not position.lots:
                continue
            symbol, mark = position.contract.symbol, self.markets[position.contract.symbol].mark
            notional = abs(float(position.notional_usdt(mark)))
            bracket = position.contract.bracket(notional)
            unrealised += float(position.unrealised_usdt(mark))
            positions += notional / self.settings.leverage(symbol)
            maintenance += notional * bracket["maintMarginRatio"] - bracket["cum"]
        for symbol, resting in self.open_orders.items():
            for order in resting.values():
                if not order.reduce_only:
                    notional = float(order.contract.notional(order.remaining_lots, order.price_ticks))
                    orders += notional / self.settings.leverage(symbol)
        return Margin(float(self.ledger.wallet_usdt), unrealised, positions, orders, maintenance)

    def set_leverage(self, symbol: str, leverage: int, now_ms: int) -> Row:
        contract = self.contract(symbol)
        if not 1 <= leverage <= contract.brackets[0]["initialLeverage"]:
            raise RefusalError(-4028, msg=f"Leverage {leverage} is not valid")
        if leverage != self.settings.leverage(symbol):
            self.settings.leverages[symbol] = leverage
            event = {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ac": {"s": symbol, "l": leverage}}
            self.hub.publish_private(event)
        return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": str(contract.max_notional(leverage))}

    def set_margin_type(self, symbol: str, margin_type: str, now_ms: int) -> None:
        self.contract(symbol)
        if margin_type not in {"ISOLATED", "CROSSED"}:
            raise RefusalError.missing("marginType")
        if margin_type == self.settings.margin_type(symbol):
            raise RefusalError(-4046)
        if self.open_orders[symbol]:
            raise RefusalError(-4047)
        if any(position.lots for (name, _), position in self.ledger.positions.items() if name == symbol):
            raise RefusalError(-4048)
        self.settings.margin_types[symbol] = margin_type
        self.publish_account("MARGIN_TYPE_CHANGE", Decimal(0), now_ms)

    def set_dual_side(self, is_dual_side: bool) -> None:
        if is_dual_side == self.settings.is_dual_side:
            raise RefusalError(-4059)
        if any(self.open_orders.values()) or any(self.open_algos.values()):
            raise RefusalError(-4067)
        if any(position.lots for position in self.ledger.positions.values()):
            raise RefusalError(-4068)
        self.settings.is_dual_side = is_dual_side

    def force_dual_side(self, is_dual_side: bool) -> None:
        """As `set_dual_side`, whatever is held or rests."""
        held = [position for position in self.ledger.positions.values() if position.lots]
        sides = {p.contract.symbol: ("LONG" if p.lots > 0 else "SHORT") if is_dual_side else "BOTH" for p in held}
        self.ledger.positions = {key: p for key, p in self.ledger.positions.items() if not p.lots}
        for position in held:
            position.side = sides[position.contract.symbol]
            self.ledger.positions[position.contract.symbol, position.side] = position
        for resting in (*self.open_orders.values(), *self.open_algos.values()):
            for order in resting.values():
                order.position_side = sides.get(order.symbol, order.position_side)
        self.settings.is_dual_side = is_dual_side

    def set_multi_assets(self, on: bool, now_ms: int) -> None:
        if on == self.settings.is_multi_assets:
            raise RefusalError(-4171)
        self.settings.is_multi_assets = on
        self.hub.publish_private({"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ai": {"j": on}})

    def publish_account(self, reason: str, change: Decimal, now_ms: int) -> None:
        """ACCOUNT_UPDATE of a balance that moved without a trade."""
        wallet = f"{self.ledger.wallet_usdt:.8f}"
        balance = {"a": "USDT", "wb": wallet, "cw": wallet, "bc": plain(change)}
        update = {"B": [balance], "P": [], "m": reason}
        self.hub.publish_private({"e": "ACCOUNT_UPDATE", "T": now_ms, "E": now_ms, "a": update})


def _side(params: Mapping[str, str]) -> str:
    side = params.get("side", "")
    if side not in {"BUY", "SELL"}:
        raise RefusalError(-1117)
    return side
