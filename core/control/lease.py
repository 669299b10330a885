"""The write lease: of several consoles at one engine one at a time does what may make risk larger.

What makes risk smaller everybody may do at any time. A lease ends when its holder gives it back or has not been heard
of for LEASE_S; it can be taken over on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from core.control.operations import Operation
from core.control.request import Claim

LEASE_S = 10.0
"""So long after it was heard of last a holder still has it. A console is heard of several times a second."""


@dataclass(frozen=True, slots=True)
class Lease:
    """`holder` had it when it was `heard_s` on a clock that never goes back; "" for nobody."""

    holder: str = ""
    heard_s: float = 0.0


def writer(lease: Lease, now_s: float) -> str:
    """Who holds it now; "" for nobody."""
    return lease.holder if now_s - lease.heard_s <= LEASE_S else ""


def heard(lease: Lease, name: str, now_s: float) -> Lease:
    """After a sign of life. One that has ended does not come back by it."""
    return Lease(name, now_s) if name and writer(lease, now_s) == name else lease


def claimed(lease: Lease, name: str, claim: Claim, now_s: float) -> Lease:
    """After a wish for it; who does not want it has it no more."""
    if claim == "none":
        return given_back(lease, name)
    return Lease(name, now_s) if claim == "over" or writer(lease, now_s) in ("", name) else lease


def given_back(lease: Lease, name: str) -> Lease:
    return Lease() if lease.holder == name else lease


def refusal(operation: Operation, holder: str, name: str) -> str:
    """Why `name` may not do this while `holder` has the lease; "" where it may."""
    if operation.reduces or holder in ("", name):
        return ""
    return f"{operation.id}: {holder} holds the write lease; take it over (W in a console, or --take-over)"


class WriteLease:
    """That of one engine. All of it is safe from any thread."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lease = Lease()
        self._lock = Lock()

    def writer(self) -> str:
        return writer(self._lease, self._now_s())

    def heard(self, name: str) -> None:
        self._change(lambda lease, now_s: heard(lease, name, now_s))

    def claim(self, name: str, claim: Claim) -> str:
        """Who holds it then."""
        self._change(lambda lease, now_s: claimed(lease, name, claim, now_s))
        return self.writer()

    def give_back(self, name: str) -> None:
        self._change(lambda lease, _: given_back(lease, name))

    def _change(self, change: Callable[[Lease, float], Lease]) -> None:
        with self._lock:
            self._lease = change(self._lease, self._now_s())
