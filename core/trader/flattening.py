"""What the operator is told of a flatten: how much of what is to go, and that all of it is gone."""

from __future__ import annotations

from collections.abc import Collection

from core.trader.strategy_book import StrategyBook

FLAT = "flat, nothing open"


def flattening(chosen: Collection[StrategyBook]) -> str:
    """What is being closed and withdrawn in these symbols."""
    held = sum(1 for s in chosen if s.lots)
    entries = sum(len(s.entries()) for s in chosen)
    others = sum(len(s.orders) for s in chosen if not s.lots) - sum(len(s.entries()) for s in chosen if not s.lots)
    told = []
    if held:
        told.append(f"closing {_plural(held, 'position', 'positions')} at market")
    if entries:
        told.append(
            f"withdrawing {_plural(entries, 'entry', 'entries')} under way and closing what fills of "
            f"{'it' if entries == 1 else 'them'}"
        )
    if others and not told:
        told.append(f"flat, {_plural(others, 'order is', 'orders are')} still being withdrawn")
    return ", ".join(told) or FLAT


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
