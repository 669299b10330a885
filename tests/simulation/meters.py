"""How long what must pass lasts, and what an order may at most be: measured at the exchange and by the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.domain.orders import Order, OrderRole
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord, PositionRecord, Record
from tests.simulation.faults import Asked
from tests.simulation.shares import Claims
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue.exchange import Exchange

KNOWN_LONG_ENOUGH_MS = 10_000
"""Others' lots that are known for so long forbid every entry."""

NET_PREFIX = "qx"
"""How the ids of orders begin by which an operator has the whole net closed, with what others hold: they only reduce,
and are no order of the books."""

PRICE_SLACK = 1.03
"""How much cheaper a contract may have become between the bar that an entry was sized at and its arrival."""


@dataclass
class Ages:
    """For how long something that `is_bad` of a symbol went on, in the time in which the engine could mend it.

    `look` is to be called at every change of anything; a span between two looks counts where `counts` was so at both.
    """

    symbols: Sequence[str]
    is_bad: Callable[[str], bool]
    counts: Callable[[], bool]
    ended_ms: list[tuple[int, str, int]] = field(default_factory=list)
    """(age, symbol, when it began)"""
    _open: dict[str, tuple[int, int]] = field(default_factory=dict)
    _looked_ms: int = 0
    _counted: bool = False

    def look(self, now_ms: int) -> None:
        does_count = self.counts()
        passed_ms = now_ms - self._looked_ms if self._counted and does_count else 0
        self._looked_ms, self._counted = now_ms, does_count
        for symbol in self.symbols:
            began = self._open.get(symbol)
            if began is not None and passed_ms:
                began = self._open[symbol] = (began[0] + passed_ms, began[1])
            if self.is_bad(symbol):
                self._open.setdefault(symbol, (0, now_ms))
            elif began is not None:
                del self._open[symbol]
                self.ended_ms.append((began[0], symbol, began[1]))

    def end(self, now_ms: int) -> None:
        self.look(now_ms)
        self.ended_ms += [(age_ms, symbol, began_ms) for symbol, (age_ms, began_ms) in self._open.items()]
        self._open.clear()

    def longest_ms(self) -> int:
        return max((age for age, _, _ in self.ended_ms), default=0)


@dataclass
class Sizes:
    """That no order is larger than intended. An observer of the journal and, with `asked` and `answered`, of the wire.

    `intended_usdt` is what one entry may be worth, whatever is held. An order that only reduces covers at most what the
    books hold and what is still to be filled of entries. Each is at the exchange as it is in the journal.
    """

    exchange: Exchange
    claims: Claims
    intended_usdt: float
    problems: list[str] = field(default_factory=list)
    _orders: dict[str, Order] = field(default_factory=dict)

    def committed(self, records: Sequence[Record], now_ms: int) -> None:
        """To be called before the claims take the records in, which are weighed against both before and after."""
        most, net = (dict(self.claims.ours), dict(self.claims.ours)), self.claims.held.copy()
        for record in records:
            match record:
                case PositionRecord(position):
                    lots = net.take(record)
                    for held, pick in zip(most, (min, max), strict=True):
                        held[position.symbol] = pick(held.get(position.symbol, 0), lots)
                case IntentRecord(order) | OrderUpdateRecord(_, order) | FillRecord(_, order):
                    self._orders[order.client_order_id] = order
                case _:
                    pass
        for record in records:
            if isinstance(record, IntentRecord):
                least, largest = (held.get(record.order.symbol, 0) for held in most)
                self._weigh(record.order, least, largest, now_ms)

    def _weigh(self, order: Order, least: int, largest: int, now_ms: int) -> None:
        sign = order.side.sign
        if order.reduce_only:
            held = max(0, -least) if sign > 0 else max(0, largest)
            allowed = held + self._pending_lots(order.symbol, -sign)
        else:
            # What is added is at most as much again as is held.
            held = max(0, largest if sign > 0 else -least) if order.place else 0
            allowed = max(held, self._intended_lots(order.symbol))
            self._check_others(order, now_ms)
        if order.qty_lots > allowed:
            self.problems.append(
                f"{order.symbol} {order.role} {order.client_order_id}: {order.qty_lots} lots, {allowed} intended"
            )

    def _pending_lots(self, symbol: str, sign: int) -> int:
        """What entries on this side may still fill."""
        return sum(
            order.remaining_lots
            for order in self._orders.values()
            if order.role is OrderRole.ENTRY and order.symbol == symbol and order.is_open and order.side.sign == sign
        )

    def _intended_lots(self, symbol: str) -> int:
        contract, market = self.exchange.contracts[symbol], self.exchange.markets[symbol]
        price = float(contract.price(market.last_ticks))
        return int(self.intended_usdt * PRICE_SLACK / (price * float(contract.lot_size)))

    def _check_others(self, order: Order, now_ms: int) -> None:
        since_ms = self.claims.others_since_ms.get(order.symbol)
        if since_ms is not None and now_ms - since_ms > KNOWN_LONG_ENOUGH_MS:
            lots = self.claims.others[order.symbol]
            self.problems.append(
                f"{order.symbol} entry {order.client_order_id}: others hold {lots} lots, known for "
                f"{now_ms - since_ms} ms"
            )

    # The wire

    def asked(self, asked: Asked, outcome: Outcome) -> None: ...

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        if not asked.is_new_order or answer is None or answer.status != 200:
            return
        if asked.client_id.startswith(NET_PREFIX) and asked.only_reduces:
            return
        order = self._orders.get(asked.client_id)
        if order is None:
            self.problems.append(f"{asked.client_id} is at the exchange and was never written down")
            return
        contract = self.exchange.contracts[order.symbol]
        sent = (
            asked.params.get("symbol"),
            asked.params.get("side"),
            contract.nearest_lots(asked.params.get("quantity", "0")),
            asked.only_reduces,
        )
        written = (order.symbol, order.side.upper(), order.qty_lots, order.reduce_only)
        if sent != written:
            self.problems.append(f"{asked.client_id}: {sent} was sent, {written} is written down")
