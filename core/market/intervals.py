"""Bar intervals as text ("1m", "8h") and milliseconds."""

from __future__ import annotations

INTERVALS_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
LONGEST_FUNDING_MS = INTERVALS_MS["8h"]
"""No exchange settles funding more seldom: what is taken where nothing tells the interval."""

_TEXTS = {ms: text for text, ms in INTERVALS_MS.items()}


def interval_text(interval_ms: int) -> str:
    """The interval's name, or its milliseconds where it has none; a dash of 0, which is that of instants."""
    if not interval_ms:
        return "-"
    return _TEXTS.get(interval_ms, f"{interval_ms}ms")
