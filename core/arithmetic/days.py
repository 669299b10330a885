"""Days as figures count them."""

from __future__ import annotations

LEAST_DAYS = 30
"""Of fewer daily returns no figure of a year and no probability is told."""

DAY_MS = 86_400_000

DAYS_PER_YEAR = 365
