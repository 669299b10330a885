"""What the venue is like: limits that news of it, and alarms, fire and clear."""

from __future__ import annotations

from core.trader import limits
from core.trader.guard import Guard
from core.trader.messages import Alarm, Command, VenueHealth
from core.trader.sending import journalled


def on_health(guard: Guard, health: VenueHealth) -> list[Command]:
    """Only that it comes to be unwell, and that it is well again, is an event; what else goes wrong meanwhile is
    not."""
    problem = health.problem
    return journalled(
        guard.check(
            limits.CONTRACT if health.symbol else limits.CONNECTION,
            health.symbol,
            1.0 if problem else 0.0,
            1.0,
            breached=bool(problem),
            now_ms=health.time_ms,
            note=problem,
        )
    )


def on_alarm(guard: Guard, alarm: Alarm) -> list[Command]:
    rule = limits.RULES[alarm.limit]
    return journalled(guard.check(rule, alarm.symbol, 1.0, 1.0, breached=True, now_ms=alarm.time_ms, note=alarm.note))
