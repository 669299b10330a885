"""The emergency exit: what a journal owns, or all, is closed straight at the exchange, without engine or home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.domain.errors import (
    DataError,
    QuarterdeckError,
    RejectKind,
    UnavailableError,
    VenueBusyError,
    VenueRejectedError,
    VenueUnknownError,
)
from core.domain.orders import OUR_PREFIX, Order, OrderRole, OrderType, make_client_order_id
from core.domain.origin import ACCOUNT
from core.exchange.connection.wire import Row, Wire
from core.exchange.markets.contracts import instrument_of, terms_of
from core.exchange.markets.symbols import our_symbols
from core.exchange.orders.panic_plan import ZERO, Close, Holding, Owned, Plan, Resting, lots_to_send, plan_of
from core.exchange.orders.panic_shown import Shown
from core.exchange.orders.panic_taken import TakenReader, towards_zero
from core.exchange.orders.rows import RowReader, readable
from core.exchange.orders.translate import exact
from core.home.logbook import iso_utc
from core.settings.schema import Settings

LEG = "panic"
PREFIX = OUR_PREFIX + LEG
"""How the ids of orders made here begin: they are ours, and no engine's."""

_TURNS = 6
_LOOKS = 3
_ROUNDS = 3
_PAUSE_S = 1.0
_ASKS = 20
_ASK_AGAIN_S = 0.5
_WINDOW_MS = 2_000
"""The receive window of what closes; longer than an engine's, which notices where requests travel long."""

_AHEAD_MS = 1000
_LONGEST_WAIT_S = 120
_ALL_SYMBOLS_WEIGHT = 40
_FINAL = frozenset({RejectKind.NO_PERMISSION, RejectKind.NO_CONTRACT, RejectKind.NOT_SUPPORTED})
"""Refusals that the same order meets again, however often it is sent."""

