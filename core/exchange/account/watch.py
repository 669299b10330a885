"""What the account is set to while it is traded: read again and again, told where it differs, set back when flat."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from core.domain.errors import DataError, QuarterdeckError
from core.exchange.account.reading import (
    MULTI_ASSETS,
    ContractSetup,
    PositionMode,
    read_contracts,
    read_position_mode,
)
from core.exchange.account.setup import (
    SWITCHED_ON,
    Asked,
    asked_of,
    is_as_asked,
    say_particulars,
    set_contract,
    set_one_way,
    unread_part,
)
from core.exchange.connection.wire import Row
from core.exchange.orders.venue import ExchangeVenue
from core.home.log_episodes import Episodes
from core.settings.schema import Settings

log = logging.getLogger("quarterdeck.exchange")

PART = "account setup"
LEAST_MS = 20_000
"""Nothing is read again sooner, unless the exchange tells of a change: the position mode weighs 30 on Binance."""
_PATIENCE_S = 1.0

HEDGED = (
    "hedge mode is on, in which no order of ours is taken: close what is open by `quarterdeck panic`, or it and its "
    "orders on the exchange's own page; one-way mode is set back once the account has no position and no order, then "
    "this clears"
)
_CLEARS = "is set back once the contract is flat, then this clears"


class AccountWatch:
    """`look` wants a reading, `run` makes it. A difference forbids entries in its contract, hedge mode everywhere."""

    def __init__(self, venue: ExchangeVenue, settings: Settings) -> None:
        self._venue = venue
        self._wire = venue.wire
        self._asked = asked_of(venue.instruments, settings)
        self._mode = PositionMode(False)
        self._said: dict[str, str] = {}
        self._looked_ms = 0
        self._is_due = True
        self._is_new = False
        self._wanted = asyncio.Event()
        self._is_read = asyncio.Event()
        self._unread = Episodes(log)

    def begin_unread(self) -> None:
        """For a start that has something to protect first: no entry until everything was read."""
        self._is_new = True
        self._wire.health.report(PART, "margin mode, leverage and position mode are being read")

    @property
    def is_hedged(self) -> bool:
        """Whether hedge mode was read last: positions cannot be compared then."""
        return bool(self._mode.hedged)

    def expect_change(self) -> None:
        """Something may have changed unseen: the next look reads at once."""
        self._is_due = True

    def heard(self, event: Row) -> None:
        """Take in what the exchange's stream says of the account's settings; the next look reads them."""
        self._is_due = True
        told = self._wire.dialect.words.settings_told(event)
        if told.multi_assets:
            log.warning("%s", SWITCHED_ON[MULTI_ASSETS])
        if not told.contract or told.leverage is None:
            return
        symbol = self._wire.symbol(self._wire.client.safe_symbol(told.contract, None, None, "swap"))
        asked = self._asked.get(symbol)
        if asked is not None:
            # Where it is as asked, only a whole reading clears what is told.
            problem = difference(asked, ContractSetup(asked.margin_mode, told.leverage))
            if problem:
                self._tell(symbol, problem)

    async def run(self, holds: Callable[[str], bool]) -> None:
        """Read what is set whenever `look` wants it, tell what differs, set back what can be; until canceled. `holds`
        says whether the books have a position or an open order in a symbol."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._look_at_all(holds)
            if self._is_new:
                self._is_new = False
                await say_particulars(self._wire)
            self._is_read.set()

    async def look(self) -> bool:
        """Have everything read anew where it is due, and wait for it, but not long: what became of orders is asked for
        after this. Returns whether positions can be compared with the books, which they cannot in hedge mode."""
        now_ms = self._wire.clock.steady_ms()
        if self._is_due or now_ms - self._looked_ms >= LEAST_MS:
            self._is_due, self._looked_ms = False, now_ms
            self._is_read.clear()
            self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._is_read.wait()
        return not self._mode.hedged

    async def _look_at_all(self, holds: Callable[[str], bool]) -> None:
        self._mode, found = await asyncio.gather(
            read_position_mode(self._wire), read_contracts(self._wire, list(self._asked))
        )
        # No order of ours is taken in hedge mode: the books follow once positions can be compared.
        if self._mode.hedged and await self._is_empty(self._asked):
            await set_one_way(self._wire)
            self._mode = await read_position_mode(self._wire)
        differing = [
            symbol
            for symbol, setup in found.items()
            if not setup.unread
            and not is_as_asked(self._asked[symbol], setup)
            and not holds(symbol)
            and await self._is_empty([symbol])
        ]
        for symbol in differing:
            await set_contract(self._wire, symbol, self._asked[symbol], found[symbol])
        if differing:
            found |= await read_contracts(self._wire, differing)
        self._tell_of(found)

    def _tell_of(self, found: Mapping[str, ContractSetup]) -> None:
        for symbol, setup in found.items():
            self._tell(symbol, difference(self._asked[symbol], setup))
        self._tell("", mode_problem(self._mode))

    def _tell(self, symbol: str, problem: str) -> None:
        """To the log where it is news, and to the trader, who makes no entry while it stands."""
        self._wire.health.report(PART, problem, symbol)
        before = self._said.get(symbol, "")
        self._said[symbol] = problem
        if problem and problem != before:
            log.error("%s: %s", symbol or "account", problem)
        elif before and not problem:
            log.warning("%s: the account is set as asked again", symbol or "account")

    async def _is_empty(self, symbols: Collection[str]) -> bool:
        """Whether the exchange has no position and no order in any of `symbols`."""
        try:
            is_held = await self._venue.holds_any(symbols)
            empty = not is_held and not await self._venue.open_rows(list(symbols))
        except (QuarterdeckError, DataError) as error:
            self._unread.failed("flat", error, f"the account could not be read, and is not set back: {error}")
            return False
        self._unread.passed("flat", "the account is read again, and can be set back")
        return empty


def difference(asked: Asked, found: ContractSetup) -> str:
    """What of a contract is not as asked, in words; empty where all is."""
    if found.unread:
        return f"the {unread_part(found)} could not be read: {found.unread}; clears when it can"
    parts: list[tuple[str, Any, Any]] = [
        ("margin mode", found.margin_mode, asked.margin_mode),
        ("leverage", f"{found.leverage}x", f"{asked.leverage}x"),
    ]
    told = [f"the {name} is {is_now} and not {wanted}" for name, is_now, wanted in parts if is_now != wanted]
    return f"{', '.join(told)}; it {_CLEARS}" if told else ""


def mode_problem(mode: PositionMode) -> str:
    """What is wrong with a position mode, in words; empty in one-way mode."""
    if mode.hedged is None:
        return f"the position mode could not be read: {mode.unread}; clears when it can"
    return HEDGED if mode.hedged else ""
