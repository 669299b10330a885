"""Somebody at the exchange's own page on the same account: what they trade, place, cancel and set."""

from __future__ import annotations

from tests.venue import by_hand
from tests.venue.orders import AlgoOrder, Order
from tests.venue.venue import BinanceVenue


class Person:
    """Every act is one of the account's, under a client id that is none of ours. Each raises RefusalError where the
    exchange does not take it."""

    def __init__(self, venue: BinanceVenue) -> None:
        self.venue = venue
        self._exchange = venue.exchange

    def close(self, symbol: str, now_ms: int, lots: int | None = None) -> Order | None:
        """What "close" on the page sends: a reduce-only market order against the net, whole without `lots`. None where
        nothing is held."""
        net = self.venue.position_lots(symbol)
        if not net or lots == 0:
            return None
        size = abs(net) if lots is None else min(lots, abs(net))
        return self._market(symbol, -size if net > 0 else size, now_ms, reduceOnly="true")

    def trade(self, symbol: str, lots: int, now_ms: int) -> Order:
        """A market order of signed lots, whatever is held."""
        return self._market(symbol, lots, now_ms)

    def rest(self, symbol: str, lots: int, price: float, now_ms: int) -> Order:
        """A limit order of signed lots that stays until it fills or is withdrawn."""
        contract = self._exchange.contracts[symbol]
        return self.venue.place_external(
            now_ms,
            symbol=symbol,
            side=_side(lots),
            type="LIMIT",
            timeInForce="GTC",
            price=contract.price_text(contract.nearest_ticks(price)),
            quantity=contract.qty_text(abs(lots)),
        )

    def stop(self, symbol: str, trigger: float, now_ms: int) -> AlgoOrder | None:
        """A stop of the whole net at `trigger`, as the page places one. None where nothing is held."""
        net, contract = self.venue.position_lots(symbol), self._exchange.contracts[symbol]
        if not net:
            return None
        return self.venue.place_external_algo(
            now_ms,
            symbol=symbol,
            side=_side(-net),
            type="STOP_MARKET",
            triggerPrice=contract.price_text(contract.nearest_ticks(trigger)),
            closePosition="true",
        )

    def withdraw(self, order: Order | AlgoOrder | None, now_ms: int) -> None:
        if isinstance(order, AlgoOrder) and order.is_open:
            self._exchange.cancel_algo(order, now_ms)
        elif isinstance(order, Order) and order.is_open:
            self._exchange.cancel(order, now_ms)

    def cancel_all(self, symbol: str, now_ms: int) -> int:
        """Every order of the contract, whoever placed it. Returns how many."""
        orders = list(self._exchange.open_orders[symbol].values())
        algos = list(self._exchange.open_algos[symbol].values())
        for order in orders:
            self.withdraw(order, now_ms)
        for algo in algos:
            self.withdraw(algo, now_ms)
        return len(orders) + len(algos)

    def set_leverage(self, symbol: str, leverage: int, now_ms: int) -> None:
        by_hand.change_leverage(self.venue, symbol, leverage, now_ms)

    def set_margin_type(self, symbol: str, margin_type: str, now_ms: int) -> None:
        """CROSSED or ISOLATED."""
        by_hand.change_margin_type(self.venue, symbol, margin_type, now_ms)

    def transfer(self, amount_usdt: float, now_ms: int) -> None:
        """Money in (positive) or out."""
        self.venue.transfer(f"{amount_usdt:.2f}", now_ms)

    def _market(self, symbol: str, lots: int, now_ms: int, **more: str) -> Order:
        quantity = self._exchange.contracts[symbol].qty_text(abs(lots))
        return self.venue.place_external(now_ms, symbol=symbol, side=_side(lots), quantity=quantity, **more)


def _side(lots: int) -> str:
    return "BUY" if lots > 0 else "SELL"
