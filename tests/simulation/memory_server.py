"""The exchange in memory as the other end of a `Network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.simulation.loop import LoopClock
from tests.simulation.transport import Answer, Peer, RefusedConnectionError
from tests.venue.streams import Connection
from tests.venue.venue import BinanceVenue


class VenueServer:
    """A `transport.Server` before a `BinanceVenue`."""

    def __init__(
        self, venue: BinanceVenue, clock: LoopClock, opened: Callable[[str], None] = lambda path: None
    ) -> None:
        """`opened` is told the path of every websocket that is taken."""
        self._venue = venue
        self._clock = clock
        self._opened = opened

    def rest(self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer:
        target = f"{path}?{query}" if query else path
        response = self._venue.http(method, target, body, headers, self._clock.now_ms())
        return Answer(response.status, response.body, {**response.headers, "Content-Type": "application/json"})

    def connect(self, path: str, query: str, send: Callable[[str], None], close: Callable[[int], None]) -> Peer:
        try:
            connection = self._venue.connect(f"{path}?{query}" if query else path, self._clock.now_ms())
        except ValueError as error:
            raise RefusedConnectionError(404) from error
        self._opened(path)
        return _VenuePeer(connection, self._clock, send, close)


class _VenuePeer:
    def __init__(
        self, connection: Connection, clock: LoopClock, send: Callable[[str], None], close: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._send = send
        self._close = close
        connection.wake = self._drain
        self._drain()

    def receive(self, text: str) -> None:
        self._connection.receive(text, self._clock.now_ms())

    def closed(self) -> None:
        self._connection.wake = None
        self._connection.close()

    def _drain(self) -> None:
        outbox = self._connection.outbox
        while outbox:
            self._send(outbox.popleft())
        if self._connection.closed:
            self._close(1001)
