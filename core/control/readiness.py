"""How an engine stands: whether new positions may be opened, and if not by what and until when. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.domain.operator import CLEARED_BY_RESUME, FULL_IN_USE, LimitEffect

if TYPE_CHECKING:
    from core.control.protocol import MeterView, StatusView

Word = Literal[
    "STARTING", "RECOVERING", "RUNNING", "BLOCKED", "PAUSED", "HALTED", "STALE", "ENDED", "STOPPING", "FAILED"
]

BEGINNING = frozenset(("starting", "recovering"))
"""States in which the account's figures are not known yet."""

STANDSTILL = frozenset(("paused", "halted"))
"""States in which the operator lets no entry be made."""

OVER = frozenset(("ended", "failed", "stopping"))
"""States in which nothing is traded any more."""

_CONNECTION = "connection"
_FORBIDS = frozenset((LimitEffect.NO_NEW_ENTRIES, LimitEffect.FLATTEN))
_RESUMES = "when the operator resumes"
_MIDNIGHT = "at 00:00 UTC"


@dataclass(frozen=True, slots=True)
class Block:
    """What forbids new entries, in one symbol, of one strategy (`whom`), or all (then it is empty). `clears` may be
    unknown, so empty."""

    name: str
    whom: str
    clears: str
    detail: str = ""

    @property
    def what(self) -> str:
        text = self.name.replace("_", " ") + (f" {self.whom}" if self.whom else "")
        return f"{text} ({self.detail})" if self.detail else text

    @property
    def until(self) -> str:
        """The end of it in as few words as say it."""
        if self.name == _CONNECTION:
            return "until it is well again"
        if self.clears.startswith(_RESUMES) or (self.resumable and not self.clears):
            return "until R resumes"
        if self.clears.startswith(_MIDNIGHT):
            return "until 00:00 UTC" + (" or R" if _RESUMES in self.clears else "")
        return f"clears {self.clears}" if self.clears else ""

    @property
    def resumable(self) -> bool:
        return self.name in CLEARED_BY_RESUME


@dataclass(frozen=True, slots=True)
class Standing:
    """`blocks` are what forbids entries beside the operator, the whole account's first; `full`: the book is so."""

    word: Word
    blocks: tuple[Block, ...] = ()
    full: bool = False


def standing(
    status: StatusView, meters: Sequence[MeterView] = (), symbols: Sequence[str] = (), *, silent: bool = False
) -> Standing:
    """`symbols` are those traded, where they are known; `silent` that the engine has said nothing for too long."""
    blocks = tuple(_blocks(status, meters))
    full = any(halt in FULL_IN_USE for halt in status.halts) or any(
        meter.level == "blocked" and meter.name in FULL_IN_USE for meter in meters
    )
    return Standing(_word(status, blocks, symbols, silent), blocks, full)


def _word(status: StatusView, blocks: Sequence[Block], symbols: Sequence[str], silent: bool) -> Word:
    if silent:
        return "STALE"
    if status.state != "running":
        return _WORDS[status.state]
    if any(not block.whom for block in blocks):
        return "BLOCKED"
    stopped = {block.whom for block in blocks}
    return "BLOCKED" if symbols and stopped.issuperset(symbols) else "RUNNING"


def _blocks(status: StatusView, meters: Sequence[MeterView]) -> list[Block]:
    told = {(block.limit, block.symbol or block.strategy): block for block in status.blocks}
    clears = {meter.name: meter.clears for meter in meters if meter.level == "blocked"}
    found = []
    for halt in status.halts:
        name, _, whom = halt.partition(":") if " " not in halt else (halt, "", "")
        if name in FULL_IN_USE or name in STANDSTILL:
            continue
        block = told.get((name, whom))
        ends = block.clears if block is not None else clears.get(f"{name} {whom}".rstrip(), "")
        detail = block.note if block is not None else ""
        found.append(Block(name, whom, ends, status.connection or detail if name == _CONNECTION else detail))
    known = {(block.name, block.whom) for block in found}
    for meter in meters:
        name, _, symbol = meter.name.partition(" ")
        forbids = meter.level == "blocked" and meter.effect in _FORBIDS and name not in FULL_IN_USE
        if forbids and (name, symbol) not in known:
            found.append(Block(name, symbol, meter.clears))
    if status.connection and not any(block.name == _CONNECTION for block in found):
        found.append(Block(_CONNECTION, "", "when it is well again", status.connection))
    return sorted(found, key=lambda block: bool(block.whom))


_WORDS: dict[str, Word] = {
    "starting": "STARTING",
    "recovering": "RECOVERING",
    "running": "RUNNING",
    "paused": "PAUSED",
    "halted": "HALTED",
    "ended": "ENDED",
    "stopping": "STOPPING",
    "failed": "FAILED",
}
