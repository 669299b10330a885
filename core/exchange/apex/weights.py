"""The rate limit of Apex Omni, which documents none: a guess."""

from __future__ import annotations

from core.domain.market import MINUTE_MS
from core.exchange.connection.limiter import Budget, Window

BUDGET = Budget(weight=(Window(MINUTE_MS, 300),))
