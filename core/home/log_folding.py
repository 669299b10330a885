"""The same line again and again, told as one with its count: a flood cannot push everything else out of the log."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_S = 10.0
"""By the wall times of the records: for so long after its first appearance a line is counted."""
WHOLE_LINES = 10
"""So many of them pass in that time; the rest are folded."""
MOST_KEPT = 256
"""How many different lines are counted at once."""

_Key = tuple[str, int, str, str]


@dataclass(slots=True)
class _Seen:
    since_s: float
    count: int
    folded: logging.LogRecord | None = None


class Folding(logging.Handler):
    """Hands every record on to `handlers` but those that repeat a line more than WHOLE_LINES times in WINDOW_S.

    The first of these says that it is counted from then on. How many there were comes with the next record of any kind
    after the window, or at the close. Lines are the same in logger, level, message and trace: where a figure differs,
    nothing is folded.
    """

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._handlers = tuple(handlers)
        self._seen: OrderedDict[_Key, _Seen] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        self._tell_what_is_over(record.created)
        key = (record.name, record.levelno, record.getMessage(), record.exc_text or "")
        seen = self._seen.get(key)
        if seen is None:
            while len(self._seen) >= MOST_KEPT:
                self._tell(self._seen.popitem(last=False)[1])
            seen = self._seen[key] = _Seen(record.created, 0)
        seen.count += 1
        if seen.count <= WHOLE_LINES:
            self._pass_on(record)
            return
        if seen.folded is None:
            self._pass_on(_with(record, "again and again: counted from here on"))
        seen.folded = record

    def close(self) -> None:
        self.acquire()
        try:
            while self._seen:
                self._tell(self._seen.popitem(last=False)[1])
        finally:
            self.release()
        for handler in self._handlers:
            handler.close()
        super().close()

    def _tell_what_is_over(self, now_s: float) -> None:
        """The oldest stand first. A clock that was set back ends a window, too."""
        while self._seen:
            key, seen = next(iter(self._seen.items()))
            if 0 <= now_s - seen.since_s < WINDOW_S:
                return
            del self._seen[key]
            self._tell(seen)

    def _tell(self, seen: _Seen) -> None:
        if seen.folded is not None:
            self._pass_on(_with(seen.folded, f"repeated {seen.count:,} times"))

    def _pass_on(self, record: logging.LogRecord) -> None:
        for handler in self._handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


def _with(record: logging.LogRecord, note: str) -> logging.LogRecord:
    told = copy.copy(record)
    told.msg, told.args, told.exc_text = f"{record.getMessage()} ({note})", None, None
    return told
