"""Error codes of MEXC futures."""

from __future__ import annotations

from core.domain.errors import RejectKind
from core.exchange.connection.codes import Codes

_KINDS = {
    401: RejectKind.NO_PERMISSION,
    402: RejectKind.NO_PERMISSION,
    406: RejectKind.NO_PERMISSION,
    511: RejectKind.NOT_SUPPORTED,
    600: RejectKind.OTHER,
    601: RejectKind.OTHER,
    602: RejectKind.NO_PERMISSION,
    701: RejectKind.NO_PERMISSION,
    702: RejectKind.NO_PERMISSION,
    703: RejectKind.NO_PERMISSION,
    704: RejectKind.NO_PERMISSION,
    1000: RejectKind.NO_PERMISSION,
    1001: RejectKind.OTHER,
    1002: RejectKind.OTHER,
    2003: RejectKind.FILTER,
    2004: RejectKind.OTHER,
    2005: RejectKind.NO_MARGIN,
    2007: RejectKind.FILTER,
    2008: RejectKind.REDUCE_ONLY,
    2009: RejectKind.REDUCE_ONLY,
    2011: RejectKind.FILTER,
    2015: RejectKind.PRECISION,
    2040: RejectKind.NOT_FOUND,
    2041: RejectKind.NOT_FOUND,
    5002: RejectKind.NOT_FOUND,
    6001: RejectKind.NO_PERMISSION,
}
"""2008 is more to close than is open, 2009 nothing open; 2041 an order that has ended; 2015 a price or an amount too
precise, 2003, 2007 and 2011 one out of range."""

_UNKNOWN = frozenset({500, 504, 506, 603, 9999})
"""Internal and unnamed errors, and "repeated request": the first of them may have been taken."""

_TEXTS = {
    "order not exist": RejectKind.NOT_FOUND,
    "order state cannot be cancelled": RejectKind.NOT_FOUND,
}
"""What ccxt hands on of a refused cancel: the text of its row without the code."""

_WAYS_OUT = {
    402: "the API key has expired: make another",
    406: "check the addresses that the key may be used from",
    602: "the secret does not belong to the API key: copy both again",
}

CODES = Codes(
    kinds=_KINDS,
    stale=frozenset({513}),
    busy=frozenset({501, 510, 604, 801, 2037}),
    unknown=_UNKNOWN,
    ways_out=_WAYS_OUT,
    texts=_TEXTS,
)
