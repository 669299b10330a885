"""Contract rules: filters in ticks and lots, texts in the exchange's own precision, leverage brackets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.venue.refusals import RefusalError

CONTRACTS = Path(__file__).with_name("contracts.json")


@dataclass(frozen=True)
class Contract:
    """One perpetual. Prices are integer ticks, quantities integer lots, both exact; orders are multiples of the steps,
    which differ from one tick and one lot where the exchange changed its filters (`tests.venue.filters`)."""

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    price_precision: int
    quantity_precision: int
    min_ticks: int
    max_ticks: int
    min_lots: int
    max_lots: int
    max_market_lots: int
    min_notional_usdt: Decimal
    max_orders: int
    max_algo_orders: int
    multiplier_up: Decimal
    multiplier_down: Decimal
    info: dict[str, Any]
    brackets: tuple[dict[str, Any], ...]
    tick_step: int = 1
    lot_step: int = 1

    def price(self, ticks: int) -> Decimal:
        return self.tick_size * ticks

    def qty(self, lots: int) -> Decimal:
        return self.lot_size * lots

    def price_text(self, ticks: int) -> str:
        return str(self.tick_size * ticks)

    def qty_text(self, lots: int) -> str:
        return str(self.lot_size * lots)

    def notional(self, lots: int, ticks: int) -> Decimal:
        return self.lot_size * abs(lots) * (self.tick_size * ticks)

    def ticks(self, text: str) -> int:
        """Ticks of a price as sent. Raises RefusalError: -1102, -1111 or -4014."""
        price = _number(text)
        if decimals(price) > self.price_precision:
            raise RefusalError(-1111)
        ticks, rest = divmod(price, self.tick_size)
        if rest or ticks % self.tick_step or not self.min_ticks <= ticks <= self.max_ticks:
            raise RefusalError(-4014)
        return int(ticks)

    def lots(self, text: str, market: bool) -> int:
        """Lots of a quantity as sent. Raises RefusalError: -1102, -1111, -4003, -4004, -4005 or -4023."""
        qty = _number(text)
        if qty <= 0:
            raise RefusalError(-4003)
        if decimals(qty) > self.quantity_precision:
            raise RefusalError(-1111)
        lots, rest = divmod(qty, self.lot_size)
        if rest or lots % self.lot_step:
            raise RefusalError(-4023)
        if lots < self.min_lots:
            raise RefusalError(-4004)
        if lots > (self.max_market_lots if market else self.max_lots):
            raise RefusalError(-4005)
        return int(lots)

    def nearest_ticks(self, price: Decimal | float | str) -> int:
        """Ticks nearest to a price that need not be on the grid."""
        return int((Decimal(str(price)) / self.tick_size).to_integral_value())

    def nearest_lots(self, qty: Decimal | float | str) -> int:
        return int((Decimal(str(qty)) / self.lot_size).to_integral_value())

    def bracket(self, notional_usdt: float) -> dict[str, Any]:
        for row in self.brackets:
            if notional_usdt < row["notionalCap"]:
                return row
        return self.brackets[-1]

    def max_notional(self, leverage: int) -> int:
        """The largest position that `leverage` allows, in USDT."""
        return max((row["notionalCap"] for row in self.brackets if row["initialLeverage"] >= leverage), default=0)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise RefusalError(-1102) from error
    if not number.is_finite():
        raise RefusalError(-1102)
    return number


def decimals(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))


def load_contracts(symbols: Sequence[str] | None = None) -> dict[str, Contract]:
    """The recorded contracts: all of them, or those named. Raises KeyError for an unknown one."""
    contracts = _recorded()
    return dict(contracts) if symbols is None else {symbol: contracts[symbol] for symbol in symbols}


def recorded_assets() -> list[dict[str, Any]]:
    assets: list[dict[str, Any]] = _document()["assets"]
    return assets


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(CONTRACTS.read_text(encoding="utf-8"))
    return document


@lru_cache(maxsize=1)
def _recorded() -> dict[str, Contract]:
    document = _document()
    return {row["symbol"]: _contract(row, document["brackets"][row["symbol"]]) for row in document["symbols"]}


def _contract(row: dict[str, Any], brackets: list[dict[str, Any]]) -> Contract:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    price, lot, market = filters["PRICE_FILTER"], filters["LOT_SIZE"], filters["MARKET_LOT_SIZE"]
    tick_size, lot_size = Decimal(price["tickSize"]), Decimal(lot["stepSize"])
    return Contract(
        symbol=row["symbol"],
        tick_size=tick_size,
        lot_size=lot_size,
        price_precision=row["pricePrecision"],
        quantity_precision=row["quantityPrecision"],
        min_ticks=int(Decimal(price["minPrice"]) / tick_size),
        max_ticks=int(Decimal(price["maxPrice"]) / tick_size),
        min_lots=int(Decimal(lot["minQty"]) / lot_size),
        max_lots=int(Decimal(lot["maxQty"]) / lot_size),
        max_market_lots=int(Decimal(market["maxQty"]) / lot_size),
        min_notional_usdt=Decimal(filters["MIN_NOTIONAL"]["notional"]),
        max_orders=filters["MAX_NUM_ORDERS"]["limit"],
        max_algo_orders=filters["MAX_NUM_ALGO_ORDERS"]["limit"],
        multiplier_up=Decimal(filters["PERCENT_PRICE"]["multiplierUp"]),
        multiplier_down=Decimal(filters["PERCENT_PRICE"]["multiplierDown"]),
        info=row,
        brackets=tuple(brackets),
    )
