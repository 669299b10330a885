"""Whose an order is: ours by its client id or by an id that the venue gave it, or another's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from core.domain.orders import Order, is_made_here
from core.domain.regrid import Factor, rescaled_order
from core.exchange.connection.wire import Dialect, Row

_KEEP = 1000
_MADE_BY_EXCHANGE = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


def is_exchange_made(client_id: str) -> bool:
    """Whether the exchange placed the order itself, to liquidate or deleverage a position."""
    return client_id.startswith(_MADE_BY_EXCHANGE)


class KnownOrders:
    """The newest orders of ours, and of others those that were looked into; the oldest go first, but none that whoever
    knows the books wants kept (`keep_while`). Of the ids of ours none is forgotten."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._keepers: list[Callable[[Order], bool]] = []
        self._ours: OrderedDict[str, Order] = OrderedDict()
        self._venue_ids: dict[str, tuple[str, ...]] = {}
        self._by_venue_id: dict[tuple[str, str], str] = {}
        self._others: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._ids: set[str] = set()

    def learn(self, order: Order) -> None:
        self._ids.add(order.client_order_id)
        self._ours[order.client_order_id] = order
        self._ours.move_to_end(order.client_order_id)
        if len(self._ours) > _KEEP:
            self._forget_oldest()

    def know(self, client_order_ids: Iterable[str]) -> None:
        """Orders of these ids were ours."""
        self._ids.update(client_order_ids)

    def keep_while(self, is_open: Callable[[Order], bool]) -> None:
        """Forget no order of which `is_open`, asked when there are too many, says that it works at the exchange."""
        self._keepers.append(is_open)

    def _forget_oldest(self) -> None:
        for _ in range(len(self._ours)):
            cid, order = next(iter(self._ours.items()))
            if any(is_open(order) for is_open in self._keepers):
                self._ours.move_to_end(cid)
                continue
            del self._ours[cid]
            for venue_id in self._venue_ids.pop(cid, ()):
                self._by_venue_id.pop((order.symbol, venue_id), None)
            return

    def stranger(self, row: Row) -> str:
        """The client id of an order row that is of this program, but of another journal than ours; else empty."""
        client_id = self._dialect.client_id(row)
        return client_id if is_made_here(client_id) and client_id not in self._ids else ""

    def rescale(self, symbol: str, by: Factor) -> None:
        """Count the orders of a contract in a grid that is `by` times finer."""
        for cid, order in self._ours.items():
            if order.symbol == symbol:
                self._ours[cid] = rescaled_order(order, by)

    def learn_venue_id(self, order: Order, venue_id: str) -> None:
        """Fills under `venue_id` are of `order`."""
        if not venue_id or (order.symbol, venue_id) in self._by_venue_id:
            return
        self._by_venue_id[order.symbol, venue_id] = order.client_order_id
        self._venue_ids[order.client_order_id] = (*self._venue_ids.get(order.client_order_id, ()), venue_id)
        self._others.pop((order.symbol, venue_id), None)

    def learn_row(self, order: Order, row: Row) -> None:
        """Learn under which ids fills of `order` may come, from a row that is known to be of it."""
        for venue_id in self._dialect.venue_ids(row):
            self.learn_venue_id(order, venue_id)

    def by_client_id(self, client_order_id: str) -> Order | None:
        return self._ours.get(client_order_id)

    def venue_ids(self, client_order_id: str) -> tuple[str, ...]:
        """Every id under which fills of the order may come, as far as they are known."""
        return self._venue_ids.get(client_order_id, ())

    def of_order_row(self, symbol: str, row: Row) -> Order | None:
        """Our order that the row is of, by its client id or, where it is the child of a triggered one, by its own."""
        order = self._ours.get(self._dialect.client_id(row))
        if order is not None and order.symbol == symbol:
            self.learn_row(order, row)
            return order
        for venue_id in self._dialect.venue_ids(row):
            order = self.of_venue_id(symbol, venue_id)
            if order is not None:
                return order
        return None

    def of_trade_row(self, symbol: str, row: Row) -> Order | None:
        order = self._ours.get(self._dialect.client_id(row))
        venue_id = str(row.get("order") or "")
        if order is not None and order.symbol == symbol:
            self.learn_venue_id(order, venue_id)
            return order
        return self.of_venue_id(symbol, venue_id)

    def of_venue_id(self, symbol: str, venue_id: str) -> Order | None:
        return self._ours.get(self._by_venue_id.get((symbol, venue_id), ""))

    def set_aside(self, symbol: str, venue_id: str) -> None:
        """Remember an order as another's."""
        self._others[symbol, venue_id] = None
        if len(self._others) > _KEEP:
            self._others.popitem(last=False)

    def is_others(self, symbol: str, venue_id: str) -> bool:
        return (symbol, venue_id) in self._others
