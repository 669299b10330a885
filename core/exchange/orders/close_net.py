"""A contract's whole position closed, with what others hold of it: only ever because the operator asked for it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from core.domain.errors import RejectKind, UnavailableError, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.exchange.connection.wire import Row
from core.exchange.orders.books import Books
from core.exchange.orders.outside import is_moving
from core.exchange.orders.signs import Signs
from core.exchange.orders.venue import ExchangeVenue

T = TypeVar("T")
log = logging.getLogger("quarterdeck.exchange")

_OURS_FIRST_S = 12.0
_ENOUGH_S = 24.0
"""By when it is told how far it came: who asked waits for 30 s."""

_LOOK_S = 0.5
_LONGEST_PAUSE_S = 5.0


class NetCloser:
    """Closes one contract. Orders that protect are withdrawn once it is flat, orders that could add to it at once."""

    def __init__(self, books: Books, signs: Signs, symbol: str) -> None:
        self._books = books
        self._venue: ExchangeVenue = books.venue
        self._signs = signs
        self._symbol = symbol
        self._unified = books.venue.wire.unified(symbol)
        self._canceled = 0
        self._began_s = asyncio.get_running_loop().time()

    async def close(self) -> str:
        """Returns what was done and what is left, for the operator.

        Raises VenueRejectedError, VenueUnknownError and UnavailableError where orders or position could not be read
        before anything was closed.
        """
        if not await self._ours_are_settled():
            return f"{self._symbol}: our own exit is not settled yet; what others placed was not touched: ask again"
        began_lots = await self._patiently(self._net_lots)
        await self._patiently(partial(self._cancel_others, adding_to_lots=began_lots))
        net_lots, problem = await self._close(began_lots)
        if net_lots is None:
            began = self._text(abs(began_lots))
            return f"{self._symbol}: how much of {began} is LEFT OPEN is not known: {problem}; ask again, stops stay"
        closed = self._text(abs(began_lots) - abs(net_lots))
        if net_lots:
            why = f": {problem}" if problem else ""
            return f"{self._symbol}: {self._text(net_lots)} LEFT OPEN{why}; {closed} closed, stops stay"
        try:
            await self._patiently(self._cancel_others)
        except (VenueRejectedError, VenueUnknownError, UnavailableError) as error:
            return f"{self._symbol}: flat; orders of others may still rest there: {error}; ask again"
        finally:
            self._signs.ask()
        if not began_lots and not self._canceled:
            return f"{self._symbol}: flat, others had nothing open"
        return f"{self._symbol}: flat; {closed} of others closed, {self._canceled} orders of theirs canceled"

    async def _ours_are_settled(self) -> bool:
        """Wait for our own exit: until it is told, nobody can say whose the position is."""
        s = self._books.trader.state.symbols[self._symbol]
        while s.lots or any(map(is_moving, s.orders.values())):
            if self._passed_s() >= _OURS_FIRST_S:
                return False
            await asyncio.sleep(_LOOK_S / 5)
        return True

    async def _close(self, net_lots: int) -> tuple[int | None, str]:
        """Close, look, and close again until flat. The net that is left, None where it could not be read after the last
        try, and what went wrong last."""
        left: int | None = net_lots
        problem = ""
        n = 0
        pause_s = _LOOK_S
        while left != 0 and self._passed_s() < _ENOUGH_S:
            try:
                if left is not None:
                    n += 1
                    left_before, left = left, None
                    await self._send(left_before, n)
                    pause_s = _LOOK_S
            except VenueRejectedError as error:
                # Refused for good it may be refused again: a look after each, and longer and longer between two tries.
                problem = "" if error.kind is RejectKind.REDUCE_ONLY else str(error)
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
            except VenueBusyError as error:
                problem = str(error)
                pause_s = self._until_s(error)
            except (VenueUnknownError, UnavailableError) as error:
                problem = str(error)
            await asyncio.sleep(pause_s)
            try:
                left = await self._net_lots()
            except (VenueRejectedError, VenueUnknownError, UnavailableError) as error:
                problem = str(error)
        return left, problem

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is asked is asked again while there is time: one answer that is turned away says nothing of the next."""
        while True:
            try:
                return await ask()
            except (VenueRejectedError, VenueUnknownError, UnavailableError) as error:
                pause_s = self._until_s(error) if isinstance(error, VenueBusyError) else 2 * _LOOK_S
                if self._passed_s() + pause_s >= _ENOUGH_S:
                    raise
                log.info("%s: %s: asked again", self._symbol, error)
            await asyncio.sleep(pause_s)

    def _until_s(self, error: VenueBusyError) -> float:
        """How long to wait for an exchange that takes nothing until a time."""
        left_s = (error.retry_ms - self._venue.wire.clock.now_ms()) / 1000
        return min(_LONGEST_PAUSE_S, max(_LOOK_S, left_s))

    async def _send(self, net_lots: int, n: int) -> None:
        instrument = self._venue.instruments[self._symbol]
        whole = instrument.lots_up if self._venue.wire.dialect.cuts_down else instrument.lots_down
        lots = min(whole(abs(net_lots)), instrument.max_lots)
        text = f"{self._symbol}|{self._venue.wire.clock.now_ms()}|{n}"
        params: Row = {
            "reduceOnly": True,
            "clientOrderId": "qx" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest(),
        }
        amount = f"{instrument.lot_size * lots:f}"
        side = "sell" if net_lots > 0 else "buy"
        log.warning("%s: %s %s at market, whoever holds it: the operator asked for it", self._symbol, side, amount)
        await self._venue.wire.send(
            "create_order", self._unified, "market", side, amount, None, params, protective=True
        )

    def _passed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began_s

    async def _net_lots(self) -> int:
        return (await self._venue.positions_lots()).get(self._symbol, 0)

    async def _cancel_others(self, adding_to_lots: int | None = None) -> None:
        """Cancel the orders of others; with `adding_to_lots` only those that could make a net of so many larger."""
        for _, row in await self._venue.open_rows([self._symbol]):
            if self._venue.known.of_order_row(self._symbol, row) is not None:
                continue
            if adding_to_lots is not None and not self._adds(row, adding_to_lots):
                continue
            params: Row = {"trigger": True} if self._venue.is_conditional(row) else {}
            try:
                await self._venue.wire.send("cancel_order", str(row["id"]), self._unified, params, protective=True)
            except VenueRejectedError as error:
                if error.kind is not RejectKind.NOT_FOUND:
                    raise
            else:
                self._canceled += 1

    def _text(self, lots: int) -> str:
        instrument = self._venue.instruments[self._symbol]
        return f"{instrument.qty(lots)} {instrument.base}"

    def _adds(self, row: Row, net_lots: int) -> bool:
        only_reduces = bool(row.get("reduceOnly")) or self._venue.wire.dialect.words.closes_position(row)
        return not only_reduces and net_lots * (1 if row.get("side") == "buy" else -1) > 0