_LOOK_YOURSELF = "look at the exchange's own page"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`left` are the positions and orders that are still there, each with what is known of the reason."""

    left: tuple[str, ...]
    is_out_of_reach: bool = False

    @property
    def is_flat(self) -> bool:
        return not self.left


class Panic:
    """One emergency exit on the account of `wire`, told line by line to `tell`.

    With `everything` whatever is on the account goes; else what `owned` says is ours.
    """

    def __init__(self, wire: Wire, settings: Settings, owned: Owned, tell: Tell, *, everything: bool) -> None:
        self._wire = wire
        self._words = wire.dialect.words
        self._settings = settings
        self._tell = tell
        self._ids = set(owned.ids)
        self._owned = owned
        self._has_settled = everything
        self._ours: dict[str, Decimal] | None = None if everything else dict(owned.amounts)
        self._began_ms = wire.clock.now_ms()
        self._sent = 0
        self._why: dict[str, str] = {}
        self._is_final: set[str] = set()
        self._rows = RowReader(wire)
        self._unread: dict[str, None] = {}
        self._shown = Shown()
        self._has_looked = False
        self._doubts: list[str] = []
        self._taken = TakenReader(wire, self._read, self._ids, lambda error: tell(str(error)))
        self._unified = our_symbols(wire.client.markets)
        self._symbols = {unified: symbol for symbol, unified in self._unified.items()}
        # Leverage brackets tell margin, which nothing here asks for: one request less that may fail.
        wire.client.options.setdefault("leverageBrackets", {})

    async def look(self) -> Plan:
        """What would be done now. Raises UnavailableError or VenueRejectedError where the account cannot be read."""
        if self._ours is not None and not self._has_settled:
            self._doubts.clear()
            ours = dict(self._owned.amounts)
            await self._settle_open_orders(ours)
            await self._leave_out_taken(ours)
            self._ours, self._has_settled = ours, True
        self._unread.clear()
        holdings, missing = await self._holdings()
        resting = await self._open_orders()
        plan = plan_of(holdings, resting, self._ours, self._ids)
        unknown = (*self._doubts, *missing.values(), *self._unread)
        return replace(plan, unknown=unknown, unsure=frozenset(missing))

    async def _holdings(self) -> tuple[list[Holding], dict[str, str]]:
        """The positions, and by contract what should be among them and is not told: asked for again before that is
        believed."""
        for left in reversed(range(_LOOKS)):
            told = await self._read("fetch_positions")
            rows = readable(told, self._rows.position, self._note_unread)
            holdings = [holding for row in rows if (holding := self._holding(row)).amount]
            missing = self._shown.missing(holdings, self._ours, self._unified)
            if not left or (not missing and (holdings or self._has_looked)):
                break
            await asyncio.sleep(_PAUSE_S)
        self._has_looked = True
        return holdings, missing

    async def run(self) -> Outcome:
        """Close, look again and close what is left; withdraw orders last; say what is still there in the end.

        Raises UnavailableError or VenueRejectedError where the account could not be read and nothing was done.
        """
        plan = await self.look()
        try:
            for _ in range(_ROUNDS):
                plan = await self._close_all(plan)
                plan = await self._withdraw(plan)
                if not self._closable(plan) and not plan.withdrawable():
                    break
        except (UnavailableError, VenueRejectedError) as error:
            self._tell(f"{error}")
            seen = "; ".join(self._left(plan)) or "nothing"
            left = f"what is left is not known: the account could not be read; seen last: {seen}"
            return Outcome((left,), is_out_of_reach=isinstance(error, UnavailableError))
        return Outcome(tuple(self._left(plan)))

    def _left(self, plan: Plan) -> list[str]:
        left = []
        for close in plan.closes:
            why = self._why.get(close.holding.unified, "")
            left.append(f"{close.words} is still open" + (f": {why}" if why else ""))
        left += [f"{order.symbol} {order.words} still rests" for order in plan.cancels]
        return left + [f"{text}: {_LOOK_YOURSELF}" for text in plan.unknown]

    def _note_unread(self, error: DataError) -> None:
        """What cannot be read keeps nothing else from being closed, and is never taken for flat."""
        self._unread[str(error)] = None

    # Closing

    async def _close_all(self, plan: Plan) -> Plan:
        for _ in range(_TURNS):
            closes = self._closable(plan)
            if not closes:
                break
            async with asyncio.TaskGroup() as group:
                for close in closes:
                    group.create_task(self._close(close))
            await asyncio.sleep(_PAUSE_S)
            plan = await self.look()
        return plan

    def _closable(self, plan: Plan) -> list[Close]:
        return [close for close in plan.closes if close.holding.unified not in self._is_final]

    async def _close(self, close: Close) -> None:
        """One order. What comes of it is told; whether it was enough is for the next look to say."""
        unified = close.holding.unified
        try:
            order, args = self._order(close)
        except QuarterdeckError as error:
            self._is_final.add(unified)
            self._note_not_closed(close, error)
            return
        try:
            filled = await self._send(order, close.holding, args)
        except QuarterdeckError as error:
            if isinstance(error, VenueRejectedError) and error.kind in _FINAL:
                self._is_final.add(unified)
            self._note_not_closed(close, error)
            return
        lot_size = exact(self._wire.client.markets[unified]["precision"]["amount"], "a lot")
        if filled is None:
            self._why[unified] = "what became of the last order is not known"
            self._tell(f"{close.words}: {self._why[unified]} ({order.client_order_id})")
            filled = lot_size * order.qty_lots
        else:
            self._why.pop(unified, None)
            self._tell(f"{close.words}: {order.side} at market, {filled.normalize():f} filled")
        self._shown.closed(close.holding, filled)
        if self._ours is not None:
            self._ours[close.holding.symbol] = towards_zero(self._ours[close.holding.symbol], filled)

    def _note_not_closed(self, close: Close, error: QuarterdeckError) -> None:
        """Tell a reason once, however often it is met."""
        if self._why.get(close.holding.unified) != str(error):
            self._tell(f"{close.words}: not closed: {error}")
        self._why[close.holding.unified] = str(error)

    def _order(self, close: Close) -> tuple[Order, tuple[Any, ...]]:
        """The order and the arguments of ccxt's `create_order`. Raises UnavailableError where it cannot be made."""
        holding = close.holding
        market = self._wire.client.markets.get(holding.unified)
        if market is None:
            raise UnavailableError("the exchange lists no such contract any more; close it on its own page")
        told = self._words.contract(market)
        terms = terms_of(market, {}, (), self._settings, told)
        instrument = instrument_of(holding.symbol, market, terms, self._settings, told)
        lots = lots_to_send(close, instrument)
        if not lots:
            raise UnavailableError("it is smaller than a lot and not the whole position; close it on its own page")
        self._sent += 1
        now_ms = self._wire.clock.now_ms()
        side = "long" if holding.is_long else "short"
        made = make_client_order_id(LEG, holding.unified, str(self._began_ms), f"{LEG}|{side}", str(self._sent))
        client_id = PREFIX + made.removeprefix(OUR_PREFIX)
        order = Order(
            client_order_id=client_id,
            symbol=holding.symbol,
            side=holding.closing,
            type=OrderType.MARKET,
            role=OrderRole.EXIT,
            qty_lots=lots,
            created_ms=now_ms,
            trade_id=LEG,
            origin=ACCOUNT,
            reduce_only=True,
            reason=LEG,
        )
        call = self._wire.dialect.create(order, instrument, holding.unified)
        params = dict(call.params)
        if holding.is_hedged:
            params["hedged"] = True  # ccxt makes the position side of it, and leaves reduce-only out.
        if self._wire.dialect.window_param:
            params[self._wire.dialect.window_param] = _WINDOW_MS
        return order, (call.symbol, call.type, call.side, call.amount, call.price, params)

    async def _send(self, order: Order, holding: Holding, args: tuple[Any, ...]) -> Decimal | None:
        """How many contracts were filled; None where that stays unknown."""
        unified = holding.unified
        sent_ms = self._wire.clock.steady_ms()
        try:
            row = await self._change("create_order", *args)
        except VenueUnknownError as error:
            self._tell(f"{order.symbol} {order.side}: no answer, asked for by its id: {error}")
            return await self._ask(order, unified, sent_ms if error.sent_ms is None else error.sent_ms)
        except VenueRejectedError as error:
            if error.kind is not RejectKind.REDUCE_ONLY:
                raise
            self._tell(f"{order.symbol}: nothing is left to reduce: {error}")
            self._shown.closed(holding, holding.amount)
            return ZERO
        if row.get("status") == "open" or row.get("filled") is None:
            return await self._ask(order, unified, sent_ms)
        return exact(row["filled"], "a filled amount")

    async def _ask(self, order: Order, unified: str, sent_ms: int) -> Decimal | None:
        """What an order came to, asked by its id until it has ended or can no longer arrive."""
        order_id, params = self._wire.dialect.by_client_id(order)
        for _ in range(_ASKS):
            await asyncio.sleep(_ASK_AGAIN_S)
            try:
                row = await self._wire.read("fetch_order", order_id, unified, params, protective=True)
            except VenueRejectedError as error:
                now_ms = self._wire.clock.steady_ms()
                if error.kind is RejectKind.NOT_FOUND and now_ms > sent_ms + _WINDOW_MS + _AHEAD_MS:
                    return ZERO
            except QuarterdeckError:
                continue
            else:
                if row.get("status") != "open":
                    return exact(row.get("filled") or 0, "a filled amount")
        return None

    # Withdrawing

    async def _withdraw(self, plan: Plan) -> Plan:
        orders = plan.withdrawable()
        if not orders:
            return plan
        for order in orders:
            params = {"trigger": True} if order.is_conditional else {}
            try:
                await self._change("cancel_order", order.order_id, order.unified, params)
            except QuarterdeckError as error:
                self._tell(f"{order.symbol} {order.words}: not withdrawn: {error}")
            else:
                self._tell(f"{order.symbol} {order.words}: withdrawn")
        await asyncio.sleep(_PAUSE_S)
        return await self.look()

    # Reading

    async def _open_orders(self) -> list[Resting]:
        """Orders that cannot be read keep no position open, and are never taken for none."""
        resting: list[Resting] = []
        for query in self._wire.dialect.open_order_queries():
            try:
                rows = await self._read("fetch_open_orders", None, None, None, dict(query), weight=_ALL_SYMBOLS_WEIGHT)
            except VenueBusyError:
                raise
            except (UnavailableError, VenueRejectedError) as error:
                kind = "conditional orders" if query else "orders"
                self._unread[f"which {kind} rest could not be read: {error}"] = None
                continue
            resting += [self._resting(row) for row in readable(rows, self._rows.order, self._note_unread)]
        return resting

    async def _settle_open_orders(self, ours: dict[str, Decimal]) -> None:
        """Add to `ours` what was filled of our orders after the journal's last word."""
        for order, lot_size in self._owned.open_orders:
            unified = self._unified.get(order.symbol)
            if unified is None:
                continue
            try:
                filled = await self._filled(order, unified)
            except VenueBusyError:
                raise
            except QuarterdeckError as error:
                kind = error.kind if isinstance(error, VenueRejectedError) else RejectKind.OTHER
                if kind is RejectKind.NO_PERMISSION:
                    raise
                if kind is not RejectKind.NOT_FOUND:
                    words = f"{order.symbol} {order.role}"
                    self._doubts.append(f"{words}: what became of it is not known: {error} ({order.client_order_id})")
                continue
            news = filled - lot_size * order.filled_lots
            if news > 0:
                ours[order.symbol] = ours.get(order.symbol, ZERO) + order.side.sign * news

    async def _leave_out_taken(self, ours: dict[str, Decimal]) -> None:
        """Take from `ours` what others, an earlier emergency exit among them, have closed of it since."""
        for symbol in [symbol for symbol, amount in ours.items() if amount and symbol in self._unified]:
            sent_ms = [order.created_ms for order, _ in self._owned.open_orders if order.symbol == symbol]
            since_ms = self._owned.newest_ms.get(symbol, min(sent_ms, default=0))
            try:
                ours[symbol] = await self._taken.left_of(ours[symbol], self._unified[symbol], since_ms)
            except VenueBusyError:
                raise
            except QuarterdeckError as error:
                if isinstance(error, VenueRejectedError) and error.kind is RejectKind.NO_PERMISSION:
                    raise
                self._tell(f"{symbol}: what others closed of ours is not known, and taken for nothing: {error}")

    async def _filled(self, order: Order, unified: str) -> Decimal:
        """Contracts filled of an order of ours; of a conditional one, of the order that it became."""
        order_id, params = self._wire.dialect.by_client_id(order)
        row = await self._read("fetch_order", order_id, unified, params)
        children = self._wire.dialect.venue_ids(row)
        self._taken.venue_ids.update(children)
        if self._words.conditional(row) is not None:
            if not children:
                return ZERO
            row = await self._read("fetch_order", children[0], unified)
        return exact(row.get("filled") or 0, "a filled amount")

    def _holding(self, row: Row) -> Holding:
        unified = str(row["symbol"])
        amount = exact(row["contracts"], "a position")
        return Holding(
            unified, self._symbols.get(unified, unified), row.get("side") != "short", amount, bool(row.get("hedged"))
        )

    def _resting(self, row: Row) -> Resting:
        unified = str(row["symbol"])
        kind = (self._words.kind(row) or "order").lower()
        price = row.get("triggerPrice") or row.get("price")
        return Resting(
            unified,
            self._symbols.get(unified, unified),
            str(row.get("id") or ""),
            self._wire.dialect.client_id(row),
            self._words.conditional(row) is not None,
            f"{kind} {row.get('side') or ''}" + (f" at {price}" if price else ""),
        )

    async def _read(self, method: str, *args: Any, weight: int = 5) -> Any:
        return await self._patiently(lambda: self._wire.read(method, *args, weight=weight, protective=True))

    async def _change(self, method: str, *args: Any) -> Any:
        return await self._patiently(lambda: self._wire.send(method, *args, protective=True))

    async def _patiently(self, request: Callable[[], Any]) -> Any:
        """The answer to a request, made again when the exchange wants it later, and once something was sent also when
        it does not answer. Raises VenueBusyError where it wants it more than `_LONGEST_WAIT_S` seconds later."""
        for _ in range(_TURNS):
            try:
                return await request()
            except VenueBusyError as error:
                wait_s = max(error.retry_ms - self._wire.clock.now_ms(), 0) / 1000
                until = iso_utc(error.retry_ms)[11:19]
                if wait_s > _LONGEST_WAIT_S:
                    raise
                self._tell(f"the exchange wants no request before {until} UTC, waiting {wait_s:.0f} s: {error}")
                await asyncio.sleep(wait_s)
            except UnavailableError as error:
                if not self._sent:
                    raise
                self._tell(f"asked again: {error}")
                await asyncio.sleep(_PAUSE_S)
        return await request()
