"""One symbol's state at the simulated venue: what rests, what is held, what was last seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from core.arithmetic.cost_basis import release
from core.arithmetic.fills import adverse_ticks, liquidation_price, participation_cap_lots
from core.domain.instrument import Instrument
from core.domain.market import Bar
from core.domain.orders import Fill, Order, OrderType
from core.domain.regrid import ONE, Factor, rescaled_order
from core.domain.trading import Position
from core.position.holding import reducible_lots

ZERO = Decimal(0)
TRIGGERED = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)


@dataclass(slots=True)
class Resting:
    """An open order with what matching asks of it at every event; `price` is the limit or trigger in USDT."""

    order: Order
    sign: int
    type: OrderType
    price: float

    def refresh(self, order: Order) -> None:
        """Take in the order's next value. A stop or take-profit that has begun to fill goes on as a market order."""
        self.order = order
        if order.filled_lots and order.type in TRIGGERED:
            self.type = OrderType.MARKET


def rest(order: Order, instrument: Instrument) -> Resting:
    ticks = order.price_ticks if order.type is OrderType.LIMIT else order.trigger_ticks
    # float of the exact decimal is the float a feed gives for the same price, so touching compares like with like
    resting = Resting(order, order.side.sign, order.type, float(instrument.price(ticks or 0)))
    resting.refresh(order)
    return resting


@dataclass(slots=True)
class Book:
    """Position: signed `lots`, signed `cost_usdt` of what is open, time of the last fill.

    `bid` and `ask` are the newest prices known (equal unless they come from a quote), seen at `price_ms`; both are 0
    before any. `spent` holds (time, lots) of the fills since the last bar closed: they used up its participation.
    """

    instrument: Instrument
    leverage: int
    price_step: float = 0.0
    lot_qty: float = 0.0
    lots: int = 0
    cost_usdt: Decimal = ZERO
    changed_ms: int = 0
    liquidation: float = 0.0
    resting: dict[str, Resting] = field(default_factory=dict)
    last_bar: Bar | None = None
    bid: float = 0.0
    ask: float = 0.0
    price_ms: int = -1
    spent: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adopt(self.instrument, ONE)

    def adopt(self, instrument: Instrument, by: Factor) -> None:
        """Go by other rules, which count `by` times finer."""
        self.instrument = instrument
        self.lots *= by.lots
        self.spent = [(time_ms, lots * by.lots) for time_ms, lots in self.spent]
        for resting in self.resting.values() if not by.is_one else ():
            resting.order = rescaled_order(resting.order, by)
        self.price_step = float(instrument.price_step)
        self.lot_qty = float(instrument.qty(1))

    def adverse_ticks(self, price: float, sign: int) -> int:
        """`price` in ticks of a price that an order may have, rounded against the order."""
        return adverse_ticks(price, self.price_step, sign) * self.instrument.tick_step

    def cap_lots(self, volume: float, max_participation_pct: float) -> int:
        """Most lots that may trade against `volume` base units, a multiple of what an order may be."""
        step = self.instrument.lot_step
        return participation_cap_lots(volume, float(self.instrument.qty_step), max_participation_pct) * step

    def see_bar(self, bar: Bar) -> None:
        """A bar's close is the newest price unless a first price or quote of the same time or later is known."""
        self.last_bar = bar
        close_ms = bar.open_time_ms + bar.interval_ms
        if close_ms > self.price_ms:
            self.bid = self.ask = bar.close
            self.price_ms = close_ms
        if self.spent:
            self.spent = [(time_ms, lots) for time_ms, lots in self.spent if time_ms > close_ms]

    def see_price(self, time_ms: int, bid: float, ask: float) -> bool:
        """Take in a first price or quote; False where a newer price is already known."""
        if time_ms < self.price_ms:
            return False
        self.price_ms, self.bid, self.ask = time_ms, bid, ask
        return True

    def spend(self, time_ms: int, lots: int) -> None:
        """Count a fill against the participation left until the next bar closes."""
        if self.last_bar is None or time_ms > self.last_bar.close_time_ms:
            self.spent.append((time_ms, lots))

    def spent_lots(self, after_ms: int = -1, until_ms: int = 1 << 62) -> int:
        """How much of the participation was used up in (`after_ms`, `until_ms`] since the last bar closed."""
        return sum(lots for time_ms, lots in self.spent if after_ms < time_ms <= until_ms)

    def stand(self, position: Position) -> None:
        """Hold what a journal says was held."""
        self.lots, self.cost_usdt, self.changed_ms = position.lots, position.cost_usdt, position.opened_ms
        self._find_liquidation()

    def note(self, fill: Fill, *, spends: bool) -> None:
        """Know of a fill that made the position what it is."""
        self.changed_ms = fill.time_ms
        if spends:
            self.spend(fill.time_ms, fill.qty_lots)

    def reducible_lots(self, order_sign: int) -> int:
        """Lots of the position that an order of this side could close."""
        return reducible_lots(self.lots, order_sign)

    def apply_fill(self, fill: Fill) -> Decimal:
        """Take a fill into the position; returns the realised profit in USDT before fees.

        Value that closes is set against the cost it releases (core.arithmetic.cost_basis); value that opens becomes
        cost. A fill larger than an opposite position does both.
        """
        sign = fill.side.sign
        closed = min(fill.qty_lots, self.reducible_lots(sign))
        opened = fill.qty_lots - closed
        realised = ZERO
        if closed:
            released = release(self.lots, self.cost_usdt, closed)
            realised = -sign * self.instrument.notional_usdt(closed, fill.price_ticks) - released
            self.cost_usdt -= released
            self.lots += sign * closed
        if opened:
            self.cost_usdt += sign * self.instrument.notional_usdt(opened, fill.price_ticks)
            self.lots += sign * opened
        self.changed_ms = fill.time_ms
        self._find_liquidation()
        return realised

    def is_liquidated_by(self, low: float, high: float, time_ms: int) -> bool:
        """Whether a range that ended at `time_ms` reaches the liquidation price; a range of before the last fill does
        not tell of this position."""
        if not self.lots or time_ms < self.changed_ms:
            return False
        return low <= self.liquidation if self.lots > 0 else high >= self.liquidation

    def _find_liquidation(self) -> None:
        if self.lots == 0:
            self.liquidation = 0.0
            return
        self.liquidation = liquidation_price(
            1 if self.lots > 0 else -1,
            float(self.cost_usdt / self.instrument.qty(self.lots)),
            float(self.leverage),
            float(self.instrument.maintenance_margin_pct / 100),
        )
