"""What the operator has to know first, in one line: bare positions, what forbids entries, answers that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.control.protocol import PositionView, Snapshot
from core.control.readiness import Block, Standing
from core.domain.operator import FULL_IN_USE
from tui.console.registry import REGISTRY
from tui.text.format import plain_text, plural

_STANDSTILL = {
    "PAUSED": (
        "PAUSED: no new entries; exits and stops go on. R resumes",
        "PAUSED: no new entries. R resumes",
    ),
    "HALTED": (
        "HALTED: no new entries; stops, targets and exits go on. R resumes",
        "HALTED: no new entries. R resumes",
    ),
}
_MORE = f"{REGISTRY.key('risk')} = risk"


def trouble(snapshot: Snapshot, stands: Standing, width: int) -> tuple[str, str] | None:
    """Text and role, None where all is well. Of a text's forms the longest that fits `width`."""
    if naked := [naked_text(p) for p in snapshot.positions if p.protected is False]:
        return _longest((f"UNPROTECTED: {', '.join(naked)}", _counted_naked(naked)), width), "badge_bad"
    if stands.blocks:
        serious = stands.word != "RUNNING"
        return _longest(_blocked_forms(stands), width), "bad" if serious else "warn"
    if stands.word in _STANDSTILL:
        return _longest(_STANDSTILL[stands.word], width), "warn"
    if unknown := [order for order in snapshot.orders if order.state == "unknown"]:
        which = ", ".join(dict.fromkeys(f"{order.symbol} {order.role}" for order in unknown))
        many = plural(len(unknown), "order")
        forms = (
            f"UNKNOWN: no answer about {many} ({which}); the exchange is being asked",
            f"UNKNOWN: no answer about {many}; the exchange is being asked",
            f"UNKNOWN: no answer about {many}",
        )
        return _longest(forms, width), "warn"
    return None


def naked_text(p: PositionView) -> str:
    """A position without a stop at the venue, and since when."""
    since = "" if p.unprotected_ms is None else f" for {p.unprotected_ms / 1000:.0f} s"
    return f"{p.symbol} has no stop at the venue{since}"


def alerts_in(snapshot: Snapshot, stands: Standing) -> int:
    """How many things want the operator's eye. A full book and the operator's own pause are none."""
    named = {block.what.partition(" (")[0] for block in stands.blocks}
    named |= {
        meter.name.replace("_", " ")
        for meter in snapshot.meters
        if meter.level != "ok" and not (meter.level == "blocked" and meter.name in FULL_IN_USE)
    }
    return len(named) + sum(position.protected is False for position in snapshot.positions)


def grouped(blocks: Iterable[Block]) -> list[tuple[str, str]]:
    """What blocks and until when; a limit of several symbols stands once."""
    found: dict[str, list[Block]] = {}
    for block in blocks:
        found.setdefault(block.name, []).append(block)
    rows = []
    for same in found.values():
        many = f"{same[0].name.replace('_', ' ')} of {len(same)} symbols"
        rows.append((plain_text(same[0].what if len(same) == 1 else many), same[0].until))
    return rows


def _blocked_forms(stands: Standing) -> Sequence[str]:
    """From all that blocks, with its end, to the first of it alone."""
    held = f"{stands.word}, R resumes; then " if stands.word in _STANDSTILL else ""
    groups = grouped(stands.blocks)
    first, until = groups[0]
    rest = len(groups) - 1
    more = f"; +{rest} more, {_MORE}" if rest else ""
    plus = f" +{rest}" if rest else ""
    name = first.partition(" (")[0]
    return (
        f"{held}BLOCKED by " + "; ".join(f"{what} {end}".rstrip() for what, end in groups),
        f"{held}BLOCKED by {first} {until}".rstrip() + more,
        f"{held}BLOCKED by {name} {until}".rstrip() + more,
        f"{held}BLOCKED: {name} {until}".rstrip() + plus,
        f"BLOCKED: {name} {until}".rstrip() + plus,
        f"{name} {until}".rstrip() + plus,
    )


def _counted_naked(naked: Sequence[str]) -> str:
    more = f" +{len(naked) - 1}" if len(naked) > 1 else ""
    return f"NO STOP: {naked[0].replace(' has no stop at the venue', '')}{more}"


def _longest(forms: Sequence[str], width: int) -> str:
    return next((form for form in forms if len(form) <= width), forms[-1])
