"""Leverage, margin mode and position mode of the account: set once where they differ, and read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from core.domain.errors import (
    QuarterdeckError,
    RefusedError,
    RejectKind,
    UnavailableError,
    VenueRejectedError,
    VenueUnknownError,
)
from core.domain.instrument import Instrument
from core.exchange.wire import Wire
from core.settings import Settings

log = logging.getLogger("quarterdeck.exchange")

_PART = "account setup"
_NOTHING_TO_DO = frozenset({RejectKind.NO_CHANGE})


async def set_up_account(wire: Wire, instruments: Mapping[str, Instrument], settings: Settings) -> None:
    """Bring the account into the form that the settings ask for.

    Raises RefusedError, one line that names the mend, where the account is read to be otherwise afterwards. What cannot
    be read is a warning and stays visible.
    """
    unread = [await _set_position_mode(wire)]
    for symbol, instrument in instruments.items():
        leverage = min(settings.account.leverage, settings.exchange.leverage_cap, instrument.max_leverage)
        unread += await _set_symbol(wire, symbol, leverage, settings.exchange.margin_mode)
    problems = [text for text in unread if text]
    for problem in problems:
        log.warning("%s", problem)
    wire.health.report(_PART, "")
    if problems:
        log.warning("account setup: %d settings could not be read back; check them at the exchange", len(problems))


async def _set_position_mode(wire: Wire) -> str:
    hedged = await _position_mode(wire)
    if hedged:
        await _set(wire, "set_position_mode", False)
        hedged = await _position_mode(wire)
    if hedged:
        raise RefusedError(
            "the account is in hedge mode and could not be changed: close its positions and orders, "
            "or choose one-way mode at the exchange"
        )
    return "" if hedged is False else "the position mode could not be read; one-way is taken to be set"


async def _position_mode(wire: Wire) -> bool | None:
    row = await _read(wire, "fetch_position_mode")
    return None if row is None or row.get("hedged") is None else bool(row["hedged"])


async def _set_symbol(wire: Wire, symbol: str, leverage: int, margin_mode: str) -> list[str]:
    unified = wire.unified(symbol)
    is_mode, is_leverage = await _symbol_config(wire, unified)
    if is_mode != margin_mode:
        await _set(wire, "set_margin_mode", margin_mode, unified)
    if is_leverage != leverage:
        await _set(wire, "set_leverage", leverage, unified)
    if (is_mode, is_leverage) != (margin_mode, leverage):
        is_mode, is_leverage = await _symbol_config(wire, unified)
    unread = []
    if is_mode is None:
        unread.append(f"{symbol}: the margin mode could not be read; {margin_mode} is taken to be set")
    elif is_mode != margin_mode:
        raise RefusedError(
            f"{symbol}: margin mode is {is_mode} and could not be set to {margin_mode}: close its position and orders, "
            f"or set exchange.margin_mode to {is_mode}"
        )
    if is_leverage is None:
        unread.append(f"{symbol}: the leverage could not be read; {leverage} is taken to be set")
    elif is_leverage != leverage:
        raise RefusedError(
            f"{symbol}: leverage is {is_leverage} and could not be set to {leverage}: set it at the exchange, "
            "or change account.leverage"
        )
    return unread


async def _symbol_config(wire: Wire, unified: str) -> tuple[str | None, int | None]:
    """Margin mode and leverage as the exchange tells them; None for what it does not."""
    rows = await _read(wire, "fetch_leverages", [unified])
    row = (rows or {}).get(unified) or {}
    leverage = row.get("longLeverage")
    return row.get("marginMode"), None if leverage is None else int(leverage)


async def _read(wire: Wire, method: str, *args: Any) -> Any:
    """None where the exchange does not tell, or ccxt cannot ask."""
    try:
        return await wire.read(method, *args, weight=5)
    except QuarterdeckError as error:
        log.warning("%s: %s", method, error)
        return None


async def _set(wire: Wire, method: str, *args: Any) -> None:
    try:
        await wire.send(method, *args)
    except VenueRejectedError as error:
        if error.kind not in _NOTHING_TO_DO:
            log.warning("%s: %s", method, error)
    except (VenueUnknownError, UnavailableError) as error:
        log.warning("%s: %s", method, error)
