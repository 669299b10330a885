"""What a check found, in the words of who mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of `doctor`: well, not well, or (`ok` is None) not known. `mend` is one line to act on, empty when `ok`
    is True; `detail` says of what is not known why that is."""

    name: str
    ok: bool | None
    detail: str
    mend: str = ""

    @property
    def verdict(self) -> str:
        """ok, unknown or bad."""
        return "unknown" if self.ok is None else "ok" if self.ok else "bad"


def worst(findings: Sequence[Finding]) -> bool | None:
    """What `ok` of several findings comes to: the worst of them."""
    states = [finding.ok for finding in findings]
    return False if False in states else None if None in states else True
