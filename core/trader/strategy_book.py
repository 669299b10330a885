"""What the trader remembers of one strategy in one symbol: its orders, what it holds, and the trade that is open."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.orders import RESTING_STATES, Order, OrderRole, OrderState
from core.domain.trading import EXACT, KEPT_TRADES, ExitReason, Position, Trade
from core.trader.open_trade import OpenTrade

_KEEP_ENDED, _KEEP_CLOSED = 256, KEPT_TRADES


@dataclass(slots=True)
class StrategyBook:
    """One strategy in one symbol. `position` is what its own fills made, at their own cost: where it holds the symbol
    alone it is the ledger's. `lots` and `cost_usdt` mirror it in float for the marks of every bar; `tick`, `lot_qty`,
    `step_qty` and `min_notional_usdt` are the rules of the contract, and `mark` and `bar_close_ms` what its market is
    at.

    `orders` are the open ones. `ended` are the last that closed: a fill can overtake the news of an order's end.
    `canceling` says since when the withdrawal of an open order has been asked for. `next_trade` is what an entry will
    open that something else got ahead of: the fill of an order that was given up, or a position that an older program
    turned with one order. No entry that was decided on by `flattened_ms` is wanted any more, and with `flattening` the
    operator has not been told yet that all is over here. `unprotected_since_ms` is when the position was last left
    without stops that are known to rest and cover it; None while there are such, and when flat. `closed` are
    the last trades, newest last. `forecast` is what is decided on; of a strategy of several parts `heard` is what each
    said last.
    """

    instrument: Instrument
    strategy: str
    tick: float = field(init=False)
    lot_qty: float = field(init=False)
    step_qty: float = field(init=False)
    min_notional_usdt: float = field(init=False)
    mark: float = 0.0
    bar_close_ms: int = 0
    lots: int = 0
    cost_usdt: float = 0.0
    position: Position | None = None
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

    def take_position(self, position: Position | None) -> None:
        self.position = position
        self.lots, self.cost_usdt = (position.lots, float(position.cost_usdt)) if position is not None else (0, 0.0)

    def order(self, client_order_id: str) -> Order | None:
        """One that is open, or ended a while ago."""
        return self.orders.get(client_order_id) or self.ended.get(client_order_id)

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

    def is_covered(self) -> bool:
        """The same of what may still be added to it, too."""
        return sum(o.remaining_lots for o in self.stops() if o.state in RESTING_STATES) >= self.lots_to_protect()

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

    def lots_at(self, time_ms: int) -> int:
        """How many lots of the trade that was open then are remembered, without their sign; 0 where none is."""
        if self.trade is not None and self.trade.entry_lots and self.trade.entry_time_ms <= time_ms:
            return abs(self.lots)
        for trade in reversed(self.closed):
            if trade.entry_time_ms <= time_ms <= trade.exit_time_ms:
                return round(float(trade.qty) / self.lot_qty)
        return 0

    def pay_funding(self, time_ms: int, amount_usdt: Decimal) -> Trade | None:
        """Put what was paid at a time on the trade that was open then. Returns that trade where it had ended, as it is
        now."""
        if self.trade is not None and self.trade.entry_lots and self.trade.entry_time_ms <= time_ms:
            self.trade.funding_usdt = EXACT.add(self.trade.funding_usdt, amount_usdt)
            return None
        for place in range(len(self.closed) - 1, -1, -1):
            trade = self.closed[place]
            if trade.entry_time_ms <= time_ms <= trade.exit_time_ms:
                self.closed[place] = replace(
                    trade,
                    funding_usdt=EXACT.add(trade.funding_usdt, amount_usdt),
                    net_pnl_usdt=EXACT.add(trade.net_pnl_usdt, amount_usdt),
                )
                return self.closed[place]
        if self.trade is not None:
            self.trade.funding_usdt = EXACT.add(self.trade.funding_usdt, amount_usdt)
        return None

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
