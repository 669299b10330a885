"""One line of the log, as a console shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    time_ms: int
    level: str
    logger: str
    message: str
