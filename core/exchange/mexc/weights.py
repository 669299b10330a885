"""The rate limit of MEXC futures, as documented: counted by endpoint there, here all share one window."""

from __future__ import annotations

from core.exchange.connection.limiter import Budget, Window

BUDGET = Budget(weight=(Window(2000, 20),), orders=(Window(2000, 20),))
