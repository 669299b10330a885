"""What Binance tells in its own rows of orders, the wallet, income, contracts, funding and candles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.domain.errors import DataError
from core.domain.plain import plain
from core.exchange.binanceusdm.frames import moved_money, settings_told
from core.exchange.binanceusdm.weights import budget_told
from core.exchange.connection.own_words import CandleSign, Conditional, ContractTold, IncomeTold, OwnWords, Row
from core.exchange.orders.rows import part
from core.exchange.orders.translate import SETTLEMENT, ZERO, exact

_NO_CHILD = ("", "0")
_STAGES = {"TRIGGERING": "passed on", "TRIGGERED": "passed on", "FINISHED": "finished"}
_OF_TRADES = frozenset({"REALIZED_PNL", "COMMISSION", "FUNDING_FEE"})


def conditional(row: Row) -> Conditional | None:
    """By REST and by the private stream, which has letters for names."""
    told = part(row, "info")
    if "aid" not in told and "algoId" not in told:
        return None
    child = str(told.get("actualOrderId") or told.get("ai") or "")
    return Conditional(
        _STAGES.get(str(told.get("algoStatus") or told.get("X") or ""), "waits"),  # type: ignore[arg-type]
        "" if child in _NO_CHILD else child,
        plain(str(told.get("rm") or "")),
    )


def kind(row: Row) -> str:
    return str(part(row, "info").get("orderType") or row.get("type") or "")


def closes_position(row: Row) -> bool:
    return str(part(row, "info").get("closePosition", "")).lower() == "true"


def position_side(row: Row) -> str:
    return str(part(row, "info").get("positionSide") or "")


def wallet(balance: Row) -> object:
    assets = part(balance, "info").get("assets")
    if assets is None:
        return None
    if not isinstance(assets, list) or not all(isinstance(asset, dict) for asset in assets):
        raise DataError("the exchange told the assets of the account in a way that cannot be read")
    told = [asset.get("walletBalance") for asset in assets if asset.get("asset") == SETTLEMENT]
    return exact(told[0], "the wallet") if told else ZERO


def income(row: Row) -> IncomeTold:
    told = part(row, "info")
    named = str(told.get("incomeType") or "")
    return IncomeTold(named, told.get("income", row.get("amount")), told.get("asset"), named in _OF_TRADES)


def mark_price(row: Row) -> object:
    return part(row, "info").get("markPrice")


def funding_rate(row: Row) -> object:
    return part(row, "info").get("fundingRate") or row["fundingRate"]


def next_funding_ms(ticker: Row) -> object:
    """Other events of a ticker have another time under this letter."""
    told = ticker.get("info")
    return told.get("T") if isinstance(told, Mapping) and told.get("e") == "markPriceUpdate" else None


def candle_signs(frame: Row) -> Sequence[CandleSign]:
    kline = frame["k"]
    is_closed = kline.get("x")
    times = int(kline["t"]), int(frame["E"])
    return (CandleSign(kline["i"], kline["s"], *times, None if is_closed is None else bool(is_closed)),)


def contract(market: Row) -> ContractTold:
    return ContractTold(liquidation_fee_rate=part(market, "info").get("liquidationFee"))


WORDS = OwnWords(
    conditional,
    kind,
    closes_position,
    position_side,
    wallet,
    income,
    mark_price,
    funding_rate,
    next_funding_ms,
    candle_signs,
    contract=contract,
    budget_told=budget_told,
    moved_money=moved_money,
    settings_told=settings_told,
)
