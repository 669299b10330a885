"""What the trader remembers of one symbol: its orders, its position, and the trade that is open."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from core.arithmetic import sizing
from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.orders import RESTING_STATES, Order, OrderRole, OrderState, Side
from core.domain.origin import Origin
from core.domain.regrid import Factor
from core.domain.trading import EXACT, KEPT_TRADES, ExitReason, Trade
from core.position.ladder import Ladder, closes_all
from core.trader.ledger import ZERO

_KEEP_ENDED, _KEEP_CLOSED = 256, KEPT_TRADES


def leg(role: OrderRole, place: int) -> str:
    """What an order is for in its trade."""
    return f"{role}-{place + 1}" if place else str(role)


@dataclass(slots=True)
class Target:
    """One target of a trade: its trigger, the share of what is opened that it closes, how much it has closed, and how
    often an order of it was refused or ended although nobody asked for it. One that `is_taken` is done."""

    ticks: int
    share: float = 1.0
    filled_lots: int = 0
    lost: int = 0
    is_taken: bool = False


@dataclass(slots=True)
class OpenTrade:
    """A round trip from its entry intent on. Values are exact sums of price times quantity.

    `leaving` is why an exit was asked for, at `exit_asked_ms` the last time; empty while the position is to be held.
    `lost_stops` counts stops that were refused, or ended although nobody asked for it. With
    `stop_refused` the venue takes no stop for this trade, for a reason that another try would meet again. `stop_pct`
    and `target_pct` are the distances that were decided on for it, both None where they are the strategy's fixed ones;
    `ladder` are those of several targets. `targets` are where they came to lie, the nearest first. `attempts` counts
    orders by leg.
    """

    trade_id: str
    symbol: str
    side: Side
    origin: Origin
    decision_ms: int
    entry_time_ms: int = 0
    exit_time_ms: int = 0
    entry_lots: int = 0
    entry_value: Decimal = ZERO
    exit_lots: int = 0
    exit_value: Decimal = ZERO
    gross_usdt: Decimal = ZERO
    fees_usdt: Decimal = ZERO
    funding_usdt: Decimal = ZERO
    exit_reason: str = ""
    stop_ticks: int | None = None
    targets: list[Target] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    leaving: str = ""
    exit_asked_ms: int = 0
    lost_stops: int = 0
    stop_refused: bool = False
    stop_pct: float | None = None
    target_pct: float | None = None
    ladder: Ladder = ()

    @property
    def next_ticks(self) -> tuple[int, ...]:
        """Of the targets that are not done, the nearest first."""
        return tuple(target.ticks for target in self.targets if not target.is_taken)

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(target.share for target in self.targets)

    @property
    def is_parted(self) -> bool:
        """Whether more than one order brought lots into it, or several targets are to close it."""
        return bool(self.ladder) or self.entries > 1

    @property
    def entries(self) -> int:
        """How many orders were wanted that bring lots into it."""
        return sum(name.partition("-")[0] == OrderRole.ENTRY for name in self.attempts)

    def tries(self, role: OrderRole, place: int = 0) -> int:
        """How often an order of that leg was wanted."""
        return self.attempts.get(leg(role, place), 0)

    def note_intent(self, order: Order) -> None:
        """An order of this trade is wanted now."""
        name = leg(order.role, order.place)
        self.attempts[name] = self.attempts.get(name, 0) + 1
        if order.role is OrderRole.EXIT:
            self.leaving, self.exit_asked_ms = order.reason, order.created_ms
        elif order.role is OrderRole.STOP and not order.is_ahead:
            self.stop_ticks = order.trigger_ticks
        elif order.role is OrderRole.TARGET and order.trigger_ticks is not None:
            if not self.targets:
                self.targets.append(Target(order.trigger_ticks))
            self.targets[order.place].ticks = order.trigger_ticks

    def note_target_fill(self, order: Order, lots: int) -> None:
        """`lots` of a target were filled; `order` is the order after it. What closes the rest is never taken: it is
        there for as long as anything is held. One that was too little to be ordered leaves with the next."""
        target = self.targets[order.place]
        target.filled_lots += lots
        if order.state is OrderState.FILLED and not closes_all(self.shares, order.place):
            target.is_taken = True
            for n, nearer in enumerate(self.targets[: order.place]):
                nearer.is_taken = nearer.is_taken or not self.tries(OrderRole.TARGET, n)

    def place_ladder(self, first_ticks: int, tick_step: int) -> None:
        """Where its targets lie, from its first fill on. No price lies at nothing or below: what of a short would lie
        there goes on with the stop."""
        first, sign = first_ticks / tick_step, self.side.sign
        steps = [(sizing.target_ticks(first, sign, pct), share) for pct, share in self.ladder]
        self.targets = [Target(ticks * tick_step, share) for ticks, share in steps if ticks > 0]

    def rescale(self, by: Factor) -> None:
        """Count it in a grid that is `by` times finer."""
        self.entry_lots *= by.lots
        self.exit_lots *= by.lots
        self.stop_ticks = None if self.stop_ticks is None else self.stop_ticks * by.ticks
        for target in self.targets:
            target.ticks *= by.ticks
            target.filled_lots *= by.lots

    def close(self, instrument: Instrument) -> Trade:
        net = EXACT.add(EXACT.subtract(self.gross_usdt, self.fees_usdt), self.funding_usdt)
        return Trade(
            trade_id=self.trade_id,
            symbol=self.symbol,
            side=self.side,
            qty=instrument.qty(self.entry_lots),
            entry_price=self.entry_value / instrument.qty(self.entry_lots),
            exit_price=self.exit_value / instrument.qty(self.exit_lots),
            entry_time_ms=self.entry_time_ms,
            exit_time_ms=self.exit_time_ms,
            gross_pnl_usdt=self.gross_usdt,
            fees_usdt=self.fees_usdt,
            funding_usdt=self.funding_usdt,
            net_pnl_usdt=net,
            exit_reason=self.exit_reason,
            origin=self.origin,
        )


@dataclass(slots=True)
class SymbolState:
    """One symbol. `lots` and `cost_usdt` mirror the ledger in float for the marks of every bar; `tick`, `lot_qty`,
    `step_qty` and `min_notional_usdt` the rules of the contract.

    `orders` are the open ones. `ended` are the last that closed: a fill can overtake the news of an order's end.
    `canceling` says since when the withdrawal of an open order has been asked for. `next_trade` is what an entry will
    open that something else got ahead of: the fill of an order that was given up, or a position that an older program
    turned with one order. No entry that was decided on by `flattened_ms` is wanted any more, and with `flattening` the
    operator has not been told yet that all is over here. `unprotected_since_ms` is when the position was last left
    without stops that are known to rest and cover it; None while there are such, and when flat. `closed` are
    the last trades, newest last. `forecast` is what is decided on; of a strategy of several parts `heard` is what each
    said last. `funding_due_ms` is when funding is settled next, as far as the market has told; a start is told anew.
    """

    instrument: Instrument
    tick: float = field(init=False)
    lot_qty: float = field(init=False)
    step_qty: float = field(init=False)
    min_notional_usdt: float = field(init=False)
    mark: float = 0.0
    bar_close_ms: int = 0
    lots: int = 0
    cost_usdt: float = 0.0
    cooldown_until_ms: int = 0
    trade: OpenTrade | None = None
    next_trade: OpenTrade | None = None
    forecast: Forecast | None = None
    heard: dict[str, Forecast] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    ended: dict[str, Order] = field(default_factory=dict)
    canceling: dict[str, int] = field(default_factory=dict)
    unprotected_since_ms: int | None = None
    closed: deque[Trade] = field(default_factory=lambda: deque(maxlen=_KEEP_CLOSED))
    flattened_ms: int = 0
    flattening: bool = False
    funding_due_ms: int = 0

    def __post_init__(self) -> None:
        self.go_by(self.instrument)

    def go_by(self, instrument: Instrument) -> None:
        """Take these rules of the contract, and what of them is computed with in float."""
        self.instrument = instrument
        self.tick, self.lot_qty = float(instrument.tick_size), float(instrument.qty(1))
        self.step_qty, self.min_notional_usdt = float(instrument.qty_step), float(instrument.min_notional_usdt)

    @property
    def notional_usdt(self) -> float:
        return abs(self.lots) * self.lot_qty * self.mark

    @property
    def unrealised_usdt(self) -> float:
        return self.lots * self.lot_qty * self.mark - self.cost_usdt

    @property
    def entry_price(self) -> float:
        return self.cost_usdt / (self.lots * self.lot_qty)

    def open_order(self, role: OrderRole) -> Order | None:
        for order in self.orders.values():
            if order.role is role:
                return order
        return None

    def open_exit(self) -> Order | None:
        """The exit under way of what is held. One on the other side is of a position that a reversal has turned since,
        and does nothing for this one."""
        for order in self.orders.values():
            if order.role is OrderRole.EXIT and order.side.sign * self.lots < 0:
                return order
        return None

    def stops(self) -> list[Order]:
        """Open stops of what is held that are to stay, in the order in which they came to be open. One on the other
        side is of a position that was turned since."""
        stops = (o for o in self.orders.values() if o.role is OrderRole.STOP and o.side.sign * self.lots < 0)
        return [order for order in stops if order.client_order_id not in self.canceling]

    def lots_to_protect(self) -> int:
        """The position with what may still be added to it."""
        adding = (o for o in self.orders.values() if o.role is OrderRole.ENTRY and o.side.sign * self.lots > 0)
        return abs(self.lots) + sum(order.remaining_lots for order in adding)

    def lots_to_target(self) -> int:
        """What targets are to close: the position with what its first entry still brings. What is to be added counts
        once it is there."""
        entering = (o for o in self.orders.values() if o.role is OrderRole.ENTRY and o.side.sign * self.lots > 0)
        return abs(self.lots) + sum(order.remaining_lots for order in entering if not order.place)

    def target_orders(self, place: int) -> list[Order]:
        """Open ones of what is held. One on the other side is of a position that was turned since."""
        targets = (o for o in self.orders.values() if o.role is OrderRole.TARGET and o.side.sign * self.lots < 0)
        return [order for order in targets if order.place == place]

    def untold_entry(self) -> Order | None:
        """The entry that is to open the trade, while nothing is known to be held."""
        trade = self.trade
        if trade is None or self.lots:
            return None
        first = (o for o in self.entries() if o.trade_id == trade.trade_id and not o.place)
        return next(first, None)

    def stop_ahead(self) -> Order | None:
        """The open stop of what the entry may have opened already."""
        entry = self.untold_entry()
        stops = (o for o in self.orders.values() if o.is_ahead and entry is not None and o.trade_id == entry.trade_id)
        return next((order for order in stops if order.client_order_id not in self.canceling), None)

    def is_protected(self) -> bool:
        """Whether stops that are known to rest cover the position."""
        return sum(o.remaining_lots for o in self.stops() if o.state in RESTING_STATES) >= abs(self.lots)

    def note_protection(self, time_ms: int) -> None:
        if not self.lots or self.is_protected():
            self.unprotected_since_ms = None
        elif self.unprotected_since_ms is None:
            self.unprotected_since_ms = time_ms

    def entries(self) -> list[Order]:
        """Those that may still fill."""
        return [order for order in self.orders.values() if order.role is OrderRole.ENTRY]

    def flatten(self, time_ms: int) -> None:
        """What is held and under way now is to go: whatever of it comes to be later, too."""
        known = [o.created_ms for o in (*self.orders.values(), *self.ended.values()) if o.role is OrderRole.ENTRY]
        self.flattened_ms = max([time_ms, *known])
        self.flattening = bool(self.lots or self.orders)
        for trade in (self.trade, self.next_trade):
            if trade is not None:
                trade.leaving = ExitReason.FLATTEN

    def note_flat(self) -> None:
        if not self.lots and not self.orders:
            self.flattening = False

    def pending_entry_lots(self) -> int:
        """Lots that may still be entered; unknown orders count in full. What a reversing entry closes first is none."""
        if not self.orders:
            return 0
        closing = abs(self.lots) if self.next_trade is not None else 0
        return max(0, sum(o.remaining_lots for o in self.orders.values() if o.role is OrderRole.ENTRY) - closing)

    def pending_entry_usdt(self) -> float:
        return self.pending_entry_lots() * self.lot_qty * self.mark

    def has_unknown(self) -> bool:
        return any(order.state is OrderState.UNKNOWN for order in self.orders.values())

    def keep(self, order: Order) -> None:
        """File an order where its state belongs."""
        if order.is_open:
            self.orders[order.client_order_id] = order
            self.ended.pop(order.client_order_id, None)
            if order.state is OrderState.UNKNOWN:
                # Nobody knows whether the cancel arrived either; the next reason to cancel asks again.
                self.canceling.pop(order.client_order_id, None)
            return
        self.orders.pop(order.client_order_id, None)
        self.canceling.pop(order.client_order_id, None)
        self.ended[order.client_order_id] = order
        if len(self.ended) > _KEEP_ENDED:
            del self.ended[next(iter(self.ended))]
