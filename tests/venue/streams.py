"""Websocket connections: subscriptions, outboxes, and listen keys with their hour of life."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

LISTEN_KEY_MS = 60 * 60_000
PUBLIC_STREAMS = ("depth", "bookTicker", "trade", "rpiDepth")


def text_of(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def category_of(stream: str) -> str:
    """The route that serves a market stream."""
    name = stream.rpartition("!")[2] if stream.startswith("!") else stream.partition("@")[2]
    return "public" if name.startswith(PUBLIC_STREAMS) else "market"


@dataclass(eq=False)
class Connection:
    """One websocket. What the exchange sends lies in `outbox` until it is taken; `wake` is called for each text."""

    hub: Hub
    category: str
    is_combined: bool
    outbox: deque[str] = field(default_factory=deque)
    streams: dict[str, None] = field(default_factory=dict)
    listen_keys: list[str] = field(default_factory=list)
    closed: bool = False
    wake: Callable[[], None] | None = None

    def receive(self, text: str, now_ms: int) -> None:
        """A frame of the client: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS or PING."""
        if self.closed:
            return
        try:
            message = json.loads(text)
            method, streams, reply_id = message["method"].upper(), message.get("params", []), message.get("id")
        except (ValueError, KeyError, AttributeError, TypeError):
            self.send(text_of({"error": {"code": 3, "msg": f"Invalid JSON: {text[:80]}"}}))
            return
        if method == "LIST_SUBSCRIPTIONS":
            self.send(text_of({"result": list(self.streams), "id": reply_id}))
        elif method == "PING":
            self.send(text_of({"result": "pong", "id": reply_id}))
        elif method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            self.send(text_of({"error": {"code": 2, "msg": f"Invalid request: {method}"}, "id": reply_id}))
        else:
            change = self.hub.subscribe if method == "SUBSCRIBE" else self.hub.unsubscribe
            for stream in streams:
                change(self, stream)
            self.send(text_of({"result": None, "id": reply_id}))

    def send(self, text: str) -> None:
        if self.closed:
            return
        self.outbox.append(text)
        if self.hub.on_send is not None:
            self.hub.on_send(self, text)
        if self.wake is not None:
            self.wake()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.hub.forget(self)
        if self.wake is not None:
            self.wake()


class Hub:
    """All connections and who listens to what."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.listeners: dict[str, list[Connection]] = {}
        self.listen_keys: dict[str, int] = {}
        self.on_send: Callable[[Connection, str], None] | None = None
        self._next_key = 1

    def connect(self, path_and_query: str) -> Connection:
        """Raises ValueError for an address that is no stream route."""
        parts = urlsplit(path_and_query)
        segments = [segment for segment in parts.path.split("/") if segment]
        category = segments.pop(0) if segments and segments[0] in {"public", "market", "private"} else "any"
        if not segments or segments[0] not in {"ws", "stream"}:
            raise ValueError(f"no websocket route {parts.path}")
        query = parse_qs(parts.query)
        connection = Connection(self, category, segments[0] == "stream")
        self.connections.append(connection)
        asked = [*query.get("listenKey", []), *segments[1:]]
        asked += [stream for streams in query.get("streams", []) for stream in streams.split("/")]
        for stream in asked:
            self.subscribe(connection, stream)
        return connection

    def subscribe(self, connection: Connection, stream: str) -> None:
        if stream in self.listen_keys:
            if connection.category in {"private", "any"} and stream not in connection.listen_keys:
                connection.listen_keys.append(stream)
            return
        connection.streams[stream] = None
        is_served = "@" in stream or stream.startswith("!")
        if is_served and connection.category in {category_of(stream), "any"}:
            listeners = self.listeners.setdefault(stream, [])
            if connection not in listeners:
                listeners.append(connection)

    def unsubscribe(self, connection: Connection, stream: str) -> None:
        connection.streams.pop(stream, None)
        if connection in self.listeners.get(stream, ()):
            self._unlisten(connection, stream)

    def _unlisten(self, connection: Connection, stream: str) -> None:
        listeners = self.listeners[stream]
        listeners.remove(connection)
        if not listeners:
            del self.listeners[stream]

    def forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        for stream in [name for name, found in self.listeners.items() if connection in found]:
            self._unlisten(connection, stream)

    def publish(self, stream: str, message: Any) -> None:
        listeners = self.listeners.get(stream)
        if not listeners:
            return
        text = text_of(message)
        for connection in list(listeners):
            connection.send(f'{{"stream":"{stream}","data":{text}}}' if connection.is_combined else text)

    def publish_private(self, message: dict[str, Any]) -> None:
        """To every connection with a listen key that is alive."""
        text = ""
        for connection in self.connections:
            for key in connection.listen_keys:
                if key not in self.listen_keys:
                    continue
                text = text or text_of(message)
                connection.send(f'{{"stream":"{key}","data":{text}}}' if connection.is_combined else text)

    def create_listen_key(self, now_ms: int) -> str:
        """The key that is alive, prolonged, or a new one."""
        for key in self.listen_keys:
            self.listen_keys[key] = now_ms + LISTEN_KEY_MS
            return key
        key = f"{'listen' * 10}{self._next_key:04d}"
        self._next_key += 1
        self.listen_keys[key] = now_ms + LISTEN_KEY_MS
        return key

    def keep_listen_key(self, now_ms: int) -> bool:
        """Whether there was one to prolong."""
        for key in self.listen_keys:
            self.listen_keys[key] = now_ms + LISTEN_KEY_MS
            return True
        return False

    def next_expiry_ms(self) -> int | None:
        return min(self.listen_keys.values(), default=None)

    def expire_listen_keys(self, now_ms: int) -> None:
        for key in [key for key, until in self.listen_keys.items() if until <= now_ms]:
            for connection in list(self.connections):
                if key in connection.listen_keys:
                    event = {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
                    connection.send(text_of({"stream": key, "data": event} if connection.is_combined else event))
            del self.listen_keys[key]
