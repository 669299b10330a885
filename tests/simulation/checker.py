"""What must be true: of the journal against the exchange's own books, and of the protection as the exchange saw it.

The checker shares nothing with the engine but the records that it wrote and the orders that it sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.orders import Fill, Order, OrderState
from core.domain.records import AdjustmentRecord, FillRecord, IntentRecord, OrderUpdateRecord, Record
from core.trader.trader import Trader
from tests.simulation.shares import EXTERNAL_LOTS, Claims, Shares, client_id_of, is_ours, is_trade_ours
from tests.venue.exchange import Exchange
from tests.venue.orders import AlgoOrder, Trade
from tests.venue.orders import Order as VenueOrder

OUTSIDE_PREFIX = "outside-"
"""An order that is in the journal alone: what it fills is what others closed of our position."""

FEE_QUANTUM = Decimal("0.00000001")


@dataclass
class ProtectionMeter:
    """How long a position of ours was without a live reduce-only stop that covers it, as the exchange saw it.

    Ours is what `shares` leaves of the net. Told of every change at the exchange. While it takes no request whatever,
    in maintenance or from a banned address, no time is counted; `longest_whole_ms` is the longest gap with that time.
    `leftovers_ms` is the same for a contract in which we hold nothing, by the exchange and by `claims`, with
    reduce-only orders of ours resting.
    """

    exchange: Exchange
    symbols: tuple[str, ...]
    shares: Shares
    claims: Claims = field(default_factory=Claims)
    gaps_ms: list[tuple[int, str, int]] = field(default_factory=list)
    leftovers_ms: list[tuple[int, str, int]] = field(default_factory=list)
    _since: dict[str, int] = field(default_factory=dict)
    _left_since: dict[str, int] = field(default_factory=dict)
    longest_whole_ms: int = 0
    _shut: list[tuple[int, int]] = field(default_factory=list)
    _shut_since_ms: int | None = None
    _shut_by: set[str] = field(default_factory=set)

    def changed(self, symbol: str, now_ms: int) -> None:
        if symbol not in self.symbols:
            return
        self.shares.changed(symbol, now_ms)
        net, lots = self.exchange.ledger.position(symbol).lots, self.shares.ours.get(symbol, 0)
        resting = [algo for algo in self.exchange.open_algos[symbol].values() if is_ours(algo.client_id)]
        covered = self._covered_lots(resting, lots) >= abs(lots)
        is_flat = not net or not (lots or self.claims.ours.get(symbol, 0))
        self._note(self._since, self.gaps_ms, symbol, now_ms, bool(lots) and not covered)
        self._note(self._left_since, self.leftovers_ms, symbol, now_ms, is_flat and bool(resting))

    def _covered_lots(self, resting: Sequence[AlgoOrder], lots: int) -> int:
        """Of what is held by all that they are for, the largest stop of each strategy."""
        largest: dict[str, int] = {}
        for algo in resting:
            whose = self.claims.whose.get(algo.client_id, "")
            largest[whose] = max(largest.get(whose, 0), _covering_lots(algo, lots))
        return sum(largest.values())

    @property
    def is_open(self) -> bool:
        """Whether a position is without its stop now."""
        return bool(self._since)

    @property
    def is_shut(self) -> bool:
        return self._shut_since_ms is not None

    def set_shut(self, is_shut: bool, now_ms: int, by: str = "the exchange") -> None:
        """The exchange begins or ends to turn everything away, or nobody is there who could ask: `by` whom."""
        (self._shut_by.add if is_shut else self._shut_by.discard)(by)
        if is_shut and self._shut_since_ms is None:
            self._shut_since_ms = now_ms
        elif not self._shut_by and self._shut_since_ms is not None:
            self._shut.append((self._shut_since_ms, now_ms))
            self._shut_since_ms = None

    def end(self, now_ms: int) -> None:
        for by in list(self._shut_by):
            self.set_shut(False, now_ms, by)
        for symbol in list(self._since):
            self._note(self._since, self.gaps_ms, symbol, now_ms, False)
        for symbol in list(self._left_since):
            self._note(self._left_since, self.leftovers_ms, symbol, now_ms, False)

    def _note(
        self, since: dict[str, int], gaps: list[tuple[int, str, int]], symbol: str, now_ms: int, is_bad: bool
    ) -> None:
        if is_bad:
            since.setdefault(symbol, now_ms)
        elif symbol in since:
            began_ms = since.pop(symbol)
            if gaps is self.gaps_ms:
                self.longest_whole_ms = max(self.longest_whole_ms, now_ms - began_ms)
            gaps.append((now_ms - began_ms - self._shut_ms(began_ms, now_ms), symbol, began_ms))

    def _shut_ms(self, from_ms: int, to_ms: int) -> int:
        shut = [*self._shut, *([(self._shut_since_ms, to_ms)] if self._shut_since_ms is not None else [])]
        return sum(max(0, min(end, to_ms) - max(start, from_ms)) for start, end in shut)


def _covering_lots(algo: AlgoOrder, lots: int) -> int:
    """How many of signed `lots` a conditional order is a stop for."""
    is_stop = algo.type == "STOP_MARKET" and algo.reduce_only and algo.sign * lots < 0
    if not is_stop:
        return 0
    return abs(lots) if algo.close_position else algo.lots


def journal_orders(records: Iterable[Record]) -> dict[str, Order]:
    """Every order of the journal in its last state."""
    orders: dict[str, Order] = {}
    for record in records:
        match record:
            case IntentRecord(order) | OrderUpdateRecord(_, order) | FillRecord(_, order):
                orders[order.client_order_id] = order
            case _:
                pass
    return orders


_OPEN_STATES = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_AT_VENUE = {
    "NEW": _OPEN_STATES,
    "PARTIALLY_FILLED": _OPEN_STATES,
    "TRIGGERING": _OPEN_STATES,
    "TRIGGERED": _OPEN_STATES,
    "FILLED": frozenset({OrderState.FILLED}),
    "CANCELED": frozenset({OrderState.CANCELED, OrderState.EXPIRED}),
    "EXPIRED": frozenset({OrderState.EXPIRED, OrderState.CANCELED}),
    "EXPIRED_IN_MATCH": frozenset({OrderState.EXPIRED, OrderState.CANCELED}),
    "REJECTED": frozenset({OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELED}),
}
_NEVER_THERE = frozenset({OrderState.REJECTED, OrderState.CANCELED, OrderState.EXPIRED})


def compare(exchange: Exchange, records: Sequence[Record]) -> list[str]:
    """Orders, fills and fees of the journal against those of the exchange, each difference in a line."""
    orders = journal_orders(records)
    problems = _compare_orders(exchange, orders)
    problems += _compare_fills(exchange, records)
    return problems


def _compare_orders(exchange: Exchange, orders: Mapping[str, Order]) -> list[str]:
    problems: list[str] = []
    theirs: dict[str, list[VenueOrder | AlgoOrder]] = {}
    for placed in (*exchange.orders.values(), *exchange.algos.values()):
        if is_ours(placed.client_id) and not getattr(placed, "parent", 0):
            theirs.setdefault(placed.client_id, []).append(placed)
    for client_id, placed_as in theirs.items():
        if client_id not in orders:
            problems.append(f"orphan: the exchange has {client_id}, the journal has no intent of it")
        if len(placed_as) > 1 and not _is_one_exit(placed_as):
            what = ", ".join(f"{one.type} {one.status}" for one in placed_as)
            problems.append(f"duplicate: {client_id} is {len(placed_as)} orders at the exchange: {what}")
    for client_id, order in orders.items():
        if client_id.startswith(OUTSIDE_PREFIX):
            problems += _compare_outside(order)
            continue
        if client_id not in theirs:
            if order.state not in _NEVER_THERE:
                problems.append(f"lost: {order.role} {client_id} is {order.state} here and unknown to the exchange")
            continue
        problems += _compare_order(order, theirs[client_id])
    return problems


def _is_one_exit(tries: Sequence[VenueOrder | AlgoOrder]) -> bool:
    """Whether each try did what the one before left, and all of them no more than was meant.

    A market order may expire with a part of it filled: where that answer is lost and a rate limit lets nobody ask, the
    same reduce-only order is sent once more.
    """
    orders = [one for one in tries if isinstance(one, VenueOrder) and one.reduce_only and one.type == "MARKET"]
    ended_short = all(one.status == "EXPIRED" for one in orders[:-1])
    return len(orders) == len(tries) and ended_short and sum(one.filled_lots for one in orders) <= orders[0].lots


def _compare_order(order: Order, tries: Sequence[VenueOrder | AlgoOrder]) -> list[str]:
    made = [one.child if isinstance(one, AlgoOrder) and one.child is not None else one for one in tries]
    filled = sum(0 if isinstance(one, AlgoOrder) else one.filled_lots for one in made)
    status = "FILLED" if len(made) > 1 and filled == order.qty_lots else made[-1].status
    problems = []
    if filled != order.filled_lots:
        problems.append(f"{order.role} {order.client_order_id}: filled {order.filled_lots} here, {filled} there")
    if order.state not in _AT_VENUE[status]:
        problems.append(f"{order.role} {order.client_order_id}: {order.state} here, {status} there")
    return problems


def _compare_outside(order: Order) -> list[str]:
    """What others closed of ours is done as soon as it is known."""
    if order.state is OrderState.FILLED and order.filled_lots == order.qty_lots:
        return []
    return [f"{order.client_order_id}: {order.state} with {order.filled_lots} of {order.qty_lots} lots"]


def _compare_fills(exchange: Exchange, records: Sequence[Record]) -> list[str]:
    ours: dict[str, Fill] = {}
    outside: list[Fill] = []
    problems: list[str] = []
    for record in records:
        if isinstance(record, FillRecord):
            fill = record.fill
            if fill.fill_id in ours:
                problems.append(f"fill {fill.fill_id} was booked twice")
            ours[fill.fill_id] = fill
            if _is_outside(fill):
                outside.append(fill)
    missing = {key: fill for key, fill in ours.items() if not _is_outside(fill)}
    for trade in exchange.ledger.trades:
        if not is_trade_ours(exchange, trade):
            continue
        client_id, fill_id = client_id_of(exchange, trade), f"{trade.order.symbol}-{trade.trade_id}"
        found = missing.pop(fill_id, None)
        if found is None:
            problems.append(f"missed fill {fill_id} of {client_id}: {trade.lots} lots at {trade.price_ticks}")
            continue
        told = (found.client_order_id, found.qty_lots, found.price_ticks, found.fee_usdt, found.side.sign)
        true = (client_id, trade.lots, trade.price_ticks, trade.fee_usdt, trade.order.sign)
        if told != true:
            problems.append(f"fill {fill_id}: {told} here, {true} there")
    problems += [f"fill {fill_id} is not of the exchange" for fill_id in missing]
    return problems + _compare_outside_fills(exchange, outside)


def _compare_outside_fills(exchange: Exchange, outside: Sequence[Fill]) -> list[str]:
    """Each is of a foreign trade, at its price, on its side, of at most its lots, and with that share of its fee.

    One that names no trade is for a difference that no trade explained.
    """
    trades = {f"{trade.order.symbol}-{trade.trade_id}": trade for trade in exchange.ledger.trades}
    problems: list[str] = []
    taken: dict[str, int] = {}
    for fill in outside:
        trade_id = "-".join(fill.fill_id.split("-")[:2])
        trade = trades.get(trade_id)
        if trade is None:
            if trade_id.rpartition("-")[2].isdigit():
                problems.append(f"fill {fill.fill_id} closed outside is not of the exchange")
            continue
        taken[trade_id] = taken.get(trade_id, 0) + fill.qty_lots
        if is_trade_ours(exchange, trade):
            problems.append(f"fill {fill.fill_id} closed outside is of our own order {client_id_of(exchange, trade)}")
        elif (fill.side.sign, fill.price_ticks) != (trade.order.sign, trade.price_ticks):
            told, true = (fill.side.sign, fill.price_ticks), (trade.order.sign, trade.price_ticks)
            problems.append(f"fill {fill.fill_id} closed outside: {told} here, {true} there")
        elif abs(fill.fee_usdt - trade.fee_usdt * fill.qty_lots / trade.lots) > FEE_QUANTUM:
            problems.append(f"fill {fill.fill_id} closed outside: fee {fill.fee_usdt} of {trade.fee_usdt}")
    problems += [
        f"{trade_id} closed {lots} lots of ours outside and had {trades[trade_id].lots}"
        for trade_id, lots in taken.items()
        if lots > trades[trade_id].lots
    ]
    return problems


def known_of_others(records: Iterable[Record]) -> dict[str, int]:
    """Signed lots that others hold by the journal, by symbol."""
    known: dict[str, int] = {}
    for record in records:
        if isinstance(record, AdjustmentRecord) and record.what == EXTERNAL_LOTS:
            known[record.symbol] = int(record.theirs)
    return known


def outside_fees_usdt(records: Iterable[Record]) -> Decimal:
    """What the fills of foreign trades that closed ours cost."""
    fees = (record.fill.fee_usdt for record in records if isinstance(record, FillRecord) and _is_outside(record.fill))
    return sum(fees, Decimal(0))


def _is_outside(fill: Fill) -> bool:
    return fill.client_order_id.startswith(OUTSIDE_PREFIX)


def compare_books(
    exchange: Exchange, trader: Trader, others_lots: Mapping[str, int], outside_fees_usdt: Decimal = Decimal(0)
) -> list[str]:
    """The engine's position and wallet against the exchange's; `others_lots` are what it knows that others hold, and
    `outside_fees_usdt` its fees for what they closed of ours."""
    problems = []
    for symbol, s in trader.state.symbols.items():
        net, others = exchange.ledger.position(symbol).lots, others_lots.get(symbol, 0)
        if s.lots != net - others:
            problems.append(f"{symbol}: position {s.lots} here, {net - others} there")
        if s.lots * others < 0:
            problems.append(f"{symbol}: position {s.lots} here against {others} of others, which the net does not have")
        if not s.lots and any(is_ours(algo.client_id) for algo in exchange.open_algos[symbol].values()):
            problems.append(f"{symbol}: flat with reduce-only orders of ours resting")
    wallet = trader.state.ledger.wallet_usdt
    if wallet != exchange.ledger.wallet_usdt:
        problems.append(f"wallet {wallet} here, {exchange.ledger.wallet_usdt} there")
    fees = sum((trade.fee_usdt for trade in _our_trades(exchange)), outside_fees_usdt)
    account = trader.state.ledger.account(trader.state.exact_marks())
    if account.fees_usdt != fees:
        problems.append(f"fees {account.fees_usdt} here, {fees} there")
    return problems


def _our_trades(exchange: Exchange) -> Iterable[Trade]:
    return (trade for trade in exchange.ledger.trades if is_trade_ours(exchange, trade))
