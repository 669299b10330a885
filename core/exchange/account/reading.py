"""What an account is set to, as the exchange tells it. What it does not tell stays unread, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.domain.errors import DataError, QuarterdeckError
from core.exchange.connection.wire import Wire
from core.exchange.orders.translate import exact

MULTI_ASSETS, FEE_COIN = "multi-assets mode", "fees in another coin"
"""Switches of an account that the USDT books do not see; `Dialect.switches` says where they are told."""

NO_SWITCHES: Mapping[str, tuple[str, str]] = MappingProxyType({})
_SILENCE = "the exchange did not say"


@dataclass(frozen=True, slots=True)
class PositionMode:
    """None is not read, and `unread` says why."""

    hedged: bool | None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class ContractSetup:
    """Margin mode ("cross" or "isolated") and leverage of one contract. None is not read, and `unread` says why."""

    margin_mode: str | None
    leverage: int | None
    unread: str = ""


async def read_position_mode(wire: Wire) -> PositionMode:
    answer, why = await _asked(wire, "fetch_position_mode")
    hedged = None if answer is None else answer.get("hedged")
    return PositionMode(None, why or _SILENCE) if hedged is None else PositionMode(bool(hedged))


async def read_contracts(wire: Wire, symbols: Sequence[str]) -> dict[str, ContractSetup]:
    """By symbol; one request where the exchange tells all at once."""
    if wire.client.has.get("fetchLeverages") is True:
        rows, why = await _asked(wire, "fetch_leverages", [wire.unified(symbol) for symbol in symbols])
        return {symbol: _contract((rows or {}).get(wire.unified(symbol)), why) for symbol in symbols}
    if wire.client.has.get("fetchLeverage") is True:
        asked = await asyncio.gather(*(_asked(wire, "fetch_leverage", wire.unified(symbol)) for symbol in symbols))
        return {symbol: _contract(*answer) for symbol, answer in zip(symbols, asked, strict=True)}
    return dict.fromkeys(symbols, ContractSetup(None, None, f"{wire.dialect.id} does not tell them"))


async def read_switches(wire: Wire) -> dict[str, bool | None]:
    """Each switch of the account that the exchange has; None where it did not say."""
    switches = wire.dialect.switches
    asked = await asyncio.gather(*(_asked(wire, method) for method, _ in switches.values()))
    return {
        name: is_on((answer or {}).get(key))
        for (name, (_, key)), (answer, _) in zip(switches.items(), asked, strict=True)
    }


def is_on(value: Any) -> bool | None:
    """A yes or no as exchanges write it; None for neither."""
    return {"true": True, "false": False}.get(str(value).lower())


def whole(value: Any) -> int | None:
    """A whole number as exchanges write it; None for anything else."""
    try:
        number = exact(value, "a number")
    except DataError:
        return None
    return int(number) if number == number.to_integral_value() else None


def _contract(row: Mapping[str, Any] | None, why: str) -> ContractSetup:
    if not row or not isinstance(row, Mapping):
        return ContractSetup(None, None, why or _SILENCE)
    sides = [whole(row.get("longLeverage")), whole(row.get("shortLeverage"))]
    # Where the two sides differ, the larger is what a position may have.
    leverage = None if None in sides else max(side for side in sides if side is not None)
    mode = row.get("marginMode")
    mode = mode if isinstance(mode, str) else None
    return ContractSetup(mode, leverage, "" if mode is not None and leverage is not None else _SILENCE)


async def _asked(wire: Wire, method: str, *args: Any) -> tuple[Mapping[str, Any] | None, str]:
    """The answer, or None and in words why there is none."""
    try:
        answer = await wire.read(method, *args, weight=5)
    except QuarterdeckError as error:
        return None, str(error)
    return (answer, "") if isinstance(answer, Mapping) else (None, _SILENCE)
