"""What an exchange tells of a key or an account by yes and no, for the doctor to judge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Stops(IntEnum):
    """What a finding stands in the way of. NOTHING: one that is not ok is a warning, and trading goes on."""

    NOTHING = 0
    LIVE = 1
    PAPER = 2


@dataclass(frozen=True, slots=True)
class Flag:
    """A yes or no under `key` of an answer. It is well as `ok_when` says: then it is told in the words of `well`, else
    in those of `wrong`, with the way out."""

    key: str
    name: str
    well: str
    wrong: str
    way_out: str
    stops: Stops = Stops.NOTHING
    ok_when: bool = True


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags in the answer of a raw method of ccxt's client."""

    method: str
    flags: tuple[Flag, ...]
