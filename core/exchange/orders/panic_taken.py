"""What others traded on an account after a journal's last word, as an emergency exit has to know it.

In one-way mode a contract holds one net position for all, and what goes against ours takes ours first: closed by hand,
by the exchange itself, by an earlier emergency exit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.domain.errors import DataError
from core.domain.orders import Side
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders.panic_plan import ZERO
from core.exchange.orders.rows import RowReader, readable
from core.exchange.orders.translate import exact

_A_PAGE = 1000
_WEEK_MS = 7 * 86_400_000
_KEPT_MS = 25 * _WEEK_MS
"""What is older the exchange tells no more."""

Read = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Trade:
    """`amount` contracts, unsigned; `position_side` is LONG or SHORT in hedge mode and else another word or none."""

    order_id: str
    side: Side
    amount: Decimal
    position_side: str = ""

    def is_against(self, signed: Decimal) -> bool:
        """Whether it reduces a position of ours of `signed` contracts."""
        closing, ours = (Side.SELL, "LONG") if signed > 0 else (Side.BUY, "SHORT")
        return bool(signed) and self.side is closing and self.position_side in ("", "BOTH", ours)


def towards_zero(signed: Decimal, amount: Decimal) -> Decimal:
    """Never beyond it: a doubled order must not make more ours than there was."""
    return max(signed - amount, ZERO) if signed > 0 else min(signed + amount, ZERO)


class TakenReader:
    """Reads by `read` of the account of `wire` what others traded. `ids` are the client ids of our orders; `note` is
    told of each trade that cannot be read."""

    def __init__(self, wire: Wire, read: Read, ids: Collection[str], note: Callable[[DataError], None]) -> None:
        self._wire = wire
        self._read = read
        self._ids = ids
        self._note = note
        self._rows = RowReader(wire)
        self.venue_ids: set[str] = set()
        """The exchange's own ids of orders that are ours whatever their client ids say: children of our stops."""

    async def left_of(self, signed: Decimal, unified: str, after_ms: int) -> Decimal:
        """What is left of `signed` contracts that were ours at `after_ms`. Raises what reads raise."""
        client_ids: dict[str, str] = {}
        for trade in await self.trades_after(unified, after_ms):
            if trade.is_against(signed) and not await self._is_ours(trade.order_id, unified, client_ids):
                signed = towards_zero(signed, trade.amount)
        return signed

    async def trades_after(self, unified: str, after_ms: int) -> list[Trade]:
        """Every trade of the account in a contract later than `after_ms`, oldest first."""
        now_ms = self._wire.clock.now_ms()
        after_ms = max(after_ms, now_ms - _KEPT_MS)
        found: dict[str, Row] = {}
        since_ms = after_ms + 1
        while True:
            page = await self._read("fetch_my_trades", unified, since_ms, _A_PAGE)
            told = [row for row in readable(page, self._rows.trade, self._note) if row["timestamp"] > after_ms]
            fresh = {row["id"]: row for row in told if row["id"] not in found}
            found |= fresh
            if len(page) >= _A_PAGE and told:
                newest_ms = max(row["timestamp"] for row in told)
                since_ms = newest_ms if fresh and newest_ms > since_ms else newest_ms + 1
            elif since_ms + _WEEK_MS < now_ms:
                since_ms += _WEEK_MS  # The exchange answers for a week at a time.
            else:
                return [self._trade(row) for row in sorted(found.values(), key=_by_time)]

    async def _is_ours(self, order_id: str, unified: str, client_ids: dict[str, str]) -> bool:
        """A trade names its order by the exchange's id alone; `client_ids` keeps what was asked for."""
        if order_id in self.venue_ids:
            return True
        told = self._wire.dialect.client_id
        if not client_ids:
            rows = await self._read("fetch_orders", unified, None, _A_PAGE)
            client_ids |= {str(row.get("id")): told(row) for row in rows}
        if order_id not in client_ids:
            client_ids[order_id] = told(await self._read("fetch_order", order_id, unified))
        return client_ids[order_id] in self._ids

    def _trade(self, row: Row) -> Trade:
        side = self._wire.dialect.words.position_side(row)
        return Trade(row["order"], Side(row["side"]), exact(row["amount"], "a trade"), side)


def _by_time(row: Row) -> tuple[int, int, str]:
    return row["timestamp"], len(row["id"]), row["id"]
