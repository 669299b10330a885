"""What the error codes of an exchange mean; each exchange has a table of its own, in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.errors import RejectKind


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of one exchange, as it numbers them. What stands in none of the tables is judged by the HTTP status and
    by the class that ccxt gives it.

    `kinds` are definite refusals, whatever class ccxt gives them. `stale` turn a request away unread because of its
    timestamp, `busy` because too much is asked or the exchange rests, of which `too_many` is that of the rate limit; 0
    where there is none. After `unknown` nobody knows whether the request was carried out. `ways_out` says of a refusal
    what the operator can do about it; `of_price` are refusals of a price that is too precise. `texts` are refusals of
    which ccxt hands on only the end of the message.
    """

    kinds: Mapping[int, RejectKind] = field(default_factory=dict)
    stale: frozenset[int] = frozenset()
    busy: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    too_many: int = 0
    ways_out: Mapping[int, str] = field(default_factory=dict)
    of_price: frozenset[int] = frozenset()
    texts: Mapping[str, RejectKind] = field(default_factory=dict)
