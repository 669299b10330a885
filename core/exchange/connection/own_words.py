"""What an exchange tells in rows of its own beside the fields that ccxt gives all exchanges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.exchange.connection.limiter import Budget

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
class SettingsTold:
    """What the private stream tells of the account's settings. None, and no contract (the exchange's own name), is not
    told."""

    multi_assets: bool | None = None
    contract: str = ""
    leverage: int | None = None


@dataclass(frozen=True, slots=True)
class CandleSign:
    """What a frame says of a candle that ccxt drops: its interval and contract as the exchange calls them, when it
    opened, when the frame was made, and whether it has closed, None where the exchange does not say."""

    interval: str
    market_id: str
    open_ms: int
    time_ms: int
    is_closed: bool | None


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

    funding_rate: Callable[[Row], Any] = lambda row: row["fundingRate"]
    """Of the same, in the digits in which it was told. May raise KeyError."""

    next_funding_ms: Callable[[Row], Any] = lambda ticker: None
    """Of a ticker, when funding is settled next; None where it is not told."""

    candle_signs: Callable[[Row], Sequence[CandleSign]] = lambda frame: ()
    """Of a frame of a stream of candles; may raise whatever a frame that cannot be read makes it raise."""

    stream_id: Callable[[Row], str] = lambda market: str(market["id"])
    """Of a market, how it is called in frames."""

    contract: Callable[[Row], ContractTold] = lambda market: ContractTold()
    """Of a market."""

    budget_told: Callable[[Row], Budget | None] = lambda answer: None
    """Of any answer, the rate limits that it tells; None where it tells none."""

    moved_money: Callable[[Row], bool | None] = lambda balance: None
    """Of a balance row of ccxt, whether it tells of money that moved otherwise than by trading, or of a setting that
    changed; None where no event of the private stream made it."""

    settings_told: Callable[[Row], SettingsTold] = lambda event: SettingsTold()
    """Of one of the dialect's `settings_changes`, what it says."""
