"""What an exchange tells in rows of its own beside the fields that ccxt gives all exchanges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Row = Mapping[str, Any]
"""A row of ccxt; the exchange's own is its `info`."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """Of an order that waits for its trigger: whether it waits, was passed on at its trigger, or has finished; the
    exchange's id of the order that it made then, and its reason for having ended, both empty where it tells none."""

    stage: Literal["waits", "passed on", "finished"]
    child_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IncomeTold:
    """What moved the wallet: the exchange's word for its kind, "" for none, the amount as it was told, and the asset,
    None where that is not told. What comes `of_trades` the books have by themselves."""

    kind: str
    amount: Any
    asset: Any = None
    of_trades: bool = False


@dataclass(frozen=True, slots=True)
class ContractTold:
    """Rates as the exchange wrote them, None where it did not."""

    maintenance_margin_rate: Any = None
    liquidation_fee_rate: Any = None


@dataclass(frozen=True, slots=True)
class OwnWords:
    """How each is read of one exchange's rows; by ccxt's fields alone where the exchange has no words of its own."""

    conditional: Callable[[Row], Conditional | None] = lambda row: None
    """Of an order row; None where it is of an order that rests or trades like any other."""

    kind: Callable[[Row], str] = lambda row: str(row.get("type") or "")
    """Of an order row, the type of the order as the exchange calls it."""

    closes_position: Callable[[Row], bool] = lambda row: False
    """Of an order row, whether it closes the whole position, whatever it is by then."""

    position_side: Callable[[Row], str] = lambda row: ""
    """Of a trade row, which side's position it changed, where an account may hold both; "" where that is not told."""

    wallet: Callable[[Row], Any] = lambda balance: None
    """The USDT wallet without open profit; None where ccxt's totals say it. Raises DataError where it is not told."""

    income: Callable[[Row], IncomeTold] = lambda row: IncomeTold("", row.get("amount"))
    """Of a row of funding history or of the ledger."""

    mark_price: Callable[[Row], Any] = lambda row: None
    """Of a row of past funding rates."""

    contract: Callable[[Row], ContractTold] = lambda market: ContractTold()
    """Of a market."""
