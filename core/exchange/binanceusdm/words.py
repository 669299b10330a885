"""What Binance tells in its own rows of orders, the wallet, income and contracts."""

from __future__ import annotations

from core.domain.errors import DataError
from core.domain.plain import plain
from core.exchange.connection.own_words import Conditional, ContractTold, IncomeTold, OwnWords, Row
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


def contract(market: Row) -> ContractTold:
    return ContractTold(liquidation_fee_rate=part(market, "info").get("liquidationFee"))


WORDS = OwnWords(conditional, kind, closes_position, position_side, wallet, income, mark_price, contract)
