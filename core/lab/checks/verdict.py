"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """FAULT: the result cannot be believed. WARN: it hangs on something the operator should know. UNKNOWN: the check
    could not be made."""

    CLEAN = "clean"
    FAULT = "fault"
    WARN = "warn"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check: `detail` says what was found and where, `mend` what to do about it (empty when clean)."""

    check: str
    status: Status
    detail: str
    mend: str = ""
    figures: dict[str, float] = field(default_factory=dict)


def overall(verdicts: Iterable[Verdict]) -> Status:
    """The worst of them, where not knowing is worse than a warning."""
    found = {verdict.status for verdict in verdicts}
    for status in (Status.FAULT, Status.UNKNOWN, Status.WARN):
        if status in found:
            return status
    return Status.CLEAN


def plain(verdicts: Sequence[Verdict]) -> str:
    """One line for the operator."""
    status = overall(verdicts)
    count = sum(verdict.status is status for verdict in verdicts)
    match status:
        case Status.FAULT:
            found = "1 fault" if count == 1 else f"{count} faults"
            return f"NOT BELIEVABLE: {found} found; no figure of this strategy means anything"
        case Status.UNKNOWN:
            return f"NOT PROVEN: {count} of {len(verdicts)} checks could not be made; no fault in the others"
        case Status.WARN:
            return "no bias found; see the warnings before you believe the size of the result"
        case Status.CLEAN:
            return "no bias found"
