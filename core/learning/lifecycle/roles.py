"""Which version trades, told from what happened: a fold of journalled events, one champion a part and symbol.

A version is immutable; what role it has is data beside it, and nothing but these events changes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import reduce
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from core.domain.errors import RefusedError
from core.domain.origin import VersionRole


class Place(Struct, frozen=True):
    """Where one champion may stand."""

    strategy: str
    part: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.strategy} {self.part} {self.symbol}"


class CandidateMade(Struct, frozen=True, tag=True):
    """A training made a version. It neither forecasts nor trades yet."""

    place: Place
    version: str
    time_ms: int


class ShadowBegan(Struct, frozen=True, tag=True):
    """A version forecasts beside the champion, and is never decided on."""

    place: Place
    version: str
    time_ms: int


class Promoted(Struct, frozen=True, tag=True):
    """A version trades from now on; who traded is archived. `why` is the verdict's text."""

    place: Place
    version: str
    time_ms: int
    why: str = ""


class Demoted(Struct, frozen=True, tag=True):
    """The champion `version` trades no more, and nobody does in its place."""

    place: Place
    version: str
    time_ms: int
    why: str = ""


class RolledBack(Struct, frozen=True, tag=True):
    """The version `version`, which traded before, trades again; who traded is archived."""

    place: Place
    version: str
    time_ms: int
    why: str = ""


class Retired(Struct, frozen=True, tag=True):
    """A version that does not trade will not come back: a candidate that was rejected, an archive that is gone."""

    place: Place
    version: str
    time_ms: int
    why: str = ""


RoleEvent = CandidateMade | ShadowBegan | Promoted | Demoted | RolledBack | Retired


class Line(Struct, frozen=True):
    """The versions of one place. `made` are all that are not retired, oldest first; `shadows` of those that forecast;
    `champion` is empty where none trades; `before` are those that traded, in the order in which roll-backs take them,
    the next last: who was rolled back from or demoted comes at the very end of that."""

    made: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    champion: str = ""
    before: tuple[str, ...] = ()
    champion_since_ms: int | None = None

    def role(self, version: str) -> VersionRole:
        """NONE for a version that is not known or retired; a candidate is one that never traded."""
        if version not in self.made:
            return VersionRole.NONE
        if version == self.champion:
            return VersionRole.CHAMPION
        return VersionRole.ARCHIVED if version in self.before else VersionRole.CANDIDATE


Roles = Mapping[Place, Line]

NOBODY: Roles = MappingProxyType({})


def told(events: Iterable[RoleEvent], roles: Roles = NOBODY) -> Roles:
    """The roles after all events, in the order of the journal."""
    return reduce(fold, events, roles)


def fold(roles: Roles, event: RoleEvent) -> Roles:
    """The roles after one more event. Raises RefusedError, in one line, for what cannot have happened: nothing was
    changed then."""
    line = _after(roles.get(event.place, Line()), event)
    return MappingProxyType({**roles, event.place: line})


def roll_back_to(line: Line, stored: Collection[str]) -> str:
    """Which version one step back would trade: the last that traded before, of those whose files are `stored`; empty
    where there is none."""
    return next((version for version in reversed(line.before) if version in stored), "")


def deletable(line: Line, stored: Iterable[str], keep: int) -> tuple[str, ...]:
    """Which of the `stored` versions may be deleted, oldest first.

    Never the champion, who is in shadow, a candidate, nor the one that a roll-back would take; of the others the `keep`
    that were made last stay. What the journal does not know, or knows as retired, may go: it is nobody's.
    """
    there = tuple(stored)
    needed = {line.champion, roll_back_to(line, there), *line.shadows}
    needed |= {version for version in line.made if line.role(version) is VersionRole.CANDIDATE}
    unknown = [version for version in there if version not in line.made]
    spare = [version for version in line.made if version in there and version not in needed]
    return (*unknown, *spare[: max(0, len(spare) - keep)])


def _after(line: Line, event: RoleEvent) -> Line:
    match event:
        case CandidateMade():
            _refuse_unless(bool(event.version) and event.version not in line.made, event, "it is there already")
            return replace(line, made=(*line.made, event.version))
        case ShadowBegan():
            _refuse_unless(event.version in line.made, event, "no such version was made")
            _refuse_unless(event.version != line.champion, event, "it is the champion")
            return replace(line, shadows=(*_without(line.shadows, event.version), event.version))
        case Promoted():
            _refuse_unless(event.version in line.made, event, "no such version was made")
            _refuse_unless(event.version != line.champion, event, "it is the champion")
            return _enthroned(line, event.version, event.time_ms)
        case Demoted():
            _refuse_unless(event.version != "" and event.version == line.champion, event, "it is not the champion")
            return replace(line, champion="", before=(event.version, *line.before), champion_since_ms=None)
        case RolledBack():
            _refuse_unless(event.version in line.before, event, "it never traded, or does so now")
            # Whoever came after it is no way back any more.
            earlier = line.before[: line.before.index(event.version)]
            archived = _without((*line.before[len(earlier) :], line.champion), event.version, "")
            restored = replace(line, before=(*archived, *earlier), champion="")
            return _enthroned(restored, event.version, event.time_ms)
        case Retired():
            _refuse_unless(event.version in line.made, event, "no such version was made")
            _refuse_unless(event.version != line.champion, event, "it is the champion; demote it first")
            return replace(
                line,
                made=_without(line.made, event.version),
                shadows=_without(line.shadows, event.version),
                before=_without(line.before, event.version),
            )


def _enthroned(line: Line, version: str, time_ms: int) -> Line:
    before = _without((*line.before, line.champion) if line.champion else line.before, version)
    return replace(
        line, champion=version, shadows=_without(line.shadows, version), before=before, champion_since_ms=time_ms
    )


def _without(versions: Collection[str], *gone: str) -> tuple[str, ...]:
    return tuple(version for version in versions if version not in gone)


def _refuse_unless(holds: bool, event: RoleEvent, problem: str) -> None:
    if not holds:
        raise RefusedError(f"{event.place}: version {event.version!r} cannot be {_WORDS[type(event)]}: {problem}")


_WORDS: Mapping[type, str] = {
    CandidateMade: "made",
    ShadowBegan: "watched",
    Promoted: "promoted",
    Demoted: "demoted",
    RolledBack: "rolled back to",
    Retired: "retired",
}
