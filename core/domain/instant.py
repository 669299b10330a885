"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime


def instant_text(time_ms: int) -> str:
    """In UTC to the second, without seconds where there are none: 2026-11-28T14:00Z."""
    moment = datetime.fromtimestamp(time_ms // 1_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if moment.second else "%Y-%m-%dT%H:%MZ")
