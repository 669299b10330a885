"""Contract rules from a TOML file, with the operator's fee settings applied."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import tomli

from core.domain.errors import DataError
from core.domain.instrument import Instrument
from core.settings import CostSettings


def load_instruments(path: Path, costs: CostSettings) -> dict[str, Instrument]:
    """Instruments by symbol. Raises DataError with the file, the symbol and the key."""
    try:
        tables = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from error
    return {symbol: _instrument(path, symbol, table, costs) for symbol, table in tables.items()}


def _instrument(path: Path, symbol: str, table: dict[str, Any], costs: CostSettings) -> Instrument:
    try:
        lot_size = Decimal(table["lot_size"])
        return Instrument(
            symbol=symbol,
            base=table["base"],
            tick_size=Decimal(table["tick_size"]),
            lot_size=lot_size,
            contract_size=Decimal(table["contract_size"]),
            min_lots=int(Decimal(table["min_qty"]) / lot_size),
            max_lots=int(Decimal(table["max_qty"]) / lot_size),
            min_notional_usdt=Decimal(table["min_notional_usdt"]),
            maker_fee_bps=costs.maker_fee_bps,
            taker_fee_bps=costs.taker_fee_bps,
            max_leverage=int(table["max_leverage"]),
            maintenance_margin_pct=Decimal(table["maintenance_margin_pct"]),
            liquidation_fee_bps=Decimal(table["liquidation_fee_bps"]),
        )
    except KeyError as error:
        raise DataError(f"{path}: [{symbol}] lacks {error.args[0]}") from error
    except (InvalidOperation, TypeError, ValueError) as error:
        raise DataError(f"{path}: [{symbol}] holds a value that is not a number: {error}") from error
