"""How many positions may be open at once."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Limit, Meter


def _meter(caps: LimitSettings) -> Meter:
    return Meter(float(caps.max_open_positions), lambda _, subject: float(subject.open_positions))


OPEN_POSITIONS = Limit(
    "open_positions",
    "positions",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when a position closes",
    "open positions + pending entries",
    _meter,
    warns=False,
)
