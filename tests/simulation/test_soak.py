"""A part of the soak; the whole day of it is `python -m tests.simulation --soak`."""

from __future__ import annotations

from tests.simulation.soak import problems_of, run_soak


def test_nothing_grows_is_lost_or_overflows_with_twenty_symbols() -> None:
    result = run_soak(hours=0.6, warm_up_hours=0.3, symbols=20, step_s=60.0, often=0.1)
    assert not problems_of(result)
    assert {"outbox", "account rows", "limiter", "tasks"} <= {name for name, _, _ in result.queues}
