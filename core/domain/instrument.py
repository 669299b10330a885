"""The tradable contract and its arithmetic: ticks and lots to prices and quantities."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """A linear, USDT-margined perpetual.

    A price is `ticks * tick_size` USDT; a quantity is `lots * lot_size` contracts of
    `contract_size` base units each. Fees are in basis points of the filled notional.
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

    def price(self, ticks: int) -> Decimal:
        return self.tick_size * ticks

    def qty(self, lots: int) -> Decimal:
        """Quantity in base units."""
        return self.lot_size * self.contract_size * lots

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
