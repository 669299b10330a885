"""The log: a bounded ring for the console, a JSON-lines file for the record, plain lines on stderr for a server.

Every line carries the engine's time, which in a replay is the market's; the file adds the wall time of writing.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import re
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from os import O_APPEND, O_CREAT, O_WRONLY
from pathlib import Path
from typing import TextIO

from core.domain.plain import plain, plain_lines
from core.home.folder import open_own
from core.home.log_folding import Folding
from core.home.log_line import LogLine

RING_LINES = 20_000
FILE_BYTES = 10_000_000
FILE_COUNT = 5
"""How large the file becomes before a new one takes its place, and how many old ones are kept."""
_HIDDEN = "[hidden]"
_SHORTEST_SECRET, _LONG_SECRET = 4, 16


class Stamp(logging.Filter):
    """Gives each record the engine's time and a final message, in one plain line in which no registered secret is left.

    It sits on the handler: a filter on a logger does not see what its children log.
    """

    def __init__(self, now_ms: Callable[[], int], secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._secrets: set[str] = set()
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Never let `secret` into the log. Raises ValueError on one so short that it would blot out other text."""
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"a secret of fewer than {_SHORTEST_SECRET} characters cannot be hidden")
        self._secrets = self._secrets | {secret}

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "stamped_by", None) is not self:
            record.stamped_by = self
            record.engine_time_ms = self._now_ms()
            record.msg = plain(self._clean(record.getMessage()))
            record.args = None
            if record.exc_info and record.exc_info[1] is not None:
                trace = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
                record.exc_text = plain_lines(self._clean(trace))
                record.exc_info = None
        return True

    def _clean(self, text: str) -> str:
        # Longest first, so that a secret inside another does not leave the rest of it readable.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return self._clean_split(text)

    def _clean_split(self, text: str) -> str:
        """Secrets that were broken over lines, as base64 of letters is, or with blanks in between."""
        words = text.split()
        if len(words) < 2:
            return text
        joined = "".join(words)
        for secret in self._secrets:
            if len(secret) >= _LONG_SECRET and secret in joined:
                text = re.sub(r"\s*".join(map(re.escape, secret)), _HIDDEN, text)
        return text


class Logbook(logging.Handler):
    """The newest lines in memory. Reading and writing are safe from any thread."""

    def __init__(self, capacity: int = RING_LINES) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._next = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_text:
            # The last line of a traceback says what happened; the file keeps the rest.
            message = f"{message}: {record.exc_text.splitlines()[-1]}"
        line = LogLine(time_ms_of(record), record.levelname, record.name, message)
        with self._guard:
            self._lines.append(line)
            self._next += 1

    def lines_after(self, cursor: int, limit: int | None = None) -> tuple[int, list[LogLine]]:
        """Lines since `cursor` (0 at first) that are still kept, oldest first, and the next cursor.

        With `limit`, no more than that many; the next cursor then continues behind them.
        """
        with self._guard:
            oldest = self._next - len(self._lines)
            start = min(max(cursor, oldest), self._next)
            end = self._next if limit is None else min(start + limit, self._next)
            return end, list(islice(self._lines, start - oldest, end - oldest))


class JsonLines(logging.Formatter):
    """One JSON object a line: time (engine, UTC), written (wall, UTC), level, logger, message and, if any, trace."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            file_entry(
                time_ms_of(record),
                int(record.created * 1000),
                record.levelname,
                record.name,
                record.getMessage(),
                record.exc_text or "",
            ),
            ensure_ascii=False,
        )


class PlainLines(logging.Formatter):
    """For people: time, level, message, and what an exception was. `label`, where there is one, begins every line."""

    def __init__(self, label: str = "") -> None:
        super().__init__()
        self._label = f"{label} " if label else ""

    def format(self, record: logging.LogRecord) -> str:
        when = f"{self._label}{iso_utc(time_ms_of(record))}"
        text = f"{when} {record.levelname:<7} {record.name}: {record.getMessage()}"
        return f"{text}: {record.exc_text.splitlines()[-1]}" if record.exc_text else text


class PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read, never one that a link leads to."""

    def _open(self) -> TextIOWrapper:
        descriptor = open_own(Path(self.baseFilename), O_WRONLY | O_CREAT | O_APPEND)
        return TextIOWrapper(open(descriptor, "ab"), encoding=self.encoding, write_through=True)


