"""The tradable contract and its arithmetic: ticks and lots to prices and quantities."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """A linear, USDT-margined perpetual.

    A price is `ticks * tick_size` USDT; a quantity is `lots * lot_size` contracts of
    `contract_size` base units each. Fees are in basis points of the filled notional.

    An account may count more finely than the exchange takes orders, because it did so once (`core.domain.regrid`): the
    price of a new order is a multiple of `tick_step` ticks, its quantity one of `lot_step` lots.
    """

    symbol: str
    base: str
    tick_size: Decimal
    lot_size: Decimal
    contract_size: Decimal
    min_lots: int
    max_lots: int
    min_notional_usdt: Decimal
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    max_leverage: int
    maintenance_margin_pct: Decimal
    liquidation_fee_bps: Decimal
    tick_step: int = 1
    lot_step: int = 1

    def price(self, ticks: int) -> Decimal:
        return self.tick_size * ticks

    def qty(self, lots: int) -> Decimal:
        """Quantity in base units."""
        return self.lot_size * self.contract_size * lots

    @property
    def price_step(self) -> Decimal:
        """Between two prices that an order may have, in USDT."""
        return self.tick_size * self.tick_step

    @property
    def qty_step(self) -> Decimal:
        """Between two quantities that an order may have, in base units."""
        return self.qty(self.lot_step)

    def lots_down(self, lots: int) -> int:
        """The largest quantity of an order that is no more than `lots`."""
        return lots // self.lot_step * self.lot_step

    def lots_up(self, lots: int) -> int:
        """The smallest quantity of an order that is no less than `lots`."""
        return -(-lots // self.lot_step) * self.lot_step

    def safe_ticks(self, ticks: int, sign: int) -> int:
        """The nearest price of an order that lies no lower (`sign` +1) or no higher (-1) than `ticks`."""
        return sign * -(-sign * ticks // self.tick_step) * self.tick_step

    def notional_usdt(self, lots: int, ticks: int) -> Decimal:
        """Unsigned value of `lots` at `ticks`."""
        return abs(self.qty(lots)) * self.price(ticks)

    def ticks_nearest(self, price: float) -> int:
        return self._ticks(price, ROUND_HALF_EVEN)

    def ticks_floor(self, price: float) -> int:
        return self._ticks(price, ROUND_FLOOR)

    def ticks_ceil(self, price: float) -> int:
        return self._ticks(price, ROUND_CEILING)

    def lots_floor(self, qty: float) -> int:
        """Whole lots contained in `qty` base units (never rounds up)."""
        step = self.lot_size * self.contract_size
        return int((Decimal(repr(qty)) / step).to_integral_value(ROUND_FLOOR))

    def _ticks(self, price: float, rounding: str) -> int:
        # repr() is the shortest decimal that is this float: 0.1 stays 0.1, so a price on the grid stays on it.
        return int((Decimal(repr(price)) / self.tick_size).to_integral_value(rounding))
