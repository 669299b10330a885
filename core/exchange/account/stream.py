"""The exchange's private streams, through ccxt.pro: every order and trade row once, and no silence taken on trust.

ccxt resolves the awaited future with the next message only: one that comes while nobody waits is in its caches and
nowhere else. So at each wake, and every second, everything in the caches that was not seen yet is taken.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from core.domain.orders import Fill
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders.rows import UNREADABLE

log = logging.getLogger("quarterdeck.exchange")

_SWEEP_S = 1.0
_CONNECT_MS = 10_000
_KEEP_ALIVE_MS = 20 * 60_000
_OVERDUE_MS = 5000
_WAITS_S = (0.25, 1.0, 2.0, 5.0, 10.0)
_MAX_ROWS = 5000
_KEEP_FILLS = 1000
_TAKEN = "taken"
_PART = "account stream"
_METHODS = {"orders": "watch_orders", "fills": "watch_my_trades", "balance": "watch_balance"}
_NEVER_MS = 24 * 3_600_000


class StreamLostError(Exception):
    """The private connection is to be made anew; the text says why."""


class AccountStream:
    """`run` keeps the streams open. Rows wait in `rows` as (kind, row), kind being fill, order, balance or config.

    `on_up` is called at every (re)connection: what happened before it must be asked for.
    """

    def __init__(self, wire: Wire, on_up: Callable[[], None]) -> None:
        self._wire = wire
        self._client = wire.client
        self._on_up = on_up
        self._cut_for = ""
        self._up = False
        self._up_ms = 0
        self._started_ms = 0
        self._kept_ms = 0
        self._balance_taken: Any = None
        self._expected: OrderedDict[str, int] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self.rows: deque[tuple[str, Row]] = deque()
        self.has_rows = asyncio.Event()
        self._listen_for_what_ccxt_drops()
        wire.unreadable_frames.subscribe(self._frame_was_lost)

    def expect(self, fill: Fill) -> None:
        """A fill was found by asking; where the stream does not tell it soon, the stream is dead."""
        if self._up and fill.time_ms > self._up_ms and fill.fill_id not in self._told:
            self._expected[fill.fill_id] = self._wire.clock.now_ms()

    def cut(self, reason: str) -> None:
        """Give the connection up and make a new one."""
        self._cut_for = self._cut_for or reason

    async def run(self) -> None:
        failures = 0
        while True:
            self._cut_for, self._up = "", False
            self._started_ms = self._kept_ms = self._wire.clock.now_ms()
            reason = await self._stay_connected()
            failures = 0 if self._up else failures + 1
            self._wire.health.report(_PART, f"not connected: {reason}")
            log.warning("%s: the account stream is made anew", reason)
            self._take_unseen()
            await self.drop()
            await asyncio.sleep(_WAITS_S[min(failures, len(_WAITS_S) - 1)])

    async def drop(self) -> None:
        """Close the private connections hard and forget what authenticated them."""
        dialed = getattr(self._client, "ws_dial_backoff", None) or {}
        for socket in self._sockets():
            self._client.clients.pop(socket.url, None)
            dialed.pop(socket.url, None)
            await socket.close()
        for name, bucket in list(self._client.options.items()):
            if isinstance(bucket, dict) and "listenKey" in bucket:
                self._client.options[name] = {**bucket, "listenKey": None, "lastAuthenticatedTime": 0}

    async def _stay_connected(self) -> str:
        """Returns why the connection cannot be used any more."""
        from ccxt.base.errors import BaseError

        reason = "it ended"
        try:
            async with asyncio.TaskGroup() as group:
                for stream, method in _METHODS.items():
                    if stream in self._wire.dialect.streams:
                        group.create_task(self._watch(method))
                group.create_task(self._sweep())
        except* StreamLostError as lost:
            reason = str(lost.exceptions[0])
        except* (BaseError, OSError, TimeoutError, *UNREADABLE) as failed:
            reason = _plain(failed.exceptions[0])
        return reason

    async def _watch(self, method: str) -> None:
        while True:
            try:
                await getattr(self._client, method)()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # ccxt cancels what waits on a connection that it closes.
                raise StreamLostError("the connection was closed") from None
            self._take_unseen()

    async def _sweep(self) -> None:
        while True:
            self._take_unseen()
            now_ms = self._wire.clock.now_ms()
            if self._cut_for:
                raise StreamLostError(self._cut_for)
            self._check_connection(now_ms)
            self._check_expected(now_ms)
            is_due = now_ms - self._kept_ms >= _KEEP_ALIVE_MS and now_ms >= self._wire.held_until_ms()
            if is_due and hasattr(self._client, "keep_alive_listen_key"):
                self._kept_ms = now_ms
                await self._client.keep_alive_listen_key()
            await asyncio.sleep(_SWEEP_S if self._up else _SWEEP_S / 4)

    def _check_connection(self, now_ms: int) -> None:
        sockets = self._sockets()
        is_up = any(socket.isConnected and not socket.closed() for socket in sockets)
        if is_up and not self._up:
            self._up, self._up_ms = True, now_ms
            self._expected.clear()
            self._wire.health.report(_PART, "")
            self._on_up()
        elif self._up and not is_up:
            raise StreamLostError("the connection is gone")
        elif not self._up and now_ms - self._started_ms > _CONNECT_MS:
            raise StreamLostError("no connection came about")

    def _check_expected(self, now_ms: int) -> None:
        for told_ms in self._expected.values():
            if now_ms - told_ms > _OVERDUE_MS:
                self._expected.clear()
                raise StreamLostError("it did not tell a fill that the exchange knows of")
            return

    def _sockets(self) -> list[Any]:
        """The websocket clients that carry private streams."""
        return [
            socket
            for socket in list((self._client.clients or {}).values())
            if "listenKey=" in socket.url
            # Whoever was asking for a key when the watchers were canceled left all others waiting for it.
            or socket.url == "authenticationFlights"
            or "private" in socket.url
            or any(name.startswith(("orders", "myTrades")) or "balance" in name for name in socket.futures)
        ]

    def _frame_was_lost(self, connection: Any) -> None:
        """It may have told a fill: with a new connection everything is asked for."""
        if connection in self._sockets():
            self.cut("it told what cannot be read")

    def _take_unseen(self) -> None:
        """Trades first: what an order row says of fills should find them told."""
        for kind, cache in (("fill", self._client.myTrades), ("order", self._client.orders)):
            fresh: list[Row] = []
            for row in reversed(cache or ()):
                # A change makes a new `info` and moves the row to the end: behind one that was taken nothing is new.
                if _TAKEN in row and row[_TAKEN] is row.get("info"):
                    break
                row[_TAKEN] = row.get("info")
                fresh.append(row)
            for row in reversed(fresh):
                self._put(kind, {name: value for name, value in row.items() if name != _TAKEN})
        self._take_balance()

    def _take_balance(self) -> None:
        balances = self._client.balance
        for balance in list(balances.values()) if isinstance(balances, dict) else ():
            info = balance.get("info") if isinstance(balance, dict) else None
            if isinstance(info, dict) and info is not self._balance_taken and self._told_of_money(balance):
                self._balance_taken = info
                self._put("balance", balance)

    def _told_of_money(self, balance: Row) -> bool:
        return self._wire.dialect.words.moved_money(balance) is not None

    def _put(self, kind: str, row: Row) -> None:
        if len(self.rows) >= _MAX_ROWS:
            self.cut("more came than could be taken in")
            return
        if kind == "fill":
            self._note_told(f"{self._wire.symbol(str(row.get('symbol')))}-{row.get('id')}")
        self.rows.append((kind, row))
        self.has_rows.set()

    def _note_told(self, fill_id: str) -> None:
        self._expected.pop(fill_id, None)
        self._told[fill_id] = None
        if len(self._told) > _KEEP_FILLS:
            self._told.popitem(last=False)

    def _listen_for_what_ccxt_drops(self) -> None:
        """ccxt passes over the news that a listen key has expired, and waits on a stream that is dead, and over changes
        of leverage and of multi-assets mode."""
        client, dialect = self._client, self._wire.dialect
        handle = client.handle_message

        def heard(socket: Any, message: Any) -> Any:
            if isinstance(message, dict):
                data = message.get("data")
                told = data if isinstance(data, dict) else message
                event = told.get("e")
                if event in dialect.stream_ends:
                    self.cut(f"the exchange ended it ({event})")
                elif event in dialect.settings_changes:
                    self._put("config", told)
            return handle(socket, message)

        client.handle_message = heard
        # The key is kept alive here: ccxt's own timers outlive the connections they were started for.
        client.options["listenKeyRefreshRate"] = _NEVER_MS
        positions = client.options.get("watchPositions")
        if isinstance(positions, dict):
            client.options["watchPositions"] = {**positions, "fetchPositionsSnapshot": False}


def _plain(error: BaseException) -> str:
    """The kind of the error alone: ccxt's texts hold addresses with keys in them."""
    return type(error).__name__