def file_entry(
    time_ms: int, written_ms: int, level: str, logger: str, message: str, trace: str = ""
) -> dict[str, str | int]:
    """One line of the log file as an object."""
    entry: dict[str, str | int] = {
        "time": iso_utc(time_ms),
        "time_ms": time_ms,
        "written": iso_utc(written_ms),
        "level": level,
        "logger": logger,
        "message": message,
    }
    return entry | {"trace": trace} if trace else entry


class LogSetup:
    """What `set_up` installed. `book` is for the console; `hide` registers a secret; `close` takes everything down."""

    def __init__(self, book: Logbook, stamp: Stamp, handler: logging.Handler, level_before: int) -> None:
        self.book = book
        self._stamp = stamp
        self._handler: logging.Handler | None = handler
        self._level_before = level_before

    def hide(self, secret: str) -> None:
        self._stamp.hide(secret)

    def close(self) -> None:
        if self._handler is None:
            return
        root = logging.getLogger()
        root.removeHandler(self._handler)
        self._handler.close()
        self._handler = None
        root.setLevel(self._level_before)


def set_up(
    path: Path,
    now_ms: Callable[[], int],
    *,
    stderr: TextIO | None = None,
    stderr_level: str = "INFO",
    secrets: Iterable[str] = (),
    label: str = "",
    file_bytes: int = FILE_BYTES,
    file_count: int = FILE_COUNT,
) -> LogSetup:
    """Send the root logger, from INFO on, to a ring, to the file at `path` and, where given, to `stderr`; a line that
    comes again and again is folded in all of them.

    `now_ms` is the engine's time; `label` begins every line on stderr. Beside the file, of `file_bytes` at most, up to
    `file_count` old ones are kept. Raises OSError when the file cannot be opened.
    """
    stamp = Stamp(now_ms, secrets)
    book = Logbook()
    file = _file(path, file_bytes, file_count)
    handlers: list[logging.Handler] = [book, file]
    level = logging.INFO
    if stderr is not None:
        stream = logging.StreamHandler(stderr)
        stream.setFormatter(PlainLines(label))
        stream.setLevel(stderr_level)
        level = min(level, stream.level)
        book.setLevel(logging.INFO)
        file.setLevel(logging.INFO)
        handlers.append(stream)
    folding = Folding(handlers)
    folding.addFilter(stamp)
    root = logging.getLogger()
    setup = LogSetup(book, stamp, folding, root.level)
    root.addHandler(folding)
    root.setLevel(level)
    return setup


def write_failure(path: Path, now_ms: int, error: BaseException) -> None:
    """Add an unexpected error with its trace to the log file of a process that has no log of its own.

    Raises OSError when the file cannot be opened.
    """
    trace = (type(error), error, error.__traceback__)
    text = f"unexpected {type(error).__name__}: {error}"
    record = logging.LogRecord("quarterdeck", logging.CRITICAL, __file__, 0, text, None, trace)
    Stamp(lambda: now_ms).filter(record)
    with closing(_file(path)) as file:
        file.handle(record)


def _file(path: Path, file_bytes: int = FILE_BYTES, file_count: int = FILE_COUNT) -> PrivateFile:
    file = PrivateFile(path, maxBytes=file_bytes, backupCount=file_count, encoding="utf-8")
    file.setFormatter(JsonLines())
    return file


def time_ms_of(record: logging.LogRecord) -> int:
    """The engine's time of a stamped record."""
    value = record.__dict__["engine_time_ms"]
    return int(value)


def iso_utc(time_ms: int) -> str:
    """2025-06-04T00:00:00.000Z"""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
