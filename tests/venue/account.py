"""What the account is set to, and what its margin comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

MAKER_FEE_RATE = Decimal("0.0002")
TAKER_FEE_RATE = Decimal("0.0005")
DEFAULT_LEVERAGE = 20


@dataclass
class AccountSettings:
    """Modes, leverage and fee rates. Margin types are CROSSED or ISOLATED."""

    leverages: dict[str, int] = field(default_factory=dict)
    margin_types: dict[str, str] = field(default_factory=dict)
    is_dual_side: bool = False
    is_multi_assets: bool = False
    is_fee_burn: bool = False
    maker_fee_rate: Decimal = MAKER_FEE_RATE
    taker_fee_rate: Decimal = TAKER_FEE_RATE
    can_withdraw: bool = False
    can_trade: bool = True
    is_ip_restricted: bool = True

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, DEFAULT_LEVERAGE)

    def margin_type(self, symbol: str) -> str:
        return self.margin_types.get(symbol, "CROSSED")


@dataclass(frozen=True, slots=True)
class Margin:
    """USDT. `available` is what new orders may still tie up."""

    wallet: float
    unrealised: float
    positions: float
    orders: float
    maintenance: float

    @property
    def available(self) -> float:
        return max(0.0, self.wallet + self.unrealised - self.positions - self.orders)
