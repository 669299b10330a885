"""Whose word a record is: the strategy, the part of it, and the model version that the part spoke by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ONLY_PART = "main"
"""The part of a strategy that has one."""


class VersionRole(StrEnum):
    """What a version is there for: the champion is decided on, a candidate is only watched. NONE where no part of a
    strategy has spoken."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"
    ARCHIVED = "archived"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """`version` is empty for a rule, which has none. All of it is empty where the account as a whole is meant."""

    strategy: str = ""
    part: str = ""
    version_role: VersionRole = VersionRole.NONE
    version: str = ""


ACCOUNT = Origin()
"""Of no strategy: the account as a whole."""


def champion(strategy: str, version: str = "", part: str = ONLY_PART) -> Origin:
    """Of what is decided on."""
    return Origin(strategy, part, VersionRole.CHAMPION, version)
