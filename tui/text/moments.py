"""Times and durations as an operator types them. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([mhdw])")
MOMENT_FORMS = "2025-06-05, 2025-06-05T12:30 (UTC) or milliseconds since 1970"


def parse_moment(text: str) -> int | None:
    """UTC ms of an ISO date or time (UTC unless it says otherwise) or of milliseconds; None where it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) > 8:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp() * 1000)


def parse_duration(text: str) -> int | None:
    """Milliseconds of 90m, 48h, 30d or 4w; None where it is no such thing."""
    match = _DURATION.fullmatch(text.strip())
    return int(Decimal(match[1]) * _UNIT_MS[match[2]]) if match else None
