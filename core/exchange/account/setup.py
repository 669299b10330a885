"""Leverage, margin mode and position mode of the account: set once where they differ, and read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from core.domain.records import Record
from core.exchange.account.reading import (
    FEE_COIN,
    MULTI_ASSETS,
    ContractSetup,
    read_contracts,
    read_position_mode,
    read_switches,
)
from core.exchange.connection.wire import Wire
from core.exchange.markets.status import status_problem
from core.exchange.orders.rows import part
from core.exchange.orders.translate import number_told
from core.settings.schema import Settings
from core.trader.account import held_symbols
from core.trader.memory import TraderMemory

log = logging.getLogger("quarterdeck.exchange")

LEAST_BALANCE_USDT = 100.0
"""With less than this, the least orders of many contracts are more than a small share of the account."""

SWITCHED_ON = {
    MULTI_ASSETS: "multi-assets mode is on: other assets are margin as well, so that margin and liquidation differ "
    "from what is shown; switch the account to single-asset mode",
    FEE_COIN: "fees are paid in another coin, which the USDT books do not see; turn it off at the exchange",
}
_NO_START = "live does not start without it; doctor --exchange says what the exchange tells, then start again"
_NOTHING_TO_DO = frozenset({RejectKind.NO_CHANGE})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings ask of a contract. Margin mode is "cross" or "isolated"."""

    margin_mode: str
    leverage: int


def asked_of(instruments: Mapping[str, Instrument], settings: Settings) -> dict[str, Asked]:
    """By symbol; the leverage is the settings', cut to their cap and to what the contract allows."""
    most = min(settings.account.leverage, settings.exchange.leverage_cap)
    return {
        symbol: Asked(settings.exchange.margin_mode, min(most, instrument.max_leverage))
        for symbol, instrument in instruments.items()
    }


def is_as_asked(asked: Asked, found: ContractSetup) -> bool:
    """Whether it was read and is so."""
    return (found.margin_mode, found.leverage) == (asked.margin_mode, asked.leverage)


def holds_anything(records: Sequence[Record], before: TraderMemory | None = None) -> bool:
    """Whether a journal ends with a position or an order that may be open: something that is to be protected first."""
    return bool(held_symbols(records, before))


async def set_up_account(wire: Wire, instruments: Mapping[str, Instrument], settings: Settings) -> None:
    """Bring the account into the form that the settings ask for, and say what else about it the books do not see. A
    contract that the exchange does not trade now keeps no start from being made: `AccountWatch` tells of it.

    Raises, each one line that names the mend, RefusedError where the account is read to be otherwise afterwards, and
    UnavailableError where position mode, margin mode or leverage cannot be read.
    """
    await _set_up_position_mode(wire)
    asked = asked_of(instruments, settings)
    found = await _read_whole(wire, list(asked))
    differing = [symbol for symbol in asked if not is_as_asked(asked[symbol], found[symbol])]
    if differing:
        for symbol in differing:
            await set_contract(wire, symbol, asked[symbol], found[symbol])
        found = await _read_whole(wire, differing)
    for symbol in differing:
        if _is_traded(wire, symbol):
            _check(symbol, asked[symbol], found[symbol])
    await say_particulars(wire)


async def _set_up_position_mode(wire: Wire) -> None:
    mode = await read_position_mode(wire)
    if mode.hedged:
        await set_one_way(wire)
        mode = await read_position_mode(wire)
    if mode.hedged is None:
        raise UnavailableError(f"the position mode could not be read: {mode.unread}: {_NO_START}")
    if mode.hedged:
        raise RefusedError(
            "the account is in hedge mode and could not be changed: close its positions and orders, "
            "or choose one-way mode at the exchange"
        )


async def _read_whole(wire: Wire, symbols: Sequence[str]) -> dict[str, ContractSetup]:
    found = await read_contracts(wire, symbols)
    for symbol, setup in found.items():
        if setup.unread and _is_traded(wire, symbol):
            what = unread_part(setup)
            raise UnavailableError(f"{symbol}: the {what} could not be read: {setup.unread}: {_NO_START}")
    return found


def _is_traded(wire: Wire, symbol: str) -> bool:
    return not status_problem(wire.client.markets.get(wire.unified(symbol)), wire.clock.now_ms(), wire.dialect)


def unread_part(found: ContractSetup) -> str:
    """What of a contract was not read, in words."""
    parts = [("margin mode", found.margin_mode), ("leverage", found.leverage)]
    return " and the ".join(name for name, value in parts if value is None)


def _check(symbol: str, asked: Asked, found: ContractSetup) -> None:
    if found.margin_mode != asked.margin_mode:
        raise RefusedError(
            f"{symbol}: margin mode is {found.margin_mode} and could not be set to {asked.margin_mode}: close its "
            f"position and orders, or set exchange.margin_mode to {found.margin_mode}"
        )
    if found.leverage != asked.leverage:
        raise RefusedError(
            f"{symbol}: leverage is {found.leverage} and could not be set to {asked.leverage}: set it at the exchange, "
            "or change account.leverage"
        )


async def set_one_way(wire: Wire) -> None:
    await _set(wire, "set_position_mode", False)


async def set_contract(wire: Wire, symbol: str, asked: Asked, found: ContractSetup) -> None:
    """Set what differs. Whether it came out right is for a reading to tell."""
    unified = wire.unified(symbol)
    if found.margin_mode != asked.margin_mode:
        await _set(wire, "set_margin_mode", asked.margin_mode, unified)
    if found.leverage != asked.leverage:
        await _set(wire, "set_leverage", asked.leverage, unified)


async def say_particulars(wire: Wire) -> None:
    """Warn of what makes the account other than the books show it."""
    for name, value in (await read_switches(wire)).items():
        if value is None:
            log.warning("%s could not be read: look at the exchange's own page", name)
        elif value:
            log.warning("%s", SWITCHED_ON[name])
    try:
        balance = await wire.read("fetch_balance", weight=5)
    except QuarterdeckError as error:
        log.warning("the balance could not be read: %s", error)
        return
    wallet = number_told(part(balance, "total").get("USDT"))
    if wallet is None or wallet < LEAST_BALANCE_USDT:
        log.warning(
            "the account holds %.2f USDT, under %.0f: the least orders of a contract may be more than sizing allows",
            wallet or 0.0,
            LEAST_BALANCE_USDT,
        )


async def _set(wire: Wire, method: str, *args: Any) -> None:
    try:
        await wire.send(method, *args)
    except VenueRejectedError as error:
        if error.kind not in _NOTHING_TO_DO:
            log.warning("%s: %s", method, error)
    except (VenueUnknownError, UnavailableError) as error:
        log.warning("%s: %s", method, error)
