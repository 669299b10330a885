"""A trade while it is open: what was decided for it, what was filled of it, and where its stop and targets lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from core.arithmetic import sizing
from core.domain.instrument import Instrument
from core.domain.orders import Order, OrderRole, OrderState, Side
from core.domain.origin import Origin
from core.domain.regrid import Factor
from core.domain.trading import EXACT, Trade
from core.position.ladder import Ladder, closes_all
from core.trader.ledger import ZERO


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
