"""Error codes of Binance USD-M futures."""

from __future__ import annotations

from core.domain.errors import RejectKind
from core.exchange.connection.codes import Codes

_ENTRIES = "entries are refused, what reduces or closes is taken"
_ACCOUNT = "the account may not trade now, whatever its key; the exchange's own page says why and until when"
_LEVERAGE = "lower account.leverage to what the exchange allows this account"
_TOO_MANY = -1003

_KINDS = {
    -1002: RejectKind.NO_PERMISSION,
    -1013: RejectKind.FILTER,
    -1022: RejectKind.NO_PERMISSION,
    -1111: RejectKind.PRECISION,
    -2011: RejectKind.NOT_FOUND,
    -2013: RejectKind.NOT_FOUND,
    -2014: RejectKind.NO_PERMISSION,
    -2015: RejectKind.NO_PERMISSION,
    -2018: RejectKind.NO_MARGIN,
    -2019: RejectKind.NO_MARGIN,
    -2020: RejectKind.OTHER,
    -2021: RejectKind.WOULD_TRIGGER,
    -2022: RejectKind.REDUCE_ONLY,
    -2023: RejectKind.OTHER,
    -2027: RejectKind.OTHER,
    **dict.fromkeys((-4001, -4002, -4003, -4004, -4005, -4006, -4007, -4013, -4016, -4024), RejectKind.FILTER),
    -4014: RejectKind.PRECISION,
    -4023: RejectKind.PRECISION,
    -4046: RejectKind.NO_CHANGE,
    -4059: RejectKind.NO_CHANGE,
    **dict.fromkeys((-4087, -4140, -4400, -4401, -4408), RejectKind.ONLY_REDUCING),
    **dict.fromkeys((-4088, -4192, -4402), RejectKind.OTHER),
    **dict.fromkeys((-4202, -4203, -4205, -4206, -4208, -4209, -4403), RejectKind.OTHER),
    -4116: RejectKind.DUPLICATE_ID,
    -4118: RejectKind.REDUCE_ONLY,
    -4120: RejectKind.WRONG_ENDPOINT,
    -4131: RejectKind.FILTER,
    -4164: RejectKind.FILTER,
    -4171: RejectKind.NO_CHANGE,
    -5041: RejectKind.OTHER,
}

_WAYS_OUT = {
    -1022: "the secret does not belong to the API key: copy both again",
    -2014: "the API key is not whole: copy it again",
    -2015: "check the key, its rights and the addresses that it may be used from",
    -4061: "the account's position mode is not one-way mode, in which alone our orders are taken; `quarterdeck panic` "
    "closes in both",
    -4087: f"{_ENTRIES}; the exchange's own page says what lifts it",
    -4140: f"{_ENTRIES} until the exchange opens the contract again",
    -4400: f"{_ENTRIES}; the exchange counts orders of a contract in cycles of ten minutes, and lifts it by itself",
    -4401: f"{_ENTRIES}; the exchange's own page says what lifts it",
    -4408: f"{_ENTRIES}; take the contract out of market.symbols where it stays so",
    **dict.fromkeys((-4088, -4192, -4402), _ACCOUNT),
    **dict.fromkeys((-4202, -4203, -4205, -4206, -4208, -4209, -4403), _LEVERAGE),
}

CODES = Codes(
    kinds=_KINDS,
    stale=frozenset({-1021, -5028}),
    busy=frozenset({_TOO_MANY, -1008, -1015, -1016}),
    unknown=frozenset({-1000, -1001, -1006, -1007}),
    too_many=_TOO_MANY,
    ways_out=_WAYS_OUT,
    of_price=frozenset({-4014}),
)
