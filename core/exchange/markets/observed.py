"""What an exchange tells of its market beside bars: which streams, by which way, and which it does not tell.

Each exchange's folder has its `Observed`; nothing here is sent or kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.exchange.connection.wire import Reads

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One row as it was told: ccxt's symbol, the exchange's time, values in the order of the stream's fields and in its
    units, and the exchange's own number where several rows may be of one millisecond. What stands in it is not checked
    yet."""

    unified: str
    time_ms: int
    values: tuple[float, ...]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Pushed:
    """By a public stream of ccxt.pro: `watch` is the client's method, called with `params`, and with all contracts at
    once where it `takes_many`. `handler` is its method that takes in a frame, and `read(client, frame)`, called after
    it, is what the frame told; it may raise whatever a frame that cannot be read makes it raise.

    `marks` are beginnings of ccxt's message hashes. Of what `is_sampled` no more than one row a sampling time is read.
    A silence of `silent_ms` (None: as of any other stream) is one of the connection, unless it `may_be_silent`: then
    the connection is asked whether it still answers.
    """

    watch: str
    handler: str
    read: Callable[[Any, Row], Sequence[Told]]
    marks: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    takes_many: bool = True
    is_sampled: bool = False
    silent_ms: int | None = None
    may_be_silent: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """By REST, rows of periods that are over: `ask(wire, unified, period, since_ms, to_ms)` has at most `page` of those
    that begin in [since_ms, to_ms), `periods` names those that there are, the finest first, and the exchange keeps them
    for `reach_ms`."""

    ask: Callable[[Reads, str, str, int, int], Awaitable[Sequence[Row]]]
    read: Callable[[str, Row], Told]
    periods: tuple[str, ...]
    page: int
    reach_ms: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """By REST, rows that were missed of a pushed stream whose numbers have no holes: `ask(wire, unified, number)` has
    at most `page` from this number on."""

    ask: Callable[[Reads, str, int], Awaitable[Sequence[Row]]]
    read: Callable[[str, Row], Told]
    page: int


@dataclass(frozen=True, slots=True)
class Observed:
    """By family of streams. `lacks` says of others why there is none, in a clause that goes behind the name."""

    pushed: Mapping[str, Pushed] = field(default_factory=dict)
    histories: Mapping[str, History] = field(default_factory=dict)
    numbered: Mapping[str, Numbered] = field(default_factory=dict)
    has_funding: bool = True
    lacks: Mapping[str, str] = field(default_factory=dict)


BOOK_LEVELS = 10
SIDES = {"buy": 1.0, "sell": -1.0}


def trade_told(unified: str, row: Row) -> Told:
    """Of a ccxt trade in base units, of an exchange that numbers them."""
    values = SIDES[row["side"]], float(row["price"]), float(row["amount"])
    return Told(unified, _whole(row["timestamp"]), values, int(str(row["id"])))


def liquidation_told(unified: str, row: Row, filled: float) -> Told:
    """Of a ccxt liquidation: the side of the order, the price that it came to, and what it filled in all, in base
    units; of that ccxt tells the last fill alone."""
    return Told(unified, _whole(row["timestamp"]), (SIDES[row["side"]], float(row["price"]), filled))


def book_told(unified: str, book: Row) -> Told:
    """The ten best levels of a ccxt order book in base units. Raises ValueError where a side has fewer."""
    levels = [[(float(level[0]), float(level[1])) for level in book[side][:BOOK_LEVELS]] for side in ("bids", "asks")]
    if min(map(len, levels)) < BOOK_LEVELS:
        raise ValueError(f"a side of the book has fewer than {BOOK_LEVELS} levels")
    values = tuple(value for side in levels for level in side for value in level)
    return Told(unified, _whole(book["timestamp"]), values, _whole(book["nonce"]))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{str(value)[:40]!r} is no whole number")
    return value
