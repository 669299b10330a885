"""REST answers about the account's money: balance, margin and positions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tests.venue.exchange import Exchange
from tests.venue.ledger import Position
from tests.venue.orders import Row, money, plain
from tests.venue.rest_orders import symbols_of
from tests.venue.rest_settings import account_config

Params = Mapping[str, str]
ZERO = "0.00000000"


def _totals(exchange: Exchange) -> dict[str, str]:
    margin, wallet = exchange.margin(), money(exchange.ledger.wallet_usdt)
    initial = margin.positions + margin.orders
    return {
        "totalInitialMargin": f"{initial:.8f}",
        "totalMaintMargin": f"{margin.maintenance:.8f}",
        "totalWalletBalance": wallet,
        "totalUnrealizedProfit": f"{margin.unrealised:.8f}",
        "totalMarginBalance": f"{margin.wallet + margin.unrealised:.8f}",
        "totalPositionInitialMargin": f"{margin.positions:.8f}",
        "totalOpenOrderInitialMargin": f"{margin.orders:.8f}",
        "totalCrossWalletBalance": wallet,
        "totalCrossUnPnl": f"{margin.unrealised:.8f}",
        "availableBalance": f"{margin.available:.8f}",
        "maxWithdrawAmount": f"{max(0.0, min(margin.available, margin.wallet)):.8f}",
    }


def _asset_rows(exchange: Exchange) -> list[Row]:
    totals = _totals(exchange)
    return [
        {
            "asset": "USDT",
            "walletBalance": totals["totalWalletBalance"],
            "unrealizedProfit": totals["totalUnrealizedProfit"],
            "marginBalance": totals["totalMarginBalance"],
            "maintMargin": totals["totalMaintMargin"],
            "initialMargin": totals["totalInitialMargin"],
            "positionInitialMargin": totals["totalPositionInitialMargin"],
            "openOrderInitialMargin": totals["totalOpenOrderInitialMargin"],
            "crossWalletBalance": totals["totalCrossWalletBalance"],
            "crossUnPnl": totals["totalCrossUnPnl"],
            "availableBalance": totals["availableBalance"],
            "maxWithdrawAmount": totals["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": exchange.ledger.updated_ms,
        }
    ]


def _position_margin(exchange: Exchange, position: Position) -> tuple[float, float]:
    """Initial and maintenance margin, USDT."""
    symbol = position.contract.symbol
    notional = abs(float(position.notional_usdt(exchange.markets[symbol].mark)))
    bracket = position.contract.bracket(notional)
    return notional / exchange.settings.leverage(symbol), notional * bracket["maintMarginRatio"] - bracket["cum"]


def account_v3(exchange: Exchange, params: Params, now_ms: int) -> Row:
    rows = []
    for position in exchange.ledger.positions.values():
        if position.lots:
            mark = exchange.markets[position.contract.symbol].mark
            initial, maintenance = _position_margin(exchange, position)
            rows.append(
                {
                    "symbol": position.contract.symbol,
                    "positionSide": position.side,
                    "positionAmt": position.contract.qty_text(position.lots),
                    "unrealizedProfit": money(position.unrealised_usdt(mark)),
                    "isolatedMargin": ZERO,
                    "notional": money(position.notional_usdt(mark)),
                    "isolatedWallet": "0",
                    "initialMargin": f"{initial:.8f}",
                    "maintMargin": f"{maintenance:.8f}",
                    "updateTime": position.updated_ms,
                }
            )
    return {**_totals(exchange), "assets": _asset_rows(exchange), "positions": rows}


def account_v2(exchange: Exchange, params: Params, now_ms: int) -> Row:
    rows = []
    for position in _every_position(exchange, list(exchange.contracts)):
        symbol = position.contract.symbol
        leverage = exchange.settings.leverage(symbol)
        initial, maintenance = _position_margin(exchange, position)
        rows.append(
            {
                "symbol": symbol,
                "initialMargin": f"{initial:.8f}",
                "maintMargin": f"{maintenance:.8f}",
                "unrealizedProfit": money(position.unrealised_usdt(exchange.markets[symbol].mark)),
                "positionInitialMargin": f"{initial:.8f}",
                "openOrderInitialMargin": "0",
                "leverage": str(leverage),
                "isolated": exchange.settings.margin_type(symbol) == "ISOLATED",
                "entryPrice": plain(position.entry_price()),
                "maxNotional": str(position.contract.max_notional(leverage)),
                "bidNotional": "0",
                "askNotional": "0",
                "positionSide": position.side,
                "positionAmt": position.contract.qty_text(position.lots),
                "updateTime": position.updated_ms,
            }
        )
    settings = account_config(exchange, params, now_ms)
    del settings["dualSidePosition"]
    return {**settings, **_totals(exchange), "assets": _asset_rows(exchange), "positions": rows}


def balance(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    totals = _totals(exchange)
    return [
        {
            "accountAlias": "SgsR",
            "asset": "USDT",
            "balance": totals["totalWalletBalance"],
            "crossWalletBalance": totals["totalCrossWalletBalance"],
            "crossUnPnl": totals["totalCrossUnPnl"],
            "availableBalance": totals["availableBalance"],
            "maxWithdrawAmount": totals["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": exchange.ledger.updated_ms,
        }
    ]


def _every_position(exchange: Exchange, symbols: list[str]) -> list[Position]:
    sides = ("LONG", "SHORT") if exchange.settings.is_dual_side else ("BOTH",)
    return [exchange.ledger.position(symbol, side) for symbol in symbols for side in sides]


def _risk_row(exchange: Exchange, position: Position) -> Row:
    symbol, contract = position.contract.symbol, position.contract
    mark = exchange.markets[symbol].mark
    entry = position.entry_price()
    return {
        "symbol": symbol,
        "positionSide": position.side,
        "positionAmt": contract.qty_text(position.lots),
        "entryPrice": plain(entry) if position.lots else "0.0",
        "breakEvenPrice": plain(entry) if position.lots else "0.0",
        "markPrice": f"{mark:.8f}",
        "unRealizedProfit": money(position.unrealised_usdt(mark)),
        "liquidationPrice": _liquidation_price(exchange, position, mark),
        "isolatedMargin": ZERO,
        "notional": money(position.notional_usdt(mark)),
        "isolatedWallet": "0",
        "updateTime": position.updated_ms,
    }


def _liquidation_price(exchange: Exchange, position: Position, mark: Decimal) -> str:
    """Where, all else standing still, the margin balance would meet the maintenance margin."""
    if not position.lots:
        return "0"
    margin, qty = exchange.margin(), float(position.contract.qty(position.lots))
    ratio = position.contract.bracket(abs(float(position.notional_usdt(mark))))["maintMarginRatio"]
    spare = margin.wallet + margin.unrealised - margin.maintenance
    price = float(mark) - spare / (qty - abs(qty) * ratio)
    return f"{max(price, 0.0):.8f}" if price > 0 else "0"


def position_risk_v3(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """Symbols with a position or an open order, as version 3 does."""
    rows = []
    for position in _every_position(exchange, symbols_of(exchange, params)):
        if position.lots or exchange.open_orders[position.contract.symbol]:
            initial, maintenance = _position_margin(exchange, position)
            rows.append(
                _risk_row(exchange, position)
                | {
                    "marginAsset": "USDT",
                    "initialMargin": f"{initial:.8f}",
                    "maintMargin": f"{maintenance:.8f}",
                    "positionInitialMargin": f"{initial:.8f}",
                    "openOrderInitialMargin": "0",
                    "adl": 0,
                    "bidNotional": "0",
                    "askNotional": "0",
                }
            )
    return rows


def position_risk_v2(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    rows = []
    for position in _every_position(exchange, symbols_of(exchange, params)):
        symbol, leverage = position.contract.symbol, exchange.settings.leverage(position.contract.symbol)
        rows.append(
            _risk_row(exchange, position)
            | {
                "leverage": str(leverage),
                "maxNotionalValue": str(position.contract.max_notional(leverage)),
                "marginType": "cross" if exchange.settings.margin_type(symbol) == "CROSSED" else "isolated",
                "isAutoAddMargin": "false",
            }
        )
    return rows
