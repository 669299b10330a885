"""What a server answers of snapshots: each is written down once, and who has an older one is told what changed. What
travels again and again is shortened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from core.control.codec import encode
from core.control.deltas import between
from core.control.protocol import Control, Snapshot
from core.control.shortening import shortened
from core.control.wire import UpdateParams

KEPT_SNAPSHOTS = 8
"""So many of those that were handed out are remembered, to tell what changed since."""

EVENTS_AT_ONCE = 500
_KEPT_ANSWERS = 16


class Snapshots:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoded_of: Snapshot | None = None
        self._encoded: dict[object, bytes] = {}
        self._short_of: tuple[Snapshot, Snapshot] | None = None
        self._handed_out: OrderedDict[int, Snapshot] = OrderedDict()

    def parts(self, snapshot: Snapshot, parts: tuple[str, ...]) -> bytes:
        return self._once(snapshot, parts, lambda: {part: getattr(snapshot, part) for part in parts})

    def updates(self, control: Control, params: UpdateParams) -> bytes:
        events = encode(control.updates(params.after, EVENTS_AT_ONCE))
        snapshot = control.snapshot()
        return b'{"events":' + events + self._since(snapshot, params.snapshot) + b"}"

    def _since(self, snapshot: Snapshot | None, known_seq: int) -> bytes:
        if snapshot is None or snapshot.seq == known_seq:
            return b""
        with self._lock:
            if self._short_of is None or self._short_of[0] is not snapshot:
                self._short_of = snapshot, shortened(snapshot)
            short = self._short_of[1]
            known = self._handed_out.get(known_seq)
            self._handed_out[snapshot.seq] = short
            while len(self._handed_out) > KEPT_SNAPSHOTS:
                self._handed_out.popitem(last=False)
        if known is None:
            return b',"snapshot":' + self._once(snapshot, "whole", lambda: short)
        return b',"delta":' + self._once(snapshot, known_seq, lambda: between(known, short))

    def _once(self, snapshot: Snapshot, what: object, make: Callable[[], object]) -> bytes:
        """However often it is asked for."""
        with self._lock:
            if self._encoded_of is not snapshot or len(self._encoded) >= _KEPT_ANSWERS:
                self._encoded_of, self._encoded = snapshot, {}
            if what not in self._encoded:
                self._encoded[what] = encode(make())
            return self._encoded[what]
