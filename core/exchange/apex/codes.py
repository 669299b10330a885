"""Error codes of Apex Omni. It publishes no list: orders are refused with code 3 and a key of their own."""

from __future__ import annotations

from core.domain.errors import RejectKind
from core.exchange.connection.codes import Codes

_KINDS = {
    10001: RejectKind.OTHER,
    20006: RejectKind.NO_PERMISSION,
    20016: RejectKind.OTHER,
}
_UNKNOWN = frozenset({500})
"""A trouble of its own (SYSTEM_ERROR), after which an order may rest."""

_WAYS_OUT = {
    20006: "the secret, passphrase or seeds do not belong to the API key: copy them again",
}

CODES = Codes(kinds=_KINDS, unknown=_UNKNOWN, ways_out=_WAYS_OUT)
